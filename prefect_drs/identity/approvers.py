"""Approvals of a wave: what their proofs are bound to, and whose approval counts.

In: an execution, a wave and the digest of what is approved; a proven identity and the access policy. Out: the binding
of a proof; an empty text, or why an identity may not. Pure: no clock, no storage.

Without an access policy, roles are nobody's, and only identities of the execution's own AWS accounts count: everybody
in the world with an AWS account can prove an identity to STS.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from prefect_drs.identity.model import Identity, IdentityKind
from prefect_drs.identity.policy import PolicyDocument, Role, Target, allows

APPROVE = "start_recovery"
"""The permission that approving needs, in the flow as in `approve_gate`."""


class Subject(NamedTuple):
    """What is approved, as far as grants are narrowed by it.

    Args:
        plan: the name of the plan.
        accounts: the accounts of the wave's servers.
        own_accounts: accounts whose identities count where there is no policy: those of the execution.
    """

    plan: str
    accounts: frozenset[str]
    own_accounts: frozenset[str]


def approval_binding(
    execution_id: str, wave_number: int, digest: str, *, break_glass: bool = False
) -> Mapping[str, str]:
    """What the proof of an approval is bound to: nothing else than this is approved by it."""
    return {
        "decision": "break-glass" if break_glass else "approve",
        "execution": execution_id,
        "wave": str(wave_number),
        "digest": digest,
    }


def approver_refusal(policy: PolicyDocument | None, identity: Identity, roles: Sequence[str], subject: Subject) -> str:
    """Why an approval of an identity does not count; empty where it does.

    Args:
        policy: the access policy; None where there is none.
        identity: who approves, proven.
        roles: one of these is demanded, where there are any.
        subject: what is approved.
    """
    if policy is None:
        if roles:
            return "the gate demands a role, and there is no access policy that gives one (set_access_policy)"
        return _foreign(identity, subject)
    target = _target(subject)
    grants = [grant for grant in policy.with_permission(identity, APPROVE) if grant.covers(target)]
    if not grants:
        return f"{identity.name} has no permission {APPROVE} for this plan in the access policy"
    if roles and not any(grant.role in roles for grant in grants):
        return f"{identity.name} does not have the role {' or '.join(roles)} for this plan in the access policy"
    return ""


def break_glass_refusal(policy: PolicyDocument, identity: Identity, subject: Subject) -> str:
    """Why an identity may not pass a gate without what it demands; empty where it may: an admin."""
    grants = [grant for grant in policy.grants_of(identity) if grant.role is Role.ADMIN]
    return (
        "" if allows(grants, _target(subject)) else f"{identity.name} does not have the role {Role.ADMIN} for this plan"
    )


def _target(subject: Subject) -> Target:
    return Target(plan=subject.plan, accounts=subject.accounts)


def _foreign(identity: Identity, subject: Subject) -> str:
    known: Collection[str] = subject.own_accounts
    if identity.kind is IdentityKind.AWS and identity.account_id in known:
        return ""
    return (
        f"{identity.name} is not of an AWS account of this execution ({', '.join(sorted(known)) or 'none is known'}), "
        "and there is no access policy that names it"
    )
