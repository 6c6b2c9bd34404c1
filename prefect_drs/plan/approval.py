"""What a plan or a wave demands of the answer at a gate: `approval`.

In: values already read from a file and checked. Out: a frozen `Demand`, the same for all three spellings. `any` is an
answer of anybody who reaches the gate, with a name as claimed. Everything else counts with a proof only (see
`prefect_drs.recovery.approvals`). The wave's `approval` replaces the plan's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, get_args

from pydantic import Field

from prefect_drs.core.models import FrozenModel
from prefect_drs.plan.duration import parse_duration

ApproverRole = Literal["DRSOrchestrationAdmin", "DRSRecoveryManager", "DRSPlanManager", "DRSOperator"]
APPROVER_ROLES: tuple[str, ...] = get_args(ApproverRole)
"""The roles that may approve; DRSReadOnly may not (`prefect_drs.identity.policy`)."""
QUORUM_AT_MOST = 20
ANY, SIGNED = "any", "signed"


class Quorum(FrozenModel):
    """A number of proven approvals by different identities.

    Args:
        quorum: how many.
        roles: the identities have one of these; none: any that may approve.
        not_starter: whoever started the execution is not counted.
        expires_after: how long an approval counts from its proof's time on, ISO 8601 duration; None: until the gate is
            passed.
    """

    quorum: int = Field(ge=1, le=QUORUM_AT_MOST)
    roles: tuple[ApproverRole, ...] = ()
    not_starter: bool = False
    expires_after: str | None = None


Approval = Literal["any", "signed"] | Quorum


@dataclass(frozen=True, slots=True)
class Demand:
    """What a gate demands.

    Args:
        proven: only answers with a proof count.
        quorum: how many approvals of different identities.
        roles: one of these, where there are any.
        not_starter: the starter is not counted.
        expires_after: how long an approval counts; None: until the gate is passed.
    """

    proven: bool = False
    quorum: int = 1
    roles: tuple[str, ...] = ()
    not_starter: bool = False
    expires_after: timedelta | None = None

    @property
    def short(self) -> str:
        """In a word or two, for a table: `approve`, `signed`, `2 signed`."""
        if not self.proven:
            return "approve"
        return "signed" if self.quorum == 1 else f"{self.quorum} signed"

    @property
    def text(self) -> str:
        """In words, for people: `2 signed approvals by different people, of DRSOperator, not by whoever started it`."""
        if not self.proven:
            return "one answer, with a name as claimed"
        parts = ["one signed approval" if self.quorum == 1 else f"{self.quorum} signed approvals by different people"]
        if self.roles:
            parts.append(f"with the role {' or '.join(self.roles)}")
        if self.not_starter:
            parts.append("not by whoever started the execution")
        if self.expires_after is not None:
            parts.append(f"each at most {self.expires_after} old")
        return ", ".join(parts)


def demand_of(approval: Approval) -> Demand:
    """What `approval` of a manifest demands."""
    if isinstance(approval, Quorum):
        expires = parse_duration(approval.expires_after) if approval.expires_after is not None else None
        return Demand(True, approval.quorum, tuple(approval.roles), approval.not_starter, expires)
    return Demand(proven=approval == SIGNED)
