"""What one process of the REST face holds: its routes, its threads, its limits, its requests and metrics.

In: options. Out: a `Service`, which the app and its endpoints share. Operations are sync functions: they run in
threads, each with a `Context` of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.types import Scope

from prefect_drs.core.escaping import one_line
from prefect_drs.identity import Identity, NotProvenError
from prefect_drs.operations import Context, Operation, find_operation
from prefect_drs.operations.registry import read_index
from prefect_drs.orchestration.settings import PrefectDrsSettings
from prefect_drs.orchestration.storage.audit_log import AuditOutcome, AuditRecord
from prefect_drs.rest.authentication import Authentication
from prefect_drs.rest.fresh import FreshAnswers
from prefect_drs.rest.idempotency import Requests
from prefect_drs.rest.limits import RateLimit
from prefect_drs.rest.log import LOGGER
from prefect_drs.rest.metrics import Metrics
from prefect_drs.rest.options import RestOptions
from prefect_drs.rest.parameters import Parameter, parameters_of
from prefect_drs.rest.routes import ROUTES, Route
from prefect_drs.rest.threads import Threads

DENIALS_AT_ONCE = 60
"""Requests without a valid token of one address that are recorded at once, and one a second after that."""
TOKENS_PER_SECOND, TOKENS_AT_ONCE = 10.0, 100
"""Tokens of one address that are verified for the first time."""

_Value = TypeVar("_Value")


class Sender(NamedTuple):
    """Who sent a request.

    Args:
        name: the name of the identity; without an access policy, of this machine's user.
        identity: the identity, proven; None without an access policy.
        peer: the address it came from.
    """

    name: str
    identity: Identity | None = None
    peer: str = ""

    @property
    def rights(self) -> tuple[str, tuple[str, ...]]:
        """What the access policy grants by: two senders with the same may read the same."""
        return self.name, () if self.identity is None else self.identity.groups


def sender_of(request: Request) -> Sender:
    """The sender that the guard found."""
    sender: Sender = request.state.sender
    return sender


class ServedRoute(NamedTuple):
    """A route with its operation: what it takes and what it answers.

    Args:
        route: the row of the table.
        operation: its operation.
        model: the model of the operation's request.
        parameters: where each field of the model comes from.
    """

    route: Route
    operation: Operation
    model: type[BaseModel]
    parameters: tuple[Parameter, ...]


@cache
def served_routes() -> tuple[ServedRoute, ...]:
    """The routes whose operation is registered; imports their modules."""
    known = {operation.name for operation in read_index()}
    found = []
    for route in ROUTES:
        if route.operation in known:
            operation = find_operation(route.operation)
            model = operation.request
            found.append(ServedRoute(route, operation, model, parameters_of(route, model)))
    return tuple(found)


class Service:
    """The state that the endpoints of one process share.

    Args:
        options: limits, clock and caller.
    """

    def __init__(self, options: RestOptions) -> None:
        self.options = options
        self.routes = served_routes()
        self.metrics = Metrics()
        self.authentication = Authentication(options)
        self.threads = Threads(options)
        self.requests = Requests(options, self.threads)
        self.fresh = FreshAnswers(options.now)
        self.shares_answers = not PrefectDrsSettings().audit_reads  # an answer given again is no call that is recorded
        self.rate = RateLimit(options.requests_per_second, options.burst, options.now)
        self.denials = RateLimit(1.0, DENIALS_AT_ONCE, options.now)
        self.unverified = RateLimit(TOKENS_PER_SECOND, TOKENS_AT_ONCE, options.now)
        self.stopping = asyncio.Event()
        self.streams = 0

    def context(self, sender: Sender) -> Context:
        """The context of one operation of a sender."""
        options = self.options
        return Context(
            caller=sender.name,
            clock=options.clock,
            files=False,
            foreground=False,
            identity=sender.identity,
            policies=options.policies,
            requires_policy=options.requires_policy,
            real_clock=options.real_clock,
            audit=options.audit,
            origin=sender.peer,
        )

    def record_denial(self, sender: Sender, scope: Scope, error: NotProvenError) -> None:
        """Record a request that proved no identity."""
        self.options.audit.record(
            AuditRecord(
                at=self.options.real_clock.now(),
                who="",
                operation=one_line(f"{scope['method']} {scope['path']}", 256),
                outcome=AuditOutcome.DENIED,
                error=error.code,
                reason=error.reason.value,
                origin=sender.peer,
            )
        )

    async def end(self) -> None:
        """Wait a little for requests that are carried out beside; those that last longer end with the process."""
        if left := await self.requests.settle(self.options.settle_seconds):
            LOGGER.warning("%s request(s) are left that take longer; they can be sent again", left)
        self.threads.close()

    async def in_thread(self, function: Callable[..., _Value], *arguments: Any, **named: Any) -> _Value:
        """Run an operation that reads in one of the threads.

        Raises:
            NotReadyError: too many wait for a thread already.
        """
        return await self.threads.run(function, *arguments, **named)

    async def read(self, function: Callable[..., _Value], *arguments: Any) -> _Value:
        """Run a short read in a thread; it does not wait for operations."""
        return await self.threads.read(function, *arguments)
