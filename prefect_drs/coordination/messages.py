"""Messages of people to an execution, in the journals' storage: pause, resume, cancel, and answers at gates.

In: a storage and an execution. Out: numbered objects beside its journal, `<execution>/request-00000001.json`. An object
is created once and never changed, and whoever creates a number has read all before it, so that no message replaces
another. A message is stored before it is acknowledged; the execution's journal alone says which of them were handled.

Must never: stop at a message that cannot be read; show a proof of identity.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import AwareDatetime, Field, ValidationError

from prefect_drs.core.models import FrozenModel
from prefect_drs.recovery.control_requests import (
    ControlAction,
    ControlRequest,
    RequestsUnreachableError,
    StoredRequest,
    UnreadableRequest,
)
from prefect_drs.recovery.journal import JournalUnavailableError, Storage

CONTROL = frozenset(action.value for action in ControlAction)
OLDEST = datetime.min.replace(tzinfo=UTC)  # of a message that cannot be read


class Message(FrozenModel):
    """A person's message to an execution.

    Args:
        action: PAUSE, RESUME or CANCEL the execution; APPROVE or REJECT a wave at its gate.
        by: who sends it, as claimed.
        at: when, by the sender's clock (UTC).
        reason: why; may be empty.
        request_id: the id of a control request that is stored elsewhere too; empty where it is stored here only.
        wave_number: of an answer: the wave.
        until: of an answer: the deadline of the gate that is answered. A gate that opens again has another one, so
            that an answer never counts at a later gate.
        token: of an approval: the proof of identity, where the gate demands one.
        break_glass: of an approval: why the gate is to be passed without what it demands.
    """

    action: Literal["PAUSE", "RESUME", "CANCEL", "APPROVE", "REJECT"]
    by: str
    at: AwareDatetime
    reason: str = ""
    request_id: str = ""
    wave_number: int | None = None
    until: AwareDatetime | None = None
    token: str = Field(default="", repr=False)
    break_glass: str = ""


class StoredMessage(FrozenModel):
    """A message as it is stored. `message` None: it cannot be read, and `problem` says why in one line."""

    id: str
    message: Message | None
    problem: str = ""


class MessageBox:
    """The messages of one execution. Safe to share between threads; each object is read once.

    Args:
        storage: that of the journals.
        execution_id: the execution.
    """

    def __init__(self, storage: Storage, execution_id: str) -> None:
        self._storage, self._execution_id = storage, execution_id
        self._lock = threading.Lock()
        self._known: list[StoredMessage] = []

    def _name(self, number: int) -> str:
        return f"{self._execution_id}/request-{number:08d}.json"

    def read(self) -> tuple[StoredMessage, ...]:
        """All messages so far, in the order in which they were stored.

        Raises:
            JournalUnavailableError: the storage cannot be read.
        """
        with self._lock:
            while (content := self._storage.read(self._name(len(self._known) + 1))) is not None:
                self._known.append(_parsed(f"request-{len(self._known) + 1:08d}", content))
            return tuple(self._known)

    def send(self, message: Message) -> str:
        """Store a message.

        Returns:
            Its id.

        Raises:
            JournalUnavailableError: it could not be stored; it may appear nevertheless, where the answer was lost.
        """
        content = message.model_dump_json(by_alias=True).encode()
        number = len(self.read()) + 1
        while not self._storage.create(self._name(number), content):
            number = max(number, len(self.read())) + 1
        return message.request_id or f"request-{number:08d}"


def _parsed(id: str, content: bytes) -> StoredMessage:
    try:
        message = Message.model_validate_json(content)
    except ValidationError as fault:
        first = fault.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        return StoredMessage(id=id, message=None, problem=f"{where}: {first['msg']}" if where else first["msg"])
    return StoredMessage(id=message.request_id or id, message=message)


class StoredRequests:
    """The control requests among the messages. Implements `prefect_drs.recovery.control_requests.ControlRequests`.

    Args:
        box: the messages.
    """

    def __init__(self, box: MessageBox) -> None:
        self._box = box

    def pending(self, handled: Collection[str]) -> Sequence[StoredRequest]:
        """The requests whose ids are not in `handled`, in the order in which they were stored.

        Raises:
            RequestsUnreachableError: the storage cannot be read. It is that of the journal, without which nothing is
                launched either: nothing is launched before it can be read again.
        """
        try:
            stored = self._box.read()
        except JournalUnavailableError as error:
            why = f"control requests cannot be read: {error.message}"
            raise RequestsUnreachableError(why, holds_launches=True) from None
        return tuple(_requests(each for each in stored if each.id not in handled))

    def acknowledge(self, request_id: str) -> None:
        """Nothing: whoever waits reads the journal."""


def _requests(stored: Iterator[StoredMessage]) -> Iterator[StoredRequest]:
    for each in stored:
        if (message := each.message) is None:
            yield UnreadableRequest(each.id, OLDEST, each.problem)
        elif message.action in CONTROL:
            yield ControlRequest(each.id, ControlAction(message.action), message.by, message.at, message.reason)
