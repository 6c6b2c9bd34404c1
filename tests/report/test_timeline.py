"""The timeline of a journal: each moment of a wave has one cause, told in sentences, with what went wrong."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from rich.console import Console

from prefect_drs.core.errors import PrefectDrsError, UsageError
from prefect_drs.execution.events import (
    Event,
    ExecutionEnded,
    GateAnswered,
    GateAsked,
    JobEnded,
    JobRequested,
    Notified,
    TerminationAsked,
    WaveEnded,
    WaveStarted,
)
from prefect_drs.execution.timeline import timeline_of
from prefect_drs.recovery.journal import FolderStorage, StoredJournal
from prefect_drs.report.timeline import Cause, IncidentKind, Timeline, Wait
from prefect_drs.report.why import explain, why_view
from prefect_drs.runbook import ExcludedServer, FindingSeverity, RunbookFinding
from tests.report import journals
from tests.report.story import at, became, completed, job_started, runbook, started
from tests.rig import ACCOUNT, REGION, Rig, simulated_aws

STORED = Path(__file__).parents[1] / "recovery" / "data" / "journal-0.1.0"


@cache
def events_of(scenario: Callable[[Rig], tuple[Event, ...]]) -> tuple[Event, ...]:
    with simulated_aws() as rig:
        return scenario(rig)


def of(scenario: Callable[[Rig], tuple[Event, ...]]) -> Timeline:
    return timeline_of(events_of(scenario))


def told(waits: Sequence[Wait]) -> list[tuple[Cause, int]]:
    """Causes with their rounded minutes, without those of a few seconds."""
    return [(wait.cause, round(wait.seconds / 60)) for wait in waits if wait.seconds >= 5]


def text_of(timeline: Timeline, wave: str | None = None, server: str | None = None, width: int = 400) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(why_view(explain(timeline, wave=wave, server=server)))
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())  # type: ignore[attr-defined]


# Each moment has one cause


def is_whole(timeline: Timeline) -> None:
    """Waits follow each other without a gap, from the start of the execution on."""
    for wave in timeline.waves:
        ends = [wave.waits[-1].end] if wave.waits else []
        assert all(wait.start < wait.end for wait in wave.waits)
        assert all(first.end == second.start for first, second in pairwise(wave.waits)), wave.waits
        assert not wave.waits or wave.waits[0].start == timeline.started_at
        assert wave.status.over or not ends or ends == [timeline.until]
        for server in wave.servers:
            begun = [wait for wait in wave.waits if wait.cause in {Cause.LAUNCH, Cause.RETRY}]
            assert all(wait.start < wait.end for wait in server.waits)
            assert all(first.end <= second.start for first, second in pairwise(server.waits))
            assert not server.waits or not begun or server.waits[-1].end <= wave.waits[-1].end
    chain = timeline.deciding_waits
    assert all(first.end == second.start for first, second in pairwise(chain))
    whole = (chain[-1].end - timeline.started_at).total_seconds() if chain else 0.0
    assert sum(timeline.shares.values()) == pytest.approx(whole)


@pytest.mark.parametrize("scenario", journals.SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_each_moment_of_a_wave_has_one_cause_after_every_event(scenario: Callable[[Rig], tuple[Event, ...]]) -> None:
    events = events_of(scenario)
    for count in range(1, len(events) + 1):
        is_whole(timeline_of(events[:count]))
        is_whole(timeline_of(events[:count], now=events[count - 1].at + timedelta(hours=2)))


@pytest.mark.parametrize("execution_id", ["ended", "interrupted"])
def test_journals_of_former_releases_have_timelines(execution_id: str) -> None:
    events = StoredJournal(FolderStorage(STORED), execution_id).read()
    for count in range(1, len(events) + 1):
        is_whole(timeline_of(events[:count]))


def test_an_empty_journal_and_one_without_a_beginning_are_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        timeline_of([])
    with pytest.raises(PrefectDrsError, match="not with ExecutionStarted"):
        timeline_of(completed()[1:])


# What was waited for


def test_a_gate_is_told_with_who_answered_and_when() -> None:
    timeline = of(journals.with_a_gate)
    assert told(timeline.wave(2).waits) == [(Cause.DEPENDENCIES, 8), (Cause.GATE, 7), (Cause.LAUNCH, 5)]
    (gate,) = timeline.gates
    assert (gate.decision, gate.by, gate.comment) == ("APPROVED", "Ada Lovelace", "database checked")
    assert gate.answered_at is not None
    assert (gate.answered_at - gate.asked_at).total_seconds() == 420
    text = text_of(timeline)
    assert '7 min 00 s  It waited at its gate; Ada Lovelace approved it: "database checked".' in text
    assert 'What decided when it ended: wave 1 "wave 1" → wave 2 "wave 2".' in text
    assert "Its time: launch 13 min 16 s (65 %), gate 7 min 00 s (35 %)." in text
    assert timeline.incidents == ()


def test_an_answer_on_another_clock_counts_from_when_it_was_recorded() -> None:
    """In a sandbox people answer in real time, and the engine's clock is a simulated one."""
    answer = GateAnswered(at=at(20), wave_number=2, decision="APPROVED", by="Ada", answered_at=at(-9999))
    (gate,) = timeline_of([*completed()[:9], GateAsked(at=at(13), wave_number=2), answer]).gates
    assert gate.answered_at == at(20)


