"""The access policy: which identities have which role, and what a role may do.

In: a proven identity, a permission, and what a request is about. Out: whether a grant allows it. Deny by default: an
identity that no grant names has no role, and a permission that no role has is nobody's. Pure: no clock, no storage.

Patterns: `*` stands for any characters but `/` and `:`, `?` for one of these. A pattern of an ARN names its account in
digits: in AWS anybody may call a role of another account what he likes.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from functools import cache
from typing import Annotated, ClassVar, NamedTuple

from pydantic import AfterValidator, Field, model_validator

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.core.models import FrozenModel
from prefect_drs.identity.model import Identity, IdentityKind
from prefect_drs.identity.trust import OidcIssuer


class Role(enum.StrEnum):
    """The five roles."""

    ADMIN = "DRSOrchestrationAdmin"
    RECOVERY_MANAGER = "DRSRecoveryManager"
    PLAN_MANAGER = "DRSPlanManager"
    OPERATOR = "DRSOperator"
    READ_ONLY = "DRSReadOnly"


_READ = frozenset({"view_accounts", "view_executions", "view_protection_groups", "view_recovery_plans"})
_OPERATE = _READ | {"start_recovery", "stop_recovery", "modify_protection_groups", "modify_recovery_plans"}
_PLAN = _OPERATE | {
    "create_protection_groups",
    "delete_protection_groups",
    "create_recovery_plans",
    "delete_recovery_plans",
}
_MANAGE = _PLAN | {
    "register_accounts",
    "modify_accounts",
    "terminate_instances",
    "export_configuration",
    "import_configuration",
    "view_audit_log",
}

ROLE_PERMISSIONS: dict[Role, frozenset[str]] = {
    Role.ADMIN: _MANAGE | {"delete_accounts", "manage_access"},
    Role.RECOVERY_MANAGER: _MANAGE,
    Role.PLAN_MANAGER: _PLAN,
    Role.OPERATOR: _OPERATE,
    Role.READ_ONLY: _READ,
}
"""What each role may do. Resuming and approving are `start_recovery`, cancelling and pausing `stop_recovery`, and tag
synchronisation `modify_protection_groups`."""

PERMISSIONS: tuple[str, ...] = tuple(sorted(ROLE_PERMISSIONS[Role.ADMIN]))
"""All permissions; each operation needs one of them."""

_ARN_PATTERN = re.compile(r"arn:aws[a-z-]*:(iam|sts)::\d{12}:[\w+=,.@/*?-]{1,1024}", re.ASCII)
_ASSUMED = re.compile(r"(arn:[a-z-]+):sts::(\d{12}):assumed-role/([^/]+)/[^/]+")
_ROLE = re.compile(r"(arn:[a-z-]+:iam::\d{12}:role/)(?:.*/)?([^/]+)")


def _check_arn_pattern(pattern: str) -> str:
    if not _ARN_PATTERN.fullmatch(pattern):
        raise ValueError(
            f"{pattern!r} is no pattern of an IAM or STS ARN with its account in digits, such as "
            "arn:aws:iam::123456789012:role/Operators"
        )
    return pattern


ArnPattern = Annotated[str, AfterValidator(_check_arn_pattern)]
Name = Annotated[str, Field(min_length=1, max_length=255)]
AccountId = Annotated[str, Field(pattern=r"^\d{12}$")]


class AuthorizationError(PrefectDrsError):
    """The caller's roles do not allow it; `details` has the permission that lacks."""

    code: ClassVar[str] = "AUTHORIZATION_ERROR"
    exit_code: ClassVar[int] = 2


class Target(NamedTuple):
    """What a request is about, as far as it names it: a stored plan, a stored group, the accounts that these are of."""

    plan: str | None = None
    group: str | None = None
    accounts: frozenset[str] = frozenset()


