"""Proofs that callers of this package make for gates, and what becomes of their answers there.

In: a gate that demands proofs, and a caller. Out: a proof, made with the AWS credentials that this process has anyway,
or the one that the caller sent; then the ruling of the execution, as far as it is known within some seconds. The ruling
is the execution's alone: nothing here decides whether an answer counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from prefect_drs.core.clock import Clock, WallClock
from prefect_drs.core.errors import AwsError, UsageError
from prefect_drs.core.polling import polled
from prefect_drs.identity import NotProvenError
from prefect_drs.identity.approvers import approval_binding
from prefect_drs.identity.sts_proof import MOST_SECONDS, digest_of, make_token
from prefect_drs.identity.verify import DEFAULT_AUDIENCE
from prefect_drs.operations.access import own_identity
from prefect_drs.operations.context import Context
from prefect_drs.orchestration.approvals.answers import PendingGate
from prefect_drs.orchestration.approvals.standings import gate_outcome
from prefect_drs.orchestration.client import prefect_client
from prefect_drs.plan.advance import Gated
from prefect_drs.recovery.resume import Starter

RULING_SECONDS = 15.0  # a process looks for answers every 10 s at most


@dataclass(frozen=True, slots=True)
class Proof:
    """What a caller gives beside an answer.

    Args:
        token: a proof; empty: it is made here, where `own` allows it.
        break_glass: why the gate is to be passed without what it demands; empty: it is not.
        own: whether a proof may be made with this process's credentials: they are the caller's own.
    """

    token: str = field(default="", repr=False)
    break_glass: str = ""
    own: bool = False


class RulingAnswer(NamedTuple):
    """What became of an answer. `counted`: None while that is not known."""

    counted: bool | None
    text: str


def proof_for(gate: PendingGate, proof: Proof, clock: Clock | None = None) -> str:
    """The proof to send with an approval; empty where the gate demands none.

    Raises:
        UsageError: the gate demands one, none was sent, and none may be made here.
        AwsError: there are no AWS credentials to make one with.
    """
    if gate.standing is None or proof.token:
        return proof.token
    if not proof.own:
        if proof.break_glass:
            return ""
        raise UsageError(
            f"{gate} demands {gate.standing.demands}: send a token: prefect-drs token --approve {gate.execution_id} "
            f"--wave {gate.wave_number}",
            field="token",
        )
    try:
        return make_proof(gate, break_glass=bool(proof.break_glass), clock=clock)
    except AwsError:
        if proof.break_glass:  # counts without a proof where there is no access policy
            return ""
        raise


def make_proof(gate: PendingGate, *, break_glass: bool = False, clock: Clock | None = None) -> str:
    """A proof of this process's AWS identity for one approval. Sends nothing.

    Raises:
        UsageError: the gate demands none.
        AwsError: there are no credentials.
    """
    at = (clock or WallClock()).now()
    bound = approval_binding(gate.execution_id, gate.wave_number, _digest(gate), break_glass=break_glass)
    return make_token(DEFAULT_AUDIENCE, at=at, bound=bound, seconds=MOST_SECONDS)


def nonce_for(gate: PendingGate, *, break_glass: bool = False) -> str:
    """The `nonce` that a token of an OIDC issuer needs for one approval.

    Raises:
        UsageError: the gate demands no proof.
    """
    return digest_of(approval_binding(gate.execution_id, gate.wave_number, _digest(gate), break_glass=break_glass))


def _digest(gate: PendingGate) -> str:
    if gate.standing is None:
        raise UsageError(f"{gate} demands no proof: answer it without one")
    return gate.standing.digest


def ruling_on(gate: PendingGate, *, seconds: float = RULING_SECONDS, clock: Clock | None = None) -> RulingAnswer:
    """Wait some seconds for what the execution makes of an answer to this gate, which is given as it was before.

    Raises:
        PrefectDrsError: the Prefect API cannot be reached.
    """
    assert gate.standing is not None  # noqa: S101 - the caller looked
    before = gate.standing
    with prefect_client() as client:

        def look() -> RulingAnswer | None:
            passed, now = gate_outcome(client, gate.flow_run_id)
            if passed is not None:
                return RulingAnswer(passed, "the gate is passed" if passed else "the gate is closed")
            if now is not None and now.attempts > before.attempts:
                return RulingAnswer(False, f"it does not count: {now.last_attempt}; the gate keeps waiting")
            if now is not None and len(now.approvals) > len(before.approvals):
                left = f"still lacks {now.lacks}" if now.lacks else "is passed"
                return RulingAnswer(True, f"it counts; the gate {left}")
            return None

        ruling = polled(look, seconds=seconds, clock=clock)
    stored = "it is stored; the process that carries the execution checks it: prefect-drs status"
    return ruling or RulingAnswer(None, f"{stored} {gate.execution_id}")


def starter_of(context: Context, by: str, gates: Iterable[Gated]) -> Starter:
    """Who starts an execution, proven where that is known or a gate needs it, and can be had.

    Args:
        context: the caller.
        by: the name that histories get.
        gates: of the plan.
    """
    if context.identity is not None:
        return Starter(context.identity.name, True)
    if context.files and any(gate.demand.not_starter for gate in gates):
        try:
            return Starter(own_identity(context).name, True)
        except (AwsError, NotProvenError):
            return Starter(by)  # such a gate says then that only break-glass passes it
    return Starter(by)
