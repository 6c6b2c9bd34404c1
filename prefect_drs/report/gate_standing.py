"""How a gate that demands proofs stands: what it demands, who has approved so far, what lacks. Plain values.

In: what the execution's state holds. Out: JSON for whoever lists gates; nothing in it is secret.
"""

from __future__ import annotations

from datetime import datetime

from prefect_drs.core.models import FrozenModel


class GivenApproval(FrozenModel):
    """An approval that counts. `proof_at`: when its proof was made; `until`: when it expires; None: never."""

    by: str
    proof_at: datetime
    until: datetime | None = None


class GateStanding(FrozenModel):
    """A gate that demands proofs.

    Args:
        demands: what, in words.
        digest: the SHA-256 of what is approved, which proofs are bound to.
        approvals: those that count.
        lacks: what lacks, in words; empty where nothing does.
        attempts: how many answers did not count.
        last_attempt: why the last of these did not; empty where there was none.
    """

    demands: str
    digest: str
    approvals: tuple[GivenApproval, ...] = ()
    lacks: str = ""
    attempts: int = 0
    last_attempt: str = ""

    @property
    def lines(self) -> tuple[str, ...]:
        """For people, a line each."""
        given = ", ".join(approval.by for approval in self.approvals) or "nobody yet"
        said = [f"demands {self.demands}", f"approved by: {given}"]
        if self.lacks:
            said.append(f"lacks: {self.lacks}")
        if self.last_attempt:
            said.append(f"last answer that did not count: {self.last_attempt}")
        return tuple(said)
