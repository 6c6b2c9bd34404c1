"""Proof of an OIDC identity: a token that a configured issuer signed.

In: a JWT. Out: who it is of. The library is joserfc: it is typed, keeps keys of different kinds apart (no RSA key can
be used as an HMAC secret), succeeds Authlib's JOSE part by the same authors, and is pinned already (moto brings it);
PyJWT would be one more dependency. Which keys count is decided by the issuer's discovery document, never by the token:
`jku`, `jwk` and `x5u` in its header are not read.

A bound proof needs the digest in the `nonce` claim. An issuer puts there what the login asked for: a person can have a
token bound to an approval; a machine's token (client credentials, GitHub Actions) has no nonce and cannot be bound.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from joserfc import jws, jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import Key, KeySet

from prefect_drs.identity.fetch import fetch
from prefect_drs.identity.model import Identity, IdentityKind, NotProvenError, ProofUnavailableError, Reason
from prefect_drs.identity.sts_proof import digest_of
from prefect_drs.identity.trust import OidcIssuer, Trust, require_safe_origin

SKEW = timedelta(seconds=60)
LONGEST_TOKEN = 16_384
MOST_KEYS = 100
KEYS_COUNT_FOR = timedelta(hours=1)
BETWEEN_REFRESHES = timedelta(seconds=60)
LONGEST_LIFE = timedelta(hours=24)


class OidcProof(NamedTuple):
    """A verified token: the identity, and the mark of this proof."""

    identity: Identity
    mark: str


class IssuerKeys:
    """The public keys of issuers, read from them and kept for an hour. Safe to share between threads.

    A token with an unknown key id has the keys read again, at most once a minute for each issuer: a flood of such
    tokens sends no flood of requests.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[str, tuple[dict[str, Key], datetime]] = {}

    def key(self, issuer: OidcIssuer, kid: str, now: datetime) -> Key:
        """The key of that id.

        Raises:
            NotProvenError: the issuer has no such key, or did not answer.
        """
        with self._lock:
            keys, read_at = self._keys.get(issuer.issuer, ({}, None))
            age = None if read_at is None else now - read_at
            if age is None or age >= KEYS_COUNT_FOR or (kid not in keys and age >= BETWEEN_REFRESHES):
                self._keys[issuer.issuer] = keys, now  # an issuer that does not answer is not asked at each token
                keys = _read_keys(issuer)
                self._keys[issuer.issuer] = keys, now
        if kid not in keys:
            raise NotProvenError(Reason.UNKNOWN_KEY, "the token is signed with a key that its issuer does not have")
        return keys[kid]


def verify_oidc(
    token: str,
    *,
    audience: str,
    trust: Trust,
    keys: IssuerKeys,
    now: datetime,
    bound: Mapping[str, str] | None = None,
) -> OidcProof:
    """Verify a JWT of a configured issuer.

    Args:
        token: what the caller sent.
        audience: the audience that it must be for, unless its issuer has one of its own.
        trust: the issuers.
        keys: their keys.
        now: the time.
        bound: what its `nonce` must be the digest of; None: its nonce does not matter.

    Raises:
        NotProvenError: it proves nothing.
    """
    header, unverified = _peek(token)
    issuer = trust.issuer(unverified.get("iss"))
    if issuer is None:
        raise NotProvenError(Reason.UNKNOWN_ISSUER, "the token's issuer is not one that the access policy trusts")
    if header.get("alg") not in issuer.algorithms:
        raise NotProvenError(Reason.ALGORITHM, f"the token must be signed with {', '.join(issuer.algorithms)}")
    if not isinstance(kid := header.get("kid"), str):
        raise NotProvenError(Reason.UNKNOWN_KEY, "the token names no key (kid)")
    key = keys.key(issuer, kid, now)
    try:
        claims: Mapping[str, Any] = jwt.decode(token, key, algorithms=list(issuer.algorithms)).claims
    except BadSignatureError:
        raise NotProvenError(Reason.SIGNATURE, "the token's signature does not hold") from None
    except (JoseError, ValueError):  # a key of another kind than the algorithm, a critical header, no claims
        raise NotProvenError(Reason.SIGNATURE, "the token cannot be verified with its issuer's key") from None
    issued_at, expires_at = _validity(claims, issuer, issuer.audience or audience, now)
    if bound is not None and claims.get("nonce") != digest_of(bound):
        raise NotProvenError(Reason.OTHER_BINDING, "the token's nonce is not the digest of what is decided")
    identity = Identity(
        kind=IdentityKind.OIDC,
        subject=_subject(claims),
        issuer=issuer.issuer,
        groups=_groups(claims, issuer),
        proven_by=issuer.issuer,
        proven_at=now,
        expires_at=expires_at,
        issued_at=issued_at,
    )
    return OidcProof(identity, hashlib.sha256(token.encode("ascii")).hexdigest())


