"""The report: folded from events, told in JSON by the interface's names, rendered for a page, a picture, a terminal."""

from __future__ import annotations

import base64
import io
import json
import time
from xml.etree import ElementTree

import pytest
from rich.console import Console, RenderableType

from prefect_drs.core.escaping import markdown_text
from prefect_drs.execution.events import (
    KINDS,
    ExecutionResumed,
    GateAsked,
    JobRequested,
    WaveEnded,
)
from prefect_drs.execution.view import ReportFold, final_status, report_of
from prefect_drs.report.dry_run import dry_run_view
from prefect_drs.report.markdown import gate_summary, report_summary, server_table, wave_table
from prefect_drs.report.model import ExecutionStatus, RecoveryReport, WaveStatus
from prefect_drs.report.picture import data_url, wave_graph_svg
from prefect_drs.report.summary import ExecutionSummary
from prefect_drs.report.terminal import executions_view, live_view, report_view
from prefect_drs.report.text import duration
from prefect_drs.runbook import PlannedChange
from tests.report.story import (
    NASTY,
    START,
    at,
    became,
    completed,
    failed,
    first_wave,
    job_started,
    large,
    runbook,
    server_id,
    started,
)

# The fold


def test_a_completed_execution_is_told_with_its_times_jobs_servers_and_approval() -> None:
    report = report_of(completed())
    assert (report.status, report.started_at, report.ended_at) == (ExecutionStatus.COMPLETED, START, at(31))
    assert report.achieved_rto_seconds == 30 * 60
    first, second = report.waves
    assert (first.status, first.started_at, first.ended_at, first.launched) == (WaveStatus.COMPLETED, at(0), at(13), 2)
    assert first.approval is None
    (job,) = first.jobs
    assert (job.job_id, job.started_at, job.ended_at) == ("drsjob-1", at(1), at(12.5))
    server = first.servers[0]
    assert (server.started_at, server.ended_at, server.attempts) == (at(1), at(10), 1)
    assert second.approval is not None
    assert (second.approval.decision, second.approval.by, second.approval.at) == ("APPROVED", "Ada", at(19.9))
    assert [finding.code for finding in report.findings] == ["TOLD_SO"]
    assert report.exit_code == 0


def test_it_can_be_read_after_every_event_and_never_goes_back() -> None:
    fold = ReportFold()
    assert not fold.started
    up = 0
    for event in completed():
        fold.apply(event)
        report = fold.report()
        now_up = sum(wave.launched for wave in report.waves)
        assert now_up >= up
        up = now_up
    assert fold.report() == report_of(completed())


def test_nothing_can_be_reported_before_the_start() -> None:
    with pytest.raises(ValueError, match="ExecutionStarted"):
        ReportFold().report()


def test_it_is_paused_only_while_a_gate_waits_and_nothing_moves() -> None:
    events = completed()
    asked = next(index for index, event in enumerate(events) if isinstance(event, GateAsked))
    assert report_of(events[:asked]).status is ExecutionStatus.IN_PROGRESS
    assert report_of(events[: asked + 1]).status is ExecutionStatus.PAUSED
    assert report_of(events[: asked + 2]).status is ExecutionStatus.IN_PROGRESS
    moving = [*events[:3], GateAsked(at=at(1), wave_number=2)]
    assert report_of(moving).status is ExecutionStatus.IN_PROGRESS


def test_a_server_that_was_tried_twice_has_its_first_start_and_its_last_end() -> None:
    events = [
        *first_wave()[:4],
        became(1, 0, "FAILED", 5, "no room"),
        job_started(1, 6, (0,), "drsjob-1b"),
        became(1, 0, "LAUNCHED", 15),
    ]
    server = report_of(events).waves[0].servers[0]
    assert (server.attempts, server.started_at, server.ended_at, server.error) == (2, at(1), at(15), None)
    retrying = report_of(events[:-1]).waves[0].servers[0]
    assert retrying.ended_at is None


def test_a_resumed_execution_is_no_longer_over() -> None:
    events = [*failed(), ExecutionResumed(at=at(60), by="host-b")]
    report = report_of(events)
    assert report.ended_at is None
    assert report.status is not ExecutionStatus.FAILED


@pytest.mark.parametrize(
    ("waves", "status", "exit_code"),
    [
        ("COMPLETED COMPLETED", "COMPLETED", 0),
        ("COMPLETED FAILED SKIPPED", "FAILED", 3),
        ("FAILED CANCELLED", "FAILED", 3),
        ("COMPLETED CANCELLED CANCELLED", "PARTIAL", 4),
        ("CANCELLED CANCELLED", "CANCELLED", 4),
    ],
)
def test_how_the_waves_ended_decides_status_and_exit_code(waves: str, status: str, exit_code: int) -> None:
    template = report_of(completed()).waves[0]
    reports = tuple(template.model_copy(update={"status": WaveStatus(name)}) for name in waves.split())
    ended = final_status(reports)
    assert ended.value == status
    report = report_of(completed()).model_copy(update={"waves": reports, "status": ended})
    assert report.exit_code == exit_code


# JSON

