"""Steering an execution from another process: wishes are stored with its flow run, and the engine's process reads them.

In: an execution and a wish (pause, resume, cancel). Out: the engine holds, goes on, or launches nothing more. The
Prefect UI's own Cancel is a wish too. A wish is stored before it is obeyed, so it outlives both processes; the last
one counts.
"""

from __future__ import annotations

import enum
import json
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from uuid import UUID, uuid4

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRunInput, State
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.logging import get_logger
from prefect.states import Cancelled

from prefect_drs.errors import UsageError
from prefect_drs.executions import CANCELLED_BY, flow_runs_of
from prefect_drs.gate_runs import WISH_KEY as KEY
from prefect_drs.gate_runs import pending_gates
from prefect_drs.recovery.engine import Engine
from prefect_drs.suspension import wake

TAKEN_KEY = "prefect-drs-taken-"  # its value is the key of the last wish that a process took before it stood aside
LOOK_EVERY = 3.0  # real seconds between two looks at the wishes

_logger = get_logger("prefect_drs.control")


class Wish(enum.StrEnum):
    """What somebody wants of a running execution."""

    PAUSE = "PAUSE"
    RESUME = "RESUME"
    CANCEL = "CANCEL"


def express(execution_id: str, wish: Wish, *, by: str, reason: str = "") -> None:
    """Store a wish; the process that carries the execution out obeys within seconds, or when it is resumed.

    A cancel resumes an execution that is Suspended at gates, so that it ends now.

    Raises:
        UsageError: this Prefect API knows no such execution.
    """
    now = datetime.now(UTC)
    value = json.dumps({"wish": wish, "by": by, "reason": reason, "at": now.isoformat()})
    with get_client(sync_client=True) as client:
        try:
            run = client.read_flow_run(UUID(execution_id))
        except (ObjectNotFound, ValueError):
            raise UsageError(
                f"this Prefect API knows no execution {execution_id}; `prefect-drs status` lists them"
            ) from None
        client.create_flow_run_input(run.id, f"{KEY}{now:%Y%m%d-%H%M%S-%f}", value)
        if wish is Wish.CANCEL:
            for carrier in flow_runs_of(client, execution_id):
                wake(client, carrier.id)


def close_gates(execution_id: str, by: str) -> None:
    """End the gates that wait for an answer: the execution was cancelled."""
    with get_client(sync_client=True) as client:
        for gate in pending_gates(execution_id):
            closed: State[Any] = Cancelled(message=f"The execution was cancelled by {by}")
            client.set_flow_run_state(gate.flow_run_id, closed, force=True)


def is_cancel_wished(execution_id: str) -> bool:
    """Whether somebody wished to cancel since the last process that stood aside looked."""
    with get_client(sync_client=True) as client:
        wishes = _wishes_after(client, UUID(execution_id), _taken(client, UUID(execution_id)) or "")
    return any(json.loads(wish.value)["wish"] == Wish.CANCEL for wish in wishes)


def _wishes_after(client: SyncPrefectClient, execution: UUID, key: str) -> list[FlowRunInput]:
    stored = client.filter_flow_run_input(execution, key_prefix=KEY, limit=200, exclude_keys=set())
    return sorted((wish for wish in stored if wish.key > key), key=lambda wish: wish.key)


def _taken(client: SyncPrefectClient, execution: UUID) -> str | None:
    """The key up to which wishes were taken when a process last stood aside; None where none ever did."""
    marks = client.filter_flow_run_input(execution, key_prefix=TAKEN_KEY, limit=200, exclude_keys=set())
    return max((str(json.loads(mark.value)) for mark in marks), default=None)


def is_paused(execution_id: str) -> bool:
    """Whether the last that somebody wished of the execution is a pause."""
    with get_client(sync_client=True) as client:
        wishes = client.filter_flow_run_input(UUID(execution_id), key_prefix=KEY, limit=200, exclude_keys=set())
    latest = max(wishes, key=lambda wish: wish.key, default=None)
    return latest is not None and json.loads(latest.value)["wish"] == Wish.PAUSE


class WishWatch:
    """Reads the wishes for an execution every few seconds and tells its engine. Use as a context manager.

    Args:
        engine: what is steered.
        flow_run_id: the outermost flow run of this process; cancelling it in the Prefect UI cancels the execution.
    """

    def __init__(self, engine: Engine, flow_run_id: str | None) -> None:
        self._engine = engine
        self._execution = UUID(engine.execution_id)
        self._run = UUID(flow_run_id) if flow_run_id else self._execution
        self._seen: set[str] = set()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run_until_done, name="drs-wishes", daemon=True)

    def __enter__(self) -> Self:
        with get_client(sync_client=True) as client:
            former = client.filter_flow_run_input(self._execution, key_prefix=KEY, limit=200, exclude_keys=set())
            # What was wished of a process is in the journal; what was wished while none ran is not.
            taken = _taken(client, self._execution)
            self._seen = {wish.key for wish in former if taken is None or wish.key <= taken}
            if taken is not None:
                self._look(client)
                self._mark_taken(client)
        self._thread.start()
        return self

    def stand_aside(self) -> None:
        """Take what was wished until now; what is wished later is for the process that comes next."""
        with get_client(sync_client=True) as client:
            self._look(client)
            self._mark_taken(client)

    def _mark_taken(self, client: SyncPrefectClient) -> None:
        latest = max(self._seen, default=KEY)
        if _taken(client, self._execution) != latest:
            client.create_flow_run_input(self._execution, f"{TAKEN_KEY}{uuid4()}", json.dumps(latest))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _run_until_done(self) -> None:
        while not self._done.wait(LOOK_EVERY):
            try:
                with get_client(sync_client=True) as client:
                    self._look(client)
            except (httpx.HTTPError, PrefectHTTPStatusError) as error:
                _logger.warning("Prefect could not be asked for wishes, trying again: %s", error)

    def _look(self, client: SyncPrefectClient) -> None:
        wishes = client.filter_flow_run_input(self._execution, key_prefix=KEY, limit=50, exclude_keys=self._seen)
        for stored in sorted(wishes, key=lambda wish: wish.key):
            self._seen.add(stored.key)
            wish = json.loads(stored.value)
            self._obey(Wish(wish["wish"]), wish["by"], wish["reason"])
        state = client.read_flow_run(self._run).state
        if state is not None and (state.is_cancelling() or state.is_cancelled()) and not self._engine.cancelled:
            self._obey(Wish.CANCEL, CANCELLED_BY, "")

    def _obey(self, wish: Wish, by: str, reason: str) -> None:
        match wish:
            case Wish.PAUSE:
                self._engine.hold(by)
            case Wish.RESUME:
                self._engine.release(by)
            case Wish.CANCEL:
                self._engine.cancel(by, reason)
                close_gates(self._engine.execution_id, by)
