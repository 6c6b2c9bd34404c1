"""Events of a gate that demands proofs: approvals that count, answers that do not, and a gate that was passed anyway.

What the journal keeps of a proof: of AWS the whole signed request, which STS accepts for 15 minutes at most and which
is good for this one approval; of an OIDC issuer the token without its signature, which nobody accepts. Of both the
SHA-256 of the whole token.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from prefect_drs.execution.approval import ApprovalAttempt, BrokenGlass, CountedApproval
from prefect_drs.execution.event import Event
from prefect_drs.execution.state import ExecutionState


class ApprovalCounted(Event):
    """An approval whose proof was verified, of somebody who may approve. It counts once.

    `identity`: as AWS or the issuer names him; `proof_at`: when he made the proof, by the machine's clock.
    `digest`: what he approved. `answer_id`: the answer that held it.
    """

    kind: Literal["ApprovalCounted"] = "ApprovalCounted"
    wave_number: int
    identity: str
    proven_by: str
    proof_at: datetime
    digest: str
    proof: str = Field(default="", repr=False)
    proof_digest: str = ""
    comment: str = ""
    answer_id: str = ""

    @property
    def text(self) -> str:
        """Who approved."""
        return f"wave {self.wave_number} has the signed approval of {self.identity}" + (
            f": {self.comment}" if self.comment else ""
        )

    def apply_to(self, state: ExecutionState) -> None:
        """The approval counts, until it expires."""
        wave = state.waves[self.wave_number]
        wave.judged.add(self.answer_id)
        wave.approvals.append(CountedApproval(self.identity, self.proven_by, self.proof_at, self.digest, self.comment))


class ApprovalAttempted(Event):
    """An answer that does not count: without a proof, with one that proves nothing, or of somebody who may not.

    `by`: as claimed, or the proven identity; `code` and `reason`: why it does not count.
    """

    kind: Literal["ApprovalAttempted"] = "ApprovalAttempted"
    wave_number: int
    by: str
    code: str
    reason: str
    answer_id: str = ""

    @property
    def text(self) -> str:
        """Whose answer does not count, and why."""
        return f"wave {self.wave_number} keeps waiting: the answer of {self.by} does not count: {self.reason}"

    def apply_to(self, state: ExecutionState) -> None:
        """The gate stays open."""
        wave = state.waves[self.wave_number]
        wave.judged.add(self.answer_id)
        wave.attempts.append(ApprovalAttempt(self.at, self.by, self.code, self.reason))


class GlassBroken(Event):
    """Somebody passes the gate without what it demands. `proven`: whether `by` is a proven identity."""

    kind: Literal["GlassBroken"] = "GlassBroken"
    wave_number: int
    by: str
    proven: bool
    reason: str
    digest: str
    proof: str = Field(default="", repr=False)
    proof_digest: str = ""
    answer_id: str = ""

    @property
    def text(self) -> str:
        """Who passes it, and why."""
        how = "proven" if self.proven else "as claimed"
        passed = f"passes the gate of wave {self.wave_number} without the proofs that it demands"
        return f"BREAK-GLASS: {self.by} ({how}) {passed}: {self.reason}"

    def apply_to(self, state: ExecutionState) -> None:
        """The gate may be passed."""
        wave = state.waves[self.wave_number]
        wave.judged.add(self.answer_id)
        wave.broken_glass = BrokenGlass(self.by, self.proven, self.reason)
