"""Whether, and with what, a process may take an execution up.

In: the execution's state, the stored control requests, and how the process was started. Out: the runbook to carry out,
its servers claimed; or nothing, because the execution has ended and stays so; or a refusal. This is decided the same
way under Prefect and in the tests that draw any order of events. The engine asks `require_open` once more on the
journal that it reads itself, since another process may have ended the execution meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from prefect_drs.core.errors import ExecutionStateError
from prefect_drs.execution.state import ExecutionState
from prefect_drs.recovery.control_requests import ControlRequests, cancelled_refusal, pending_cancel
from prefect_drs.runbook import Runbook


class Starter(NamedTuple):
    """Who starts an execution: `by`, and whether that is a proven identity."""

    by: str = ""
    proven: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """How a process came to carry an execution.

    Args:
        run_request: id of the request to run it; one that was processed before reopens no execution that has ended.
            Empty where every start is a new request.
        explicit: a person asked to resume, so that a cancelled execution refuses instead of ending quietly.
        despite_cancel: who resumes although the execution was cancelled; None honours a cancel.
        holder: who carries the execution, for the journal.
        starter: who starts it, where this process begins it.
    """

    run_request: str = ""
    explicit: bool = False
    despite_cancel: str | None = None
    holder: str = ""
    starter: Starter = field(default_factory=Starter)


def take_up(
    state: ExecutionState | None,
    requests: ControlRequests,
    start: Start,
    *,
    resolve: Callable[[], Runbook],
    claim: Callable[[Runbook], None],
) -> Runbook | None:
    """The runbook to begin or to go on with; None where the execution has ended and stays so.

    Args:
        state: the execution, as its journal tells it; None where there is no journal.
        requests: its stored control requests.
        start: how this process was started.
        resolve: resolves the runbook; called only where the journal does not hold one.
        claim: claims the runbook's servers; not called for an execution that is only brought to its end.

    Raises:
        ExecutionStateError: it was cancelled and `start` is explicit, or its recovery instances were terminated.
        PreflightRefusedError: the accounts do not allow it, or another execution claims its servers.
    """
    if state is None:
        runbook = resolve()
        claim(runbook)
        return runbook
    if start.explicit and start.despite_cancel is None:
        require_not_cancelled(state, requests)
    if is_concluded(state, start):
        return None
    _refuse_terminated(state)
    if start.despite_cancel is not None or not _is_cancelled(state, requests):
        claim(state.runbook)
    return state.runbook


def is_concluded(state: ExecutionState, start: Start) -> bool:
    """Whether the execution has ended and stays so: this run request was processed, or it was cancelled."""
    ended_by_cancel = state.ended and state.cancellation is not None
    return state.has_processed(start.run_request) or (ended_by_cancel and start.despite_cancel is None)


def require_open(state: ExecutionState, start: Start) -> None:
    """Refuse an execution that has ended and stays so, or whose recovery instances somebody began to terminate.

    Raises:
        ExecutionStateError: it is so; says what to do.
    """
    if not is_concluded(state, start):
        _refuse_terminated(state)
        return
    if state.has_processed(start.run_request):
        raise ExecutionStateError(
            f"execution {state.execution_id} has ended; to try again what failed: "
            f"prefect-drs resume {state.execution_id}"
        )
    _refuse_ended_by_cancel(state)


def require_not_cancelled(state: ExecutionState, requests: ControlRequests) -> None:
    """Refuse to resume what was cancelled; one that was cancelled and has not ended yet is only brought to its end.

    Raises:
        ExecutionStateError: there is a cancel that nobody has handled, or the execution ended by one.
        RequestsUnreachableError: the requests could not be read.
    """
    if state.ended:
        _refuse_ended_by_cancel(state)
    if (pending := pending_cancel(requests, state.handled)) is not None:
        raise ExecutionStateError(cancelled_refusal(state.execution_id, pending.by, pending.at, pending.reason))


def _refuse_ended_by_cancel(state: ExecutionState) -> None:
    if (cancel := state.cancellation) is not None:
        raise ExecutionStateError(
            cancelled_refusal(state.execution_id, cancel.by, cancel.at, cancel.reason, ended=True)
        )


def _is_cancelled(state: ExecutionState, requests: ControlRequests) -> bool:
    """Whether the execution is only brought to its end: nothing is launched, so nothing has to be claimed."""
    in_force = state.cancellation is not None and not state.ended
    return in_force or pending_cancel(requests, state.handled) is not None


def _refuse_terminated(state: ExecutionState) -> None:
    """What a wave depends on may be gone once somebody began to terminate the execution's instances.

    Raises:
        ExecutionStateError: somebody did.
    """
    if (termination := state.termination) is not None:
        raise ExecutionStateError(
            f"{termination.by} began to terminate the recovery instances of execution {state.execution_id} at "
            f"{termination.at:%Y-%m-%d %H:%M} UTC; it cannot be resumed: start a new one"
        )
