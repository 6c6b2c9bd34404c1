"""The operations of `prefect_drs.operations.access_policy` as methods. Written by `python -m tests.client.generator`; do not edit it."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from prefect_drs.client.caller import UNSET, Caller, Unset
from prefect_drs.client.generated.shared_types import GrantOutput, Role


class GrantInput(TypedDict):
    """A role for some identities, narrowed or not."""

    role: Role
    arns: NotRequired[list[str]]
    issuer: NotRequired[str | None]
    subjects: NotRequired[list[str]]
    groups: NotRequired[list[str]]
    plans: NotRequired[list[str]]
    protectionGroups: NotRequired[list[str]]
    accounts: NotRequired[list[str]]


class OidcIssuerInput(TypedDict):
    """An OIDC issuer whose tokens count."""

    issuer: str
    audience: NotRequired[str | None]
    algorithms: NotRequired[
        list[
            Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"]
        ]
    ]
    groupsClaim: NotRequired[str]


class OidcIssuerOutput(TypedDict):
    """An OIDC issuer whose tokens count."""

    issuer: str
    audience: str | None
    algorithms: list[
        Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"]
    ]
    groupsClaim: str


class PolicyAnswer(TypedDict):
    """The access policy in force. `version` 0 and no policy: there is none, and everybody may do everything."""

    version: int
    policy: PolicyDocumentOutput | None
    changedAt: str | None
    changedBy: str | None
    reason: str


class PolicyDocumentInput(TypedDict):
    """The content of an access policy."""

    grants: NotRequired[list[GrantInput]]
    issuers: NotRequired[list[OidcIssuerInput]]


class PolicyDocumentOutput(TypedDict):
    """The content of an access policy."""

    grants: list[GrantOutput]
    issuers: list[OidcIssuerOutput]


class PolicyVersionsAnswer(TypedDict):
    """All versions of the access policy, the newest first."""

    versions: list[PolicyAnswer]


class AccessPolicyOperations(Caller):
    """Calls the operations."""

    def get_access_policy(
        self,
    ) -> PolicyAnswer:
        """Return the access policy in force and who changed it last."""
        return self.call("get_access_policy", {})

    def list_access_policy_versions(
        self,
    ) -> PolicyVersionsAnswer:
        """List all versions of the access policy, the newest first."""
        return self.call("list_access_policy_versions", {})

    def set_access_policy(
        self,
        *,
        policy: PolicyDocumentInput,
        version: int | Unset = UNSET,
        reason: str | Unset = UNSET,
        allow_lockout: bool | Unset = UNSET,
    ) -> PolicyAnswer:
        """Store a new version of the access policy; it is in force within five seconds."""
        return self.call(
            "set_access_policy", {"policy": policy, "version": version, "reason": reason, "allowLockout": allow_lockout}
        )