def test_a_wave_that_waits_now_says_so_up_to_now() -> None:
    timeline = timeline_of(completed()[:10], now=at(60))
    assert not timeline.over
    assert told(timeline.wave(2).waits) == [(Cause.DEPENDENCIES, 13), (Cause.GATE, 47)]
    assert timeline.deciding == (1, 2)
    text = text_of(timeline)
    assert "as of 2030-01-01 13:00:00 UTC" in text
    assert "47 min 00 s  It waits at its gate for a person." in text
    assert "What it has waited for: wave 1" in text


def test_a_rejection_cancels_the_wave_and_what_depends_on_it() -> None:
    timeline = of(journals.with_a_rejection)
    assert timeline.deciding == (1, 2)
    assert 'Ada Lovelace rejected it: "database checked"' in text_of(timeline)
    assert 'It depends on wave 2 "wave 2", which is CANCELLED.' in text_of(timeline, "3")
    (incident,) = timeline.incidents
    assert (incident.kind, incident.wave_number, incident.action) == (IncidentKind.GATE, 2, "the wave was cancelled")


def test_a_retry_is_told_with_its_reason_and_what_was_different() -> None:
    timeline = of(journals.with_a_retry)
    assert told(timeline.wave(1).waits) == [(Cause.LAUNCH, 8), (Cause.RETRY, 7)]
    text = text_of(timeline, "1")
    assert "The last of its 3 servers, w1-000, failed in job drsjob-" in text
    assert "LAUNCH_FAILED" in text
    assert "was launched once more (attempt 2 of 2) and came into job drsjob-" in text
    assert "The other 2 servers waited for nothing else: 5 min 52 s to 6 min 58 s." in text
    (incident,) = timeline.incidents
    assert incident.what.startswith("w1-000 failed: LAUNCH_FAILED")
    assert incident.action == "launched once more (attempt 2 of 2): LAUNCHED"


def test_a_pause_counts_from_when_it_held_a_launch_up() -> None:
    timeline = of(journals.with_a_pause)
    assert told(timeline.wave(2).waits) == [(Cause.DEPENDENCIES, 8), (Cause.PAUSE, 16), (Cause.LAUNCH, 5)]
    assert "Grace Hopper paused launching; Ada Lovelace ended the pause." in text_of(timeline)
    (incident,) = timeline.incidents
    assert incident.what == "paused by Grace Hopper"
    assert incident.action.startswith("ended by Ada Lovelace after 22 min")
    assert [wait.cause for wait in timeline.interruptions] == [Cause.PAUSE]


def test_a_job_that_ended_while_no_process_ran_was_over_when_drs_says() -> None:
    timeline = of(journals.with_a_lost_process)
    assert told(timeline.wave(1).waits) == [(Cause.LAUNCH, 8), (Cause.NO_PROCESS, 53)]
    assert "No process carried the execution; host-b pid 7 resumed it." in text_of(timeline)
    (incident,) = timeline.incidents
    assert incident.kind is IncidentKind.PROCESS
    assert incident.action == "resumed 1 h 00 min later by host-b pid 7"


def test_at_a_gate_no_process_is_missed_until_somebody_answers() -> None:
    timeline = of(journals.with_a_process_lost_at_a_gate)
    assert told(timeline.wave(1).waits) == [(Cause.GATE, 40), (Cause.LAUNCH, 8)]
    assert [incident.kind for incident in timeline.incidents] == [IncidentKind.PROCESS]
    assert len(timeline.gates) == 1


