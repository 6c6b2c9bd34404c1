"""Turns of executions in one account-region, by Prefect global concurrency limits with leases.

In: an execution that wants to launch somewhere. Out: its turn, and how many executions want the same. Two limits an
account-region: one of a single slot, held for the moment in which jobs are read and started, and one whose slots are
counted. Leases end with their process. Prefect may be part of the disaster: where it does not answer, and where a turn
does not come, an execution goes on as if it were alone, which DRS's own quotas allow, and says so once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.logging import get_logger

from prefect_drs.aws.location import Location
from prefect_drs.core.clock import Clock, WallClock
from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.orchestration.client import quick_client
from prefect_drs.orchestration.executions.lease import ensure_limit

TURN_SECONDS = 60.0  # the shortest lease that Prefect's API accepts
WANT_SECONDS = 300.0
RENEW_AFTER = timedelta(seconds=100)
COUNT_AFTER = timedelta(seconds=10)  # how old the count of those who want may be
# How long a turn is waited for. One lasts about two seconds; that of a process that died in it up to 75, and one that a
# restarted Prefect server has forgotten, for ever: going on alone costs refusals by DRS's quotas at worst.
PATIENCE = timedelta(seconds=20)
AWAY = timedelta(seconds=60)  # how long a Prefect that did not answer is left alone
MOST = 1000  # executions at once
LOCKED = 423

_FAILURES = (httpx.HTTPError, PrefectHTTPStatusError, ObjectNotFound, PrefectDrsError)


@dataclass(slots=True)
class _Want:
    lease_id: UUID
    renewed_at: datetime
    counted_at: datetime
    count: int = 1

    def is_due(self, now: datetime) -> bool:
        """Whether Prefect is to be asked."""
        return now - self.counted_at >= COUNT_AFTER or now - self.renewed_at >= RENEW_AFTER


class PrefectQuotaSharing:
    """Implements `prefect_drs.recovery.launch.quota_sharing.Turns`. A context manager: at its end nothing is held.

    Args:
        clock: the time, of leases; never a simulated one.
        tell: called with one line, once, where executions cannot be told of each other.
        holders: counts the executions that hold servers in an account and region. No more than these share it: slots of
            leases that a restarted Prefect server has forgotten stay taken for ever, and are counted by nobody then.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        tell: Callable[[str], None] | None = None,
        holders: Callable[[Location], int] | None = None,
    ) -> None:
        self._clock = clock or WallClock()
        self._tell = tell or get_logger("prefect_drs.orchestration.executions.quota_sharing").warning
        self._holders = holders
        self._wants: dict[Location, _Want] = {}
        self._made: set[str] = set()
        self._refused_since: dict[Location, datetime] = {}
        self._away_until: datetime | None = None
        self._told = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for location in list(self._wants):
            self.want(location, wanted=False)

    @property
    def shared(self) -> bool:
        """Whether others can be told of."""
        return not self._is_away()

    def want(self, location: Location, *, wanted: bool) -> int:
        """Tell whether servers are to be launched there; how many executions want that now, this one included."""
        want = self._wants.get(location)
        if self._is_away() or (want is None and not wanted):
            return 1
        if want is not None and wanted and not want.is_due(self._clock.now()):
            return want.count
        try:
            with quick_client() as client:
                if not wanted:
                    del self._wants[location]
                    client.release_concurrency_slots_with_lease(want.lease_id)  # type: ignore[union-attr]
                    return 1
                return self._count(client, location, want)
        except _FAILURES as failure:
            self._lost(failure)
            return 1

    def _count(self, client: SyncPrefectClient, location: Location, want: _Want | None) -> int:
        name, now = f"{_name(location)}-waiting", self._clock.now()
        if want is not None and now - want.renewed_at >= RENEW_AFTER:
            try:
                client.renew_concurrency_lease(want.lease_id, WANT_SECONDS)
                want.renewed_at = now
            except (PrefectHTTPStatusError, ObjectNotFound):  # it ended while this process slept
                want = None
        if want is None:
            self._make(client, name, MOST)
            want = self._wants[location] = _Want(_lease(client, name, WANT_SECONDS), now, now)
        want.count = max(1, client.read_global_concurrency_limit_by_name(name).active_slots)
        if want.count > 1 and self._holders is not None:
            want.count = max(1, min(want.count, self._holders(location)))
        want.counted_at = now
        return want.count

    def take(self, location: Location) -> AbstractContextManager[None] | None:
        """A turn to read jobs and start some; None where another execution has it at this moment."""
        if self._is_away():
            return nullcontext()
        name, now = f"{_name(location)}-turn", self._clock.now()
        try:
            with quick_client() as client:
                self._make(client, name, 1)
                lease_id = _lease(client, name, TURN_SECONDS)
        except _FAILURES as failure:
            if isinstance(failure, PrefectHTTPStatusError) and failure.response.status_code == LOCKED:
                if now - self._refused_since.setdefault(location, now) < PATIENCE:
                    return None
                self._say(f"no turn came in {location} within {PATIENCE}")
            else:
                self._lost(failure)
            return nullcontext()
        self._refused_since.pop(location, None)
        return _held(lease_id)

    def _make(self, client: SyncPrefectClient, name: str, slots: int) -> None:
        if name not in self._made:
            ensure_limit(client, name, slots)
            self._made.add(name)

    def _is_away(self) -> bool:
        return self._away_until is not None and self._clock.now() < self._away_until

    def _lost(self, failure: Exception) -> None:
        self._away_until = self._clock.now() + AWAY
        self._say(f"Prefect did not answer ({failure})")

    def _say(self, why: str) -> None:
        if not self._told:
            self._told = True
            self._tell(f"{why}: other executions are not waited for; DRS's own quotas hold all the same")


def _name(location: Location) -> str:
    return f"prefect-drs-{location.account_id}-{location.region}"


def _lease(client: SyncPrefectClient, name: str, seconds: float) -> UUID:
    answer = client.increment_concurrency_slots_with_lease([name], 1, "concurrency", seconds)
    return UUID(answer.json()["lease_id"])


@contextmanager
def _held(lease_id: UUID) -> Iterator[None]:
    try:
        yield
    finally:
        with suppress(*_FAILURES), quick_client() as client:  # it ends by itself otherwise
            client.release_concurrency_slots_with_lease(lease_id)
