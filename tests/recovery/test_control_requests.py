"""Pause, resume and cancel: every stored request is handled once, by whichever process carries the execution next."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from prefect_drs.core.errors import UsageError
from prefect_drs.execution.events import CancelAsked, CancelOverridden, ControlRequestHandled
from prefect_drs.execution.replay import state_of
from prefect_drs.recovery.control_requests import (
    ControlAction,
    ControlRequest,
    RequestsUnreachableError,
    StoredRequest,
    UnreadableRequest,
)
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.journal import FolderStorage, MemoryJournal, StoredJournal
from prefect_drs.recovery.resume import Start, take_up
from prefect_drs.report.model import ExecutionStatus
from tests.recovery.test_engine import statuses
from tests.rig import Rig, WaveSpec

TWO_WAVES = {1: WaveSpec(1), 2: WaveSpec(1, (1,))}


@dataclass
class MemoryRequests:
    """Stored requests in memory; `away` makes them unreadable, as a Prefect server that is down does."""

    stored: list[StoredRequest] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    away: bool = False

    def pending(self, handled: Collection[str]) -> Sequence[StoredRequest]:
        if self.away:
            raise RequestsUnreachableError("the server is away")
        return [request for request in self.stored if request.request_id not in handled]

    def acknowledge(self, request_id: str) -> None:
        self.acknowledged.append(request_id)


def journal(folder: Path) -> StoredJournal:
    return StoredJournal(FolderStorage(folder), "exec-1")


def request(rig: Rig, requests: MemoryRequests, action: ControlAction, reason: str = "") -> str:
    request_id = f"request-{len(requests.stored)}"
    requests.stored.append(ControlRequest(request_id, action, "ada", rig.clock.now(), reason))
    return request_id


def tick(rig: Rig, engine: Engine, times: int) -> None:
    for _ in range(times):
        rig.clock.wait(engine.tick())


def test_a_cancel_that_was_stored_before_the_engine_began_lets_it_launch_nothing(rig: Rig) -> None:
    requests = MemoryRequests()
    request_id = request(rig, requests, ControlAction.CANCEL, "wrong region")
    report = rig.run(rig.engine(rig.runbook(TWO_WAVES), requests=requests))
    assert report.status is ExecutionStatus.CANCELLED
    assert report.waves[0].reason == "cancelled by ada: wrong region"
    assert rig.jobs() == []
    assert requests.acknowledged == [request_id]


def test_a_cancel_stored_while_no_process_ran_is_honoured_by_the_next_one(rig: Rig, tmp_path: Path) -> None:
    requests = MemoryRequests()
    former = rig.engine(rig.runbook(TWO_WAVES), journal=journal(tmp_path), requests=requests)
    former.submit(1)
    tick(rig, former, 2)
    request(rig, requests, ControlAction.CANCEL)
    report = rig.run(rig.engine(None, journal=journal(tmp_path), requests=requests))
    assert statuses(report) == {1: "COMPLETED", 2: "CANCELLED"}
    assert len(rig.jobs()) == 1


def test_a_pause_stored_while_no_process_ran_is_honoured_by_the_next_one(rig: Rig, tmp_path: Path) -> None:
    requests = MemoryRequests()
    rig.engine(rig.runbook(TWO_WAVES), journal=journal(tmp_path), requests=requests)
    request(rig, requests, ControlAction.PAUSE)
    engine = rig.engine(None, journal=journal(tmp_path), requests=requests)
    engine.submit(1)
    tick(rig, engine, 5)
    assert rig.jobs() == []
    request(rig, requests, ControlAction.RESUME)
    engine.control.handle_pending()
    assert rig.run(engine).status is ExecutionStatus.COMPLETED


def test_a_cancel_is_seen_between_two_launches_of_one_tick(rig: Rig) -> None:
    """Requests are read right before each launch, not only every few seconds."""
    requests = MemoryRequests()
    engine = rig.engine(rig.runbook({1: WaveSpec(150)}), requests=requests)  # two jobs in one tick
    engine.submit(1)
    record, seen = engine.record, []

    def pending(handled: Collection[str]) -> Sequence[StoredRequest]:
        seen.append(len(rig.jobs()))
        if rig.jobs() and not requests.stored:
            request(rig, requests, ControlAction.CANCEL)
        return [each for each in requests.stored if each.request_id not in handled]

    requests.pending = pending  # type: ignore[method-assign]
    tick(rig, engine, 4)
    assert engine.record == record
    assert engine.cancelled
    assert len(rig.jobs()) == 1


def test_a_paused_execution_that_is_cancelled_ends(rig: Rig) -> None:
    requests = MemoryRequests()
    engine = rig.engine(rig.runbook(TWO_WAVES), requests=requests)
    request(rig, requests, ControlAction.PAUSE)
    request(rig, requests, ControlAction.CANCEL)
    engine.control.handle_pending()
    report = rig.run(engine)
    assert report.status is ExecutionStatus.CANCELLED
    assert rig.jobs() == []


def test_a_request_that_cannot_be_read_is_recorded_and_stops_nobody(rig: Rig, tmp_path: Path) -> None:
    requests = MemoryRequests([UnreadableRequest("request-x", rig.clock.now(), "not JSON")])
    request(rig, requests, ControlAction.CANCEL)
    engine = rig.engine(rig.runbook(TWO_WAVES), journal=journal(tmp_path), requests=requests)
    assert engine.cancelled
    events = journal(tmp_path).read()
    skipped = [event for event in events if isinstance(event, ControlRequestHandled)]
    assert [(event.request, "not JSON" in event.outcome) for event in skipped] == [("request-x", True)]


def test_every_request_is_in_the_journal_once_also_those_that_changed_nothing(rig: Rig, tmp_path: Path) -> None:
    requests = MemoryRequests()
    engine = rig.engine(rig.runbook(TWO_WAVES), journal=journal(tmp_path), requests=requests)
    actions = [
        ControlAction.RESUME,
        ControlAction.PAUSE,
        ControlAction.PAUSE,
        ControlAction.CANCEL,
        ControlAction.CANCEL,
    ]
    stored = {request(rig, requests, action) for action in actions}
    engine.control.handle_pending()
    engine.control.handle_pending()
    recorded = [event.request for event in journal(tmp_path).read() if hasattr(event, "request")]
    assert sorted(recorded) == sorted(stored)
    state = state_of(journal(tmp_path).read())
    assert state is not None
    assert state.handled >= stored


def test_while_requests_cannot_be_read_a_recovery_that_runs_goes_on(rig: Rig) -> None:
    requests = MemoryRequests()
    engine = rig.engine(rig.runbook(TWO_WAVES), requests=requests)
    requests.away = True
    assert rig.run(engine).status is ExecutionStatus.COMPLETED


def test_an_execution_is_not_begun_where_requests_cannot_be_read(rig: Rig) -> None:
    with pytest.raises(RequestsUnreachableError):
        rig.engine(rig.runbook(TWO_WAVES), requests=MemoryRequests(away=True))
    assert rig.jobs() == []


def begin(rig: Rig, folder: Path, requests: MemoryRequests, start: Start) -> Engine | None:
    """What a process does to take the execution up."""
    events = journal(folder).read()
    runbook = take_up(state_of(events), requests, start, resolve=lambda: rig.runbook(TWO_WAVES), claim=lambda _: None)
    if runbook is None:
        return None
    return rig.engine(
        runbook,
        journal=journal(folder),
        requests=requests,
        run_request=start.run_request,
        despite_cancel=start.despite_cancel,
    )


def test_an_explicit_resume_after_an_unhandled_cancel_refuses_and_names_who_and_when(rig: Rig, tmp_path: Path) -> None:
    requests = MemoryRequests()
    begin(rig, tmp_path, requests, Start("exec-1"))
    at = rig.clock.now()
    request(rig, requests, ControlAction.CANCEL, "wrong region")
    with pytest.raises(UsageError, match=rf"cancelled by ada at {at:%Y-%m-%d %H:%M:%S} UTC \(wrong region\)"):
        begin(rig, tmp_path, requests, Start("again", explicit=True))
    assert rig.jobs() == []


def test_a_resume_despite_the_cancel_goes_on_and_is_recorded(rig: Rig, tmp_path: Path) -> None:
    requests = MemoryRequests()
    begin(rig, tmp_path, requests, Start("exec-1"))
    request_id = request(rig, requests, ControlAction.CANCEL)
    engine = begin(rig, tmp_path, requests, Start("again", explicit=True, despite_cancel="grace"))
    assert engine is not None
    assert rig.run(engine).status is ExecutionStatus.COMPLETED
    overridden = [event for event in journal(tmp_path).read() if isinstance(event, CancelOverridden)]
    assert [(event.by, event.requests) for event in overridden] == [("grace", (request_id,))]


@pytest.mark.parametrize("start", [Start("again"), Start("again", explicit=True)])
def test_an_execution_that_ended_by_a_cancel_stays_so_unless_somebody_overrides_it(
    rig: Rig, tmp_path: Path, start: Start
) -> None:
    requests = MemoryRequests()
    engine = begin(rig, tmp_path, requests, Start("exec-1"))
    assert engine is not None
    engine.control.cancel("ada")
    assert rig.run(engine).status is ExecutionStatus.CANCELLED
    if start.explicit:
        with pytest.raises(UsageError, match="--despite-cancel"):
            begin(rig, tmp_path, requests, start)
    else:
        assert begin(rig, tmp_path, requests, start) is None
    overriding = begin(rig, tmp_path, requests, Start("third", explicit=True, despite_cancel="grace"))
    assert overriding is not None
    assert rig.run(overriding).status is ExecutionStatus.COMPLETED


def test_a_cancel_returns_only_once_no_launch_is_in_flight(rig: Rig) -> None:
    """What the journal holds after a cancel is no launch: the two take the same lock."""
    kept = MemoryJournal()
    engine = rig.engine(rig.runbook(TWO_WAVES), journal=kept)
    with ThreadPoolExecutor(1) as beside:
        with engine.control.launch() as allowed:
            assert allowed
            cancelling = beside.submit(engine.control.cancel, "ada")
            with pytest.raises(TimeoutError):
                cancelling.result(timeout=0.2)
            assert not any(isinstance(event, CancelAsked) for event in kept.read())
        cancelling.result()
    with engine.control.launch() as allowed:
        assert not allowed


def test_a_run_request_that_overrode_one_cancel_does_not_override_the_next(rig: Rig, tmp_path: Path) -> None:
    requests = MemoryRequests()
    begin(rig, tmp_path, requests, Start("exec-1"))
    request(rig, requests, ControlAction.CANCEL)
    overriding = Start("again", explicit=True, despite_cancel="grace")
    engine = begin(rig, tmp_path, requests, overriding)
    assert engine is not None
    engine.control.cancel("ada", "wrong region")
    assert rig.run(engine).status is ExecutionStatus.CANCELLED
    assert begin(rig, tmp_path, requests, overriding) is None  # Prefect runs the same flow run once more
    with pytest.raises(UsageError, match="has ended"):
        rig.engine(None, journal=journal(tmp_path), run_request="again", despite_cancel="grace")
    assert rig.jobs() == []


def test_a_pause_does_not_outlast_the_end_of_the_execution(rig: Rig, tmp_path: Path) -> None:
    engine = rig.engine(rig.runbook(TWO_WAVES), journal=journal(tmp_path))
    engine.control.pause("ada")
    assert engine.report().status is ExecutionStatus.PAUSED
    engine.finish()
    resumed = rig.engine(None, journal=journal(tmp_path), run_request="again")
    assert not resumed.control.paused
    assert resumed.report().status is ExecutionStatus.IN_PROGRESS
