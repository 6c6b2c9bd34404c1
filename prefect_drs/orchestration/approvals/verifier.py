"""Proofs of approvals, verified over STS and OIDC issuers, with the access policy that the Prefect API stores.

In: a token and what it must be bound to; an identity and what is approved. Out: the identity, or why it does not count.
The policy is read for each answer, so that a change counts at once. Implements
`prefect_drs.recovery.approvals.ApprovalVerifier`.

Must never: let an error mean that somebody may.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from prefect_drs.core.clock import Clock, WallClock
from prefect_drs.identity import Identity, trust_of_this_process, verify
from prefect_drs.identity.approvers import Subject, approver_refusal, break_glass_refusal
from prefect_drs.identity.oidc import IssuerKeys
from prefect_drs.identity.policy import PolicyDocument
from prefect_drs.identity.trust import OidcIssuer, Trust
from prefect_drs.identity.verify import DEFAULT_AUDIENCE
from prefect_drs.orchestration.storage.access_policy import PolicyVersion, read_access_policy


class PolicyVerifier:
    """Verifies approvals for this process.

    Args:
        read_policy: reads the access policy; None where there is none.
        trust: whom this process believes, given the policy's issuers.
        clock: the machine's clock.
        keys: the keys of issuers.
    """

    def __init__(
        self,
        read_policy: Callable[[], PolicyVersion | None] = read_access_policy,
        trust: Callable[[tuple[OidcIssuer, ...]], Trust] = trust_of_this_process,
        clock: Clock | None = None,
        keys: IssuerKeys | None = None,
    ) -> None:
        self._read_policy, self._trust = read_policy, trust
        self._clock, self._keys = clock or WallClock(), keys or IssuerKeys()

    def verify(self, token: str, bound: Mapping[str, str]) -> Identity:
        """Who made a proof that is bound to exactly this.

        Raises:
            NotProvenError: it proves nothing, or that could not be checked.
            PrefectDrsError: the policy, which lists the issuers, cannot be read.
        """
        policy = self._policy()
        trust = self._trust(policy.issuers if policy else ())
        return verify(token, audience=DEFAULT_AUDIENCE, trust=trust, clock=self._clock, bound=bound, keys=self._keys)

    def refusal(self, identity: Identity, roles: Sequence[str], subject: Subject) -> str:
        """Why an identity's approval does not count; empty where it does."""
        return approver_refusal(self._policy(), identity, roles, subject)

    def break_glass_refusal(self, identity: Identity | None, subject: Subject) -> str:
        """Why somebody may not pass a gate without what it demands: there is a policy, and he is no proven admin."""
        policy = self._policy()
        if policy is None:
            return ""
        if identity is None:
            return "there is an access policy, and break-glass has no proof of identity"
        return break_glass_refusal(policy, identity, subject)

    def _policy(self) -> PolicyDocument | None:
        stored = self._read_policy()
        return None if stored is None else stored.policy
