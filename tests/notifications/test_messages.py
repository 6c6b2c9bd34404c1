"""Messages: every milestone makes one, as docs/notifications.md shows it, in the bounds of mail clients and SNS."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from typing import Literal

import pytest

from prefect_drs.core.escaping import SUBJECT_AT_MOST
from prefect_drs.execution.events import ExecutionStarted, GateAsked
from prefect_drs.notifications.commands import STATUS_DELAY_SECONDS
from prefect_drs.notifications.message import WIDTH
from prefect_drs.notifications.milestones import Milestones
from prefect_drs.notifications.notifier import PATIENCE_SECONDS
from prefect_drs.notifications.payload import PAYLOADS
from prefect_drs.notifications.text import CANCEL, RESUME, SERVERS_AT_MOST
from prefect_drs.orchestration.settings import PrefectDrsSettings
from prefect_drs.plan.notify import Milestone
from tests.notifications import story


@pytest.mark.parametrize("milestone", Milestone)
def test_each_message_is_shown_in_the_docs(milestone: Milestone) -> None:
    page = story.PAGE.read_text(encoding="utf-8")
    section = page.split(f"\n### `{milestone}`\n", 1)[1].split("\n### ", 1)[0]
    assert section.strip().endswith(story.shown(story.all_messages()[milestone]))


def test_the_docs_show_no_other_milestone() -> None:
    page = story.PAGE.read_text(encoding="utf-8")
    assert set(re.findall(r"^### `([\w.]+)`$", page, re.MULTILINE)) == set(Milestone) == set(PAYLOADS)


def test_the_docs_state_the_times_and_settings_of_the_code() -> None:
    page = " ".join(story.PAGE.read_text(encoding="utf-8").split())
    assert f"a run waits up to {PATIENCE_SECONDS:g} seconds" in page
    assert f"waits {STATUS_DELAY_SECONDS} seconds and shows" in page
    assert set(re.findall(r"\| `PREFECT_DRS_(\w+)` \|", page)) == {
        "NOTIFY_TOPICS", "NOTIFY_BLOCKS", "NOTIFY_EVENT_BUSES", "API_URL",
    }  # fmt: skip
    assert {"notify_topics", "notify_blocks", "notify_event_buses", "api_url"} <= set(PrefectDrsSettings.model_fields)


@pytest.mark.parametrize("milestone", Milestone)
def test_a_line_is_no_longer_than_mail_clients_leave_whole(milestone: Milestone) -> None:
    message = story.all_messages()[milestone]
    long = [line for line in message.text.splitlines() if len(line) > WIDTH and "https://" not in line]
    assert long == []
    assert len(message.subject) <= SUBJECT_AT_MOST


def test_a_drill_sends_its_milestones_in_order() -> None:
    sent = story.messages([*story.beginning(), *story.ending()], story.open_gate())
    assert [(m.milestone, m.wave_number) for m in sent] == [
        (Milestone.STARTED, None),
        (Milestone.WAVE_COMPLETED, 1),
        (Milestone.WAVE_PAUSED, 2),
        (Milestone.WAVE_COMPLETED, 2),
        (Milestone.COMPLETED, None),
    ]
    assert len({m.key for m in sent}) == 5


def test_events_that_are_read_back_give_the_same_messages() -> None:
    events = [*story.beginning(), *story.ending()]
    assert story.messages(events) == story.messages(events)


def test_a_gate_that_is_opened_again_is_another_occasion() -> None:
    first, second = (
        story.messages(story.beginning(), gate)[-1]
        for gate in (story.open_gate(), story.NotifiedGate(2, "another-run", None, None))
    )
    assert first.key != second.key
    assert "Deadline:\n  none" in second.text
    assert "flow run another-run: Resume" in second.text


def test_a_mail_lists_hundreds_of_servers_and_counts_the_rest() -> None:
    book = story.runbook()
    many = tuple(
        story.server(2, "app1").model_copy(update={"source_server_id": f"s-{n:017d}", "name": f"app{n}"})
        for n in range(1, 501)
    )
    wide = book.model_copy(update={"waves": (book.waves[0], book.waves[1].model_copy(update={"servers": many}))})
    milestones = Milestones(story.ACCESS)
    milestones.apply(ExecutionStarted(at=story.START, execution_id=story.EXECUTION, runbook=wide))
    milestones.apply(GateAsked(at=story.at(19), wave_number=2))
    text = milestones.gate_opened(story.open_gate(), story.at(19)).text
    assert "launches 500 drill instance(s) in 5 job(s): 100 in" in text
    assert text.count("CONTINUOUS") == SERVERS_AT_MOST
    assert f"... and {500 - SERVERS_AT_MOST} more" in text
    assert len(text) < 64 * 1024  # SNS takes four times as much


@pytest.mark.parametrize("auth", ["key", "password"])
def test_a_secret_that_the_api_requires_is_read_from_the_shell_and_never_in_the_mail(
    auth: Literal["key", "password"],
) -> None:
    access = replace(story.ACCESS, auth=auth)
    milestones = Milestones(access)
    for event in story.beginning():
        milestones.apply(event)
    text = milestones.gate_opened(story.open_gate(), story.at(19)).text
    variable = {"key": "PREFECT_API_KEY", "password": "PREFECT_API_AUTH_STRING"}[auth]
    assert f"The Prefect API requires {variable}: set it first." in text
    commands = [text.split(heading)[1].split("---")[0] for heading in (RESUME, CANCEL)]
    for command in commands:
        assert command.count("curl ") == command.count(f"${variable}") == 2
        assert subprocess.run(["sh", "-n"], input=command, text=True, check=False).returncode == 0


def test_a_message_of_a_run_with_its_own_api_says_so_and_has_no_commands() -> None:
    access = replace(story.ACCESS, api_url=None)
    milestones = Milestones(access)
    for event in story.beginning():
        milestones.apply(event)
    text = milestones.gate_opened(story.open_gate(), story.at(19)).text
    assert "Prefect API is not reachable from other machines" in " ".join(text.split())
    assert "curl" not in text


def test_a_recovery_says_that_it_is_for_real() -> None:
    milestones = Milestones(story.ACCESS)
    started = ExecutionStarted(at=story.START, execution_id=story.EXECUTION, runbook=story.runbook("recovery"))
    message = milestones.apply(started)
    assert message is not None
    assert "FOR REAL" in message.text
    assert message.subject == "[prefect-drs] recovery of Shop started"