WAVE = "waveNumber waveName status reason startedAt endedAt dependsOnWaves jobs servers"
SERVER = "sourceServerId name launchStatus recoveryInstanceId attempts startedAt endedAt"


def test_the_names_in_json_are_those_of_the_interface() -> None:
    data = json.loads(report_of(completed()).to_json())
    top = "executionId planName mode status startedAt endedAt achievedRtoSeconds waves"
    assert set(top.split()) <= data.keys()
    first, second = data["waves"]
    assert set(WAVE.split()) <= first.keys()
    assert "approval" not in first
    assert second["approval"].keys() == {"decision", "by", "at", "comment"}
    assert first["jobs"][0].keys() == {"jobId", "region", "accountId", "serverIds", "startedAt", "endedAt"}
    assert set(SERVER.split()) <= first["servers"][0].keys()
    assert "error" not in first["servers"][0]
    assert json.loads(report_of(failed()).to_json())["waves"][0]["servers"][1]["error"] == NASTY


def test_times_in_json_are_iso_8601_utc_and_it_reads_back_as_it_was() -> None:
    report = report_of(completed())
    data = json.loads(report.to_json())
    assert data["startedAt"] == "2030-01-01T12:00:00Z"
    assert data["waves"][0]["jobs"][0]["endedAt"] == "2030-01-01T12:12:30Z"
    assert RecoveryReport.model_validate_json(report.to_json()) == report


# Markdown


def cells(table: str) -> list[int]:
    """How many cells each row of a Markdown table has; a bar that is escaped is none."""
    rows = [line for line in table.splitlines() if line.startswith("|")]
    return [line.replace("\\|", "").count("|") - 1 for line in rows]


def test_names_stay_names_in_a_table_and_in_a_list() -> None:
    page = report_summary(report_of(failed()))
    waves = wave_table(report_of(failed()).waves)
    assert set(cells(waves)) == {7}
    assert len(cells(waves)) == 4
    assert "<script>" not in page
    assert "[d](" not in page
    assert "`f`" not in page
    assert "\n# i" not in page
    assert markdown_text(NASTY) == "a\\|b \\*c\\* \\[d\\](javascript:e) &lt;script>&amp;lt; \\`f\\` \\_g\\_ \\\\h # i"
    assert markdown_text("LAUNCH_FAILED") == "LAUNCH_FAILED"


def test_reasons_and_errors_stand_below_their_tables_where_nothing_cuts_them_off() -> None:
    report = report_of(failed())
    table, why = wave_table(report.waves).split("\n\n")
    assert "not launched" not in table
    assert [line.split(": ")[0] for line in why.splitlines()] == [
        f"- **1 {markdown_text(NASTY)} 1** FAILED",
        f"- **2 {markdown_text(NASTY)} 2** SKIPPED",
    ]
    assert f"- **host-1-1** `{server_id(1, 1)}`: {markdown_text(NASTY)}" in server_table(report)


def test_the_page_tells_how_it_ended_and_every_job() -> None:
    page = report_summary(report_of(completed()))
    assert page.startswith("# Plan: drill COMPLETED\n")
    assert "The last server was up 30 min 00 s after the start." in page
    assert "| 2 | drsjob-2 | 123456789012 | us-west-2 | 1 | 12:21:00 | — |" in page
    assert "- **2 Wave 2** APPROVED by Ada at 12:19:54: go\n" in page
    nothing = report_of([started(runbook())])
    assert "No server was launched." in report_summary(nothing)
    assert "Jobs in DRS" not in report_summary(nothing)


def test_the_gates_form_tells_what_has_run_then_the_servers_and_their_changes() -> None:
    change = PlannedChange(part="EC2", field="instanceType", before=None, after="m6i.large")
    book = runbook([2, 150], changes=(change,))
    text = gate_summary(book, 2, report_of([started(book), WaveEnded(at=at(1), wave_number=1, status="COMPLETED")]))
    assert text.startswith("### Drill of Plan: approve Wave 2?")
    assert "**150 server(s)** in 2 job(s), 123456789012/us-west-2. Approving launches **drill** instances." in text
    assert text.index("✓ 1 Wave 1 COMPLETED 0/2") < text.index("host-2-0") < text.index("host-2-99")
    assert "instanceType — → m6i.large" in text
    assert "host-2-100" not in text
    assert "… and 50 more." in text
    assert "Wave 2 PENDING" not in text
    recovery = book.model_copy(update={"mode": "recovery"})
    assert "**So far:** nothing has been launched" in gate_summary(recovery, 1, report_of([started(recovery)]))
    assert "replaces former ones" in gate_summary(recovery, 2, report_of([started(recovery)]))


