"""Control requests under Prefect: pause, resume and cancel, stored with the execution's flow run.

In: an execution and a request, from any machine that reaches the Prefect API. Out: the process that runs the
execution handles it within seconds; without one, the next process handles it before it launches anything. A request is
stored before it is acknowledged, as an input of the execution's flow run. The Cancel of the Prefect UI is a request
too, represented by the state that it sets. Only the execution's journal records which requests were handled
(`prefect_drs.recovery.control_requests`); the mark on the flow run informs callers that wait.

The key and form of a stored request are those of 0.1.0: mails that it sent contain commands that write them.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRunInput, State
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_logger
from prefect.states import Cancelled
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from prefect_drs.coordination.messages import Message, MessageBox, StoredRequests
from prefect_drs.coordination.process import Fence
from prefect_drs.core.errors import PrefectDrsError, UnknownExecutionError
from prefect_drs.core.polling import polled
from prefect_drs.execution.replay import state_of
from prefect_drs.orchestration.approvals.answers import CONTROL_REQUEST_KEY as KEY
from prefect_drs.orchestration.approvals.answers import pending_gates
from prefect_drs.orchestration.approvals.form import create_input, input_of
from prefect_drs.orchestration.approvals.suspended_gate import resume_suspended
from prefect_drs.orchestration.client import UNREACHABLE, OutageLog, prefect_client, quick_client
from prefect_drs.orchestration.executions.carriers import is_carried_without_prefect
from prefect_drs.orchestration.executions.reports import (
    CANCELLED_BY,
    all_flow_runs_of,
    cancelling_states,
    flow_runs_of,
    home_run,
)
from prefect_drs.orchestration.storage.journal_storage import journal_storage
from prefect_drs.recovery.control_requests import (
    ControlAction,
    ControlRequest,
    ControlRequests,
    RequestsUnreachableError,
    StoredRequest,
    UnreadableRequest,
)
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.journal import FIRST, StoredJournal

HANDLED_KEY = "prefect-drs-handled-"  # prefix; the key of a handled request follows
POLL_SECONDS = 3.0  # real seconds between two reads of the requests
PATIENCE = timedelta(minutes=10)  # how long a process that is about to end waits for an answer
AWAY_SECONDS = 10.0  # pause before Prefect is called again after it did not answer
PAGE = 100  # inputs per request
STATE = "state-"  # prefix of the ids of requests that are states of a flow run

_logger = get_logger("prefect_drs.orchestration.executions.control_requests")


class _Stored(BaseModel):
    """A request's form in storage."""

    model_config = ConfigDict(extra="ignore")

    action: ControlAction = Field(alias="wish")
    by: str
    reason: str = ""
    at: AwareDatetime | None = None


def submit(execution_id: str, action: ControlAction, *, by: str, reason: str = "") -> str:
    """Store a request; the process that runs the execution handles it within seconds, or the next one does.

    A cancel resumes the flow run of an execution that is Suspended at gates, so that it ends now.

    Returns:
        The id of the request.

    Raises:
        UnknownExecutionError: this Prefect API knows no such execution.
        PrefectDrsError: the Prefect API cannot be reached; nothing was stored.
    """
    now = datetime.now(UTC)
    key = f"{KEY}{now:%Y%m%d-%H%M%S-%f}"
    value = json.dumps({"wish": action, "by": by, "reason": reason, "at": now.isoformat()})
    message = Message(action=action.value, by=by, at=now, reason=reason)
    with prefect_client() as client:
        run_id = home_run(client, execution_id)
        if run_id is None:  # it was begun without Prefect, and no flow run has carried it yet
            if not _is_stored_here(execution_id):
                raise unknown_here(execution_id)
            return MessageBox(journal_storage(), execution_id).send(message)
        while not create_input(client, run_id, key, value):  # another request was stored in the same microsecond
            key += "+"
        if action is ControlAction.CANCEL:
            for carrier in flow_runs_of(client, execution_id):
                resume_suspended(client, carrier.id)
    _send_copy(execution_id, message.model_copy(update={"request_id": key}))
    return key


def _send_copy(execution_id: str, message: Message) -> None:
    """Store a request beside the journal too, where it is honoured without a Prefect server; a failure is logged."""
    try:
        if _is_stored_here(execution_id):
            MessageBox(journal_storage(), execution_id).send(message)
    except PrefectDrsError as error:
        _logger.warning("the request is stored in Prefect, but not beside the journal: %s", error)


def _is_stored_here(execution_id: str) -> bool:
    """Whether the journal of the execution is in this process's storage."""
    return journal_storage().read(f"{execution_id}/{FIRST}") is not None


