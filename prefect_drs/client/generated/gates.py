"""The operations of `prefect_drs.operations.gates` as methods. Written by `python -m tests.client.generator`; do not edit it."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from typing import TypedDict

from prefect_drs.client.caller import UNSET, Caller, Unset
from prefect_drs.client.generated.shared_types import RunningRequest


class AnsweredAnswer(TypedDict):
    """A gate that was answered."""

    decision: str
    by: str
    gate: GateView
    lost: str | None
    counted: bool | None
    ruling: str


class GateStanding(TypedDict):
    """A gate that demands proofs."""

    demands: str
    digest: str
    approvals: list[GivenApproval]
    lacks: str
    attempts: int
    lastAttempt: str


class GateView(TypedDict):
    """A gate that waits for an answer, or waited for one."""

    executionId: str
    planName: str
    mode: str
    waveNumber: int
    waveName: str
    since: str | None
    until: str | None
    link: str | None
    standing: GateStanding | None


class GatesAnswer(TypedDict):
    """The gates that wait for an answer, by execution and wave."""

    gates: list[GateView]


class GivenApproval(TypedDict):
    """An approval that counts. `proof_at`: when its proof was made; `until`: when it expires; None: never."""

    by: str
    proofAt: str
    until: str | None


class GatesOperations(Caller):
    """Calls the operations."""

    def approve_gate(
        self,
        execution_id: str,
        wave_number: int | str,
        *,
        by: str | Unset | None = UNSET,
        comment: str | Unset = UNSET,
        token: str | Unset | None = UNSET,
        break_glass: str | Unset | None = UNSET,
        idempotency_key: str | None = None,
    ) -> AnsweredAnswer | RunningRequest:
        """Approve a wave that waits at its gate."""
        return self.call(
            "approve_gate",
            {
                "executionId": execution_id,
                "waveNumber": wave_number,
                "by": by,
                "comment": comment,
                "token": token,
                "breakGlass": break_glass,
            },
            idempotency_key=idempotency_key,
        )

    def list_gates(self, *, execution_id: str | Unset = UNSET) -> GatesAnswer:
        """List the gates that wait for an answer."""
        return self.call("list_gates", {"executionId": execution_id})

    def reject_gate(
        self,
        execution_id: str,
        wave_number: int | str,
        *,
        by: str | Unset | None = UNSET,
        comment: str | Unset = UNSET,
        idempotency_key: str | None = None,
    ) -> AnsweredAnswer | RunningRequest:
        """Reject a wave that waits at its gate: it and every wave that depends on it are cancelled."""
        return self.call(
            "reject_gate",
            {"executionId": execution_id, "waveNumber": wave_number, "by": by, "comment": comment},
            idempotency_key=idempotency_key,
        )
