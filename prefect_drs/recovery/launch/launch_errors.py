"""Errors of StartRecovery: which ones are temporary, and what is done about the others.

In: the servers of a launch that DRS refused, and its error. Out: which of them fail for good and why, which are left
out for a while, and which may share a job from now on. One server that cannot be launched must not keep the others of
its job from being launched, and nothing is requested without end: where DRS does not name the server, the job is halved
until that server is alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from prefect_drs.aws.errors import (
    ConflictError,
    CredentialsError,
    DrsNotInitializedError,
    PermissionDeniedError,
    QuotaExceededError,
    RegionNotEnabledError,
    RoleAssumptionError,
    ThrottledError,
    UnreachableError,
    is_ambiguous,
)
from prefect_drs.aws.location import Location
from prefect_drs.core.clock import Clock
from prefect_drs.core.errors import AwsError, PrefectDrsError
from prefect_drs.recovery.launch.launches import Launches

# Temporary errors; every other one is the fault of the input and fails the servers.
PASSING_REFUSALS = (ConflictError, QuotaExceededError, ThrottledError, CredentialsError, UnreachableError)
# Errors of the whole account or region: halving the job does not help.
OF_THE_ACCOUNT = (DrsNotInitializedError, PermissionDeniedError, RegionNotEnabledError, RoleAssumptionError)

PATIENCE = timedelta(hours=1)  # how long DRS may refuse one server for a conflict whose cause is not visible
AGAIN = timedelta(minutes=1)  # how long such a server is left out before it is requested once more


def passes(error: PrefectDrsError) -> bool:
    """Whether the error is temporary: the same call may succeed later, with nothing changed by anybody."""
    return isinstance(error, PASSING_REFUSALS) or is_ambiguous(error)


@dataclass(frozen=True, slots=True)
class LaunchErrorVerdict:
    """What follows from an error. `failed` and `left_out` (for now): why, by source server id."""

    failed: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


class LaunchErrors:
    """The launch errors of one account-region.

    Args:
        location: the account and region.
        launches: how servers are launched there.
        clock: the time.
    """

    def __init__(self, location: Location, launches: Launches, clock: Clock) -> None:
        self._location = location
        self._launches = launches
        self._clock = clock
        self._at_most: dict[str, int] = {}  # the size of the largest job that a server may be in
        self._since: dict[str, datetime] = {}  # when a server alone was first refused
        self._until: dict[str, datetime] = {}  # when it may be requested again

    @property
    def left_out(self) -> frozenset[str]:
        """The servers that are not to be requested now."""
        now = self._clock.now()
        return frozenset(server_id for server_id, until in self._until.items() if until > now)

    def together(self, server_ids: Sequence[str]) -> tuple[str, ...]:
        """Servers that may share this job; the rest wait for the next one."""
        if self._at_most.keys().isdisjoint(server_ids):
            return tuple(server_ids)
        most = {server_id: self._at_most.get(server_id, len(server_ids)) for server_id in server_ids}
        chosen = [server_id for server_id in server_ids if most[server_id] > 1] or [server_ids[0]]
        return tuple(chosen[: min(most[server_id] for server_id in chosen)])

    def judge(self, snapshots: Mapping[str, str | None], error: AwsError) -> LaunchErrorVerdict:
        """What follows from a launch that DRS refused. Reads DRS where that can show which server is at fault.

        Args:
            snapshots: source server id → snapshot id, as the launch was requested.
            error: certainly a refusal: no job was started.
        """
        if isinstance(error, OF_THE_ACCOUNT):
            return LaunchErrorVerdict(failed=dict.fromkeys(snapshots, error.message))
        if isinstance(error, PASSING_REFUSALS) and not isinstance(error, ConflictError):
            return LaunchErrorVerdict()
        try:
            failed = self._gone(snapshots)
        except AwsError:
            return LaunchErrorVerdict()  # not known: it is requested once more
        if failed:
            return LaunchErrorVerdict(failed=failed)
        named = str(error.details.get("resource_id", ""))
        if len(snapshots) > 1:
            fewer = {named: 1} if named in snapshots else dict.fromkeys(snapshots, len(snapshots) // 2)
            self._at_most |= fewer
            return LaunchErrorVerdict()
        return self._alone(next(iter(snapshots)), error)

    def _alone(self, server_id: str, error: AwsError) -> LaunchErrorVerdict:
        if not isinstance(error, ConflictError):
            return LaunchErrorVerdict(failed={server_id: error.message})
        return self.leave_out({server_id: error.message}, f"DRS has refused to launch it for {PATIENCE}")

    def leave_out(self, reasons: Mapping[str, str], why: str) -> LaunchErrorVerdict:
        """Leave servers out for a while, each for its reason; those that were for `PATIENCE` fail, and `why`."""
        now = self._clock.now()
        failed: dict[str, str] = {}
        for server_id, reason in reasons.items():
            if now - self._since.setdefault(server_id, now) >= PATIENCE:
                failed[server_id] = f"{why}: {reason}"
            else:
                self._until[server_id] = now + AGAIN
        return LaunchErrorVerdict(failed, {each: why for each, why in reasons.items() if each not in failed})

    def _gone(self, snapshots: Mapping[str, str | None]) -> dict[str, str]:
        """Why servers cannot be launched any more, of those whose source server or chosen snapshot is not there."""
        there = {s.source_server_id for s in self._launches.source_servers(list(snapshots))}
        failed: dict[str, str] = {}
        for server_id in snapshots:
            if server_id not in there:
                failed[server_id] = (
                    f"DRS has no source server {server_id} in {self._location} any more: it was deleted after this "
                    "execution had begun; replicate it anew, or take it out of the plan"
                )
        present = {server_id: snapshot for server_id, snapshot in snapshots.items() if server_id in there}
        return failed | self._launches.without_points(present)