def test_an_answer_that_no_process_heard_is_followed_by_the_wait_for_one() -> None:
    from prefect_drs.execution.events import ExecutionResumed

    events = [
        *completed()[:10],
        ExecutionResumed(at=at(60), by="host-b"),
        GateAnswered(at=at(60), wave_number=2, decision="APPROVED", by="Ada", answered_at=at(20)),
        WaveStarted(at=at(60), wave_number=2),
    ]
    assert told(timeline_of(events).wave(2).waits) == [
        (Cause.DEPENDENCIES, 13),
        (Cause.GATE, 7),
        (Cause.NO_PROCESS, 40),
    ]


def test_servers_that_found_no_room_in_a_job_waited_for_the_quotas() -> None:
    timeline = of(journals.with_little_room)
    assert told(timeline.wave(2).waits) == [(Cause.QUOTA, 9), (Cause.LAUNCH, 7)]
    text = text_of(timeline, "2")
    assert "quotas in 123456789012/us-west-2, which were used up: this execution had 1 of 20 jobs" in text
    assert "w2-000, w2-002, w2-003, LAUNCHED after" in text


def test_where_an_execution_used_the_whole_quota_itself_that_is_said() -> None:
    book = runbook([100] * 6)
    book = book.model_copy(
        update={"waves": tuple(w.model_copy(update={"depends_on_waves": (), "gate": False}) for w in book.waves)}
    )
    events: list[Event] = [started(book), *(WaveStarted(at=at(0), wave_number=n) for n in range(1, 7))]
    events += [job_started(n, 0, range(100), f"drsjob-{n}") for n in range(1, 6)]
    events += [JobEnded(at=at(20), job_id=f"drsjob-{n}", ended_at=at(20)) for n in range(1, 6)]
    events.append(job_started(6, 20, range(100), "drsjob-6"))
    (wait,) = (wait for wait in timeline_of(events).wave(6).waits if wait.cause is Cause.QUOTA)
    assert wait.seconds == 1200
    where = f"{ACCOUNT}/{REGION}"
    assert f"room under DRS's quotas in {where}, which were used up: this execution had 5 of 20 jobs" in wait.text


def test_a_server_in_a_job_of_somebody_else_waited_for_that_job() -> None:
    timeline = of(journals.with_a_foreign_job)
    assert told(timeline.wave(1).waits) == [(Cause.FOREIGN_JOB, 8), (Cause.LAUNCH, 7)]
    assert "of somebody else; launched once that job has ended" in text_of(timeline)
    assert [incident.kind for incident in timeline.incidents] == [IncidentKind.DELAY]


def test_refused_requests_are_one_incident_for_each_reason() -> None:
    timeline = of(journals.with_refused_requests)
    assert [cause for cause, _ in told(timeline.wave(1).waits)] == [Cause.REFUSED, Cause.LAUNCH]
    (incident,) = timeline.incidents
    assert incident.what.startswith("10 launch requests, 1.1 to 1.10, were not started: StartRecovery failed")
    assert incident.action == "the servers were requested again, and a job started"


def test_settings_that_could_not_be_written_held_the_whole_wave_up() -> None:
    timeline = of(journals.with_settings_that_cannot_be_written)
    assert told(timeline.wave(1).waits) == [(Cause.SETTINGS, 11), (Cause.LAUNCH, 8)]
    assert "waited: launch settings could not be written yet: UpdateLaunchConfiguration failed" in text_of(timeline)


def test_checks_are_told_with_the_one_that_was_last_and_those_that_failed() -> None:
    timeline = of(journals.with_a_failed_check)
    assert told(timeline.wave(1).waits) == [(Cause.LAUNCH, 8), (Cause.CHECKS, 1)]
    assert "Its healthChecks: 1 of 2 passed, the last was discard; not passed: discard." in text_of(timeline)
    (incident,) = timeline.incidents
    assert incident.what.startswith("healthChecks discard of w1-000 did not pass: not within 60 s")
    assert incident.action == "required: 1 attempt(s)"


def test_a_cancel_is_told_of_waves_that_never_began() -> None:
    timeline = of(journals.with_a_cancel)
    assert told(timeline.wave(2).waits) == [(Cause.DEPENDENCIES, 1), (Cause.CANCEL, 7)]
    assert "Grace Hopper cancelled the execution: wrong region." in text_of(timeline, "2")
    (incident,) = timeline.incidents
    assert (incident.what, incident.action) == ("cancelled by Grace Hopper: wrong region", "nothing more was launched")


