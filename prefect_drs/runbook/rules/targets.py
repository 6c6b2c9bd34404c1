"""RPO targets: how old the data of each server is at the preflight, compared with the targets of its plan and wave.

Source: `DataReplicationInfo.lagDuration` in the DRS API reference. A server that is launched from a chosen snapshot has
data of the age of that snapshot. RTO targets are compared by `prefect-drs forecast`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from prefect_drs.plan.duration import parse_duration
from prefect_drs.plan.targets import Target
from prefect_drs.runbook.model import FindingSeverity, RunbookServer
from prefect_drs.runbook.preflight_input import PreflightInput, named
from prefect_drs.runbook.rules.rule import Observation, rule


def _targeted(preflight: PreflightInput) -> Iterator[tuple[RunbookServer, Target, timedelta | None]]:
    """Every server that has a target: the shortest of them, and the age of its data, None where it is not known."""
    for wave, server in preflight.launched():
        targets = [target for target in preflight.rpo_targets if target.wave_number in {None, wave.wave_number}]
        if targets:
            yield server, min(targets, key=lambda target: target.seconds), _age(preflight, server)


def _age(preflight: PreflightInput, server: RunbookServer) -> timedelta | None:
    if server.snapshot_at is not None:
        return max(timedelta(), preflight.now - server.snapshot_at)
    return parse_duration(server.lag or "")


def _of(preflight: PreflightInput, target: Target) -> str:
    """`the rpoTarget PT15M of wave 2 (Database)`."""
    names = {wave.wave_number: wave.wave_name for wave in preflight.waves}
    number = target.wave_number
    whose = "the plan" if number is None else f"wave {number} ({names[number]})"
    return f"the rpoTarget {target.written} of {whose}"


@rule(
    "RPO_TARGET_EXCEEDED",
    what="the data of a server is older now than the `rpoTarget` of the plan or of its wave allows: its replication "
    "lags behind, or the chosen snapshot is older",
    remedy="wait until the replication has caught up, or choose a later snapshot; otherwise the execution misses the "
    "target",
    severity=FindingSeverity.INFO,
)
def data_is_within_the_rpo_target(preflight: PreflightInput) -> Iterator[Observation]:
    """No server's data is older now than the targets allow."""
    for server, target, age in _targeted(preflight):
        if age is not None and age.total_seconds() > target.seconds:
            if server.snapshot_at is not None:
                why = f"its snapshot is of {server.snapshot_at:%Y-%m-%d %H:%M:%S} UTC; choose a later one"
            else:
                why = f"its replication lags behind by {server.lag}; wait until it has caught up"
            yield Observation(
                f"{named(server)} would miss {_of(preflight, target)}: {why}",
                server.location,
                server.source_server_id,
            )


@rule(
    "RPO_TARGET_UNCHECKED",
    what="the plan or the wave has an `rpoTarget`, and DRS does not say how far the replication lags behind",
    remedy="see the server's data replication in DRS; the report says after the execution which data was launched",
    severity=FindingSeverity.INFO,
)
def age_of_data_is_known(preflight: PreflightInput) -> Iterator[Observation]:
    """DRS reports the lag of every server that a target covers."""
    for server, target, age in _targeted(preflight):
        if age is None:
            reported = f"only {server.lag!r}" if server.lag else "nothing"
            yield Observation(
                f"{named(server)}: DRS says {reported} of its lag, so {_of(preflight, target)} cannot be checked; "
                "see its data replication in DRS",
                server.location,
                server.source_server_id,
            )
