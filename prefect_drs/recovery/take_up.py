"""Whether, and with what, a process may take an execution up.

In: the execution's journal, the stored control requests, and how the process was started. Out: the runbook to carry
out, its servers claimed; or nothing, because the execution has ended and stays so; or a refusal. This is decided the
same way under Prefect and in the tests that draw any order of events.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prefect_drs.core.errors import UsageError
from prefect_drs.recovery.control_requests import ControlRequests, cancelled_refusal, pending_cancel
from prefect_drs.recovery.state import ExecutionState, state_of
from prefect_drs.report.events import Event, TerminationAsked
from prefect_drs.runbook import Runbook


@dataclass(frozen=True, slots=True)
class Start:
    """How a process came to carry an execution.

    Args:
        asked: id of the request to run it; one that was processed before opens no execution that has ended.
        explicit: a person asked to resume, so that a cancelled execution refuses instead of ending quietly.
        despite_cancel: who goes on although the execution was cancelled; None honours a cancel.
    """

    asked: str
    explicit: bool = False
    despite_cancel: str | None = None


def take_up(
    execution_id: str,
    former: Sequence[Event],
    requests: ControlRequests,
    start: Start,
    *,
    resolve: Callable[[], Runbook],
    claim: Callable[[Runbook], None],
) -> Runbook | None:
    """The runbook to carry out or on; None where the execution has ended and stays so.

    Args:
        execution_id: the execution.
        former: the events of its journal.
        requests: its stored control requests.
        start: how this process was started.
        resolve: works the runbook out; called only where the journal does not hold one.
        claim: claims the runbook's servers; not called for an execution that is only brought to its end.

    Raises:
        UsageError: it was cancelled and `start` is explicit, or its recovery instances were terminated.
        PreflightRefusedError: the accounts do not allow it, or another execution holds its servers.
    """
    standing = state_of(former)
    if standing is None:
        runbook = resolve()
        claim(runbook)
        return runbook
    if start.explicit and start.despite_cancel is None:
        require_not_cancelled(execution_id, standing, requests)
    if is_concluded(standing, start):
        return None
    _refuse_terminated(execution_id, former)
    if start.despite_cancel is not None or not _is_cancelled(standing, requests):
        claim(standing.runbook)
    return standing.runbook


def is_concluded(standing: ExecutionState, start: Start) -> bool:
    """Whether the execution has ended and stays so: this request to run it was processed, or it was cancelled."""
    if standing.ended and standing.cancel is not None:
        return start.despite_cancel is None
    return standing.is_concluded(start.asked)


def require_not_cancelled(execution_id: str, standing: ExecutionState, requests: ControlRequests) -> None:
    """Refuse to resume what was cancelled; one that was cancelled and has not ended yet is only brought to its end.

    Raises:
        UsageError: there is a cancel that nobody has handled, or the execution ended by one.
        RequestsUnreachableError: the requests could not be read.
    """
    if standing.ended and standing.cancel is not None:
        cancel = standing.cancel
        raise UsageError(cancelled_refusal(execution_id, cancel.by, cancel.at, cancel.reason, ended=True))
    if (pending := pending_cancel(requests, standing.handled)) is not None:
        raise UsageError(cancelled_refusal(execution_id, pending.by, pending.at, pending.reason))


def _is_cancelled(standing: ExecutionState, requests: ControlRequests) -> bool:
    """Whether the execution is only brought to its end: nothing is launched, so nothing has to be claimed."""
    in_force = standing.cancel is not None and not standing.ended
    return in_force or pending_cancel(requests, standing.handled) is not None


def _refuse_terminated(execution_id: str, events: Sequence[Event]) -> None:
    """What a wave rests on may be gone once somebody began to terminate the execution's instances.

    Raises:
        UsageError: somebody did.
    """
    asked = next((event for event in events if isinstance(event, TerminationAsked)), None)
    if asked is not None:
        raise UsageError(
            f"{asked.by} began to terminate the recovery instances of execution {execution_id} at "
            f"{asked.at:%Y-%m-%d %H:%M} UTC; it cannot be carried on: start a new one"
        )
