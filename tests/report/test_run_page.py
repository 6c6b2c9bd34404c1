"""The pages of an execution and of its gates in the Prefect UI: how it stands, what to do, and the same names."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from prefect_drs.core.escaping import markdown_text
from prefect_drs.execution.events import (
    CancelAsked,
    Event,
    ExecutionEnded,
    GateAnswered,
    GateAsked,
    InstancesTerminated,
    PauseAsked,
    TerminationAsked,
    WaveDelayed,
    WaveEnded,
    WaveStarted,
)
from prefect_drs.execution.view import report_of
from prefect_drs.report.approving import launch_line
from prefect_drs.report.gate_page import closed_gate_page, gate_page, gate_prompt, lost_gate_page
from prefect_drs.report.picture import data_url, wave_graph_svg
from prefect_drs.report.run_page import RunPage, now_line, refusal_page, run_pages, what_to_do
from prefect_drs.report.situation import OpenGate, ProcessReport, Situation, situation
from prefect_drs.report.situation_view import situation_view
from tests.core.test_escaping import shown
from tests.report.story import NASTY, at, completed, failed, first_wave, runbook, started
from tests.report.test_report import text_of
from tests.rig import ACCOUNT, REGION

LINK = "http://127.0.0.1:4200/v2/runs/flow-run/00000000-0000-0000-0000-000000000000"
GATES = [OpenGate(number, f"Wave {number}", at(13), at(73), LINK) for number in (2, 3)]
AT_A_GATE: list[Event] = [*first_wave(), GateAsked(at=at(13), wave_number=2)]


def of(
    events: Sequence[Event], *, alive: bool = True, gates: Sequence[OpenGate] = (), suspended: bool = False
) -> Situation:
    process = ProcessReport(alive=alive, last_seen_at=None)
    return situation(report_of(events), process, gates, suspended=suspended, wall=lambda each: each)


def terminated() -> list[Event]:
    where = {"account_id": ACCOUNT, "region": REGION, "recovery_instance_ids": ("i-1",)}
    return [
        *completed(),
        TerminationAsked(at=at(60), by="Bob", **where),
        InstancesTerminated(at=at(62), **where),
    ]


def cancelled_and_ended() -> list[Event]:
    return [
        *first_wave(),
        CancelAsked(at=at(14), by="Ada"),
        WaveEnded(at=at(14), wave_number=2, status="CANCELLED", reason="cancelled by Ada"),
        ExecutionEnded(at=at(14), status="PARTIAL"),
    ]


def timed_out() -> list[Event]:
    return [
        *AT_A_GATE,
        GateAnswered(at=at(73), wave_number=2, decision="TIMED_OUT", by="", answered_at=at(73), comment=""),
        WaveEnded(at=at(73), wave_number=2, status="CANCELLED", reason="no answer"),
        ExecutionEnded(at=at(73), status="PARTIAL"),
    ]


def rejected() -> list[Event]:
    answer = {"decision": "REJECTED", "by": "Bob", "answered_at": at(20), "comment": ""}
    return [
        *AT_A_GATE,
        GateAnswered(at=at(20), wave_number=2, **answer),
        WaveEnded(at=at(20), wave_number=2, status="CANCELLED", reason="rejected by Bob"),
        ExecutionEnded(at=at(20), status="PARTIAL"),
    ]


DELAYED: list[Event] = [
    started(runbook()),
    WaveStarted(at=at(0), wave_number=1),
    WaveDelayed(at=at(1), wave_number=1, reason="the quotas are used up", cause="quota"),
]
STANDS = {
    "it runs": (of(first_wave()[:4]), "**Running**: nobody has to do anything"),
    "at a gate": (
        of(AT_A_GATE, gates=GATES[:1]),
        "**At a gate**: press Resume there, or run `prefect-drs approve exec-1 --wave 2`",
    ),
    "at two gates": (
        of(AT_A_GATE, gates=GATES),
        "**At 2 gates** (waves 2, 3): press Resume in each, or run `prefect-drs approve exec-1 --wave N`",
    ),
    "paused at a gate": (
        of([*AT_A_GATE, PauseAsked(at=at(15), by="Ada")], gates=GATES[:1]),
        "**Paused**: to go on, run `prefect-drs resume exec-1` · "
        "**At a gate**: press Resume there, or run `prefect-drs approve exec-1 --wave 2`",
    ),
    "without a process": (of(first_wave(), alive=False), "**No process carries it**: run `prefect-drs resume exec-1`"),
    "waits for a quota": (of(DELAYED), "**Waits**: wave 1 Wave 1: the quotas are used up"),
    "cancelled while a job runs": (
        of([*first_wave()[:4], CancelAsked(at=at(5), by="Ada")]),
        "**Cancelled by Ada**: nothing more is launched",
    ),
    "completed": (of(completed()), "**COMPLETED** · to end the drill's instances: `prefect-drs terminate exec-1`"),
    "failed": (of(failed()), "**FAILED** · to try again what did not complete: `prefect-drs resume exec-1`"),
    "timed out": (of(timed_out()), "**PARTIAL** · to try again what did not complete: `prefect-drs resume exec-1`"),
    "rejected": (of(rejected()), "**PARTIAL** · to end the drill's instances: `prefect-drs terminate exec-1`"),
    "cancelled": (
        of(cancelled_and_ended()),
        "**PARTIAL** · to go on despite the cancel: `prefect-drs resume exec-1 --despite-cancel`",
    ),
    "terminated": (of(terminated()), "**COMPLETED** · **terminated by Bob**"),
}


@pytest.mark.parametrize(("found", "line"), STANDS.values(), ids=STANDS)
def test_the_card_says_first_how_it_stands_and_what_to_do(found: Situation, line: str) -> None:
    assert now_line(found) == line
    page = run_pages(found, runbook())["report"]
    assert page.card.split("\n\n") == [line, "Drill of Plan: 3 servers in 2 waves, 1 gate"]
    todo = page.markdown.split("## What to do now\n\n")[1].split("\n\n")[0]
    assert todo == "\n".join(f"- {each}" for each in what_to_do(found))
    assert what_to_do(found)


@pytest.mark.parametrize(("found", "line"), STANDS.values(), ids=STANDS)
def test_the_page_offers_every_command_that_status_offers(found: Situation, line: str) -> None:
    page = run_pages(found, runbook())["report"].markdown
    offered = {wait.command for wait in found.waiting_for} | ({found.next_step.command} if found.next_step else set())
    for command in offered - {""}:
        assert f"`{command}`" in page
        assert command in text_of(situation_view(found, at(20)), 100)


def test_at_a_gate_the_page_links_the_form_and_says_what_to_do_where_its_process_was_killed() -> None:
    gate, lost = what_to_do(of(AT_A_GATE, gates=GATES[:1]))
    assert gate == (
        "**approval of wave 2 Wave 2**, since 2030-01-01 12:13:00 UTC, until 2030-01-01 13:13:00 UTC: press "
        f"**⋮ → Resume** (in Prefect's former UI: the button **Resume**) on [its page]({LINK}), or run "
        "`prefect-drs approve exec-1 --wave 2`. To refuse it: the same form, or "
        "`prefect-drs reject exec-1 --wave 2 --comment WHY`"
    )
    assert "the process of the execution has ended: run `prefect-drs resume exec-1`" in lost
    without_ui = OpenGate(2, "Wave 2", None, None, None)
    assert "on its page, below Subflow Runs" in what_to_do(of(AT_A_GATE, gates=[without_ui]))[0]


def test_a_suspended_execution_needs_no_process() -> None:
    found = of(AT_A_GATE, alive=False, gates=GATES[:1], suspended=True)
    _, suspended = what_to_do(found)
    assert suspended.startswith("It is suspended: no process is held")
    assert "It is suspended: no process is held while it waits" in text_of(situation_view(found, at(20)), 100)


def test_a_cancelled_execution_names_the_jobs_that_it_ends_with() -> None:
    (line,) = what_to_do(of([*first_wave()[:4], CancelAsked(at=at(5), by="Ada", reason="wrong plan")]))
    assert "Cancelled by Ada (wrong plan)" in line
    assert "It ends when these jobs of DRS have ended: drsjob-1 (wave 1, 2 servers)." in line


def test_the_wave_graph_is_a_picture_and_the_servers_are_a_table() -> None:
    found = of(first_wave())
    pages = run_pages(found, runbook())
    assert list(pages) == ["servers", "waves", "report"]
    assert f"![wave graph]({data_url(wave_graph_svg(found.report, runbook()))})" in pages["waves"].markdown
    assert pages["waves"].card.startswith("1 of 2 waves over\n\n")
    assert pages["servers"].card.startswith("2 of 3 servers launched\n\n")
    assert pages["servers"].markdown.count("| LAUNCHED |") == 2
    assert not any(page.markdown.lstrip().startswith(("{", "[")) for page in pages.values())


def test_the_same_situation_gives_the_same_pages() -> None:
    assert run_pages(of(AT_A_GATE, gates=GATES), runbook()) == run_pages(of(AT_A_GATE, gates=GATES), runbook())


def test_a_gate_says_what_approving_launches_and_where_to_press() -> None:
    launches = launch_line(runbook((2, 1)), 1)
    assert launches == f"2 drill instances in 1 job, {ACCOUNT}/{REGION}: host-1-0, host-1-1"
    assert launch_line(runbook((12,)), 1).endswith("host-1-6, host-1-7 and 4 more")
    assert gate_prompt("exec-1", 1, "Wave 1", launches) == (
        f"Waits for approval of wave 1 Wave 1: {launches}. To answer: Resume on this page, or "
        "prefect-drs approve exec-1 --wave 1"
    )
    page = gate_page("exec-1", 1, "Wave 1", launches, "the form", suspended=False)
    assert page.card.splitlines()[0] == "**Press Resume** to answer, or run `prefect-drs approve exec-1 --wave 1`"
    assert f"Approving launches {launches}." in page.markdown
    assert "run `prefect-drs resume exec-1`. The answer is stored and counts." in page.markdown
    assert page.markdown.endswith("the form")
    suspended = gate_page("exec-1", 1, "Wave 1", launches, "the form", suspended=True)
    assert "a worker carries the execution on after the answer" in suspended.markdown


def test_a_gate_that_waits_no_more_says_why_and_what_to_do() -> None:
    assert closed_gate_page(2, "Web", "Approved by Ada").card == "**Approved by Ada**"
    lost = lost_gate_page("exec-1", 2, "Web")
    assert lost.card == "**Its process has ended**: run `prefect-drs resume exec-1`"
    assert "Run `prefect-drs resume exec-1`: it asks again" in lost.markdown


def test_a_refusal_says_that_nothing_was_launched_and_every_finding() -> None:
    findings = [{"code": "NOT_REPLICATING", "message": "app-01 is STALLED"}, {"code": "NO_QUOTA", "message": NASTY}]
    page = refusal_page("Plan", findings)
    assert page.card == "**Preflight refused it**: 2 findings, nothing was launched"
    assert "Nothing was changed and nothing was launched." in page.markdown
    assert "- **NOT_REPLICATING**: app-01 is STALLED" in page.markdown
    assert f"- **NO_QUOTA**: {markdown_text(NASTY)}" in page.markdown


def pages_with(name: str) -> list[RunPage]:
    """All pages, with one name for everything that people name."""
    book = runbook(name=name, wave_name=name)
    gate = OpenGate(2, name, at(13), at(73), LINK)
    events = [started(book), *AT_A_GATE[1:]]
    stopped = [*events, PauseAsked(at=at(15), by=name), CancelAsked(at=at(16), by=name, reason=name)]
    return [
        *run_pages(of(events, gates=[gate]), book).values(),
        *run_pages(of(stopped), book).values(),
        gate_page("exec-1", 2, name, launch_line(book, 2), "", suspended=False),
        closed_gate_page(2, name, f"Approved by {name}"),
        lost_gate_page("exec-1", 2, name),
        refusal_page(name, [{"code": name, "message": name}]),
    ]


def test_hostile_names_make_no_markup() -> None:
    for hostile, plain in zip(pages_with(NASTY), pages_with("Shop"), strict=True):
        assert shown(hostile.card).elements == shown(plain.card).elements
        assert shown(hostile.markdown).elements == shown(plain.markdown).elements
