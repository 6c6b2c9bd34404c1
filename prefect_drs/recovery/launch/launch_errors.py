"""What DRS refuses: which refusals pass by themselves, and what is done about the others.

In: the servers of a launch that DRS refused, and its error. Out: which of them fail for good and why, which are left
out for a while, and which may be in a job together from now on. One server that cannot be launched must not keep the
others of its job from it, and nothing is asked for without end: where DRS does not say whose fault it was, the job is
cut in halves until the server is alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from prefect_drs.aws.drs import describe_source_servers
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
from prefect_drs.aws.sessions import Sessions
from prefect_drs.aws.snapshots import find_snapshot, oldest_snapshot
from prefect_drs.core.clock import Clock
from prefect_drs.core.errors import AwsError, PrefectDrsError

# Refusals that pass by themselves; everything else that DRS refuses is the input's fault and fails the servers.
PASSING_REFUSALS = (ConflictError, QuotaExceededError, ThrottledError, CredentialsError, UnreachableError)
# Refusals that are about the whole account or region: no server fares better alone.
OF_THE_ACCOUNT = (DrsNotInitializedError, PermissionDeniedError, RegionNotEnabledError, RoleAssumptionError)

PATIENCE = timedelta(hours=1)  # how long DRS may refuse one server for a conflict that nobody sees
AGAIN = timedelta(minutes=1)  # how long such a server is left out before it is asked for once more


def passes(error: PrefectDrsError) -> bool:
    """Whether what failed so may go well later, with nothing changed by anybody."""
    return isinstance(error, PASSING_REFUSALS) or is_ambiguous(error)


@dataclass(frozen=True, slots=True)
class LaunchErrorVerdict:
    """What comes of a refusal. `failed`: why, by source server id; `left_out`: who is not asked for for a while."""

    failed: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


class LaunchErrors:
    """The refusals of one account-region.

    Args:
        location: the account and region.
        sessions: the way in.
        clock: the time.
    """

    def __init__(self, location: Location, sessions: Sessions, clock: Clock) -> None:
        self._location = location
        self._sessions = sessions
        self._clock = clock
        self._at_most: dict[str, int] = {}  # the size of the largest job that a server may be in
        self._since: dict[str, datetime] = {}  # when a server alone was first refused
        self._until: dict[str, datetime] = {}  # when it may be asked for again

    @property
    def left_out(self) -> frozenset[str]:
        """The servers that are not to be asked for now."""
        now = self._clock.now()
        return frozenset(server_id for server_id, until in self._until.items() if until > now)

    def together(self, server_ids: Sequence[str]) -> tuple[str, ...]:
        """Of the servers of a job those that may be in one; the others are for the next."""
        if self._at_most.keys().isdisjoint(server_ids):
            return tuple(server_ids)
        most = {server_id: self._at_most.get(server_id, len(server_ids)) for server_id in server_ids}
        chosen = [server_id for server_id in server_ids if most[server_id] > 1] or [server_ids[0]]
        return tuple(chosen[: min(most[server_id] for server_id in chosen)])

    def judge(self, asked: Mapping[str, str | None], error: AwsError) -> LaunchErrorVerdict:
        """What comes of the refusal of a launch. Looks at DRS where that can tell whose fault it was.

        Args:
            asked: source server id → snapshot id, as the launch was asked for.
            error: a refusal for certain.
        """
        if isinstance(error, OF_THE_ACCOUNT):
            return LaunchErrorVerdict(failed=dict.fromkeys(asked, error.message))
        if isinstance(error, PASSING_REFUSALS) and not isinstance(error, ConflictError):
            return LaunchErrorVerdict()
        try:
            failed = self._gone(asked)
        except AwsError:
            return LaunchErrorVerdict()  # not known: it is asked for once more
        if failed:
            return LaunchErrorVerdict(failed=failed)
        named = str(error.details.get("resource_id", ""))
        if len(asked) > 1:
            fewer = {named: 1} if named in asked else dict.fromkeys(asked, len(asked) // 2)
            self._at_most |= fewer
            return LaunchErrorVerdict()
        return self._alone(next(iter(asked)), error)

    def _alone(self, server_id: str, error: AwsError) -> LaunchErrorVerdict:
        if not isinstance(error, ConflictError):
            return LaunchErrorVerdict(failed={server_id: error.message})
        now = self._clock.now()
        since = self._since.setdefault(server_id, now)
        if now - since >= PATIENCE:
            return LaunchErrorVerdict(
                failed={server_id: f"DRS has refused to launch it for {PATIENCE}: {error.message}"}
            )
        self._until[server_id] = now + AGAIN
        return LaunchErrorVerdict(left_out={server_id: error.message})

    def _gone(self, asked: Mapping[str, str | None]) -> dict[str, str]:
        """Why servers cannot be launched any more, of those whose source server or chosen snapshot is not there."""
        there = {s.source_server_id for s in describe_source_servers(self._sessions, self._location, list(asked))}
        failed: dict[str, str] = {}
        for server_id, snapshot_id in asked.items():
            if server_id not in there:
                failed[server_id] = (
                    f"DRS has no source server {server_id} in {self._location} any more: it was deleted after this "
                    "execution had begun; replicate it anew, or take it out of the plan"
                )
            elif snapshot_id is not None:  # it may expire while a gate is waited at
                if find_snapshot(self._sessions, self._location, server_id, snapshot_id) is None:
                    failed[server_id] = (
                        f"its snapshot {snapshot_id} is no longer there; start again from another point in time"
                    )
            elif len(asked) == 1 and oldest_snapshot(self._sessions, self._location, server_id) is None:
                failed[server_id] = f"DRS keeps no point in time of {server_id} any more: it was disconnected"
        return failed
