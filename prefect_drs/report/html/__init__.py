"""The report as one HTML file that people print: no script, and no request to anywhere.

In: a `RecoveryReport`, its runbook and its `Timeline`, what was expected of it where that is known. Out: the text of a
page: wave graph, Gantt charts, what the time went to, gates, approvals, targets, incidents, servers, checks, jobs,
findings.

The template is `page.html.jinja`, its style sheet `page.css`. Everything that the template inserts goes through
`escaping.markup`, except charts, which have escaped their text themselves. A Content-Security-Policy in the page allows
nothing but its own styles.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from prefect_drs.core.escaping import markup
from prefect_drs.report.expectation import Expectation
from prefect_drs.report.html.approvals import approval_rows
from prefect_drs.report.html.gantt import cause_class, servers_chart, waves_chart
from prefect_drs.report.html.targets import target_rows
from prefect_drs.report.lag import lag_line
from prefect_drs.report.model import RecoveryReport, ServerReport, WaveReport
from prefect_drs.report.picture import wave_graph_svg
from prefect_drs.report.prepared import prepared_losses
from prefect_drs.report.text import clock_time, counted, duration, full_time
from prefect_drs.report.timeline import Cause, Timeline, WaveTimeline
from prefect_drs.report.why import explain
from prefect_drs.runbook import Runbook


@dataclass(frozen=True, slots=True)
class Card:
    """A figure at the top of the page: its name, the figure, and a line below it."""

    name: str
    figure: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class WaveSection:
    """The servers of a wave: its chart (empty if none has begun) and its rows."""

    wave: WaveReport
    chart: Markup
    servers: tuple[ServerReport, ...]


def html_report(
    report: RecoveryReport,
    runbook: Runbook,
    timeline: Timeline,
    *,
    expected: Expectation | None = None,
    made_at: datetime,
    version: str = "",
) -> str:
    """The page.

    Args:
        report: the report.
        runbook: what was to be done.
        timeline: when what happened.
        expected: the forecast; None if there is none.
        made_at: the time at which the page is made (UTC, real time).
        version: of prefect-drs; empty if it is not to be shown.
    """
    waves = {wave.wave_number: wave for wave in timeline.waves}
    return _template().render(
        css=Markup(_resource("page.css")),  # noqa: S704 - a file of this package
        report=report,
        timeline=timeline,
        expected=expected,
        cards=_cards(report, timeline, expected),
        targets=target_rows(report),
        approvals=approval_rows(report),
        graph=Markup(wave_graph_svg(report, runbook)),  # noqa: S704 - escapes its text itself
        gantt=Markup(waves_chart(timeline, expected)),  # noqa: S704 - likewise
        legend=tuple(_legend(timeline)),
        why=explain(timeline),
        shares=_shares(timeline),
        sections=tuple(_section(wave, waves[wave.wave_number], report.started_at) for wave in report.waves),
        lost=prepared_losses(report),
        lag=lag_line(report),
        findings=tuple(finding for finding in report.findings if not finding.waived_because),
        made_at=full_time(made_at),
        version=version,
        at=lambda moment: clock_time(moment, report.started_at),
        full_time=full_time,
        duration=duration,
        counted=counted,
        cause_class=cause_class,
        late=_late,
        wave_name=lambda number: waves[number].label if number in waves else "",
    )


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True,
        finalize=_finalized,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.from_string(_resource("page.html.jinja"))


def _finalized(value: Any) -> Markup:
    """Every value that the template inserts, as text that can be nothing but text."""
    return value if isinstance(value, Markup) else Markup(markup(value))  # noqa: S704 - escaped by markup


def _resource(name: str) -> str:
    return files("prefect_drs.report.html").joinpath(name).read_text(encoding="utf-8")


def _cards(report: RecoveryReport, timeline: Timeline, expected: Expectation | None) -> list[Card]:
    """RTO, RPO, servers, time at gates, forecast."""
    rto, at_gates = report.achieved_rto_seconds, report.at_gates_seconds
    so_far = "" if timeline.over else " so far"
    cards = [
        Card("RTO" + so_far, duration(rto), "start to the last server LAUNCHED, gates included"),
        Card("At gates", duration(at_gates if timeline.gates else None), "with at least one gate open"),
        Card("RPO", duration(report.achieved_rpo_seconds), "oldest data that was launched"),
        Card("Servers", f"{report.launched_count} / {report.server_count}", "launched, of the plan"),
    ]
    if prepared := [server.prepared for wave in report.waves for server in wave.servers if server.prepared]:
        kept = sum(each.kept is True for each in prepared)
        cards.append(Card("Prepared instances", f"{kept} / {len(prepared)}", "kept id, private address and interface"))
    if expected is not None:
        note = f"P90 {duration(expected.rto_p90)}"
        if rto is not None and timeline.over:
            note += f"; {_late(rto - expected.rto_p50)} than P50"
        cards.append(Card("Forecast (P50)", duration(expected.rto_p50), note))
    return cards


def _late(seconds: float) -> str:
    """`3 min 04 s later`, or `earlier`."""
    return f"{duration(abs(seconds))} {'later' if seconds >= 0 else 'earlier'}"


def _legend(timeline: Timeline) -> Iterator[Cause]:
    """The causes that the charts show, in the order of the enum."""
    shown = {wait.cause for wave in timeline.waves for wait in wave.waits}
    shown |= {wait.cause for wave in timeline.waves for server in wave.servers for wait in server.waits}
    shown |= {wait.cause for wait in timeline.interruptions}
    return (cause for cause in Cause if cause in shown)


def _shares(timeline: Timeline) -> Sequence[tuple[Cause, float, float]]:
    """Causes of the deciding chain with their seconds and per cent."""
    shares = timeline.shares
    whole = sum(shares.values())
    return [(cause, seconds, 100 * seconds / whole) for cause, seconds in shares.items() if whole and seconds >= 1]


def _section(wave: WaveReport, timeline: WaveTimeline, begun: datetime) -> WaveSection:
    return WaveSection(wave, Markup(servers_chart(timeline, begun)), wave.servers)  # noqa: S704 - escaped there
