"""One process an execution: a Prefect global concurrency limit of one, held by a lease that dies with its holder.

In: an execution's id. Out: a context that holds the execution's lease. The lease is advisory: it keeps two processes
from working on one execution. If both run nevertheless, the fence in `recovery.journal` keeps them from launching
twice. A lease expires 60 to 75 s after its holder died; `take_over` does not wait for that.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta

from prefect.client.orchestration import SyncPrefectClient
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from prefect_drs.coordination.process import ExecutionBusyError
from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.orchestration.client import PrefectUnreachableError, prefect_client

LIMITS_A_PAGE = 200  # the Prefect API's own limit
LEASE_SECONDS = 60.0  # the shortest that Prefect's API accepts
PATIENCE = timedelta(seconds=120)
"""Longer than the lease of a dead holder, or of a request whose answer was lost: 60 s, up to 15 s until the
server finds it expired (`services.repossessor.loop_seconds`), and up to 39 s until it says to ask again (Retry-After:
`maximum_concurrency_slot_wait_seconds` with jitter)."""
ATTEMPT = timedelta(seconds=45)
"""How long one request for a slot may stay unanswered. Where many processes write at once, Prefect's server on SQLite
may answer some of them only once they hang up (ten starts at once on two cores: "database is locked", for 120 s)."""
UNANSWERED = 3
"""A slot that nobody holds is asked for up to this many times the patience: only a slow Prefect server delays it."""


def limit_name(execution_id: str) -> str:
    """The name of the execution's concurrency limit."""
    return f"prefect-drs-{execution_id}"


@contextmanager
def execution_lease(execution_id: str, *, patience: timedelta = PATIENCE, take_over: bool = False) -> Iterator[None]:
    """Hold the execution's lease for the time of the block.

    Args:
        execution_id: the execution.
        patience: how long to wait for another holder to end or to be found dead.
        take_over: do not wait; the journal fences the other holder.

    Raises:
        ExecutionBusyError: another process still holds it after `patience`.
    """
    name = limit_name(execution_id)
    if take_over:
        yield
        return
    busy = ExecutionBusyError(
        f"another process runs execution {execution_id}; wait for it or, if you know that it is dead or stuck, take "
        f"over: prefect-drs resume {execution_id} --take-over"
    )
    with hold(name, patience, busy):
        yield


@contextmanager
def hold(name: str, patience: timedelta, busy: PrefectDrsError, *, attempt: timedelta = ATTEMPT) -> Iterator[None]:
    """Hold the concurrency limit of that name, a limit of one, for the time of the block.

    Args:
        name: the limit; created if missing.
        patience: how long to wait for another holder to end or to be found dead.
        busy: raised if it is still held after `patience`.
        attempt: how long one request may stay unanswered.

    Raises:
        PrefectUnreachableError: nobody holds it, and Prefect does not grant it.
    """
    held = _acquired(name, patience, busy, attempt.total_seconds())
    try:
        yield
    finally:
        held.__exit__(None, None, None)


def _acquired(
    name: str, patience: timedelta, busy: PrefectDrsError, attempt_seconds: float
) -> AbstractContextManager[None]:
    """The limit, entered.

    A holder that ends deletes its limit (`forget_lease`), even while others wait for it: they create it again.
    """
    began, bearable = time.monotonic(), patience.total_seconds()
    while True:
        with prefect_client() as client:
            ensure_limit(client, name, 1)
        left = bearable - (time.monotonic() - began)
        held = concurrency(
            name,
            timeout_seconds=min(attempt_seconds, left) if left > 0 else attempt_seconds,
            lease_duration=LEASE_SECONDS,
            strict=True,
            raise_on_lease_renewal_failure=False,  # an unreachable Prefect server must not stop a recovery
        )
        try:
            held.__enter__()
        except (TimeoutError, ConcurrencySlotAcquisitionError):
            waited = time.monotonic() - began
            if waited < bearable:
                continue
            if _is_occupied(name):
                raise busy from None
            if waited >= UNANSWERED * bearable:
                raise PrefectUnreachableError(
                    f"Prefect did not grant the concurrency limit {name} within {waited:.0f} s, although nobody holds "
                    "it: its database is overloaded (SQLite takes one writer at a time: use PostgreSQL) or its "
                    "answers are lost; look into the log of the Prefect server, then try again"
                ) from None
        else:
            return held


def _is_occupied(name: str) -> bool:
    """Whether a process holds the limit, or held it less than about 75 s ago."""
    with prefect_client() as client:
        try:
            return client.read_global_concurrency_limit_by_name(name).active_slots > 0
        except ObjectNotFound:
            return False


class _ToldToTheCaller(logging.Filter):
    """Drops Prefect's log line about a request for a slot that failed: the caller gets the same error raised."""

    def filter(self, record: logging.LogRecord) -> bool:
        service = record.args[0] if isinstance(record.args, tuple) and record.args else None
        return service != "ConcurrencySlotAcquisitionWithLeaseService"


logging.getLogger("prefect._internal.concurrency").addFilter(_ToldToTheCaller())


def ensure_limit(client: SyncPrefectClient, name: str, slots: int) -> None:
    """Create the concurrency limit if it is missing; another process may create it at the same moment."""
    try:
        client.upsert_global_concurrency_limit_by_name(name, slots)
    except ObjectAlreadyExists:  # created by another process between our read and our write
        return


def forget_lease(execution_id: str) -> None:
    """Delete the limit of an execution that has ended."""
    with prefect_client() as client:
        try:
            client.delete_global_concurrency_limit_by_name(limit_name(execution_id))
        except ObjectNotFound:
            return


def held_executions(execution_ids: Iterable[str]) -> set[str]:
    """Those of the executions whose lease a process holds now (or held less than about 75 s ago)."""
    names = {limit_name(execution_id): execution_id for execution_id in execution_ids}
    held: set[str] = set()
    offset = 0
    with prefect_client() as client:
        while names:
            page = client.read_global_concurrency_limits(limit=LIMITS_A_PAGE, offset=offset)
            held |= {names[limit.name] for limit in page if limit.name in names and limit.active_slots > 0}
            if len(page) < LIMITS_A_PAGE:
                break
            offset += len(page)
    return held


def is_held(execution_id: str) -> bool:
    """Whether a process holds the execution's lease (or died less than about 75 s ago)."""
    return _is_occupied(limit_name(execution_id))
