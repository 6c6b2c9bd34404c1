"""Who sends a request: its bearer token, verified, and remembered for as long as it counts.

In: the headers and the address of a request. Out: an `Identity`, None where there is no access policy, or the refusal.
A token is verified once; then its digest is remembered, so that a token serves many requests and STS is asked once. A
token of AWS counts for the address that used it first: one that was read from a log or a proxy is a replay. With
`single_use`, each token counts for one request.
"""

from __future__ import annotations

import hashlib
import threading
from datetime import datetime, timedelta
from typing import NamedTuple

from starlette.datastructures import Headers

from prefect_drs.identity import Identity, IdentityKind, NotProvenError, Reason, Replays, Trust, verify
from prefect_drs.identity.oidc import IssuerKeys
from prefect_drs.identity.trust import trust_of_this_process
from prefect_drs.orchestration.storage.access_policy import PolicyVersion
from prefect_drs.rest.options import RestOptions

CHALLENGE = 'Bearer realm="prefect-drs"'
REMEMBERED_FOR = timedelta(minutes=15)
"""A token that counts for longer is verified again after this: its issuer's key may be gone."""
MOST = 10_000


class _Verified(NamedTuple):
    identity: Identity
    peer: str
    until: datetime


class Authentication:
    """Verifies the tokens of one process. Safe to share between threads.

    Args:
        options: audience, clock, whether tokens count once.
    """

    def __init__(self, options: RestOptions) -> None:
        self._options = options
        self._replays = options.replays or Replays()
        self._keys = IssuerKeys()
        self._lock = threading.Lock()
        self._version: int | None = None
        self._trust: Trust | None = None
        self._verified: dict[str, _Verified] = {}

    def known(self, token: str, peer: str, policy: PolicyVersion) -> Identity | None:
        """The identity of a token that was verified before; None where it was not.

        Raises:
            NotProvenError: it was used from another address.
        """
        with self._lock:
            if policy.version != self._version:
                return None
            found = self._verified.get(_digest(token))
        if found is None or found.until <= self._options.real_clock.now():
            return None
        if found.identity.kind is IdentityKind.AWS and found.peer != peer:
            raise NotProvenError(
                Reason.REPLAYED, "this token was used from another address before: make a new one (prefect-drs token)"
            )
        return found.identity

    def verify(self, token: str, peer: str, policy: PolicyVersion) -> Identity:
        """Verify a token, and remember it.

        Raises:
            NotProvenError: it proves nothing.
            AwsError: the AWS configuration of this process cannot be read.
        """
        options = self._options
        identity = verify(
            token,
            audience=options.audience,
            trust=self._trust_of(policy),
            clock=options.real_clock,
            replays=self._replays if options.single_use else None,
            keys=self._keys,
        )
        if not options.single_use:
            now = options.real_clock.now()
            with self._lock:
                if len(self._verified) >= MOST:
                    self._verified = {mark: known for mark, known in self._verified.items() if known.until > now}
                if len(self._verified) < MOST:  # otherwise it is verified at each request
                    until = min(identity.expires_at, now + REMEMBERED_FOR)
                    self._verified[_digest(token)] = _Verified(identity, peer, until)
        return identity

    def _trust_of(self, policy: PolicyVersion) -> Trust:
        with self._lock:
            if self._trust is None or policy.version != self._version:
                self._trust = self._options.trust or trust_of_this_process(policy.policy.issuers)
                self._version = policy.version
                self._verified.clear()  # an issuer may no longer be trusted
            return self._trust


def bearer_token(headers: Headers) -> str:
    """The token of a request (RFC 6750, 2.1).

    Raises:
        NotProvenError: there is none, or more than one.
    """
    given = headers.getlist("authorization")
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotProvenError(
            Reason.MISSING, "send a token: Authorization: Bearer TOKEN, made by prefect-drs token or by an OIDC issuer"
        )
    return token.strip()


def challenge_of(error: NotProvenError) -> str:
    """The WWW-Authenticate header of a refusal (RFC 6750, 3)."""
    if error.reason is Reason.MISSING:
        return CHALLENGE
    return f'{CHALLENGE}, error="invalid_token", error_description="{error.reason}"'


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