def wait_until_handled(execution_id: str, request_id: str, *, seconds: float) -> bool:
    """Wait until a process has recorded a request in the journal; False if none did within `seconds`.

    Raises:
        PrefectDrsError: the Prefect API cannot be reached.
    """
    with prefect_client() as client:
        key, home = HANDLED_KEY + request_id, home_run(client, execution_id)
        beside = is_carried_without_prefect(execution_id)

        def handled() -> bool | None:
            if home is not None and input_of(client, home, key) is not None:
                return True
            return (beside and _is_in_journal(execution_id, request_id)) or None

        return polled(handled, seconds=seconds) is not None


def _is_in_journal(execution_id: str, request_id: str) -> bool:
    """Whether a process without Prefect, which tells Prefect nothing, has recorded a request."""
    state = state_of(StoredJournal(journal_storage(), execution_id).read())
    return state is not None and request_id in state.handled


def require_execution(client: SyncPrefectClient, execution_id: str) -> UUID:
    """The id of the flow run that keeps what belongs to the execution.

    Raises:
        UnknownExecutionError: this Prefect API knows no such execution.
    """
    if (home := home_run(client, execution_id)) is None:
        raise unknown_here(execution_id)
    return home


def unknown_here(execution_id: str) -> UnknownExecutionError:
    """The error where this Prefect API knows no such execution."""
    what = "it was begun without Prefect: add --without-prefect" if _is_stored_here(execution_id) else ""
    return UnknownExecutionError(
        f"this Prefect API knows no execution {execution_id}; {what or '`prefect-drs status` lists them'}"
    )


def close_gates(execution_id: str, by: str) -> None:
    """Cancel the flow runs of the gates that wait for an answer, because the execution was cancelled."""
    with prefect_client() as client:
        for gate in pending_gates(execution_id):
            closed: State[Any] = Cancelled(message=f"The execution was cancelled by {by}")
            client.set_flow_run_state(gate.flow_run_id, closed, force=True)


class PrefectRequests:
    """Implements `prefect_drs.recovery.control_requests.ControlRequests` on the Prefect API.

    Args:
        execution_id: the execution.
        flow_run_id: the outermost flow run of this process. Its state is read each time; the states of the other flow
            runs of the execution cannot change any more and are read once.
    """

    def __init__(self, execution_id: str, flow_run_id: str | None = None) -> None:
        self._execution = execution_id
        self._home: UUID | None = None
        self._run = UUID(flow_run_id) if flow_run_id else None
        self._former: list[ControlRequest] | None = None
        self._own: list[ControlRequest] = []
        self._away: tuple[float, str] | None = None  # when Prefect last failed to answer, and how

    def pending(self, handled: Collection[str]) -> Sequence[StoredRequest]:
        """The requests that are not in `handled`, in the order in which the Prefect server stored them.

        Raises:
            RequestsUnreachableError: the Prefect API does not answer, or did not a few seconds ago.
        """
        if self._away is not None and time.monotonic() - self._away[0] < AWAY_SECONDS:
            raise RequestsUnreachableError(self._away[1])
        try:
            with quick_client() as client:
                stored: list[StoredRequest] = [_parsed(each) for each in self._inputs(client, set(handled))]
                stored += [cancel for cancel in self._cancels(client) if cancel.request_id not in handled]
        except UNREACHABLE as error:
            message = f"Prefect could not be asked for control requests: {error}"
            self._away = time.monotonic(), message
            raise RequestsUnreachableError(message) from error
        except ObjectNotFound:
            raise RequestsUnreachableError(f"the flow run of execution {self._execution} was deleted") from None
        return sorted(stored, key=lambda request: (request.at, request.request_id))

    def acknowledge(self, request_id: str) -> None:
        """Mark a request as recorded in the journal, for callers that wait."""
        if not request_id.startswith(KEY):  # a state, or a request that is stored beside the journal only
            return
        try:
            with prefect_client() as client:
                if (home := self._home or home_run(client, self._execution)) is not None:
                    create_input(client, home, HANDLED_KEY + request_id, "true")
        except (*UNREACHABLE, ObjectNotFound) as error:
            _logger.warning("Prefect did not store that request %s was handled: %s", request_id, error)

    def _inputs(self, client: SyncPrefectClient, handled: set[str]) -> list[FlowRunInput]:
        self._home = self._home or home_run(client, self._execution)
        found: list[FlowRunInput] = []
        if self._home is None:
            if self._run is not None:  # it was deleted: what was requested is not known any more
                raise ObjectNotFound(LookupError(self._execution))
            return found
        excluded = {key for key in handled if key.startswith(KEY)}
        while True:
            page = client.filter_flow_run_input(self._home, key_prefix=KEY, limit=PAGE, exclude_keys=excluded)
            found += page
            if len(page) < PAGE:
                return found
            excluded |= {each.key for each in page}

    def _cancels(self, client: SyncPrefectClient) -> list[ControlRequest]:
        """The cancels made in the Prefect UI or API, of all flow runs of the execution."""
        if self._former is None:
            others = [run.id for run in all_flow_runs_of(client, self._execution) if run.id != self._run]
            self._former = [cancel for run_id in others for cancel in _cancels_of(client, run_id)]
            self._own = _cancels_of(client, self._run) if self._run else []
        elif self._run is not None:
            state = client.read_flow_run(self._run).state
            if state is not None and (state.is_cancelling() or state.is_cancelled()):
                self._own = _cancels_of(client, self._run)
        return self._former + self._own  # a cancel stays one when its run is retried and Running again


