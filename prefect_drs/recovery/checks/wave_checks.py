"""From a wave of a runbook to the checking of one of its phases: the one call the engine makes.

In: the runbook's wave, who was launched, and what the journal holds already. Out: a `CheckRunner` to be driven.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from datetime import datetime

from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.clock import Clock
from prefect_drs.plan.checks import Check
from prefect_drs.recovery.checks import CheckTarget, WaveContext, probes_for
from prefect_drs.recovery.checks.runner import CheckRunner
from prefect_drs.report.checks import CheckPhase, CheckResult
from prefect_drs.runbook import Runbook, RunbookWave


def checks_of(wave: RunbookWave, phase: CheckPhase) -> tuple[Check, ...]:
    """The wave's checks of that phase."""
    match phase:
        case CheckPhase.PRE_WAVE:
            return wave.pre_wave
        case CheckPhase.HEALTH:
            return wave.health_checks
        case CheckPhase.POST_WAVE:
            return wave.post_wave


def wave_checking(
    runbook: Runbook,
    wave_number: int,
    phase: CheckPhase,
    targets: Sequence[CheckTarget] = (),
    *,
    execution_id: str,
    started_at: datetime,
    turn: int = 1,
    sessions: Sessions,
    clock: Clock,
    executor: Executor,
    finished: Iterable[CheckResult] = (),
    on_result: Callable[[CheckResult], None] | None = None,
    wake: Callable[[], None] | None = None,
) -> CheckRunner:
    """The checking of one phase of one wave; over and passed at once where the plan has none.

    Args:
        runbook: what is carried out.
        wave_number: one of its waves.
        phase: hooks run one after the other, health checks side by side.
        targets: the wave's launched servers; hooks need none.
        execution_id: part of every attempt's id.
        started_at: when the execution began; nothing that its checks started is older.
        turn: how often the wave was handed over, from 1; `finished` are results of this turn.
        sessions: the way into the accounts.
        clock: the time.
        executor: runs the looks.
        finished: results that the journal holds; they are not made again.
        on_result: see `CheckRunner`.
        wake: see `CheckRunner`.
    """
    wave = runbook.wave(wave_number)
    context = WaveContext(
        execution_id, runbook.plan_name, runbook.mode, wave_number, wave.wave_name, started_at=started_at, turn=turn
    )
    probes = probes_for(checks_of(wave, phase), phase, context, targets, sessions=sessions, clock=clock)
    return CheckRunner(
        probes,
        clock,
        executor,
        in_order=phase is not CheckPhase.HEALTH,
        finished=(result for result in finished if result.phase is phase),
        on_result=on_result,
        wake=wake,
    )
