"""A proven identity, and the refusal of one that is not proven.

In: nothing. Out: frozen values. An `Identity` is only ever made by `verify`, or by a face that AWS itself vouches to.
"""

from __future__ import annotations

import enum
from typing import ClassVar

from pydantic import AwareDatetime

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.core.models import FrozenModel


class IdentityKind(enum.StrEnum):
    """Who knows the caller: AWS IAM, or an OIDC issuer."""

    AWS = "aws"
    OIDC = "oidc"


class Reason(enum.StrEnum):
    """Why a token proves nothing."""

    MISSING = "missing"  # no token
    MALFORMED = "malformed"  # not a token of this package, nor a JWT, or its parts are not exactly what they must be
    MISDIRECTED = "misdirected"  # a signed request for another host, path or operation
    OTHER_AUDIENCE = "other-audience"
    OTHER_BINDING = "other-binding"  # bound to something else than what is decided, or bound where nothing is expected
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    TOO_LONG = "too-long"  # valid for longer than accepted
    REPLAYED = "replayed"
    REFUSED_BY_STS = "refused-by-sts"
    UNKNOWN_ISSUER = "unknown-issuer"
    ALGORITHM = "algorithm"  # not one that is pinned for the issuer; `none` and HS256 never are
    UNKNOWN_KEY = "unknown-key"
    SIGNATURE = "signature"
    CLAIMS = "claims"  # a claim is missing or has another form
    UNAVAILABLE = "unavailable"  # STS or the issuer did not answer: try again


class NotProvenError(PrefectDrsError):
    """A token does not prove an identity.

    Args:
        reason: why.
        message: one line for the caller; holds no part of the token.
        details: JSON values for programs.
    """

    code: ClassVar[str] = "UNAUTHENTICATED"

    def __init__(self, reason: Reason, message: str, **details: object) -> None:
        super().__init__(message, reason=reason.value, **details)
        self.reason = reason


class ProofUnavailableError(NotProvenError):
    """STS or the issuer did not answer: whether a token proves anything is not known."""

    code: ClassVar[str] = "PROOF_UNAVAILABLE"


class Identity(FrozenModel):
    """A proven identity.

    Args:
        kind: AWS or OIDC.
        subject: the ARN as STS answered it; of OIDC the `sub` claim.
        issuer: the OIDC issuer; empty for AWS.
        account_id: the AWS account; empty for OIDC.
        session_name: of an assumed role, the name of the session, which whoever assumed the role chose.
        unique_id: the id that AWS never gives to another user or role of the same name; empty for OIDC.
        groups: the OIDC groups.
        proven_by: the endpoint of STS, or the issuer.
        proven_at: when it was verified.
        expires_at: until when the proof counts.
        issued_at: when the proof was made, as it says itself under its signature.
    """

    kind: IdentityKind
    subject: str
    issuer: str = ""
    account_id: str = ""
    session_name: str = ""
    unique_id: str = ""
    groups: tuple[str, ...] = ()
    proven_by: str
    proven_at: AwareDatetime
    expires_at: AwareDatetime
    issued_at: AwareDatetime | None = None

    @property
    def name(self) -> str:
        """What histories and reports call it: the ARN, or the issuer and subject."""
        return self.subject if self.kind is IdentityKind.AWS else f"{self.issuer}#{self.subject}"