def _peek(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Header and claims, unverified: they choose the issuer and the key, and nothing else."""
    try:
        if len(token) > LONGEST_TOKEN:
            raise ValueError
        unverified = jws.extract_compact(token.encode("ascii"))
        claims = json.loads(unverified.payload)
    except (JoseError, ValueError):
        raise NotProvenError(Reason.MALFORMED, "this is neither a token of prefect-drs nor a JWT") from None
    if not isinstance(claims, dict):
        raise NotProvenError(Reason.MALFORMED, "the token's claims are no object")
    return unverified.headers(), claims


def _validity(claims: Mapping[str, Any], issuer: OidcIssuer, audience: str, now: datetime) -> tuple[datetime, datetime]:
    if claims.get("iss") != issuer.issuer:
        raise NotProvenError(Reason.UNKNOWN_ISSUER, "the token's issuer is not one that the access policy trusts")
    named = claims.get("aud")
    if audience not in (named if isinstance(named, list) else [named]):
        raise NotProvenError(Reason.OTHER_AUDIENCE, f"the token's audience is not {audience}")
    expires_at, issued_at = _time(claims, "exp"), _time(claims, "iat")
    not_before = _time(claims, "nbf") if "nbf" in claims else issued_at
    if now >= expires_at + SKEW:
        raise NotProvenError(Reason.EXPIRED, "the token has expired: get a new one from its issuer")
    if max(not_before, issued_at) > now + SKEW:
        raise NotProvenError(Reason.NOT_YET_VALID, "the token is of the future: set this machine's or your clock")
    if expires_at - issued_at > LONGEST_LIFE:
        raise NotProvenError(Reason.TOO_LONG, "the token is valid for longer than a day")
    return issued_at, expires_at + SKEW


def _time(claims: Mapping[str, Any], name: str) -> datetime:
    value = claims.get(name)
    try:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise NotProvenError(Reason.CLAIMS, f"the token has no time in its claim {name}") from None


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:  # OpenID Connect Core, section 2
        raise NotProvenError(Reason.CLAIMS, "the token has no subject (sub)")
    return subject


def _groups(claims: Mapping[str, Any], issuer: OidcIssuer) -> tuple[str, ...]:
    listed = claims.get(issuer.groups_claim, [])
    groups = [listed] if isinstance(listed, str) else listed
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        raise NotProvenError(Reason.CLAIMS, f"the token's claim {issuer.groups_claim} is no list of names")
    return tuple(groups)


def _read_keys(issuer: OidcIssuer) -> dict[str, Key]:
    document = _json_of(f"{issuer.issuer.rstrip('/')}/.well-known/openid-configuration", issuer)
    if document.get("issuer") != issuer.issuer:
        raise ProofUnavailableError(Reason.UNAVAILABLE, f"what answers for {issuer.issuer} is another issuer")
    try:
        where = require_safe_origin(str(document.get("jwks_uri")))
        keys = KeySet.import_key_set(_json_of(where, issuer)).keys  # type: ignore[arg-type]
    except (JoseError, ValueError, KeyError, TypeError, AttributeError):
        raise ProofUnavailableError(Reason.UNAVAILABLE, f"the keys of {issuer.issuer} cannot be read") from None
    usable = [key for key in keys[:MOST_KEYS] if key.get("use") in {None, "sig"} and key.key_type != "oct"]
    return {key.kid: key for key in usable if key.kid}


def _json_of(url: str, issuer: OidcIssuer) -> dict[str, Any]:
    fetched = fetch(url, {"Accept": "application/json"})
    try:
        found = json.loads(fetched.body)
    except ValueError:
        found = None
    if fetched.status != 200 or not isinstance(found, dict):
        raise ProofUnavailableError(
            Reason.UNAVAILABLE, f"{issuer.issuer} did not answer as expected ({fetched.status})"
        )
    return found