class Grant(FrozenModel):
    """A role for some identities, narrowed or not.

    A narrowed grant covers the requests that name what it is narrowed to; lists, and requests with a manifest of the
    caller's own, are not among them.

    Args:
        role: the role.
        arns: patterns of AWS identities; `…:role/NAME` stands for all sessions of the role.
        issuer: the OIDC issuer of `subjects` and `groups`.
        subjects: patterns of OIDC subjects.
        groups: OIDC groups, exactly.
        plans: patterns of plans that it is narrowed to; none: all. Case does not matter, as in names of plans.
        protection_groups: patterns of protection groups that it is narrowed to; none: all.
        accounts: accounts that it is narrowed to; none: all.
    """

    role: Role
    arns: tuple[ArnPattern, ...] = ()
    issuer: str | None = None
    subjects: tuple[Name, ...] = ()
    groups: tuple[Name, ...] = ()
    plans: tuple[Name, ...] = ()
    protection_groups: tuple[Name, ...] = ()
    accounts: tuple[AccountId, ...] = ()

    @model_validator(mode="after")
    def _names_somebody(self) -> Grant:
        if not (self.arns or self.subjects or self.groups):
            raise ValueError("a grant names identities: arns, or subjects or groups of an issuer")
        if bool(self.subjects or self.groups) != (self.issuer is not None):
            raise ValueError("subjects and groups need their issuer, and an issuer needs subjects or groups")
        return self

    @property
    def is_narrowed(self) -> bool:
        """Whether it covers less than everything."""
        return bool(self.plans or self.protection_groups or self.accounts)

    def names(self, identity: Identity) -> bool:
        """Whether the identity is one of those it names."""
        if identity.kind is IdentityKind.AWS:
            return any(_is_arn(pattern, identity.subject) for pattern in self.arns)
        if identity.issuer != self.issuer:
            return False
        by_group = not set(self.groups).isdisjoint(identity.groups)
        return by_group or any(_matches(pattern, identity.subject) for pattern in self.subjects)

    def covers(self, target: Target) -> bool:
        """Whether it is narrowed to less than a request is about."""
        return (
            (not self.plans or _is_named(self.plans, target.plan))
            and (not self.protection_groups or _is_named(self.protection_groups, target.group))
            and (not self.accounts or (bool(target.accounts) and target.accounts <= set(self.accounts)))
        )


class PolicyDocument(FrozenModel):
    """The content of an access policy.

    Args:
        grants: who has which role.
        issuers: the OIDC issuers that are trusted.
    """

    grants: tuple[Grant, ...] = ()
    issuers: tuple[OidcIssuer, ...] = ()

    @model_validator(mode="after")
    def _issuers_are_known(self) -> PolicyDocument:
        known = [issuer.issuer for issuer in self.issuers]
        if len(set(known)) < len(known):
            raise ValueError("an issuer is given twice")
        if unknown := sorted({grant.issuer for grant in self.grants if grant.issuer} - set(known)):
            raise ValueError(f"grants name issuers that are not in issuers: {', '.join(unknown)}")
        return self

    def grants_of(self, identity: Identity) -> tuple[Grant, ...]:
        """The grants that name an identity."""
        return tuple(grant for grant in self.grants if grant.names(identity))

    def roles_of(self, identity: Identity) -> tuple[Role, ...]:
        """The roles of an identity, narrowed ones too, in the order of the table."""
        found = {grant.role for grant in self.grants_of(identity)}
        return tuple(role for role in Role if role in found)

    def permissions_of(self, identity: Identity, *, narrowed: bool) -> tuple[str, ...]:
        """The permissions of an identity, sorted: those of its narrowed grants, or of the others."""
        grants = (grant for grant in self.grants_of(identity) if grant.is_narrowed is narrowed)
        return tuple(sorted({name for grant in grants for name in ROLE_PERMISSIONS[grant.role]}))

    def with_permission(self, identity: Identity, permission: str) -> tuple[Grant, ...]:
        """The grants that give an identity a permission, perhaps narrowed."""
        return tuple(grant for grant in self.grants_of(identity) if permission in ROLE_PERMISSIONS[grant.role])


def allows(grants: Iterable[Grant], target: Target) -> bool:
    """Whether one of the grants covers what a request is about."""
    return any(grant.covers(target) for grant in grants)


def denial(identity: Identity, permission: str, operation: str, *, narrowed: bool) -> AuthorizationError:
    """The error for a caller who may not.

    Args:
        identity: the caller.
        permission: what lacks.
        operation: what was called.
        narrowed: the caller has the permission for something else.
    """
    why = "for what this request names" if narrowed else "in the access policy"
    return AuthorizationError(
        f"{operation}: {identity.name} has no permission {permission} {why}; ask whoever has the role {Role.ADMIN}",
        permission=permission,
        operation=operation,
        identity=identity.name,
    )


def _is_arn(pattern: str, arn: str) -> bool:
    if _matches(pattern, arn):
        return True
    role, session = _ROLE.fullmatch(pattern), _ASSUMED.fullmatch(arn)
    if role is None or session is None:
        return False  # STS leaves a role's path out of the ARN of a session
    return _matches(role[1] + role[2], f"{session[1]}:iam::{session[2]}:role/{session[3]}")


def _is_named(patterns: Iterable[str], name: str | None) -> bool:
    return name is not None and any(_matches(pattern.casefold(), name.casefold()) for pattern in patterns)


def _matches(pattern: str, text: str) -> bool:
    return _compiled(pattern).fullmatch(text) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    escaped = re.escape(pattern).replace(r"\*", "[^/:]*").replace(r"\?", "[^/:]")
    return re.compile(escaped, re.DOTALL)
