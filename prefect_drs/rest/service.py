"""What one process of the REST face holds: its routes, its threads, its limits, its requests and metrics.

In: options. Out: a `Service`, which the app and its endpoints share. Operations are sync functions: they run in
threads, each with a `Context` of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel

from prefect_drs.operations import Context, Operation, find_operation
from prefect_drs.operations.registry import read_index
from prefect_drs.rest.fresh import FreshAnswers
from prefect_drs.rest.idempotency import Requests
from prefect_drs.rest.limits import RateLimit
from prefect_drs.rest.log import LOGGER
from prefect_drs.rest.metrics import Metrics
from prefect_drs.rest.options import RestOptions
from prefect_drs.rest.parameters import Parameter, parameters_of
from prefect_drs.rest.routes import ROUTES, Route
from prefect_drs.rest.threads import Threads

_Value = TypeVar("_Value")


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
        self.threads = Threads(options)
        self.requests = Requests(options, self.threads)
        self.fresh = FreshAnswers(options.now)
        self.rate = RateLimit(options.requests_per_second, options.burst, options.now)
        self.stopping = asyncio.Event()
        self.streams = 0

    def context(self) -> Context:
        """The context of one operation."""
        return Context(caller=self.options.caller, clock=self.options.clock, files=False, foreground=False)

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
