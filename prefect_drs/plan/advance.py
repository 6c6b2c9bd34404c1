"""Approvals in advance (`--yes`, `approveGates`, `approved_by`) against what gates demand.

In: the gates of a plan or a runbook, and what each demands. Out: nothing, or the refusal, before anything is started.
An approval in advance has no proof, and nobody has seen what the wave would do: it counts at gates that demand none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from prefect_drs.core.errors import UsageError
from prefect_drs.plan.approval import Demand, demand_of
from prefect_drs.plan.model import RecoveryPlan


class Gated(NamedTuple):
    """A wave with a gate."""

    number: int
    name: str
    demand: Demand


def gates_of(plan: RecoveryPlan) -> tuple[Gated, ...]:
    """The gates of a plan."""
    return tuple(
        Gated(wave.wave_number, wave.wave_name, demand_of(wave.approval or plan.approval))
        for wave in plan.waves
        if wave.pause_before_wave
    )


def failback_gates_of(plan: RecoveryPlan) -> tuple[Gated, ...]:
    """The gates of a failback of the plan: those of its steps demand what the plan says."""
    steps = (Gated(2, "Stop writes", demand_of(plan.approval)),)
    return (*steps, *gates_of(plan.model_copy(update={"waves": plan.failback_waves})))


def refuse_in_advance(gates: Iterable[Gated]) -> None:
    """Refuse to approve gates in advance that demand proofs.

    Raises:
        UsageError: one does; the message names them all.
    """
    demanding = [f"wave {gate.number} ({gate.name}) demands {gate.demand.text}" for gate in gates if gate.demand.proven]
    if demanding:
        raise UsageError(
            f"gates cannot be approved in advance: {'; '.join(demanding)}; start without --yes (approveGates, "
            "approved_by), and approve at the gate: prefect-drs approve EXECUTION --wave N"
        )
