"""Whether an answer at a gate counts: judged inside the execution, where the gate is passed.

In: answers, as a gate received them, and a port that verifies proofs. Out: a `Ruling` on each, and its event in the
journal, which is written before anything else is done with the answer. What the gate has so far is in the execution's
state, so that a process that resumes the execution goes on counting.

Must never: pass a gate on what could not be checked; count an identity twice; count an approval of something else than
what the wave does now; write a proof anywhere but into the journal.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from prefect_drs.core.clock import Clock
from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.execution.approval import CountedApproval, Decision, GateAnswer
from prefect_drs.execution.events import ApprovalAttempted, ApprovalCounted, GlassBroken
from prefect_drs.execution.state import WaveRun
from prefect_drs.identity.approvers import Subject, approval_binding
from prefect_drs.identity.model import Identity, NotProvenError
from prefect_drs.identity.sts_proof import PREFIX
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.ports import Ruling
from prefect_drs.report.gate_standing import GateStanding, GivenApproval
from prefect_drs.runbook.approved import approved_digest

LONGEST_NAME = 200  # characters of a claimed name or a reason that an attempt records


class ApprovalVerifier(Protocol):
    """Verifies proofs and knows who may approve. Implemented over STS, OIDC issuers and the access policy."""

    def verify(self, token: str, bound: Mapping[str, str]) -> Identity:
        """Who made a proof that is bound to exactly this.

        Raises:
            NotProvenError: it proves nothing, or that could not be checked.
        """
        ...

    def refusal(self, identity: Identity, roles: Sequence[str], subject: Subject) -> str:
        """Why an identity's approval does not count; empty where it does. Any error: it could not be checked."""
        ...

    def break_glass_refusal(self, identity: Identity | None, subject: Subject) -> str:
        """Why somebody may not pass a gate without what it demands; empty where he may."""
        ...


class _RefusalError(Exception):
    """An answer does not count. `identity`: who gave it, where that was proven."""

    def __init__(self, code: str, reason: str, identity: str = "") -> None:
        super().__init__(reason)
        self.code, self.reason, self.identity = code, reason, identity


@dataclass(frozen=True, slots=True)
class GateApprovals:
    """How an execution's gates verify proofs.

    Args:
        verifier: verifies them; None: nothing can be checked, so that no proof counts.
        own_accounts: accounts whose identities count where there is no access policy, beside those of the plan.
    """

    verifier: ApprovalVerifier | None = None
    own_accounts: frozenset[str] = frozenset()

    def check(self, engine: Engine, wave_number: int, clock: Clock) -> GateCheck:
        """The check of a wave's gate. `clock`: the machine's time."""
        return GateCheck(engine, wave_number, self.verifier, clock, self.own_accounts)


