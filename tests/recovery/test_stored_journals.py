"""Journals that release 0.1.0 stored are reported, and resumed, as that release would have done.

`data/journal-0.1.0` was written by the code of that release (commit 4d66968) in virtual time, on the plan `WAVES`:
`ended` is a drill with a retry, a gate and a health check that COMPLETED; `interrupted` was paused, cancelled and
resumed despite the cancel, and died between StartRecovery of wave 2 and its answer. A journal is a chain of objects, so
that each beginning of one is the journal of a process that died earlier. The reports beside them are those of 0.1.0.
"""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from prefect_drs.core.errors import UsageError
from prefect_drs.execution.events import CancelAsked, Event, JobRequested, JobStarted, PauseAsked
from prefect_drs.execution.replay import state_of
from prefect_drs.execution.view import ReportFold, report_of
from prefect_drs.recovery.journal import FolderStorage, StoredJournal
from prefect_drs.report.model import ExecutionStatus
from tests.recovery.test_control_requests import MemoryRequests
from tests.rig import ACCOUNT, GIB, REGION, Rig, WaveSpec

STORED = Path(__file__).parent / "data" / "journal-0.1.0"
GAINED: dict[str, Any] = {
    "GateAsked": {"digest", "demands"},
    "ServerRetried": {"settings": {"launch_into_instance"}},
}
"""Fields that kinds of events have gained since, empty in what 0.1.0 wrote."""
WAVES = {
    1: WaveSpec(
        3,
        settings={"copyTags": True},
        policy={"retry": {"attempts": 1}, "healthChecks": [{"type": "ec2Status"}]},
    ),
    2: WaveSpec(2, (1,), gate=True),
    3: WaveSpec(1, (2,)),
}


def stored(execution_id: str, folder: Path = STORED) -> StoredJournal:
    return StoredJournal(FolderStorage(folder), execution_id)


def cut_after(kind: type[Event], folder: Path) -> StoredJournal:
    """The interrupted journal as it was when the first event of a kind had just been written."""
    for path in sorted((STORED / "interrupted").iterdir()):
        (folder / "interrupted").mkdir(exist_ok=True)
        shutil.copy(path, folder / "interrupted" / path.name)
        events = stored("interrupted", folder).read()
        if isinstance(events[-1], kind):
            break
    return stored("interrupted", folder)


def today(rig: Rig, journal: StoredJournal) -> None:
    """The estate of those executions, with the ids of that release, some minutes after the journal's last event."""
    events = journal.read()
    state = state_of(events)
    assert state is not None
    backend = rig.sandbox.backend(ACCOUNT, REGION)
    backend.initialize_service()
    for server in (server for wave in state.runbook.waves for server in wave.servers):
        backend.seed_source_server(
            source_server_id=server.source_server_id,
            hostname=server.name,
            ram_bytes=4 * GIB,
            cpus=2,
            disks=[{"deviceName": "/dev/sda1", "bytes": 40 * GIB}],
        )
    last = events[-1].at
    rig.clock.wait((last - rig.clock.now() + timedelta(minutes=3)).total_seconds())


@pytest.mark.parametrize("execution_id", ["ended", "interrupted"])
def test_the_report_is_that_of_the_release_but_for_the_word_of_a_severity(execution_id: str) -> None:
    expected: dict[str, Any] = json.loads((STORED / f"{execution_id}-report.json").read_text())
    for finding in expected["findings"]:
        finding["severity"] = {"TOLD": "INFO"}[finding["severity"]]
    assert only_what_is_in(expected, json.loads(report_of(stored(execution_id).read()).to_json())) == expected


def only_what_is_in(former: Any, report: Any) -> Any:
    """A report without the fields that later releases added."""
    if isinstance(former, dict):
        return {name: only_what_is_in(former[name], report[name]) for name in former}
    if isinstance(former, list):
        assert len(former) == len(report)
        return [only_what_is_in(*pair) for pair in zip(former, report, strict=True)]
    return report


