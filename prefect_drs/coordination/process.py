"""The mark of the process that carries an execution: `<execution>/process.json`, written anew every few seconds.

In: a storage, an execution. Out: whether a process carries it. The mark is advisory, like the lease in Prefect: it
keeps a second process from taking over by accident. If two carry one execution nevertheless, the journal's fence keeps
them from launching twice (`prefect_drs.recovery.journal`); by the other's mark the former one notices that even while
it waits at a gate and writes nothing.

Must never: stop or delay a recovery.
"""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self
from uuid import uuid4

from pydantic import AwareDatetime, ValidationError

from prefect_drs.core.clock import Clock, WallClock
from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.core.models import FrozenModel
from prefect_drs.recovery.journal import FIRST, NUMBERED, Archive, FencedError, JournalUnavailableError, Storage
from prefect_drs.recovery.journal_record import record_holder

MARK = "process.json"
MARK_SECONDS = 15.0
BEGIN_SECONDS = 2.0  # between two looks whether the execution has begun
POLL_SECONDS = 1.0
LEAVE_SECONDS = 10.0  # how long a process that ends waits for its last mark; without it, it counts as dead in a minute
DEAD_AFTER = timedelta(seconds=60)
"""A mark that is older belongs to a process that died. Longer than the difference between the clocks of machines."""

_logger = logging.getLogger("prefect_drs.coordination.process")


class ExecutionBusyError(PrefectDrsError):
    """Another process runs this execution."""

    code = "ACTIVE_EXECUTION"


class ProcessMark(FrozenModel):
    """The process that carries an execution, as it says itself.

    Args:
        holder: host name and process id.
        nonce: tells one process from another.
        seen_at: when it wrote this (UTC, by its machine's clock).
        with_prefect: whether it carries the execution in a Prefect flow, so that gates are answered in Prefect.
        ended: it has left the execution.
    """

    holder: str
    nonce: str
    seen_at: AwareDatetime
    with_prefect: bool
    ended: bool = False

    def alive(self, now: datetime) -> bool:
        """Whether the process carries the execution (or died less than a minute ago)."""
        return not self.ended and now - self.seen_at < DEAD_AFTER


def mark_name(execution_id: str) -> str:
    """The name of the mark's object."""
    return f"{execution_id}/{MARK}"


def last_mark(storage: Storage, execution_id: str) -> ProcessMark | None:
    """The last mark of an execution; None where there is none, or none that can be parsed.

    Raises:
        JournalUnavailableError: the storage cannot be read.
    """
    content = storage.read(mark_name(execution_id))
    if content is None:
        return None
    try:
        return ProcessMark.model_validate_json(content)
    except ValidationError:
        return None


def last_holder(storage: Storage, execution_id: str) -> str:
    """Who wrote the last entry of a journal; empty where that is not known: a storage that cannot list.

    Raises:
        JournalUnavailableError: the storage cannot be read.
    """
    names = storage.listing(execution_id)
    last = max((name for name in names or () if NUMBERED.fullmatch(name)), default=None)
    content = storage.read(f"{execution_id}/{last}") if last is not None else None
    return "" if content is None else record_holder(content)


class Fence:
    """Notices that another process has taken the execution over, where this one writes nothing itself.

    Args:
        storage: that of the journals.
        execution_id: the execution; this process has written to its journal.
        holder: this process, as the journal names it.
        clock: the machine's clock.
    """

    def __init__(self, storage: Storage, execution_id: str, holder: str, clock: Clock | None = None) -> None:
        self._storage, self._execution_id, self._holder = storage, execution_id, holder
        self._clock = clock or WallClock()
        self._looked_at: datetime | None = None

    def require(self) -> None:
        """Look, where the last look is some seconds ago. A storage that does not answer says nothing.

        Raises:
            FencedError: another process has marked the execution as its own, and has written the last entry.
        """
        now = self._clock.now()
        if self._looked_at is not None and now - self._looked_at < timedelta(seconds=MARK_SECONDS):
            return
        self._looked_at = now
        try:
            mark = last_mark(self._storage, self._execution_id)
            if mark is None or mark.holder == self._holder:
                return
            last = last_holder(self._storage, self._execution_id)
        except JournalUnavailableError:
            return
        if last not in {"", self._holder}:
            raise FencedError(
                f"execution {self._execution_id} was taken over by another process, {last}; this one stops and "
                "launches nothing"
            )


def require_free(
    storage: Storage,
    execution_id: str,
    *,
    clock: Clock,
    patience: timedelta = DEAD_AFTER,
    with_prefect: bool | None = None,
) -> None:
    """Wait until no process carries an execution.

    Args:
        storage: that of the journals.
        execution_id: the execution.
        clock: people's time.
        patience: how long to wait for the process to end, or to be found dead.
        with_prefect: look only at a process that carries it with Prefect, or only at one without; None: at any.

    Raises:
        ExecutionBusyError: one still carries it.
        JournalUnavailableError: the storage cannot be read.
    """
    until = clock.now() + patience
    while (mark := last_mark(storage, execution_id)) is not None and mark.alive(clock.now()):
        if with_prefect is not None and mark.with_prefect != with_prefect:
            return
        if clock.now() >= until:
            how = "with" if mark.with_prefect else "without"
            raise ExecutionBusyError(
                f"{mark.holder} carries execution {execution_id} {how} Prefect and was seen at "
                f"{mark.seen_at:%Y-%m-%d %H:%M:%S} UTC; wait for it or, if you know that it is dead or stuck, take "
                f"over: prefect-drs resume {execution_id} --take-over"
            )
        clock.wait(POLL_SECONDS)


class Marking:
    """Writes the mark of this process for the time of the block, from a thread of its own. A context manager.

    An execution that has no journal yet gets no mark: one that is refused leaves nothing behind.

    Args:
        storage: that of the journals.
        execution_id: the execution.
        holder: host name and process id.
        with_prefect: whether a Prefect flow carries it.
        clock: the machine's clock.
    """

    def __init__(
        self, storage: Archive, execution_id: str, holder: str, *, with_prefect: bool, clock: Clock | None = None
    ) -> None:
        self._storage, self._execution_id = storage, execution_id
        self._mark = ProcessMark(
            holder=holder, nonce=uuid4().hex, seen_at=(clock or WallClock()).now(), with_prefect=with_prefect
        )
        self._clock = clock or WallClock()
        self._failing = self._written = False
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="drs-process-mark", daemon=True)

    def __enter__(self) -> Self:
        self._write()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join(LEAVE_SECONDS)

    def _run(self) -> None:
        while not self._done.wait(MARK_SECONDS if self._written else BEGIN_SECONDS):
            self._write()
        self._write(ended=True)

    def _write(self, *, ended: bool = False) -> None:
        mark = self._mark.model_copy(update={"seen_at": self._clock.now(), "ended": ended})
        try:
            if self._is_anothers() if self._written else not self._has_begun():
                return
            self._storage.replace(mark_name(self._execution_id), mark.model_dump_json(by_alias=True).encode())
            self._failing, self._written = False, True
        except JournalUnavailableError as error:
            if not self._failing:
                _logger.warning("the mark of this process could not be written: %s", error)
            self._failing = True

    def _has_begun(self) -> bool:
        return self._storage.read(f"{self._execution_id}/{FIRST}") is not None

    def _is_anothers(self) -> bool:
        """Whether another process has taken the execution over: its mark stays.

        One that only tried to, and was fenced itself, has not.
        """
        found = last_mark(self._storage, self._execution_id)
        if found is None or found.nonce == self._mark.nonce:
            return False
        return last_holder(self._storage, self._execution_id) != self._mark.holder
