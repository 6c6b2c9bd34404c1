"""RTO targets of a running execution: announced once, early, and never at the expense of the recovery."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from prefect_drs.execution.events import Event, GateAnswered, RtoTargetAtRisk
from prefect_drs.execution.view import report_of
from prefect_drs.recovery import objectives
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.journal import MemoryJournal
from prefect_drs.recovery.launch.durations import Spread
from prefect_drs.recovery.objectives import EVERY, SHARE_OF_TIME
from prefect_drs.recovery.ports import GateAnswer, GateRequest
from prefect_drs.recovery.running_forecast import SOON, RunningForecast, pace_of, time_left
from prefect_drs.report.model import ExecutionStatus, RecoveryReport, TargetOutcome
from prefect_drs.runbook import Runbook
from tests.rig import Answers, Rig, WaveSpec, simulated_aws

CHAIN = {1: WaveSpec(2), 2: WaveSpec(2, after=(1,)), 3: WaveSpec(1, after=(2,))}


def known(runbook: Runbook, seconds: float = 600.0) -> dict[str, Any]:
    """Engine options: each server is expected to take that long."""
    ids = [server.source_server_id for wave in runbook.waves for server in wave.servers]
    return {"recorded": dict.fromkeys(ids, (seconds, seconds)), "gates": Spread(0.0)}


def drilled(rig: Rig, waves: dict[int, WaveSpec] = CHAIN, **plan: Any) -> tuple[RecoveryReport, list[Event]]:
    runbook, journal = rig.runbook(waves, **plan), MemoryJournal()
    report = rig.run(rig.engine(runbook, journal=journal, **known(runbook)))
    return report, list(journal.read())


def announced(events: list[Event]) -> list[RtoTargetAtRisk]:
    return [event for event in events if isinstance(event, RtoTargetAtRisk)]


def test_a_target_that_cannot_be_met_is_announced_once_long_before_it_passes(rig: Rig) -> None:
    report, events = drilled(rig, rtoTarget="PT12M")
    (event,) = announced(events)
    assert event.wave_number is None
    assert event.elapsed_seconds < 60
    assert event.expected_seconds > 1200
    assert "RTO target of the plan will probably be missed" in event.text
    (target,) = report.targets
    assert target.outcome is TargetOutcome.MISSED
    assert target.at_risk_since == event.at
    assert target.achieved_seconds == report.achieved_rto_seconds
    assert target.late_seconds == pytest.approx((report.achieved_rto_seconds or 0) - 720)
    assert report_of(events) == report


def test_a_target_with_time_to_spare_is_not_announced(rig: Rig) -> None:
    report, events = drilled(rig, rtoTarget="PT3H")
    assert announced(events) == []
    (target,) = report.targets
    assert (target.outcome, target.at_risk_since) == (TargetOutcome.MET, None)
    assert target.late_seconds is not None
    assert target.late_seconds < 0


def test_a_wave_has_a_target_of_its_own_from_the_start_of_the_execution_on(rig: Rig) -> None:
    waves = {1: WaveSpec(2), 2: WaveSpec(1, after=(1,), policy={"rtoTarget": "PT8M"})}
    report, events = drilled(rig, waves, rtoTarget="PT3H")
    (event,) = announced(events)
    assert event.wave_number == 2
    plan, wave = report.targets
    assert (plan.wave_number, plan.outcome) == (None, TargetOutcome.MET)
    assert (wave.wave_number, wave.wave_name, wave.outcome) == (2, "wave 2", TargetOutcome.MISSED)
    assert wave.achieved_seconds == report.achieved_rto_seconds


class LateAnswers(Answers):
    """Approves each gate after a time in which the engine goes on."""

    def __init__(self, rig: Rig, seconds: float) -> None:
        super().__init__({}, rig.clock)
        self.seconds = seconds
        self.engine: Engine | None = None

    def ask(self, request: GateRequest) -> GateAnswer:
        assert self.engine is not None
        until = self._clock.now() + timedelta(seconds=self.seconds)
        while self._clock.now() < until:
            self.engine.tick()
            self._clock.advance(30)
        return super().ask(request)


def test_a_gate_that_nobody_answers_puts_the_target_at_risk_while_it_is_open(rig: Rig) -> None:
    runbook = rig.runbook({1: WaveSpec(1), 2: WaveSpec(1, after=(1,), gate=True)}, rtoTarget="PT1H")
    rig.answers = late = LateAnswers(rig, 7200)
    journal = MemoryJournal()
    late.engine = rig.engine(runbook, journal=journal, **known(runbook) | {"gates": Spread(600.0, 0.5)})
    rig.run(late.engine)
    (event,) = announced(list(journal.read()))
    (answered,) = (each for each in journal.read() if isinstance(each, GateAnswered))
    assert event.at < answered.at
    assert 600 <= event.target_seconds - event.elapsed_seconds < 3600


def stop_after(kind: type[Event]) -> Callable[[Event], None]:
    def observe(event: Event) -> None:
        if isinstance(event, kind):
            raise KeyboardInterrupt

    return observe


def test_a_resumed_execution_does_not_announce_again_what_the_journal_holds(rig: Rig) -> None:
    runbook, journal = rig.runbook(CHAIN, rtoTarget="PT12M"), MemoryJournal()
    with pytest.raises(KeyboardInterrupt):
        rig.run(rig.engine(runbook, journal=journal, observers=(stop_after(RtoTargetAtRisk),), **known(runbook)))
    assert len(announced(list(journal.read()))) == 1
    report = rig.run(rig.engine(None, journal=journal, **known(runbook)))
    assert len(announced(list(journal.read()))) == 1
    assert report.targets[0].outcome is TargetOutcome.MISSED
    assert report.targets[0].at_risk_since is not None


def test_a_wave_that_failed_misses_its_target_and_is_no_forecast(rig: Rig) -> None:
    runbook, journal = rig.runbook(CHAIN, rtoTarget="PT3H"), MemoryJournal()
    rig.sandbox.faults.fail_server(runbook.wave(2).servers[0].source_server_id, "conversion")
    report = rig.run(rig.engine(runbook, journal=journal, **known(runbook)))
    assert report.status is ExecutionStatus.FAILED
    assert announced(list(journal.read())) == []
    (target,) = report.targets
    assert (target.outcome, target.late_seconds) == (TargetOutcome.MISSED, None)
    assert target.reason == "wave 2 wave 2 FAILED, wave 3 wave 3 SKIPPED"


def test_a_forecast_that_fails_is_logged_once_and_the_recovery_goes_on(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(RunningForecast, "rests", broken)
    with caplog.at_level(logging.ERROR, objectives.__name__):
        report, events = drilled(rig, rtoTarget="PT1M")
    assert report.status is ExecutionStatus.COMPLETED
    assert announced(events) == []
    assert len(caplog.records) == 1


def looks(rig: Rig, monkeypatch: pytest.MonkeyPatch, cost: float) -> list[datetime]:
    """When a drill forecasts, if each forecast takes `cost` seconds of the clock."""
    found: list[datetime] = []
    rests = RunningForecast.rests

    def observed(forecast: RunningForecast, now: datetime, *more: Any) -> Any:
        found.append(now)
        rig.clock.advance(cost)  # type: ignore[attr-defined]
        return rests(forecast, now, *more)

    monkeypatch.setattr(RunningForecast, "rests", observed)
    drilled(rig, rtoTarget="PT3H")
    return found


@pytest.mark.parametrize("cost", [0.0, 9.0])
def test_a_forecast_is_made_once_a_minute_at_most_and_takes_a_twentieth_of_the_time(
    cost: float, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = looks(rig, monkeypatch, cost)
    least = max(EVERY, SHARE_OF_TIME * timedelta(seconds=cost))
    assert len(found) > 3
    assert all(later - former >= least for former, later in itertools.pairwise(found))


def test_a_plan_without_a_target_is_not_forecast(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunningForecast, "__init__", lambda *_, **__: pytest.fail("a forecast was made"))
    report, _ = drilled(rig, rpoTarget="PT1H")
    assert report.status is ExecutionStatus.COMPLETED
    (target,) = report.targets
    assert target.outcome is TargetOutcome.MET


def test_targets_change_neither_the_launches_nor_their_times() -> None:
    def launches(**plan: str) -> list[Any]:
        with simulated_aws() as rig:
            report, _ = drilled(rig, **plan)
        return [(job.started_at, len(job.server_ids)) for wave in report.waves for job in wave.jobs]

    assert launches() == launches(rtoTarget="PT1M")


@pytest.mark.parametrize("chance", [-2.0, 0.0, 2.0])
def test_what_has_taken_long_already_takes_at_least_that_long(chance: float) -> None:
    spread = Spread(600.0, 0.3)
    ends = [age + time_left(spread, age, chance) for age in (0.0, 60.0, 500.0, 900.0, 1500.0)]
    assert ends == sorted(ends)
    assert ends[0] == pytest.approx(600.0 * math.exp(0.3 * chance))
    assert time_left(spread, 1e6, chance) == SOON
    assert time_left(Spread(600.0), 100.0, chance) == 500.0


def test_the_pace_of_an_execution_is_learned_from_many_launches_and_hardly_from_one() -> None:
    launch = (Spread(600.0, 0.1), 660.0)
    one, many = pace_of([launch]), pace_of([launch] * 100)
    assert pace_of([]) == 1.0
    assert 1.0 < one < 1.03
    assert 1.09 < many < 1.1
