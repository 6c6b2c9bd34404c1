"""How a gate that demands proofs stands, published beside its form: what it demands, who has approved, what lacks.

In: a gate's flow run. Out: an input of it, which whoever lists gates reads, and whoever makes a proof for it: the
digest of what is approved is in it. Holds no proof.
"""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound

from prefect_drs.orchestration.approvals.form import create_input, delete_input, inputs_of
from prefect_drs.recovery.ports import GateRequest
from prefect_drs.report.gate_standing import GateStanding

STANDING_KEY = "prefect-drs-standing-"
"""Prefix of the keys under which the standing of a gate is published; a number follows, and the highest one counts."""


def publish_standing(client: SyncPrefectClient, run_id: UUID, request: GateRequest) -> None:
    """Store what a gate demands and has so far, where everybody who lists gates reads it."""
    if request.check is None:
        return
    former = _standings(client, run_id)
    number = max(former, default=0) + 1
    create_input(client, run_id, f"{STANDING_KEY}{number:06d}", request.check.standing().model_dump_json())
    for old in former:
        delete_input(client, run_id, f"{STANDING_KEY}{old:06d}")


def read_standing(client: SyncPrefectClient, run_id: UUID) -> GateStanding | None:
    """How a gate that demands proofs stands; None where none is published."""
    found = _standings(client, run_id)
    if not found:
        return None
    with suppress(ValueError):
        return GateStanding.model_validate_json(found[max(found)])
    return None


def _standings(client: SyncPrefectClient, run_id: UUID) -> dict[int, str]:
    with suppress(ObjectNotFound):
        return {
            int(number): stored.value
            for stored in inputs_of(client, run_id, STANDING_KEY)
            if (number := stored.key.removeprefix(STANDING_KEY)).isdecimal()
        }
    return {}


def gate_outcome(client: SyncPrefectClient, run_id: UUID) -> tuple[bool | None, GateStanding | None]:
    """Whether a gate was passed (None while it is open), and how it stands."""
    state = client.read_flow_run(run_id).state
    if state is None or not state.is_final() or state.name == "Answered":
        return None, read_standing(client, run_id)
    return state.is_completed(), None