@pytest.mark.parametrize("execution_id", ["ended", "interrupted"])
def test_a_report_that_grows_event_by_event_is_that_of_the_journal_so_far(execution_id: str) -> None:
    events, fold = stored(execution_id).read(), ReportFold()
    for count, event in enumerate(events, 1):
        fold.apply(event)
        assert fold.report() == report_of(events[:count]), f"after event {count}, {event.kind}"


@pytest.mark.parametrize("execution_id", ["ended", "interrupted"])
def test_each_event_is_written_today_as_the_release_wrote_it(execution_id: str) -> None:
    objects = sorted((STORED / execution_id).iterdir())
    written = [event for path in objects for event in json.loads(path.read_text())["events"]]
    today = [
        event.model_dump(mode="json", by_alias=True, exclude=GAINED.get(event.kind))
        for event in stored(execution_id).read()
    ]
    assert today[1:] == written[1:]  # the first holds the runbook, which may gain fields


def test_the_launch_whose_answer_was_lost_is_found_and_the_execution_completes(rig: Rig, tmp_path: Path) -> None:
    shutil.copytree(STORED, tmp_path, dirs_exist_ok=True)
    journal = stored("interrupted", tmp_path)
    today(rig, journal)
    request = journal.read()[-1]
    assert isinstance(request, JobRequested)
    drs = rig.sessions.client("drs", region=REGION)
    sent = drs.start_recovery(
        sourceServers=[{"sourceServerID": server_id} for server_id in request.server_ids],
        isDrill=True,
        tags={"prefect-drs:execution": "interrupted", "prefect-drs:wave": "2", "prefect-drs:batch": request.batch},
    )["job"]["jobID"]
    report = rig.run(rig.engine(None, "interrupted", journal, holder="host-c", run_request="resume-2"))
    assert report.status is ExecutionStatus.COMPLETED
    assert [job.job_id for job in report.waves[1].jobs] == [sent]  # found, and not launched a second time
    assert len(rig.jobs()) == 2  # that one and wave 3's
    assert rig.answers.asked == []  # the approval of wave 2 is in the journal
    attempts = [server.attempts for wave in report.waves for server in wave.servers]
    assert attempts == [2, 1, 1, 1, 1, 1]
    events = stored("interrupted", tmp_path).read()
    assert report_of(events) == report
    assert len([event for event in events if isinstance(event, JobStarted)]) == 4


def test_a_launch_that_never_reached_drs_is_sent_once_more(rig: Rig, tmp_path: Path) -> None:
    shutil.copytree(STORED, tmp_path, dirs_exist_ok=True)
    journal = stored("interrupted", tmp_path)
    today(rig, journal)
    report = rig.run(rig.engine(None, "interrupted", journal, run_request="resume-2"))
    assert report.status is ExecutionStatus.COMPLETED
    assert len(rig.jobs()) == 2


def test_after_a_cancel_nothing_is_launched(rig: Rig, tmp_path: Path) -> None:
    journal = cut_after(CancelAsked, tmp_path)
    today(rig, journal)
    engine = rig.engine(None, "interrupted", journal, requests=MemoryRequests(), run_request="interrupted")
    assert engine.control.cancelled == "cancelled by grace: wrong region"
    report = rig.run(engine)
    assert rig.jobs() == []
    assert [wave.status for wave in report.waves[1:]] == ["SKIPPED", "SKIPPED"]
    assert report.status is ExecutionStatus.FAILED  # the job that ran is not in this DRS any more


def test_a_pause_is_in_force_after_the_restart(rig: Rig, tmp_path: Path) -> None:
    journal = cut_after(PauseAsked, tmp_path)
    assert report_of(journal.read()).status is ExecutionStatus.PAUSED
    today(rig, journal)
    engine = rig.engine(None, "interrupted", journal)
    assert engine.control.paused
    assert engine.report().status is ExecutionStatus.PAUSED


def test_one_that_ended_stays_so_for_the_run_request_that_began_it(rig: Rig, tmp_path: Path) -> None:
    shutil.copytree(STORED, tmp_path, dirs_exist_ok=True)
    state = state_of(stored("ended").read())
    assert state is not None
    assert state.ended
    assert not state.at_work
    with pytest.raises(UsageError, match="has ended"):
        rig.engine(None, "ended", stored("ended", tmp_path), run_request="ended")
