"""The HTML report: one file, whole without a request, in which a name is never anything but a name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from prefect_drs.core.escaping import one_line
from prefect_drs.execution.events import Event, ExecutionEnded, GateAnswered, GateAsked, ServerStatus
from prefect_drs.execution.timeline import timeline_of
from prefect_drs.execution.view import report_of
from prefect_drs.report.expectation import Expectation, ExpectedWave
from prefect_drs.report.html import html_report
from prefect_drs.report.html.gantt import LABELLED_SERVERS, cause_class
from prefect_drs.report.html.scale import TimeScale
from prefect_drs.report.timeline import Cause
from prefect_drs.runbook import ExcludedServer, FindingSeverity, Runbook, RunbookFinding
from tests.names import HOSTILE
from tests.report.story import START, at, completed, failed, large, runbook, started

MADE = datetime(2030, 6, 1, tzinfo=UTC)
TAGS = {
    *("html", "head", "meta", "link", "title", "style", "body", "main", "header", "footer", "section", "figure"),
    *("h1", "h2", "h3", "p", "code", "div", "span", "b", "ul", "li", "table", "thead", "tbody", "tr", "th", "td"),
    *("svg", "g", "rect", "line", "path", "text"),
}
EXPECTED = Expectation(
    rto_p50=1500.0,
    rto_p90=2400.0,
    waves={
        1: ExpectedWave(start_p50=0, end_p50=600, end_p90=900),
        2: ExpectedWave(start_p50=1200, end_p50=1500, end_p90=2400),
    },
    servers=3,
    recorded_servers=2,
)


class Page(HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self._in_style = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._in_style = tag == "style"
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        if not self._in_style:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def classes(self, tag: str) -> list[str]:
        return [value for of, name, value in self.attributes if (of, name) == (tag, "class")]


def page_of(events: Sequence[Event], expected: Expectation | None = None, now: datetime | None = None) -> str:
    book = next(iter(events)).runbook  # type: ignore[attr-defined]
    return html_report(report_of(events), book, timeline_of(events, now), expected=expected, made_at=MADE, version="9")


def test_it_has_the_figures_the_gates_and_the_forecast() -> None:
    page = Page(page_of(completed(), EXPECTED))
    assert "Plan drill COMPLETED" in page.text
    assert "Started 2030-01-01 12:00:00 UTC, ended 2030-01-01 12:31:00 UTC" in page.text
    assert "RTO 30 min 00 s" in page.text
    assert "At gates 7 min 00 s" in page.text
    assert "Forecast (P50) 25 min 00 s P90 40 min 00 s; 5 min 00 s later than P50" in page.text
    assert "2 of 3 servers; the others count as servers of which nothing is known" in page.text
    assert 'wave 2 "Wave 2" 12:13:00 12:19:54 6 min 54 s APPROVED Ada go' in page.text
    assert "Nothing went otherwise than planned" in page.text
    assert page.classes("rect").count("forecast") == 3  # two waves, and the legend
    assert "host-1-0" in page.text
    assert "Made 2030-06-01 00:00:00 UTC by prefect-drs 9" in page.text


def test_without_a_forecast_nothing_is_said_of_one() -> None:
    page = Page(page_of(completed()))
    assert "forecast" not in page.text.lower()
    assert "forecast" not in page.classes("rect")


def test_faults_stand_with_what_was_done_about_them() -> None:
    page = Page(page_of(failed()))
    assert "12:10:00 1 server host-1-1 failed:" in page.text
    assert "not launched again" in page.text
    assert "✗ failed" in page.text
    assert "Plan drill FAILED" in page.text


def test_an_execution_that_runs_is_reported_up_to_now() -> None:
    page = Page(page_of(completed()[:10], now=at(60)))
    assert "still running at 2030-01-01 13:00:00 UTC" in page.text
    assert "RTO so far" in page.text
    assert 'wave 2 "Wave 2" 12:13:00 — 47 min 00 s WAITING' in page.text


def test_a_time_of_another_day_has_its_date() -> None:
    night = GateAnswered(at=at(900), wave_number=2, decision="REJECTED", by="Ada", answered_at=at(900))
    events = [*completed()[:9], GateAsked(at=at(13), wave_number=2), night]
    page = Page(page_of(events))
    assert "12:13:00 01-02 03:00:00 14 h 47 min REJECTED" in page.text
    assert "Jan 02 00:00" in page.text  # a tick of the axis


def hostile(names: Iterator[str]) -> list[Event]:
    """An execution in which every text that a person or an account gives is a hostile name."""
    book = runbook((2, 1))
    excluded = ExcludedServer(source_server_id="s-1", name=next(names), group=next(names), reason=next(names))
    finding = RunbookFinding(code="X", severity=FindingSeverity.WAIVED, message=next(names), waived_because=next(names))
    told = RunbookFinding(code="Y", severity=FindingSeverity.INFO, message=next(names))
    waves = tuple(
        wave.model_copy(
            update={
                "wave_name": next(names),
                "excluded": (excluded,),
                "servers": tuple(server.model_copy(update={"name": next(names)}) for server in wave.servers),
            }
        )
        for wave in book.waves
    )
    book = book.model_copy(update={"plan_name": next(names), "waves": waves, "findings": (finding, told)})
    events: list[Event] = [started(book)]
    for event in failed()[1:-2]:
        changed = {"error": next(names)} if isinstance(event, ServerStatus) and event.error else {}
        events.append(event.model_copy(update=changed))
    asked = GateAsked(at=at(12), wave_number=2)
    answer = GateAnswered(
        at=at(13), wave_number=2, decision="REJECTED", by=next(names), answered_at=at(13), comment=next(names)
    )
    return [*events, asked, answer, ExecutionEnded(at=at(14), status="FAILED")]


@pytest.mark.parametrize("first", range(0, len(HOSTILE), 13))
def test_a_hostile_name_is_shown_and_does_nothing(first: int) -> None:
    used: list[str] = []

    def names() -> Iterator[str]:
        for name in (*HOSTILE[first:], *HOSTILE[:first]):
            used.append(name)
            yield name

    text = page_of(hostile(names()))
    page = Page(text)
    assert set(page.tags) <= TAGS
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert {(tag, name) for tag, name, _ in page.attributes if name in {"src", "href", "xlink:href", "action"}} == {
        ("link", "href")
    }
    shown = page.text
    for name in used[:-1]:
        assert " ".join(one_line(name).split()) in shown or one_line(name)[:100] in shown, name
    assert not [c for c in text if not c.isprintable() and c != "\n"]


def test_it_allows_nothing_but_its_own_styles_and_names_no_address() -> None:
    page = Page(page_of(completed(), EXPECTED))
    policies = [value for tag, name, value in page.attributes if (tag, name) == ("meta", "content")]
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in policies
    values = [value for _, name, value in page.attributes if name != "xmlns"]
    assert not [value for value in values if "//" in value]
    style = page_of(completed()).partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_every_cause_has_a_colour_in_light_and_dark() -> None:
    style = page_of(completed()).partition("<style>")[2].partition("</style>")[0]
    for cause in Cause:
        (rule,) = [line for line in style.splitlines() if line.startswith(f".{cause_class(cause)} ")]
        variable = rule.partition("var(")[2].partition(")")[0]
        assert style.count(f"{variable}:") == 2, variable


def test_a_large_wave_has_thin_bars_without_labels_and_every_server_in_its_table() -> None:
    events = large(40 * (LABELLED_SERVERS + 1))
    page = Page(page_of(events))
    rows = [value for value in page.classes("span") if value == "badge launched"]
    assert len(rows) == 40 * (LABELLED_SERVERS + 1)
    assert f"{LABELLED_SERVERS + 1} servers" in page.text


def test_a_plan_without_waves_is_a_page_too() -> None:
    empty: Runbook = runbook([])
    page = Page(page_of([started(empty), ExecutionEnded(at=at(0), status="COMPLETED")]))
    assert "Servers 0 / 0" in page.text


@pytest.mark.parametrize(
    ("minutes", "labels"),
    [
        (2, ["12:00:30", "12:01:00", "12:01:30", "12:02:00"]),
        (31, ["12:05", "12:10", "12:15", "12:20", "12:25", "12:30"]),
        (60 * 24 * 3, ["Jan 02 00:00", "12:00", "Jan 03 00:00", "12:00", "Jan 04 00:00", "12:00"]),
    ],
)
def test_the_axis_has_round_times_with_the_date_where_the_day_changes(minutes: int, labels: list[str]) -> None:
    scale = TimeScale(START, START + timedelta(minutes=minutes), left=100, width=500)
    ticks = list(scale.ticks())
    assert [label for _, label in ticks] == labels
    assert all(100 <= x <= 600 for x, _ in ticks)
    assert (scale.x(START - timedelta(hours=1)), scale.x(START + timedelta(minutes=2 * minutes))) == (100, 600)