class EveryRequest:
    """The control requests in Prefect and beside the journal. Implements `ControlRequests`.

    A request that is stored in both places has one id. Where one place does not answer, what the other has is handled
    all the same.

    Args:
        places: where requests are stored.
    """

    def __init__(self, *places: ControlRequests) -> None:
        self._places = places

    def pending(self, handled: Collection[str]) -> Sequence[StoredRequest]:
        """The requests that are not in `handled`.

        Raises:
            RequestsUnreachableError: a place does not answer; the error has those of the others.
        """
        found: dict[str, StoredRequest] = {}
        unreachable: RequestsUnreachableError | None = None
        holds = False
        for place in self._places:
            try:
                for request in place.pending(handled):
                    found.setdefault(request.request_id, request)
            except RequestsUnreachableError as error:
                unreachable, holds = error, holds or error.holds_launches
        pending = sorted(found.values(), key=lambda request: (request.at, request.request_id))
        if unreachable is not None:
            raise RequestsUnreachableError(unreachable.message, pending, holds_launches=holds) from unreachable
        return pending

    def acknowledge(self, request_id: str) -> None:
        """Tell every place."""
        for place in self._places:
            place.acknowledge(request_id)


def requests_of(execution_id: str, flow_run_id: str | None = None) -> ControlRequests:
    """The control requests of an execution, wherever they are stored.

    Args:
        execution_id: the execution.
        flow_run_id: as of `PrefectRequests`.
    """
    stored = StoredRequests(MessageBox(journal_storage(), execution_id))
    return EveryRequest(PrefectRequests(execution_id, flow_run_id), stored)


def _cancels_of(client: SyncPrefectClient, run_id: UUID) -> list[ControlRequest]:
    return [
        ControlRequest(f"{STATE}{state.id}", ControlAction.CANCEL, CANCELLED_BY, state.timestamp)
        for state in cancelling_states(client, run_id)
    ]


def _parsed(stored: FlowRunInput) -> StoredRequest:
    """A stored request; one that cannot be parsed becomes an `UnreadableRequest`."""
    at = stored.created or datetime.now(UTC)
    try:
        form = _Stored.model_validate_json(stored.value)
    except ValidationError as fault:
        first = fault.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        return UnreadableRequest(stored.key, at, f"{where}: {first['msg']}" if where else first["msg"])
    return ControlRequest(stored.key, form.action, form.by, at, form.reason)


class ControlReader:
    """Makes an engine handle its control requests every few seconds. A context manager.

    Args:
        engine: the engine, which reads the requests itself.
        on_failure: called with an error that ended the reading: the execution was taken over, or its journal cannot be
            written.
        fence: notices that the execution was taken over.
    """

    def __init__(self, engine: Engine, on_failure: Callable[[BaseException], None], fence: Fence) -> None:
        self._engine = engine
        self._on_failure = on_failure
        self._fence = fence
        self._gates_closed = False
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="drs-control", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def read(self) -> None:
        """Handle the requests stored until now.

        Raises:
            RequestsUnreachableError: the Prefect API does not answer.
        """
        for request in self._engine.control.handle_pending():
            if isinstance(request, UnreadableRequest):
                _logger.error("control request %s cannot be read: %s", request.request_id, request.problem)
        if self._engine.cancelled and not self._gates_closed:
            close_gates(self._engine.execution_id, self._engine.control.cancelled_by)
            self._gates_closed = True

    def read_when_answered(self, patience: timedelta = PATIENCE) -> None:
        """Handle the requests stored until now, and wait where the Prefect API does not answer at once.

        Raises:
            RequestsUnreachableError: it did not answer for so long.
        """
        outage, began = OutageLog("control requests", _logger.warning), time.monotonic()
        while True:
            try:
                self.read()
            except RequestsUnreachableError as error:
                if time.monotonic() - began > patience.total_seconds():
                    raise
                outage.failed(error)
                self._done.wait(POLL_SECONDS)
            else:
                return

    def _run(self) -> None:
        outage = OutageLog("control requests", _logger.warning)
        while True:
            try:
                self._fence.require()
                self.read()
                outage.answered()
            except (RequestsUnreachableError, *UNREACHABLE) as error:
                outage.failed(error)
            except PrefectDrsError as error:
                if not isinstance(error.__cause__, UNREACHABLE):
                    self._on_failure(error)
                    return
                outage.failed(error)
            except Exception as error:
                self._on_failure(error)
                return
            if self._done.wait(POLL_SECONDS):
                return