class GateCheck:
    """The check of one gate that demands proofs. Safe to share between threads.

    Args:
        engine: holds the state and writes the journal.
        wave_number: the wave behind the gate.
        verifier: verifies proofs; None: nothing can be checked, so that no proof counts.
        own_accounts: accounts whose identities count where there is no access policy.
        clock: the machine's time, which proofs have.
    """

    def __init__(
        self,
        engine: Engine,
        wave_number: int,
        verifier: ApprovalVerifier | None,
        clock: Clock,
        own_accounts: frozenset[str] = frozenset(),
    ) -> None:
        runbook = engine.runbook
        self._engine, self._number, self._verifier, self._clock = engine, wave_number, verifier, clock
        wave = runbook.wave(wave_number)
        self.demand = wave.demand
        self.digest = approved_digest(runbook, wave_number)
        accounts = frozenset(server.account_id for server in wave.servers)
        every = frozenset(server.account_id for each in runbook.waves for server in each.servers)
        self._subject = Subject(runbook.plan_name, accounts, every | own_accounts)
        self._lock = threading.RLock()

    @property
    def _wave(self) -> WaveRun:
        return self._engine.wave_run(self._number)

    # Queries

    def passing(self) -> GateAnswer | None:
        """The answer that passes the gate by what the journal holds; None while something lacks."""
        with self._lock:
            if (glass := self._wave.broken_glass) is not None:
                return GateAnswer(Decision.APPROVED, glass.by, self._clock.now(), f"break-glass: {glass.reason}")
            counting = self._counting()
            if len(counting) < self.demand.quorum:
                return None
            said = "; ".join(approval.comment for approval in counting if approval.comment)
            return GateAnswer(
                Decision.APPROVED, ", ".join(each.identity for each in counting), counting[-1].proof_at, said
            )

    def standing(self) -> GateStanding:
        """What the gate demands, who has approved, what lacks."""
        with self._lock:
            attempts, counting = self._wave.attempts, self._counting()
            return GateStanding(
                demands=self.demand.text,
                digest=self.digest,
                approvals=tuple(
                    GivenApproval(by=each.identity, proof_at=each.proof_at, until=self._until(each))
                    for each in counting
                ),
                lacks=self._lacks(len(counting)),
                attempts=len(attempts),
                last_attempt=f"{attempts[-1].by}: {attempts[-1].reason}" if attempts else "",
            )

    def is_judged(self, answer_id: str) -> bool:
        """Whether an answer was looked at before, by this process or a former one."""
        return bool(answer_id) and answer_id in self._wave.judged

    def _counting(self) -> list[CountedApproval]:
        """The approvals that count now: of what the wave does, not expired, each identity once."""
        now, found = self._clock.now(), dict[str, CountedApproval]()
        for approval in self._wave.approvals:
            until = self._until(approval)
            if approval.digest == self.digest and (until is None or now < until):
                found[approval.identity] = approval
        return list(found.values())

    def _until(self, approval: CountedApproval) -> datetime | None:
        expires = self.demand.expires_after
        return None if expires is None else approval.proof_at + expires

    def _lacks(self, counting: int) -> str:
        missing = self.demand.quorum - counting
        if missing <= 0 or self._wave.broken_glass is not None:
            return ""
        lack = "one signed approval" if missing == 1 else f"{missing} signed approvals"
        if self.demand.not_starter and not self._engine.starter.proven:
            lack += "; who started the execution is not proven, so that only break-glass passes this gate"
        return lack

    # Rulings

    def consider(self, answer: GateAnswer) -> Ruling:
        """Judge an answer and record it; one that was judged before changes nothing.

        A rejection needs no proof: it launches nothing.
        """
        with self._lock:
            if answer.decision is not Decision.APPROVED:
                return Ruling(answer, "")
            if (enough := self.passing()) is not None:  # nothing lacks any more: whatever it is, it is not needed
                return Ruling(enough, "approved")
            if not self.is_judged(answer.answer_id):
                try:
                    self._judge(answer)
                except _RefusalError as refusal:
                    return self._refuse(answer, refusal)
            passing = self.passing()
            return Ruling(passing, "approved" if passing else f"the gate still lacks {self.standing().lacks}")

    def _judge(self, answer: GateAnswer) -> None:
        if answer.break_glass.strip():
            self._break_glass(answer, answer.break_glass.strip())
        else:
            self._count(answer)

    def _count(self, answer: GateAnswer) -> None:
        identity = self._proven(answer, break_glass=False)
        verifier = self._require_verifier()
        refused = _checked(lambda: verifier.refusal(identity, self.demand.roles, self._subject))
        if refused:
            raise _RefusalError("MAY_NOT_APPROVE", refused, identity.name)
        if self.demand.not_starter:
            self._require_not_starter(identity)
        if any(identity.name == each.identity for each in self._counting()):
            raise _RefusalError("ALREADY_COUNTED", "this identity has approved already and counts once", identity.name)
        proof_at = identity.issued_at
        if proof_at is None:
            raise _RefusalError("NO_TIME", "the proof does not say when it was made", identity.name)
        expires = self.demand.expires_after
        if expires is not None and self._clock.now() >= proof_at + expires:
            raise _RefusalError("EXPIRED", f"the proof is older than {expires}: make a new one", identity.name)
        self._engine.record(
            ApprovalCounted(
                at=self._engine.now(),
                wave_number=self._number,
                identity=identity.name,
                proven_by=identity.proven_by,
                proof_at=proof_at,
                digest=self.digest,
                proof=kept_proof(answer.token),
                proof_digest=_digest(answer.token),
                comment=answer.comment,
                answer_id=answer.answer_id,
            )
        )

    def _require_not_starter(self, identity: Identity) -> None:
        starter = self._engine.starter
        if not starter.proven:
            reason = "who started the execution is not proven, so that it cannot be checked that somebody else approves"
            raise _RefusalError("STARTER_UNKNOWN", reason, identity.name)
        if starter.by == identity.name:
            raise _RefusalError("STARTER", "whoever started the execution does not count at this gate", identity.name)

    def _break_glass(self, answer: GateAnswer, reason: str) -> None:
        identity = self._proven(answer, break_glass=True) if answer.token else None
        verifier = self._require_verifier()
        refused = _checked(lambda: verifier.break_glass_refusal(identity, self._subject))
        if refused:
            raise _RefusalError("MAY_NOT_BREAK_GLASS", refused, identity.name if identity else "")
        self._engine.record(
            GlassBroken(
                at=self._engine.now(),
                wave_number=self._number,
                by=identity.name if identity else answer.by,
                proven=identity is not None,
                reason=reason,
                digest=self.digest,
                proof=kept_proof(answer.token),
                proof_digest=_digest(answer.token) if answer.token else "",
                answer_id=answer.answer_id,
            )
        )

    def _proven(self, answer: GateAnswer, *, break_glass: bool) -> Identity:
        if not answer.token:
            raise _RefusalError("NO_PROOF", "it has no proof of identity (prefect-drs approve makes one)")
        verifier = self._require_verifier()
        bound = approval_binding(self._engine.execution_id, self._number, self.digest, break_glass=break_glass)
        try:
            return verifier.verify(answer.token, bound)
        except NotProvenError as error:
            raise _RefusalError(error.reason.value, error.message) from None
        except Exception as error:
            raise _unchecked(error) from None

    def _require_verifier(self) -> ApprovalVerifier:
        if self._verifier is None:
            raise _RefusalError("UNAVAILABLE", "it could not be checked: this process has no way to verify proofs")
        return self._verifier

    def _refuse(self, answer: GateAnswer, refusal: _RefusalError) -> Ruling:
        who = refusal.identity or answer.by[:LONGEST_NAME]
        self._engine.record(
            ApprovalAttempted(
                at=self._engine.now(),
                wave_number=self._number,
                by=who,
                code=refusal.code,
                reason=refusal.reason,
                answer_id=answer.answer_id,
            )
        )
        return Ruling(None, f"the answer of {who} does not count: {refusal.reason}")


def kept_proof(token: str) -> str:
    """What the journal keeps of a proof: see `prefect_drs.execution.events.approvals`."""
    return token if token.startswith(PREFIX) else token.rpartition(".")[0]


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "backslashreplace")).hexdigest()


def _checked(look: Callable[[], str]) -> str:
    """The answer of the access policy; an error means that it could not be checked."""
    try:
        return look()
    except Exception as error:
        raise _unchecked(error) from None


def _unchecked(error: Exception) -> _RefusalError:
    """Whatever it is, it is no approval. Only the package's own errors have a text that may be shown."""
    why = error.message if isinstance(error, PrefectDrsError) else type(error).__name__
    return _RefusalError("UNAVAILABLE", f"it could not be checked: {why}")
