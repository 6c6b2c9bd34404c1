"""Whom this process believes: endpoints of STS, and OIDC issuers.

In: origins and issuers. Out: a frozen `Trust`. An endpoint or issuer has HTTPS, or is on this machine's loopback (the
sandbox, an issuer of tests).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from prefect_drs.aws.identity_request import trusted_sts_endpoints
from prefect_drs.core.errors import UsageError
from prefect_drs.core.loopback import is_loopback
from prefect_drs.core.models import FrozenModel

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"]
ALGORITHMS: frozenset[str] = frozenset(get_args(Algorithm))
"""Asymmetric signatures. Never `none`, and no HMAC: an issuer's public key is no secret."""


def require_safe_origin(url: str) -> str:
    """The URL, if it has HTTPS or leads to this machine's loopback, and neither user, query nor fragment.

    Raises:
        ValueError: it does not.
    """
    parts = urlsplit(url)
    if not parts.hostname or parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(f"{url!r} is not a plain URL")
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname)):
        return url
    raise ValueError(f"{url!r} must begin with https://")


class OidcIssuer(FrozenModel):
    """An OIDC issuer whose tokens count.

    Args:
        issuer: exactly as its tokens and its discovery document have it.
        audience: the audience of its tokens for us; None is that of the server or gate.
        algorithms: the accepted signatures.
        groups_claim: the claim that lists the groups.
    """

    issuer: str = Field(min_length=1, max_length=500)
    audience: str | None = Field(default=None, min_length=1)
    algorithms: tuple[Algorithm, ...] = Field(default=("RS256",), min_length=1)
    groups_claim: str = Field(default="groups", min_length=1)

    @field_validator("issuer")
    @classmethod
    def _safe(cls, issuer: str) -> str:
        return require_safe_origin(issuer)


@dataclass(frozen=True)
class Trust:
    """Whom a verification believes.

    Args:
        sts_endpoints: origins of STS, such as `https://sts.eu-central-1.amazonaws.com`.
        issuers: the OIDC issuers.

    Raises:
        UsageError: an endpoint is neither HTTPS nor on the loopback.
    """

    sts_endpoints: frozenset[str] = frozenset()
    issuers: tuple[OidcIssuer, ...] = field(default=())

    def __post_init__(self) -> None:
        for endpoint in self.sts_endpoints:
            try:
                require_safe_origin(endpoint)
            except ValueError as error:
                raise UsageError(f"the endpoint of STS cannot be trusted: {error}") from None

    def issuer(self, name: object) -> OidcIssuer | None:
        """The issuer of exactly that name."""
        return next((issuer for issuer in self.issuers if issuer.issuer == name), None)


def trust_of_this_process(issuers: Iterable[OidcIssuer] = ()) -> Trust:
    """Trust in the STS that this process's AWS configuration leads to, and in these issuers.

    Raises:
        AwsError: the AWS configuration cannot be read.
        UsageError: `AWS_ENDPOINT_URL` is neither HTTPS nor on the loopback.
    """
    return Trust(trusted_sts_endpoints(), tuple(issuers))