def test_the_time_until_a_failed_execution_was_resumed_is_told_apart() -> None:
    timeline = of(journals.with_a_second_turn)
    assert told(timeline.wave(1).waits) == [(Cause.LAUNCH, 8), (Cause.ENDED, 20), (Cause.LAUNCH, 7)]
    assert "host-b resumed the execution." in text_of(timeline)
    assert [incident.action for incident in timeline.incidents] == [
        "launched again after a resume: LAUNCHED",
        "resumed by host-b: what failed is retried",
    ]


def test_waivers_exclusions_unsent_notifications_and_terminations_are_incidents() -> None:
    book = runbook([1])
    excluded = ExcludedServer(source_server_id="s-9", name="old", group="group", reason="gone, see INC-1")
    waived = RunbookFinding(
        code="NOT_REPLICATING", severity=FindingSeverity.WAIVED, message="it lags", waived_because="region is down"
    )
    wave = book.waves[0].model_copy(update={"excluded": (excluded,)})
    events: list[Event] = [
        started(book.model_copy(update={"waves": (wave,), "findings": (waived,)})),
        WaveStarted(at=at(0), wave_number=1),
        job_started(1, 1, (0,), "drsjob-1"),
        became(1, 0, "LAUNCHED", 9),
        WaveEnded(at=at(9), wave_number=1, status="COMPLETED"),
        Notified(at=at(10), milestone="COMPLETED", occasion="x", channel="sns", error="no such topic"),
        ExecutionEnded(at=at(11), status="COMPLETED"),
        TerminationAsked(at=at(90), by="Ada", account_id=ACCOUNT, region=REGION, recovery_instance_ids=("i-1",)),
    ]
    timeline = timeline_of(events)
    assert timeline.until == at(11)
    assert [(each.kind.value, each.what, each.action) for each in timeline.incidents] == [
        ("waiver", "NOT_REPLICATING: it lags", "waived: region is down"),
        ("exclusion", "old (s-9) of group: gone, see INC-1", "left out"),
        ("notification", "COMPLETED to sns: no such topic", "not sent"),
        ("termination", f"Ada terminates 1 recovery instance(s) in {ACCOUNT}/{REGION}", ""),
    ]


def test_a_lost_answer_is_told_apart_from_a_launch() -> None:
    request = JobRequested(
        at=at(1), wave_number=1, batch="1.1", account_id=ACCOUNT, region=REGION, server_ids=("s-00001000000000000",)
    )
    found = job_started(1, 5, (0,), "drsjob-1")
    waits = timeline_of([started(runbook([1])), WaveStarted(at=at(0), wave_number=1), request, found]).wave(1).waits
    (refused,) = (wait for wait in waits if wait.cause is Cause.REFUSED)
    assert refused.seconds == 240
    assert "DRS's answer was lost, and its job was looked for" in refused.text


# Views


def test_a_server_is_explained_by_its_name_or_id_from_the_start_on() -> None:
    timeline = of(journals.with_a_retry)
    server = timeline.wave(1).servers[0]
    by_name = text_of(timeline, server="w1-000")
    assert by_name == text_of(timeline, server=server.source_server_id)
    assert f'w1-000 ({server.source_server_id}) of wave 1 "wave 1": LAUNCHED' in by_name
    assert "6 min 46 s  It was launched once more (attempt 2 of 2)" in by_name
    with pytest.raises(UsageError, match="has no server w9-999"):
        explain(timeline, server="w9-999")
    with pytest.raises(UsageError, match="no wave 9; it has 1 'wave 1', 2 'wave 2'"):
        explain(timeline, wave="9")


def test_a_wave_may_be_named_by_its_name() -> None:
    timeline = timeline_of(completed())
    assert text_of(timeline, "wave 2") == text_of(timeline, "2") == text_of(timeline, "WAVE 2")


def test_a_wave_that_decided_nothing_is_told_in_one_sentence() -> None:
    text = text_of(of(journals.with_little_room))
    assert 'wave 1 "wave 1": COMPLETED at 00:08:25; launch 8 min 26 s.' in text


@pytest.mark.parametrize("width", [80, 100, 160])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert max(map(len, text_of(of(journals.with_a_retry), width=width).splitlines())) <= width


def test_the_timeline_is_plain_data() -> None:
    timeline = timeline_of(completed())
    assert Timeline.model_validate_json(timeline.model_dump_json(by_alias=True)) == timeline
