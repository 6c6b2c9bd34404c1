"""Targets in the report: met or missed, by how much, in every rendering; old journals have none."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from prefect_drs.execution.events import Event, ExecutionEnded, PointsReached, RtoTargetAtRisk
from prefect_drs.execution.timeline import timeline_of
from prefect_drs.execution.view import report_of
from prefect_drs.plan.targets import TargetKind
from prefect_drs.report.html import html_report
from prefect_drs.report.html.targets import target_rows
from prefect_drs.report.markdown import report_summary
from prefect_drs.report.model import RecoveryReport, TargetOutcome, TargetReport
from prefect_drs.report.terminal import report_view
from prefect_drs.report.timeline import IncidentKind
from tests.report.story import at, completed, failed, server_id, started


def with_targets(events: Sequence[Event], *more: Event, wave: dict[str, str] | None = None, **plan: str) -> list[Event]:
    """The events of an execution whose plan, and whose wave 2, has these targets; `more` come before its end."""
    first, *others = events
    book = first.runbook.model_copy(  # type: ignore[attr-defined]
        update={
            **plan,
            "waves": tuple(
                each.model_copy(update=wave or {}) if each.wave_number == 2 else each
                for each in first.runbook.waves  # type: ignore[attr-defined]
            ),
        }
    )
    position = next((i for i, event in enumerate(others) if isinstance(event, ExecutionEnded)), len(others))
    return [started(book), *others[:position], *more, *others[position:]]


def target(events: Sequence[Event]) -> TargetReport:
    (found,) = report_of(events).targets
    return found


def test_a_journal_without_targets_has_none() -> None:
    report = report_of(completed())
    assert report.targets == ()
    assert target_rows(report) == []
    assert json.loads(report.to_json())["targets"] == []
    assert "Targets" not in report_summary(report)


@pytest.mark.parametrize(("seconds", "outcome"), [(0, TargetOutcome.MET), (1, TargetOutcome.MISSED)])
def test_the_rto_counts_from_the_start_to_the_last_server_launched(seconds: int, outcome: TargetOutcome) -> None:
    rto = report_of(completed()).achieved_rto_seconds or 0.0
    found = target(with_targets(completed(), rto_target=f"PT{rto - seconds:.0f}S"))
    assert (found.kind, found.wave_number, found.outcome) == (TargetKind.RTO, None, outcome)
    assert (found.achieved_seconds, found.late_seconds) == (rto, seconds)


def test_until_its_last_server_is_launched_a_target_is_open() -> None:
    events = with_targets(completed(), rto_target="PT9H")
    assert target(events[:-1][: len(events) // 2]).outcome is TargetOutcome.OPEN


def test_a_wave_that_was_not_recovered_misses_its_target_whatever_the_time() -> None:
    found = target(with_targets(failed(), rto_target="PT9H"))
    assert (found.outcome, found.late_seconds) == (TargetOutcome.MISSED, None)
    assert "FAILED" in found.reason


def points(*ages: float | None) -> PointsReached:
    """The points of wave 1's servers, then of wave 2's, so many minutes before the start."""
    ids = (server_id(1, 0), server_id(1, 1), server_id(2, 0))
    known = {s: at(-age) for s, age in zip(ids, ages, strict=True) if age is not None}
    return PointsReached(at=at(60), points=known)


@pytest.mark.parametrize(
    ("ages", "outcome", "late"),
    [
        ((5, 15, 1), TargetOutcome.MET, 0.0),
        ((5, 16, 1), TargetOutcome.MISSED, 60.0),
        ((5, None, 1), TargetOutcome.UNKNOWN, None),
        ((16, None, 1), TargetOutcome.MISSED, 60.0),
    ],
)
def test_the_rpo_is_that_of_the_oldest_data(
    ages: tuple[float | None, ...], outcome: TargetOutcome, late: float | None
) -> None:
    found = target(with_targets(completed(), points(*ages), rpo_target="PT15M"))
    assert (found.kind, found.outcome) == (TargetKind.RPO, outcome)
    assert found.reason == ("the point in time of 1 server(s) is not known" if outcome is TargetOutcome.UNKNOWN else "")
    if outcome is not TargetOutcome.UNKNOWN:
        assert found.late_seconds == late


def test_the_rpo_of_a_wave_is_that_of_its_own_servers() -> None:
    events = with_targets(completed(), points(20, 20, 10), rpo_target="PT15M", wave={"rpo_target": "PT15M"})
    assert [each.outcome for each in report_of(events).targets] == [TargetOutcome.MISSED, TargetOutcome.MET]


def at_risk(**more: Any) -> RtoTargetAtRisk:
    values = {"target_seconds": 1200.0, "elapsed_seconds": 300.0, "expected_seconds": 1500.0, "probability": 0.9}
    return RtoTargetAtRisk(at=at(5), **(values | more))


def risky() -> list[Event]:
    first, *others = with_targets(completed(), rto_target="PT20M")
    return [first, at_risk(), at_risk(expected_seconds=9999.0), *others]


def test_the_first_forecast_stays_in_the_report_and_each_is_an_incident() -> None:
    found = target(risky())
    assert (found.at_risk_since, found.expected_seconds) == (at(5), 1500.0)
    incidents = [each for each in timeline_of(risky()).incidents if each.kind is IncidentKind.TARGET]
    assert "25 min 00 s expected, 20 min 00 s allowed, 15 min 00 s left" in incidents[0].what


def test_once_the_target_has_passed_the_event_says_that_it_is_missed() -> None:
    assert at_risk(elapsed_seconds=1200.0, wave_number=2).text == (
        "RTO target of wave 2 is missed: 20 min 00 s have passed"
    )


def rendered(report: RecoveryReport, events: Sequence[Event]) -> dict[str, str]:
    console = Console(width=200, file=io.StringIO())
    console.print(report_view(report))
    page = html_report(
        report,
        events[0].runbook,  # type: ignore[attr-defined]
        timeline_of(events),
        made_at=datetime(2030, 6, 1, tzinfo=UTC),
    )
    return {
        "terminal": console.file.getvalue(),  # type: ignore[attr-defined]
        "Markdown": report_summary(report),
        "HTML": page,
    }


def test_every_rendering_says_by_how_much_and_when_it_was_foreseen() -> None:
    events = risky()
    report = report_of(events)
    late = (report.achieved_rto_seconds or 0) - 1200
    by = f"{int(late // 60)} min {int(late % 60):02d} s late"
    for name, text in rendered(report, events).items():
        for said in ("MISSED", "20 min 00 s", by, "forecast at 12:05:00: 25 min 00 s"):
            assert said in text, f"{name} does not say {said}"
    (found,) = json.loads(report.to_json())["targets"]
    assert (found["outcome"], found["lateSeconds"]) == ("MISSED", late)
    assert datetime.fromisoformat(found["atRiskSince"]) == at(0) + timedelta(minutes=5)