def test_an_empty_report_is_an_empty_table() -> None:
    empty = report_of([started(runbook([]))])
    assert (wave_table(empty.waves), server_table(empty)) == ("", "")
    assert report_summary(empty)
    assert ElementTree.fromstring(wave_graph_svg(empty, runbook([]))).tag.endswith("svg")
    assert text_of(report_view(empty), 80)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "—"), (0.0, "0 min 00 s"), (184.4, "3 min 04 s"), (3599.6, "1 h 00 min"), (90_000.0, "25 h 00 min")],
)
def test_durations_are_told_as_people_say_them(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


# The picture


def test_the_picture_is_xml_with_a_box_a_wave_and_a_lock_a_gate() -> None:
    report = report_of(failed())
    svg = ElementTree.fromstring(wave_graph_svg(report, runbook(wave_name=NASTY)))
    titles = [element.text for element in svg.iter("{http://www.w3.org/2000/svg}title")]
    assert titles.count("gate") == 1
    assert [title for title in titles if title != "gate"] == [
        f"{number} · {NASTY.replace(chr(10), ' ')} {number}" for number in (1, 2)
    ]
    words = " ".join(element.text or "" for element in svg.iter("{http://www.w3.org/2000/svg}text"))
    assert "FAILED · 1/2 launched" in words
    assert "SKIPPED · 0/1 launched" in words


def test_letters_that_xml_does_not_take_do_no_harm() -> None:
    book = runbook(wave_name="bell \a null \0 «»")
    assert "«»" in wave_graph_svg(report_of([started(book)]), book)
    ElementTree.fromstring(wave_graph_svg(report_of([started(book)]), book))


def test_the_picture_travels_in_its_address() -> None:
    address = data_url("<svg>→</svg>")
    kind, _, content = address.partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert base64.b64decode(content).decode() == "<svg>→</svg>"


# The terminal


def text_of(view: RenderableType, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(view, crop=False)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 100, 200])
def test_ids_and_statuses_are_whole_on_every_width(width: int) -> None:
    for events in (completed(), failed()):
        report = report_of(events)
        text = text_of(report_view(report), width)
        assert max(map(len, text.splitlines())) <= width
        for wave in report.waves:
            assert wave.status.value in text
            for server in wave.servers:
                assert server.source_server_id in text
                assert server.launch_status in text
                assert (server.recovery_instance_id or "") in text


def test_the_list_of_executions_fits_80_columns() -> None:
    report = report_of(completed()).model_copy(update={"execution_id": "90698455-0817-40ab-833b-02d8f026a2cc"})
    text = text_of(executions_view([ExecutionSummary.of(report)]), 80)
    assert "90698455-0817-40ab-833b-02d8f026a2cc  COMPLETED  01-01 12:00  3/3" in text


def test_approvals_and_tries_are_shown_where_there_are_any() -> None:
    assert "approval" not in text_of(report_view(report_of(first_wave())), 100)
    assert "APPROVED by Ada" in text_of(report_view(report_of(completed())), 100)
    assert "tries" not in text_of(report_view(report_of(completed())), 100)
    retried = [*first_wave()[:4], job_started(1, 6, (0,), "drsjob-1b")]
    assert "tries" in text_of(report_view(report_of(retried)), 100)


def test_names_with_markup_in_them_are_shown_as_they_are() -> None:
    book = runbook(name="[bold]Plan[/bold]", wave_name="[red]Wave[/red]")
    text = text_of(report_view(report_of([started(book)])), 120)
    assert "[bold]Plan[/bold]" in text
    assert "[red]Wave[/red] 1" in text
    assert "[red]Wave[/red] 1" in text_of(dry_run_view(book), 120)


def test_why_waves_did_not_complete_stands_at_the_end() -> None:
    last = text_of(report_view(report_of(failed())), 200).rstrip().splitlines()[-1]
    assert "SKIPPED: wave 1 FAILED" in last
    assert "host-1-0" not in text_of(live_view(report_of(first_wave()[:4])), 120)  # waves only, while it runs


def test_every_event_has_its_line_or_is_the_journals_own() -> None:
    lines = [event.text for event in completed()]
    assert [type(event) for event, line in zip(completed(), lines, strict=True) if line is None] == [JobRequested]
    assert "wave 2 APPROVED by Ada: go" in lines
    assert lines[0] == "drill of Plan: 2 waves, 3 servers, execution exec-1"


def test_the_kind_of_an_event_is_the_name_of_its_class() -> None:
    assert {kind.model_fields["kind"].default for kind in KINDS} == {kind.__name__ for kind in KINDS}
    assert len(KINDS) == 35  # the kinds that stored journals may hold; none is ever taken away


# Size


def test_4000_servers_are_folded_and_rendered_within_seconds() -> None:
    events = large(4000)
    began = time.process_time()
    report = report_of(events)
    book = runbook([100] * 40)
    assert sum(wave.launched for wave in report.waves) == 4000
    assert len(report_summary(report)) > 4000 * 40
    assert len(gate_summary(book, 40, report)) < 20_000
    assert report.to_json()
    assert wave_graph_svg(report, book)
    assert text_of(report_view(report), 100).count("LAUNCHED") >= 4000
    assert time.process_time() - began < 20.0


def test_each_of_4000_servers_costs_the_same_however_many_there_are() -> None:
    def seconds(servers: int) -> float:
        events = large(servers)
        began = time.process_time()
        report_of(events)
        return time.process_time() - began

    small = min(seconds(400) for _ in range(3))
    assert min(seconds(4000) for _ in range(2)) < 10 * 4 * max(small, 0.005)
