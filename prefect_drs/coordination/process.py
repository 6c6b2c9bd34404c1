"""The mark of the process that carries an execution: `<execution>/process.json`, written anew every few seconds.

In: a storage, an execution. Out: whether a process carries it. The mark is advisory, like the lease in Prefect: it
keeps a second process from taking over by accident. If two carry one execution nevertheless, the journal's fence keeps
them from launching twice (`prefect_drs.recovery.journal`).

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
from prefect_drs.recovery.journal import FIRST, Archive, JournalUnavailableError, Storage

MARK_SECONDS = 15.0
BEGIN_SECONDS = 2.0  # between two looks whether the execution has begun
POLL_SECONDS = 1.0
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
    return f"{execution_id}/process.json"


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
        self._thread.join()

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
        """Whether another process has taken the execution over: its mark stays."""
        found = last_mark(self._storage, self._execution_id)
        return found is not None and found.nonce != self._mark.nonce
