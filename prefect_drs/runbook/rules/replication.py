"""Replication, its lag, and snapshots: what a server can be launched from.

Sources: AWS DRS user guide, "Data replication status" (states), `DataReplicationInfo` in the API reference (lag).
"""

from __future__ import annotations

from collections.abc import Iterator

from prefect_drs.aws.drs import READY_STATES
from prefect_drs.plan.duration import parse_duration
from prefect_drs.runbook.model import FindingSeverity, RunbookServer, RunbookWave
from prefect_drs.runbook.preflight_input import PreflightInput, named
from prefect_drs.runbook.rules.rule import Observation, rule

SNAPSHOT_STATES = frozenset({"INITIAL_SYNC", "RESCAN"})
"""States in which a server is launched from an older point in time only."""


@rule(
    "NOT_REPLICATING",
    what="the server's replication is not `CONTINUOUS`: there may be nothing current to launch from",
    remedy="repair the replication, or, in `INITIAL_SYNC` and `RESCAN`, launch an older point in time with `--at` or"
    " `--snapshot`. With the source region down this is so for every server; a waiver launches the state that"
    " was replicated last",
    waivable=True,
)
def servers_replicate(preflight: PreflightInput) -> Iterator[Observation]:
    """A server launches from its latest state where it replicates, else only from an older snapshot, or not at all."""
    for _, server in preflight.launched():
        older = server.replication_state in SNAPSHOT_STATES
        if server.replication_state not in READY_STATES and not (older and server.snapshot_id):
            yield Observation(
                f"{named(server)} is {server.replication_state}, not CONTINUOUS; wait for it or repair its agent"
                + (", or launch it from an older snapshot with --at or --snapshot" if older else ""),
                server.location,
                server.source_server_id,
            )


@rule(
    "NO_SNAPSHOT",
    what="the server has no snapshot to launch from, or none as old as `--at`",
    remedy="wait until its first synchronisation has ended; with `--at`, use the time that the message names or a "
    "later one",
)
def there_is_a_point_in_time(preflight: PreflightInput) -> Iterator[Observation]:
    """A server that does not replicate has a point in time."""
    for _, server in preflight.launched():
        if preflight.snapshots.get(server.source_server_id) is False:
            yield Observation(
                f"{named(server)} is {server.replication_state} and has no snapshot to launch from; "
                "wait until its first synchronisation has ended",
                server.location,
                server.source_server_id,
            )
    for error in preflight.resolution_errors:
        if error.code == "NO_SNAPSHOT":
            yield Observation(error.message, error.location, error.source_server_id)


@rule(
    "SNAPSHOTS_NOT_LOOKED_AT",
    what="more servers do not replicate than snapshots are read for (25 an account and region, a call each)",
    remedy="`aws drs describe-recovery-snapshots` shows those of the others; repair the replication",
    severity=FindingSeverity.INFO,
)
def all_points_in_time_were_looked_at(preflight: PreflightInput) -> Iterator[Observation]:
    """Reports servers whose snapshots were not read, since each takes a call."""
    for location, count in sorted(preflight.snapshots_unread.items()):
        yield Observation(
            f"{location}: whether there is a snapshot to launch from was not checked for {count} more server(s) "
            "that do not replicate",
            location,
        )


def _limited(preflight: PreflightInput) -> Iterator[tuple[RunbookWave, RunbookServer]]:
    """Servers whose lag is limited; not those whose snapshot a person chose."""
    return ((wave, server) for wave, server in preflight.launched() if wave.max_lag and not server.snapshot_id)


@rule(
    "LAG_ABOVE_MAXIMUM",
    what="the replication lags behind by more than `maxLag`",
    remedy="wait until it has caught up, or raise `maxLag` of the plan or wave",
    waivable=True,
)
def lags_are_within_the_maximum(preflight: PreflightInput) -> Iterator[Observation]:
    """No server's data is older than the plan allows."""
    for wave, server in _limited(preflight):
        most, lag = parse_duration(wave.max_lag or ""), parse_duration(server.lag or "")
        if most is not None and lag is not None and lag > most:
            yield Observation(
                f"{named(server)} lags behind by {server.lag}, more than the {wave.max_lag} that wave "
                f"{wave.wave_number} allows (maxLag); wait until it has caught up, or raise maxLag",
                server.location,
                server.source_server_id,
            )


@rule(
    "LAG_UNKNOWN",
    what="the plan has a `maxLag`, and DRS does not say how far the replication lags behind",
    remedy="repair the replication; see the server's data replication in DRS",
    waivable=True,
)
def lags_are_known(preflight: PreflightInput) -> Iterator[Observation]:
    """DRS reports the lag of every server for which the plan limits it."""
    for wave, server in _limited(preflight):
        if parse_duration(server.lag or "") is None:
            reported = f"only {server.lag!r}" if server.lag else "nothing"
            yield Observation(
                f"{named(server)}: DRS says {reported} of its lag, but wave {wave.wave_number} allows {wave.max_lag} "
                "at most (maxLag); see its data replication in DRS",
                server.location,
                server.source_server_id,
            )
