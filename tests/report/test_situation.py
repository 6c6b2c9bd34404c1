"""What an execution waits for and what to do, from its report, its gates and its process."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from prefect_drs.execution.events import (
    CancelAsked,
    Event,
    GateAsked,
    InstancesTerminated,
    JobRequested,
    PauseAsked,
    PauseEnded,
    TerminationAsked,
    WaveDelayed,
    WaveStarted,
)
from prefect_drs.execution.view import report_of
from prefect_drs.report.situation import OpenGate, ProcessReport, Situation, situation
from prefect_drs.report.situation_view import situation_view
from tests.report.story import at, completed, first_wave, runbook, server_id, started
from tests.report.test_report import text_of
from tests.rig import ACCOUNT, REGION

ALIVE = ProcessReport(alive=True, last_seen_at=at(20))
LOST = ProcessReport(alive=False, last_seen_at=at(14))
LINK = "http://127.0.0.1:4200/v2/runs/flow-run/00000000-0000-0000-0000-000000000000"
GATE = OpenGate(2, "Wave 2", at(13), at(73), LINK)


def of(
    events: Sequence[Event],
    process: ProcessReport = ALIVE,
    gates: Sequence[OpenGate] = (),
    *,
    suspended: bool = False,
    now: datetime | None = None,
) -> Situation:
    return situation(report_of(events), process, gates, suspended=suspended, wall=lambda each: each, link=LINK, now=now)


def told(found: Situation, minutes: float = 20) -> str:
    return text_of(situation_view(found, at(minutes)), 100)


def test_at_a_gate_it_says_since_when_until_when_and_what_to_do() -> None:
    found = of([*first_wave(), GateAsked(at=at(13), wave_number=2)], gates=[GATE])
    (wait,) = found.waiting_for
    assert (wait.kind, wait.wave_number, wait.since, wait.until, wait.link) == ("approval", 2, at(13), at(73), LINK)
    text = told(found)
    assert "approval of wave 2 Wave 2, since 2030-01-01 12:13:00 UTC (7 min 00 s), until 2030-01-01 13:13:00" in text
    assert "    prefect-drs approve exec-1 --wave 2\n" in text
    assert LINK in text


def test_a_pause_says_who_since_when_and_how_to_go_on_and_ends_with_the_pause() -> None:
    paused: list[Event] = [*first_wave(), PauseAsked(at=at(15), by="Ada")]
    (wait,) = of(paused).waiting_for
    assert (wait.kind, wait.since, wait.command) == ("pause", at(15), "prefect-drs resume exec-1")
    assert "the pause by Ada" in told(of(paused))
    assert of([*paused, PauseEnded(at=at(16), by="Bob")]).waiting_for == ()


def test_without_a_process_it_says_since_when_and_to_resume() -> None:
    found = of(first_wave(), LOST)
    (wait,) = found.waiting_for
    assert (wait.kind, wait.since, wait.command) == ("process", at(14), "prefect-drs resume exec-1")
    assert "no process carries it: nothing is launched, and no job is followed, since 2030-01-01 12:14:00" in told(
        found
    )
    assert of(first_wave(), LOST, suspended=True).waiting_for == (), "a worker carries it on"


def test_a_wave_waits_for_a_quota_until_all_its_servers_are_requested() -> None:
    delayed: list[Event] = [
        started(runbook()),
        WaveStarted(at=at(0), wave_number=1),
        WaveDelayed(at=at(1), wave_number=1, reason="the quotas are used up", cause="quota"),
    ]
    (wait,) = of(delayed).waiting_for
    assert (wait.kind, wait.wave_number, wait.since, wait.command) == ("quota", 1, at(1), "")

    def request(batch: str, *indexes: int) -> JobRequested:
        servers = tuple(server_id(1, index) for index in indexes)
        return JobRequested(at=at(2), wave_number=1, batch=batch, account_id=ACCOUNT, region=REGION, server_ids=servers)

    half = [*delayed, request("1.1", 0)]
    assert len(of(half).waiting_for) == 1
    assert of([*half, request("1.2", 1)]).waiting_for == ()
    assert report_of([*half, request("1.2", 1)]).waves[0].delays == ("the quotas are used up",)


def test_what_has_ended_waits_for_nothing() -> None:
    assert of(completed(), LOST, [GATE]).waiting_for == ()


def test_a_cancel_says_who_when_and_why_and_which_jobs_still_run() -> None:
    text = told(of([*first_wave()[:4], CancelAsked(at=at(5), by="Ada", reason="wrong plan")]))
    assert "Cancelled by Ada at 2030-01-01 12:05:00 UTC: wrong plan: nothing more is launched." in text
    assert "DRS runs 1 job(s): drsjob-1 (wave 1, 2 servers)." in text


def test_terminated_servers_say_so_and_stay_counted_as_launched() -> None:
    instance = report_of(completed()).waves[0].servers[0].recovery_instance_id
    assert instance is not None
    where = {"account_id": ACCOUNT, "region": REGION, "recovery_instance_ids": (instance,)}
    events = [
        *completed(),
        TerminationAsked(at=at(60), by="Ada", **where),
        InstancesTerminated(at=at(62), **where),
    ]
    report = report_of(events)
    server = report.waves[0].servers[0]
    assert (server.launch_status, server.terminated_at) == ("TERMINATED", at(62))
    assert report.waves[0].launched == 2
    assert report.achieved_rto_seconds == report_of(completed()).achieved_rto_seconds
    text = told(of(events, LOST))
    assert "Ada terminated it at 2030-01-01 13:00:00 UTC: 1 instance(s) are gone." in text
    assert "TERMINATED" in text


def test_the_json_is_the_report_with_the_process_and_what_it_waits_for() -> None:
    found = of([*first_wave(), GateAsked(at=at(13), wave_number=2)], gates=[GATE])
    data = json.loads(found.to_json())
    assert data["executionId"] == "exec-1"
    assert data["process"] == {"alive": True, "lastSeenAt": "2030-01-01T12:20:00Z"}
    (wait,) = data["waitingFor"]
    assert wait == {
        "kind": "approval",
        "what": "approval of wave 2 Wave 2",
        "waveNumber": 2,
        "since": "2030-01-01T12:13:00Z",
        "until": "2030-01-01T13:13:00Z",
        "command": "prefect-drs approve exec-1 --wave 2",
        "link": LINK,
    }


def test_time_at_gates_is_counted_apart_once_however_many_are_open() -> None:
    events = completed()
    assert report_of(events).at_gates_seconds == 7 * 60
    again = [*events[:10], GateAsked(at=at(15), wave_number=2), *events[10:]]
    assert report_of(again).at_gates_seconds == 7 * 60, "a process that resumes asks again"
    running = of([*first_wave(), GateAsked(at=at(13), wave_number=2)], gates=[GATE], now=at(33))
    assert "RTO so far 33 min 00 s, 20 min 00 s of it with a gate open" in told(running, 33)


@pytest.mark.parametrize("simulated", [True, False])
def test_the_clock_is_named_and_the_date_stands_where_the_day_changes(simulated: bool) -> None:
    late = timedelta(hours=11, minutes=55)
    events = [event.model_copy(update={"at": event.at + late}) for event in completed()]
    events[0] = events[0].model_copy(update={"simulated_time": simulated})
    text = told(of(events, LOST))
    clock = " UTC, simulated time of the sandbox" if simulated else " UTC"
    assert f"started 2030-01-01 23:55:00, ended 01-02 00:26:00{clock}" in text
    assert re.search(r"23:55:00\s+01-02 00:08:00", text)
