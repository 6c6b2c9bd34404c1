"""A journal whose head is signed while it grows.

In: a stored journal, a way to get a signer, and where anchors go. Out: the same journal, and anchors beside it. Signing
happens in a thread of its own, so that a launch never waits for a key; while one signature is under way, newer heads
replace each other, since an anchor covers every record before it. The anchor of the execution's end is waited for.

Must never: make an append fail, hold it up (but for some seconds at the end), or keep anything from the journal. An
anchor that could not be made is reported; the records since the last one are then checked by the chain alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from concurrent.futures import TimeoutError as WaitedTooLongError
from dataclasses import dataclass
from typing import NamedTuple

from prefect_drs.core.clock import Clock
from prefect_drs.evidence.anchors import anchor_name, sign_anchor
from prefect_drs.evidence.signing import Signer
from prefect_drs.execution.events import (
    ApprovalAttempted,
    ApprovalCounted,
    CancelAsked,
    CancelOverridden,
    Event,
    ExecutionEnded,
    ExecutionResumed,
    ExecutionStarted,
    GateAnswered,
    GateAsked,
    GlassBroken,
    InstancesTerminated,
    JobRequested,
    PauseAsked,
    PauseEnded,
    TerminationAsked,
    WaveEnded,
    WaveStarted,
)
from prefect_drs.recovery.journal import JournalHead, StoredJournal, one_line

DECISIONS = (
    ExecutionStarted,
    ExecutionResumed,
    GateAsked,
    ApprovalCounted,
    ApprovalAttempted,
    GlassBroken,
    GateAnswered,
    WaveStarted,
    JobRequested,
    WaveEnded,
    PauseAsked,
    PauseEnded,
    CancelAsked,
    CancelOverridden,
    TerminationAsked,
    InstancesTerminated,
    ExecutionEnded,
)
"""Events after which the head is anchored at once."""
EVERY = 20
"""Records after which the head is anchored even if nothing was decided."""
END_PATIENCE = 15.0
"""Seconds that the end of an execution waits for its last anchor."""


class AnchorSink(NamedTuple):
    """A place that anchors are written to. `write(name, content)` may raise any error."""

    name: str
    write: Callable[[str, bytes], object]


@dataclass(frozen=True)
class Anchoring:
    """How a journal is anchored.

    Args:
        signer: gives the signer; called in the signing thread, again after a failure. May raise any error.
        sinks: where anchors go; one that fails does not keep an anchor from the others.
        clock: the execution's time.
        report: called with one line for people for each failure that is not the one before again; must not raise.
        every: records after which the head is anchored even if nothing was decided.
        executor: runs the signing; None is a thread of its own.
    """

    signer: Callable[[], Signer]
    sinks: Sequence[AnchorSink]
    clock: Clock
    report: Callable[[str], object]
    every: int = EVERY
    executor: Executor | None = None


class _Due(NamedTuple):
    head: JournalHead
    closed: bool


class AnchoredJournal:
    """A stored journal whose head is anchored.

    Args:
        journal: the journal.
        execution_id: whose it is.
        anchoring: how.
    """

    def __init__(self, journal: StoredJournal, execution_id: str, anchoring: Anchoring) -> None:
        self._journal = journal
        self._execution_id = execution_id
        self._how = anchoring
        self._executor = anchoring.executor or ThreadPoolExecutor(1, thread_name_prefix="drs-anchors")
        self._lock = threading.RLock()  # an executor may run the signing at once, in the caller's thread
        self._due: _Due | None = None
        self._signing = False
        self._signer: Signer | None = None
        self._failure = ""
        self._ended = False
        self._anchored = 0  # the record after which the head was last handed over to be signed

    def read(self) -> tuple[Event, ...]:
        """All events so far; see `StoredJournal.read`."""
        events = self._journal.read()
        self._ended = False
        self._follow(events)
        self._anchored = 0  # what a former process could not sign is covered by the first anchor of this one
        return events

    def append(self, events: Iterable[Event]) -> None:
        """Store these, in order; see `StoredJournal.append`. Then have the head signed, where it is time."""
        stored = tuple(events)
        self._journal.append(stored)
        self._follow(stored)
        head = self._journal.head
        decided = any(isinstance(event, DECISIONS) for event in stored)
        if decided or self._ended or head.number - self._anchored >= self._how.every:
            self._anchor(_Due(head, self._ended))

    def _follow(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, ExecutionEnded | ExecutionResumed):
                self._ended = isinstance(event, ExecutionEnded)

    def _anchor(self, due: _Due) -> None:
        """Have a head signed; never raises."""
        self._anchored = due.head.number
        try:
            with self._lock:
                self._due = due
                if not self._signing:
                    self._signing = True
                    self._work = self._executor.submit(self._sign_due)
            if due.closed and not self._failure:
                self._work.result(END_PATIENCE)
        except WaitedTooLongError:
            self._fail(f"no signature in {END_PATIENCE:g} s; the process signs on until it ends")
        except RuntimeError as error:  # the interpreter is shutting down
            self._signing = False
            self._fail(one_line(error))

    def _sign_due(self) -> None:
        """Sign the newest head until there is none that is due."""
        while True:
            with self._lock:
                due, self._due = self._due, None
                if due is None:
                    self._signing = False
                    return
            try:
                self._sign(due)
            except Exception as error:  # whatever it is, the recovery goes on
                self._fail(f"the anchor of record {due.head.number} could not be signed: {one_line(error)}")

    def _sign(self, due: _Due) -> None:
        if self._signer is None:
            self._signer = self._how.signer()
        at = self._how.clock.now()
        content = sign_anchor(self._signer, self._execution_id, due.head, closed=due.closed, at=at)
        failed = False
        for sink in self._how.sinks:
            try:
                sink.write(anchor_name(due.head.number), content)
            except Exception as error:
                failed = True
                self._fail(f"the anchor of record {due.head.number} is not in {sink.name}: {one_line(error)}")
        if not failed:
            self._failure = ""

    def _fail(self, why: str) -> None:
        """Report a failure, unless it is the one before again (only the record's number differs)."""
        cause = why.partition(": ")[2] or why
        if cause != self._failure:
            self._failure = cause
            self._how.report(f"{why}; the recovery goes on, and `prefect-drs verify` says which records have no anchor")
