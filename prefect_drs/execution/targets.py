"""The targets of an execution in its report: met or missed, and by how much.

In: the state, and the waves of the report. Out: a `TargetReport` for each target of the runbook. Pure. Who missed a
target by not being launched at all is named; a target that time alone can still decide is OPEN.
"""

from __future__ import annotations

from collections.abc import Sequence

from prefect_drs.execution.state import ExecutionState
from prefect_drs.plan.targets import Target, TargetKind, targets_of
from prefect_drs.report.model import TargetOutcome, TargetReport, WaveReport, WaveStatus


def target_reports(state: ExecutionState, waves: Sequence[WaveReport]) -> tuple[TargetReport, ...]:
    """All targets: the plan's first, then those of the waves."""
    return tuple(_target(target, state, waves) for target in targets_of(state.runbook))


def _target(target: Target, state: ExecutionState, all_waves: Sequence[WaveReport]) -> TargetReport:
    waves = [wave for wave in all_waves if target.wave_number in {None, wave.wave_number}]
    judge = _rto if target.kind is TargetKind.RTO else _rpo
    outcome, achieved, reason = judge(target, state, waves)
    risk = state.rto_risks.get(target.wave_number) if target.kind is TargetKind.RTO else None
    decided_by_time = achieved is not None and not reason and outcome is not TargetOutcome.OPEN
    return TargetReport(
        kind=target.kind,
        wave_number=target.wave_number,
        wave_name=None if target.wave_number is None else waves[0].wave_name,
        target_seconds=target.seconds,
        outcome=outcome,
        achieved_seconds=achieved,
        late_seconds=achieved - target.seconds if achieved is not None and decided_by_time else None,
        reason=reason,
        at_risk_since=risk.at if risk else None,
        expected_seconds=risk.expected_seconds if risk else None,
    )


def _rto(target: Target, state: ExecutionState, waves: Sequence[WaveReport]) -> tuple[TargetOutcome, float | None, str]:
    """Until the last server LAUNCHED. A wave that ended otherwise than COMPLETED was not recovered: it misses it."""
    ended = [server.ended_at for wave in waves for server in wave.servers if server.launched and server.ended_at]
    achieved = (max(ended) - state.started_at).total_seconds() if ended else None
    if achieved is not None and achieved > target.seconds:
        return TargetOutcome.MISSED, achieved, ""
    not_recovered = [wave for wave in waves if wave.status.over and wave.status is not WaveStatus.COMPLETED]
    if not_recovered:
        reason = ", ".join(f"wave {wave.wave_number} {wave.wave_name} {wave.status}" for wave in not_recovered)
        return TargetOutcome.MISSED, achieved, reason
    if all(wave.status is WaveStatus.COMPLETED for wave in waves):
        return TargetOutcome.MET, achieved, ""
    return TargetOutcome.OPEN, achieved, ""


def _rpo(target: Target, state: ExecutionState, waves: Sequence[WaveReport]) -> tuple[TargetOutcome, float | None, str]:
    """The oldest data that was launched; DRS names the points in time once everything is done."""
    ages = [server.rpo_seconds for wave in waves for server in wave.servers if server.launched]
    known = [age for age in ages if age is not None]
    oldest = max(known, default=None)
    if oldest is not None and oldest > target.seconds:
        return TargetOutcome.MISSED, oldest, ""
    if not state.ended:
        return TargetOutcome.OPEN, oldest, ""
    if not ages:
        return TargetOutcome.UNKNOWN, None, "no server was launched"
    if len(known) < len(ages):
        return TargetOutcome.UNKNOWN, oldest, f"the point in time of {len(ages) - len(known)} server(s) is not known"
    return TargetOutcome.MET, oldest, ""
