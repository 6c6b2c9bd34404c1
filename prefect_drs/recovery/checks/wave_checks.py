"""From a wave of a runbook to the check runner of one of its phases: the one call the engine makes.

In: the wave, and which of its servers were launched. Out: a `CheckRunner` to be driven; results that the journal holds
are not made again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prefect_drs.execution.state import WaveRun
from prefect_drs.plan.checks import Check
from prefect_drs.recovery.checks import CheckTarget, WaveContext, probes_for
from prefect_drs.recovery.checks.runner import CheckRunner
from prefect_drs.recovery.options import ExecutionContext
from prefect_drs.report.checks import CheckPhase, CheckResult
from prefect_drs.runbook import RunbookWave


def checks_of(wave: RunbookWave, phase: CheckPhase) -> tuple[Check, ...]:
    """The wave's checks of that phase."""
    match phase:
        case CheckPhase.PRE_WAVE:
            return wave.pre_wave
        case CheckPhase.HEALTH:
            return wave.health_checks
        case CheckPhase.POST_WAVE:
            return wave.post_wave


def wave_check_runner(
    execution: ExecutionContext,
    wave: WaveRun,
    phase: CheckPhase,
    targets: Sequence[CheckTarget],
    *,
    on_result: Callable[[CheckResult], None],
) -> CheckRunner:
    """The check runner of one phase of one wave; over and passed at once where the plan has no checks of that phase.

    Args:
        execution: the execution; nothing that its checks started is older.
        wave: the wave. The attempts of each turn have ids of their own.
        phase: hooks run one after the other, health checks side by side.
        targets: the wave's launched servers; hooks need none.
        on_result: see `CheckRunner`.
    """
    state, ports = execution.state, execution.ports
    context = WaveContext(
        state.execution_id,
        state.runbook.plan_name,
        state.runbook.mode,
        wave.number,
        wave.wave.wave_name,
        started_at=state.started_at,
        turn=wave.turn,
    )
    probes = probes_for(
        checks_of(wave.wave, phase), phase, context, targets, sessions=ports.sessions, clock=ports.clock
    )
    return CheckRunner(
        probes,
        ports.clock,
        ports.check_executor or ports.executor,
        in_order=phase is not CheckPhase.HEALTH,
        finished=[result for result in wave.checks.values() if result.phase is phase],
        on_result=on_result,
        wake=execution.wake,
    )
