"""Whether a caller may carry out an operation: the one place where every interface asks the access policy.

In: a context and an operation, then its request. Out: the context with the caller's proven name, or the error that says
which permission lacks. Without a policy everybody may do everything, as the user of this machine.

Must never: let an operation through that has no permission of the table, or a caller of another machine without proof.
A caller of this machine is asked for nothing: the proof is made with the AWS credentials that this process has anyway.
That binds honest callers; one who holds the Prefect API key can write what he likes (docs/access.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from prefect_drs.identity import Identity, NotProvenError, Reason, trust_of_this_process, verify
from prefect_drs.identity.policy import PERMISSIONS, AuthorizationError, Grant, allows, denial
from prefect_drs.identity.sts_proof import make_token
from prefect_drs.identity.verify import DEFAULT_AUDIENCE
from prefect_drs.operations.audit import DENIED, Recording, is_read
from prefect_drs.operations.context import Context
from prefect_drs.operations.registry import Operation, find_operation
from prefect_drs.orchestration.client import PrefectUnreachableError
from prefect_drs.orchestration.storage.access_policy import PolicyVersion
from prefect_drs.orchestration.storage.audit_log import AuditOutcome

CLAIMS = ("by", "initiated_by")
"""Fields of requests in which a caller names himself."""


@dataclass(frozen=True)
class Admission:
    """A caller who has the permission of an operation.

    Args:
        operation: the operation.
        context: the context, with the caller's proven identity and name.
        grants: the grants that give the permission; None where there is no policy.
    """

    operation: Operation
    context: Context
    grants: tuple[Grant, ...] | None = None

    def check(self, request: Any) -> Context:
        """Check what the request is about, and whom it names as its sender.

        Raises:
            AuthorizationError: no grant covers it, or it names somebody else.
        """
        identity = self.context.identity
        if self.grants is None or identity is None:
            return self.context
        if all(grant.is_narrowed for grant in self.grants):
            from prefect_drs.operations.target import target_of  # noqa: PLC0415 - loads what most calls do not need

            if not allows(self.grants, target_of(self.context, request)):
                raise denial(identity, self.operation.permission, self.operation.name, narrowed=True)
        for name in CLAIMS:
            claimed = getattr(request, name, None)
            if claimed not in {None, "", identity.name}:
                raise AuthorizationError(
                    f"{self.operation.name}: the request names {claimed!r} as its sender, but {identity.name} sent it: "
                    "leave that field out",
                    permission=self.operation.permission,
                    identity=identity.name,
                )
        return self.context


def admit(context: Context, operation: Operation) -> Admission:
    """Check the permission of an operation, before its request is looked at.

    Raises:
        AuthorizationError: the operation has no permission of the table, or the caller's roles have it not.
        NotProvenError: there is a policy, and the caller has proven nothing.
        PrefectUnreachableError: the policy cannot be read.
    """
    if operation.permission not in PERMISSIONS:
        raise AuthorizationError(f"{operation.name} has no permission that a role could have: nobody may call it")
    stored = _policy(context, operation)
    if stored is None:
        if context.requires_policy:
            raise AuthorizationError("there is no access policy, and this server works with one only")
        return Admission(operation, replace(context, changes=[]))
    identity = context.identity or _own_identity(context, stored)
    grants = stored.policy.with_permission(identity, operation.permission)
    if not grants:
        raise denial(identity, operation.permission, operation.name, narrowed=False)
    return Admission(operation, replace(context, identity=identity, caller=identity.name, changes=[]), grants)


def require_permission(context: Context, operation: Operation) -> None:
    """Check the permission of an operation alone, and record a denial; for an interface that reads the request later.

    Raises:
        AuthorizationError, NotProvenError, PrefectUnreachableError: see `admit`.
    """
    try:
        admit(context, operation)
    except DENIED as error:
        Recording(context).store(operation, AuditOutcome.DENIED, error)
        raise


def acting_as(operation: str, claimed: str | None, **named: Any) -> str:
    """The name that a command of this machine acts under, after the check of its permission.

    Args:
        operation: the operation that does what the command does.
        claimed: the name that the user gave; counts where there is no policy.
        named: what the command is about, as fields of the operation's request (`execution_id`).

    Raises:
        AuthorizationError, NotProvenError: see `admit`.
    """
    chosen, recording = find_operation(operation), Recording(Context(origin="command line"))
    recording.request = _Named(by=claimed, **named)
    try:
        admission = admit(recording.context, chosen)
        recording.context = admission.context
        context = admission.check(recording.request)
    except DENIED as error:
        recording.store(chosen, AuditOutcome.DENIED, error)
        raise
    recording.store(chosen, AuditOutcome.ADMITTED)
    return context.caller if context.identity is not None else (claimed or context.caller)


class _Named:
    """What a command names, in the form of a request."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


def own_identity(context: Context, stored: PolicyVersion | None = None) -> Identity:
    """The identity of this process's own AWS credentials.

    Raises:
        AwsError: there are no credentials.
        NotProvenError: STS does not accept them.
    """
    at = context.real_clock.now()
    trust = trust_of_this_process(stored.policy.issuers if stored else ())
    return verify(make_token(DEFAULT_AUDIENCE, at=at), audience=DEFAULT_AUDIENCE, trust=trust, clock=context.real_clock)


def _policy(context: Context, operation: Operation) -> PolicyVersion | None:
    try:
        return context.policies.current()
    except PrefectUnreachableError:
        if context.files and is_read(operation) and context.identity is None:
            return None  # on this machine, plans and journals can be read without Prefect
        raise


def _own_identity(context: Context, stored: PolicyVersion) -> Identity:
    if not context.files:
        raise NotProvenError(Reason.MISSING, "there is an access policy: send a token (prefect-drs token)")
    return own_identity(context, stored)
