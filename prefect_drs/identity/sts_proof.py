"""Proof of an AWS identity: a presigned request of sts:GetCallerIdentity, which only its signer could have made.

In: the caller's credentials and an audience, or a token. Out: a token; from a token, who signed it, as STS answers.

The signed headers are the audience, a nonce that makes each token another one, and, where a token is bound to
something (the execution, wave and runbook of an approval), the digest of that. Whoever verifies knows the audience and
the binding and sends them himself; with others the signature does not hold. A token leads nowhere: its URL is taken
apart, each part must be exactly what this module writes, and the request is built anew for a trusted endpoint.

Sources: AWS, "Signature Version 4"; aws-iam-authenticator, whose tokens count for 15 minutes after their date.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote

from prefect_drs.aws.identity_request import TIMESTAMP, AwsSession, read_sts_answer, sign_identity_request
from prefect_drs.identity.fetch import fetch
from prefect_drs.identity.model import Identity, IdentityKind, NotProvenError, ProofUnavailableError, Reason
from prefect_drs.identity.trust import Trust

PREFIX = "prefect-drs-sts-v1."
AUDIENCE_HEADER, NONCE_HEADER, BOUND_HEADER = "x-prefect-drs-audience", "x-prefect-drs-nonce", "x-prefect-drs-bound"
LIFETIME_SECONDS = 300
MOST_SECONDS = 900  # what STS accepts
SKEW = timedelta(seconds=60)
LONGEST_TOKEN = 8192

_AUDIENCE = re.compile(r"[\x21-\x7e]{1,256}")
_NONCE = re.compile(r"[0-9a-f]{32}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_CREDENTIAL = re.compile(r"\w{1,128}/(\d{8})/[a-z0-9-]{1,32}/sts/aws4_request", re.ASCII)
_ARN = re.compile(r"arn:aws[a-z-]*:(?:iam|sts)::(\d{12}):(\S{1,1024})", re.ASCII)
_PARTS = ("url", "audience", "nonce", "bound")
_FIXED = {"Action": "GetCallerIdentity", "Version": "2011-06-15", "X-Amz-Algorithm": "AWS4-HMAC-SHA256"}
_ORDER = (
    *_FIXED,
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
)


class StsProof(NamedTuple):
    """A token whose form is right and which has not expired; only STS can say whether its signature holds.

    Args:
        endpoint: the trusted endpoint that it is for.
        url: the request, built anew.
        headers: the signed headers.
        issued_at: when it was signed.
        expires_at: the end of its validity.
        mark: the same for each use of this proof.
    """

    endpoint: str
    url: str
    headers: Mapping[str, str]
    issued_at: datetime
    expires_at: datetime
    mark: str


def digest_of(bound: Mapping[str, str]) -> str:
    """The digest of what a token is bound to: SHA-256 of its canonical JSON, in hexadecimal."""
    text = json.dumps(dict(bound), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def make_token(
    audience: str,
    *,
    at: datetime,
    bound: Mapping[str, str] | None = None,
    session: AwsSession | None = None,
    seconds: int = LIFETIME_SECONDS,
) -> str:
    """A proof of the caller's own AWS identity for an audience. Sends nothing.

    Args:
        audience: who shall believe it, such as `prefect-drs`; printable ASCII without spaces.
        at: the time; the machine's, never a sandbox's.
        bound: what the proof is for, where it counts for that alone.
        session: the caller's boto3 session; None is boto3's default chain.
        seconds: how long it may be used.

    Raises:
        ValueError: the audience has another form.
        AwsError: there are no credentials.
    """
    if not _AUDIENCE.fullmatch(audience):
        raise ValueError("an audience has 1 to 256 printable ASCII characters and no spaces")
    parts = {"audience": audience, "nonce": secrets.token_hex(16)}
    if bound is not None:
        parts["bound"] = digest_of(bound)
    url = sign_identity_request(_headers(parts), at=at, seconds=seconds, session=session)
    text = json.dumps({"url": url, **parts}, separators=(",", ":"))
    return PREFIX + base64.urlsafe_b64encode(text.encode("ascii")).decode("ascii").rstrip("=")


def read_token(
    token: str, *, audience: str, endpoints: frozenset[str], now: datetime, bound: Mapping[str, str] | None = None
) -> StsProof:
    """Check everything of a token that needs no request.

    Args:
        token: what the caller sent.
        audience: the audience that it must be for.
        endpoints: the trusted endpoints of STS.
        now: the time.
        bound: what it must be bound to; None: it must be bound to nothing.

    Raises:
        NotProvenError: it proves nothing.
    """
    parts = _unwrapped(token)
    if parts["audience"] != audience:
        raise NotProvenError(Reason.OTHER_AUDIENCE, f"the token is not for {audience}: prefect-drs token --audience")
    if parts.get("bound") != (None if bound is None else digest_of(bound)):
        raise NotProvenError(Reason.OTHER_BINDING, "the token was made for something else than this")
    endpoint, query = _taken_apart(parts["url"], endpoints)
    headers = _headers(parts)
    if query["X-Amz-SignedHeaders"] != ";".join(sorted(["host", *headers])):
        raise NotProvenError(Reason.MALFORMED, "the token signs other headers than it must")
    issued_at, expires_at = _validity(query, now)
    url = f"{endpoint}/?{_encoded(query)}"
    if url != parts["url"]:  # one proof has one form: no second one of it passes as unused
        raise NotProvenError(Reason.MALFORMED, "the token's request is not written as this package writes it")
    mark = hashlib.sha256(f"{parts['nonce']}{query['X-Amz-Signature']}".encode()).hexdigest()
    return StsProof(endpoint, url, headers, issued_at, expires_at, mark)


def prove(proof: StsProof, trust: Trust, now: datetime) -> Identity:
    """Ask STS who signed a proof.

    Raises:
        NotProvenError: STS refuses the signature, did not answer, or what answered is not STS.
    """
    if proof.endpoint not in trust.sts_endpoints:
        raise NotProvenError(Reason.MISDIRECTED, "the token is for an endpoint that is not trusted")
    fetched = fetch(proof.url, proof.headers)
    answer = read_sts_answer(fetched.status, fetched.body)
    if answer is None or answer.error in {"Throttling", "InternalFailure", "ServiceUnavailable"}:
        raise ProofUnavailableError(Reason.UNAVAILABLE, f"STS did not answer as expected ({fetched.status}); try again")
    if answer.error:
        raise NotProvenError(Reason.REFUSED_BY_STS, f"STS refuses the token: {answer.error}", aws_code=answer.error)
    arn = _ARN.fullmatch(answer.arn)
    if arn is None or arn[1] != answer.account_id:
        raise ProofUnavailableError(Reason.UNAVAILABLE, "STS answered with an ARN that this release cannot read")
    kind, _, rest = arn[2].partition("/")
    return Identity(
        kind=IdentityKind.AWS,
        subject=answer.arn,
        account_id=answer.account_id,
        session_name=rest.partition("/")[2] if kind == "assumed-role" else "",
        unique_id=answer.user_id,
        proven_by=proof.endpoint,
        proven_at=now,
        expires_at=proof.expires_at,
        issued_at=proof.issued_at,
    )


def _headers(parts: Mapping[str, str]) -> dict[str, str]:
    headers = {AUDIENCE_HEADER: parts["audience"], NONCE_HEADER: parts["nonce"]}
    return headers | ({BOUND_HEADER: parts["bound"]} if "bound" in parts else {})


def _unwrapped(token: str) -> dict[str, str]:
    malformed = NotProvenError(Reason.MALFORMED, "this is not a token of prefect-drs: make one with prefect-drs token")
    encoded = token.removeprefix(PREFIX)
    if encoded == token or len(token) > LONGEST_TOKEN:
        raise malformed
    try:
        text = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True).decode("ascii")
        parts: Any = json.loads(text)
    except ValueError:
        raise malformed from None
    if (
        not isinstance(parts, dict)
        or set(parts) - {"bound"} != set(_PARTS) - {"bound"}
        or not all(isinstance(value, str) for value in parts.values())
        or not _AUDIENCE.fullmatch(parts["audience"])
        or not _NONCE.fullmatch(parts["nonce"])
        or ("bound" in parts and not _DIGEST.fullmatch(parts["bound"]))
    ):
        raise malformed
    return parts


def _taken_apart(url: str, endpoints: frozenset[str]) -> tuple[str, dict[str, str]]:
    origin, mark, text = url.partition("/?")
    if not mark or origin not in endpoints:
        raise NotProvenError(Reason.MISDIRECTED, "the token's request is not for STS as this server trusts it")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True, max_num_fields=len(_ORDER))
    except ValueError:
        raise NotProvenError(Reason.MALFORMED, "the token's request cannot be read") from None
    query = dict(pairs)
    if len(query) != len(pairs) or set(query) - {"X-Amz-Security-Token"} != set(_ORDER) - {"X-Amz-Security-Token"}:
        raise NotProvenError(Reason.MALFORMED, "the token's request has other parameters than it must")
    if any(query[name] != value for name, value in _FIXED.items()):
        raise NotProvenError(Reason.MISDIRECTED, "the token's request is not sts:GetCallerIdentity")
    return origin, query


def _validity(query: Mapping[str, str], now: datetime) -> tuple[datetime, datetime]:
    scope = _CREDENTIAL.fullmatch(query["X-Amz-Credential"])
    try:
        at = datetime.strptime(query["X-Amz-Date"], TIMESTAMP).replace(tzinfo=UTC)
    except ValueError:
        scope = None
    if scope is None or scope[1] != query["X-Amz-Date"][:8] or not query["X-Amz-Expires"].isdecimal():
        raise NotProvenError(Reason.MALFORMED, "the token's date or scope is not that of a request to STS")
    if not _DIGEST.fullmatch(query["X-Amz-Signature"]):
        raise NotProvenError(Reason.MALFORMED, "the token has no signature")
    seconds = int(query["X-Amz-Expires"][:9])
    if not 0 < seconds <= MOST_SECONDS:
        raise NotProvenError(Reason.TOO_LONG, f"the token is valid for longer than {MOST_SECONDS} s")
    if at > now + SKEW:
        raise NotProvenError(Reason.NOT_YET_VALID, "the token is of the future: set this machine's or your clock")
    if now >= at + timedelta(seconds=seconds):
        raise NotProvenError(Reason.EXPIRED, "the token has expired: make a new one (prefect-drs token)")
    return at, at + timedelta(seconds=seconds)


def _encoded(query: Mapping[str, str]) -> str:
    return "&".join(f"{name}={quote(query[name], safe='-_.~')}" for name in _ORDER if name in query)
