"""Messages to an execution beside its journal: stored once, in order, and never a stop for the reader."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from prefect_drs.coordination.gate import ApprovedGate, StoredGate, WaitingGate, waiting_gates
from prefect_drs.coordination.messages import Message, MessageBox, StoredRequests
from prefect_drs.coordination.process import ExecutionBusyError, Fence, Marking, last_mark, mark_name, require_free
from prefect_drs.core.errors import ExecutionStateError
from prefect_drs.execution.approval import Decision
from prefect_drs.execution.events import ExecutionResumed, TerminationAsked
from prefect_drs.execution.replay import state_of
from prefect_drs.recovery.control_requests import (
    ControlAction,
    ControlRequest,
    RequestsUnreachableError,
    UnreadableRequest,
    pending_cancel,
)
from prefect_drs.recovery.drivers import pass_gate
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.journal import FIRST, FencedError, FolderStorage, JournalUnavailableError, StoredJournal
from prefect_drs.report.model import WaveStatus
from prefect_drs.simulator import StepClock
from tests.rig import Rig, WaveSpec, simulated_aws

AT = datetime(2030, 1, 1, tzinfo=UTC)
EXECUTION = "exec-1"


class Away(FolderStorage):
    """A folder that answers errors while it is away."""

    away = False

    def read(self, name: str) -> bytes | None:
        if self.away:
            raise JournalUnavailableError("the storage is away")
        return super().read(name)

    def replace(self, name: str, content: bytes) -> None:
        if self.away:
            raise JournalUnavailableError("the storage is away")
        super().replace(name, content)


@pytest.fixture
def storage(tmp_path: Path) -> Away:
    return Away(tmp_path)


@pytest.fixture
def begun(storage: Away) -> Away:
    """A storage with the beginning of a journal, which nobody reads."""
    storage.create(f"{EXECUTION}/{FIRST}", b"{}")
    return storage


def box(storage: FolderStorage) -> MessageBox:
    return MessageBox(storage, EXECUTION)


def message(action: Any, by: str = "Eva", **more: Any) -> Message:
    return Message(action=action, by=by, at=AT, **more)


# Requests


def test_requests_come_back_in_order_until_they_are_handled(storage: Away) -> None:
    ids = [box(storage).send(message(action)) for action in ("PAUSE", "RESUME", "CANCEL")]
    requests = StoredRequests(box(storage))
    assert [each.request_id for each in requests.pending(())] == ids
    assert [each.request_id for each in requests.pending(ids[:2])] == ids[2:]
    cancel = pending_cancel(requests, ids[:2])
    assert cancel == ControlRequest(ids[2], ControlAction.CANCEL, "Eva", AT)


def test_messages_of_many_senders_at_once_are_all_kept(storage: Away) -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda number: box(storage).send(message("PAUSE", f"sender {number}")), range(40)))
    assert len(set(ids)) == 40
    stored = box(storage).read()
    assert {each.message.by for each in stored if each.message} == {f"sender {number}" for number in range(40)}


def test_a_message_that_cannot_be_read_is_told_and_the_next_one_is_read(storage: Away) -> None:
    storage.create(f"{EXECUTION}/request-00000001.json", b'{"action": "EXPLODE", "by": "Eva"}')
    box(storage).send(message("CANCEL"))
    first, second = StoredRequests(box(storage)).pending(())
    assert isinstance(first, UnreadableRequest)
    assert "action" in first.problem
    assert isinstance(second, ControlRequest)


def test_a_storage_that_is_away_is_no_empty_one(storage: Away) -> None:
    box(storage).send(message("CANCEL"))
    storage.away = True
    with pytest.raises(RequestsUnreachableError, match="the storage is away"):
        StoredRequests(box(storage)).pending(())


def test_a_proof_is_in_no_repr() -> None:
    assert "SECRET" not in repr(message("APPROVE", token="SECRET", wave_number=1))


# Marks


def test_a_process_that_is_there_keeps_others_out_until_it_ends_or_its_mark_is_old(begun: Away) -> None:
    storage = begun
    clock = StepClock(AT)
    with Marking(storage, EXECUTION, "host pid 1", with_prefect=False, clock=clock):
        with pytest.raises(ExecutionBusyError, match="host pid 1 carries execution exec-1 without Prefect"):
            require_free(storage, EXECUTION, clock=clock, patience=timedelta(seconds=3))
        require_free(storage, EXECUTION, clock=clock, with_prefect=True)
        content = storage.read(mark_name(EXECUTION))
    require_free(storage, EXECUTION, clock=clock)
    assert content is not None
    storage.replace(mark_name(EXECUTION), content)  # as a process that was killed leaves it
    began = clock.now()
    require_free(storage, EXECUTION, clock=clock)
    assert clock.now() - began >= timedelta(seconds=50)


def test_a_process_that_was_taken_over_leaves_the_mark_of_the_other_one(begun: Away) -> None:
    storage = begun
    clock = StepClock(AT)
    with Marking(storage, EXECUTION, "first", with_prefect=True, clock=clock):
        second = Marking(storage, EXECUTION, "second", with_prefect=False, clock=clock)
        second.__enter__()
    mark = last_mark(storage, EXECUTION)
    second.__exit__(None, None, None)
    assert mark is not None
    assert (mark.holder, mark.ended) == ("second", False)


def test_a_mark_that_cannot_be_written_stops_nothing(storage: Away, caplog: pytest.LogCaptureFixture) -> None:
    storage.away = True
    with Marking(storage, EXECUTION, "host pid 1", with_prefect=False, clock=StepClock(AT)):
        pass
    assert caplog.text.count("could not be written") == 1


def test_an_execution_that_has_not_begun_gets_no_mark(storage: Away) -> None:
    with Marking(storage, EXECUTION, "host pid 1", with_prefect=False, clock=StepClock(AT)):
        pass
    assert storage.newest(10) == ()
    assert list(storage.listing(EXECUTION)) == []


# Gates


@pytest.fixture
def rig() -> Iterator[Rig]:
    with simulated_aws() as rig:
        yield rig


def engine(rig: Rig, storage: FolderStorage) -> Engine:
    journal = StoredJournal(storage, EXECUTION)
    runbook = None if journal.read() else rig.runbook({1: WaveSpec(1, gate=True)})
    return rig.engine(runbook, EXECUTION, journal, requests=StoredRequests(box(storage)))


def answered(rig: Rig, storage: FolderStorage, *answers: dict[str, Any]) -> Decision:
    """What a gate makes of answers that come while it waits."""
    made = engine(rig, storage)

    def waiting(gate: WaitingGate) -> None:
        for answer in answers:
            given = {"until": gate.until, "wave_number": 1, "at": rig.clock.now(), "by": "Eva"} | answer
            box(storage).send(Message.model_validate({"action": "APPROVE", **given}))

    gate = StoredGate(box(storage), made, rig.clock, waiting)
    pass_gate(made, gate, 1, timedelta(hours=1), clock=rig.clock)
    answer = made.answer(1)
    assert answer is not None
    return answer.decision


def test_the_first_answer_counts(rig: Rig, storage: Away) -> None:
    assert answered(rig, storage, {"action": "REJECT"}, {}) is Decision.REJECTED


def test_an_answer_to_another_wave_or_an_earlier_gate_or_after_the_deadline_does_not_count(
    rig: Rig, storage: Away
) -> None:
    late = rig.clock.now() + timedelta(hours=2)
    answers = {"wave_number": 2}, {"until": rig.clock.now()}, {"at": late}
    assert answered(rig, storage, *answers) is Decision.TIMED_OUT


def test_an_answer_outlives_the_process_that_asked(rig: Rig, storage: Away) -> None:
    first = engine(rig, storage)
    first.gate_asked(1, rig.clock.now() + timedelta(hours=1))
    state = state_of(StoredJournal(storage, EXECUTION).read())
    assert state is not None
    (gate,) = waiting_gates(state)
    box(storage).send(message("APPROVE", wave_number=1, until=gate.until).model_copy(update={"at": rig.clock.now()}))
    assert answered(rig, storage) is Decision.APPROVED


def test_a_rejection_that_was_stored_counts_before_an_approval_in_advance(rig: Rig, storage: Away) -> None:
    engine(rig, storage).gate_asked(1, rig.clock.now() + timedelta(hours=1))
    state = state_of(StoredJournal(storage, EXECUTION).read())
    assert state is not None
    (gate,) = waiting_gates(state)
    box(storage).send(Message(action="REJECT", by="Eva", at=rig.clock.now(), wave_number=1, until=gate.until))
    made = engine(rig, storage)
    in_advance = ApprovedGate("Max", rig.clock, StoredGate(box(storage), made, rig.clock))
    assert not pass_gate(made, in_advance, 1, clock=rig.clock)
    answer = made.answer(1)
    assert answer is not None
    assert answer.by == "Eva"


def test_an_approval_in_advance_passes_a_gate_that_nobody_has_answered(rig: Rig, storage: Away) -> None:
    made = engine(rig, storage)
    in_advance = ApprovedGate("Max", rig.clock, StoredGate(box(storage), made, rig.clock))
    storage.away = True
    with pytest.raises(JournalUnavailableError):
        pass_gate(made, in_advance, 1, clock=rig.clock)
    storage.away = False
    assert pass_gate(made, in_advance, 1, clock=rig.clock)


def test_a_storage_that_is_away_at_the_deadline_is_not_taken_for_silence(rig: Rig, storage: Away) -> None:
    made = engine(rig, storage)
    until = made.gate_asked(1, rig.clock.now() + timedelta(hours=1))
    box(storage).send(Message(action="APPROVE", by="Eva", at=rig.clock.now(), wave_number=1, until=until))
    storage.away = True

    class Returning(StepClock):
        def wait(self, seconds: float, wake: Any = None) -> None:
            rig.clock.wait(seconds)
            storage.away = rig.clock.now() < until + timedelta(minutes=10)

        def now(self) -> datetime:
            return rig.clock.now()

    assert pass_gate(made, StoredGate(box(storage), made, Returning()), 1, clock=rig.clock)


def test_a_cancel_closes_the_gate(rig: Rig, storage: Away) -> None:
    made = engine(rig, storage)
    box(storage).send(message("CANCEL"))
    made.control.handle_pending()
    assert not pass_gate(made, StoredGate(box(storage), made, rig.clock), 1, clock=rig.clock)


# Two processes


def taken_up_by(storage: FolderStorage, rig: Rig, holder: str) -> StoredJournal:
    journal = StoredJournal(storage, EXECUTION, holder)
    journal.read()
    journal.append([ExecutionResumed(at=rig.clock.now(), by=holder)])
    return journal


def test_a_process_that_waits_notices_that_it_was_taken_over(rig: Rig, storage: Away) -> None:
    taken_up_by(storage, rig, "first")
    fence = Fence(storage, EXECUTION, "first", rig.clock)
    with Marking(storage, EXECUTION, "first", with_prefect=True, clock=rig.clock):
        fence.require()
        with Marking(storage, EXECUTION, "second", with_prefect=False, clock=rig.clock):
            rig.clock.advance(15.0)
            fence.require()  # it has marked the execution, and taken nothing over yet
            taken_up_by(storage, rig, "second")
            storage.away = True
            rig.clock.advance(15.0)
            fence.require()  # no answer is no proof
            storage.away = False
            rig.clock.advance(15.0)
            with pytest.raises(FencedError, match="taken over by another process, second"):
                fence.require()


def test_a_process_keeps_its_mark_where_another_one_only_tried_to_take_over(rig: Rig, storage: Away) -> None:
    taken_up_by(storage, rig, "first")
    marks = [Marking(storage, EXECUTION, each, with_prefect=False, clock=rig.clock) for each in ("first", "second")]
    with marks[0], marks[1]:
        pass
    mark = last_mark(storage, EXECUTION)
    assert mark is not None
    assert (mark.holder, mark.ended) == ("first", True)  # it wrote its mark again, here the last one


def test_nothing_is_launched_while_the_requests_beside_the_journal_cannot_be_read(
    rig: Rig, storage: Away, tmp_path: Path
) -> None:
    journal = StoredJournal(FolderStorage(tmp_path / "writable"), EXECUTION)
    made = rig.engine(rig.runbook({1: WaveSpec(1)}), EXECUTION, journal, requests=StoredRequests(box(storage)))
    made.submit(1)
    box(storage).send(message("CANCEL"))
    storage.away = True
    for _ in range(20):
        rig.clock.wait(min(made.tick(), 30.0))
    assert rig.jobs() == []
    storage.away = False
    assert rig.run(made).waves[0].status is WaveStatus.CANCELLED
    assert rig.jobs() == []


def test_what_is_launched_waits_for_the_requests_and_comes(rig: Rig, storage: Away, tmp_path: Path) -> None:
    journal = StoredJournal(FolderStorage(tmp_path / "writable"), EXECUTION)
    made = rig.engine(rig.runbook({1: WaveSpec(1)}), EXECUTION, journal, requests=StoredRequests(box(storage)))
    made.submit(1)
    storage.away = True
    for _ in range(5):
        rig.clock.wait(min(made.tick(), 30.0))
    assert rig.jobs() == []
    storage.away = False
    assert rig.run(made).waves[0].status is WaveStatus.COMPLETED
    assert len(rig.jobs()) == 1


def test_a_process_that_resumes_while_somebody_begins_to_terminate_is_refused(rig: Rig, storage: Away) -> None:
    rig.run(rig.engine(rig.runbook({1: WaveSpec(1)}), EXECUTION, StoredJournal(storage, EXECUTION)))
    journal = StoredJournal(storage, EXECUTION)
    journal.read()
    about = {"account_id": "123456789012", "region": "eu-west-1", "recovery_instance_ids": ("i-1",)}
    journal.append([TerminationAsked(at=rig.clock.now(), by="Eva", **about)])  # after the other process has read it
    with pytest.raises(ExecutionStateError, match="Eva began to terminate"):
        rig.engine(None, EXECUTION, StoredJournal(storage, EXECUTION), explicit=True)
