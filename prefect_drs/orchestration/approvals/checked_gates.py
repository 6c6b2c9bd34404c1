"""Gates that demand proofs, on the Prefect server: an answer that does not count leaves the gate waiting.

In: a gate's flow run and the check of its answers. Out: the answer that passes the gate; or the same flow run, Paused
once more with its form, until the same deadline. The check records an answer in the journal before anything is changed
here, so that each step may be repeated: an answer is deleted only after it was judged, and a process that died in
between finds it again, and judges it as it was judged.

Must never: leave a proof in the Prefect API after it was judged; pass a gate that the check did not pass.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Paused, Suspended

from prefect_drs.orchestration.approvals.answers import GRACE, gate_log, is_of_deployment, recorded_answer
from prefect_drs.orchestration.approvals.form import (
    KEYSET,
    PAUSE_KEY,
    RESPONSE_KEY,
    delete_input,
    replace_form,
)
from prefect_drs.orchestration.approvals.gate_artifact import form_text, prompt, show_gate
from prefect_drs.orchestration.approvals.standings import publish_standing
from prefect_drs.recovery.ports import Decision, GateAnswer, GateRequest


def considered(client: SyncPrefectClient, run_id: UUID, request: GateRequest, answer: GateAnswer) -> GateAnswer | None:
    """The answer that passes the gate; None where it keeps waiting. Then the answer is deleted, with its proof."""
    if request.check is None or answer.decision is not Decision.APPROVED:
        return answer
    ruling = request.check.consider(answer)
    delete_input(client, run_id, RESPONSE_KEY)
    if ruling.answer is None:
        gate_log().warning("Wave %s keeps waiting for approval: %s", request.wave_number, ruling.text)
    return ruling.answer


def former_answer(
    client: SyncPrefectClient, runs: list[FlowRun], request: GateRequest
) -> tuple[FlowRun | None, GateAnswer | None]:
    """What earlier attempts of the execution received: the run and the answer that passes, or a run to open again."""
    again: FlowRun | None = None
    for run in runs:
        answer = recorded_answer(client, run.id)
        if answer is None:
            continue
        if (passing := considered(client, run.id, request, answer)) is not None:
            return run, passing
        again = again or run
    return again, None


def reopen(client: SyncPrefectClient, run: FlowRun, request: GateRequest, until: datetime) -> None:
    """Pause a gate's run once more, with its form and its standing.

    The form is stored before the run is Paused: a forced state deletes no inputs, and so nobody meets a gate without a
    form. Whatever state the run is in, it is Paused afterwards.
    """
    delete_input(client, run.id, RESPONSE_KEY)
    replace_form(client, run.id, form_text(request), signed=request.check is not None)
    client.set_flow_run_state(run.id, paused_again(run, prompt(request), until + GRACE), force=True)
    publish_standing(client, run.id, request)  # last: whoever reads it may answer again
    show_gate(run.id, request, suspended=is_of_deployment(run))


def is_under_way(client: SyncPrefectClient, run: FlowRun) -> bool:
    """Whether a deployment's run of a gate left Suspended, and holds no answer: it was judged, or its process died."""
    if not is_of_deployment(run):
        return False
    state = client.read_flow_run(run.id).state
    moving = state is not None and not state.is_paused() and (not state.is_final() or state.is_crashed())
    return moving and recorded_answer(client, run.id) is None


def paused_again(run: FlowRun, message: str, until: datetime | None) -> State[Any]:
    """The state in which a gate's run waits: Suspended where it is a deployment's, so that no process is held."""
    make = Suspended if is_of_deployment(run) else Paused
    state: State[Any] = make(message=message, pause_expiration_time=until, pause_key=PAUSE_KEY)
    state.state_details.run_input_keyset = dict(KEYSET)
    return state


def last_pause(client: SyncPrefectClient, run_id: UUID) -> datetime | None:
    """The deadline of the last time that a run was Paused."""
    paused = [state for state in client.read_flow_run_states(run_id) if state.is_paused()]
    paused.sort(key=lambda state: state.timestamp)
    return paused[-1].state_details.pause_timeout if paused else None


def left_until(now: datetime, request: GateRequest) -> datetime | None:
    """Until when a gate that is opened again waits; None where its deadline has passed."""
    return now + request.timeout if request.timeout > timedelta() else None
