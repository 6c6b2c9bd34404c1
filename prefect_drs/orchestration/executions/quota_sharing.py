"""Shares DRS's quotas between executions in one account-region, by Prefect global concurrency limits with leases.

In: an execution that wants to launch servers in an account-region. Out: a slot to launch in, and the number of
executions that share the quotas there. Each account-region has two limits: one with a single slot, held while jobs are
read and started, and one whose occupied slots are counted. A lease ends with its process. Prefect may be part of the
disaster: without an answer, or without a slot in time, an execution proceeds as if it were alone, and logs that once.
DRS enforces its quotas in any case.
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
COUNT_AFTER = timedelta(seconds=10)  # the greatest age of the count of sharing executions
# How long to wait for the slot. It is held for about two seconds, for up to 75 s by a process that died, and for ever
# where a restarted Prefect server forgot the lease. Proceeding without it costs, at worst, refusals by DRS's quotas.
PATIENCE = timedelta(seconds=20)
AWAY = timedelta(seconds=60)  # pause before Prefect is called again after it did not answer
MOST = 1000  # concurrent executions
LOCKED = 423

_FAILURES = (httpx.HTTPError, PrefectHTTPStatusError, ObjectNotFound, PrefectDrsError)


@dataclass(slots=True)
class _Want:
    lease_id: UUID
    renewed_at: datetime
    counted_at: datetime
    count: int = 1

    def is_due(self, now: datetime) -> bool:
        """Whether the count or the lease must be renewed."""
        return now - self.counted_at >= COUNT_AFTER or now - self.renewed_at >= RENEW_AFTER


class PrefectQuotaSharing:
    """Implements `prefect_drs.recovery.launch.quota_sharing.QuotaSharing`. A context manager that releases all leases.

    Args:
        clock: the time of leases; never a simulated one.
        tell: called once with one line if other executions cannot be counted.
        holders: counts the executions that hold servers in an account and region: the upper bound of the count. A
            restarted Prefect server keeps the slots of leases that it forgot.
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
        """Whether other executions can be counted now."""
        return not self._is_away()

    def want(self, location: Location, *, wanted: bool) -> int:
        """Register or withdraw; return how many executions want to launch servers there now, this one included."""
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
            except (PrefectHTTPStatusError, ObjectNotFound):  # it expired while this process was stopped
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
        """The slot for reading and starting jobs; None while another execution holds it."""
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
                self._say(f"no slot became free in {location} within {PATIENCE}")
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
            self._tell(f"{why}: proceeding without regard to other executions; DRS enforces its quotas")


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
        with suppress(*_FAILURES), quick_client() as client:  # otherwise it expires
            client.release_concurrency_slots_with_lease(lease_id)
