"""Signatures of GetCallerIdentity, in the header and in the query: STS's answer is a proof only if it checks them.

moto checks none. In: a request and the key that it names. Out: nothing, or `SignatureRefusedError` with STS's message.
botocore computes the signature that it should have. Checked are the keys of IAM users, of sessions, and those of
`Runtime.secrets`. A key that nobody issued is refused in the query; in the header it is accepted, as everywhere in the
sandbox. Times are the machine's: botocore signs with them.

A presigned request counts for 15 minutes after its date, whatever X-Amz-Expires says, as with STS itself (README of
aws-iam-authenticator).
"""

from __future__ import annotations

import hmac
import io
import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials
from moto.core.request import Request
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends
from moto.utilities.utils import get_partition

from ..runtime import current

COUNTS_FOR = timedelta(minutes=15)
_FORM = "%Y%m%dT%H%M%SZ"
_IN_HEADER = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<credential>[^,\s]+),\s*SignedHeaders=(?P<headers>[^,\s]+),\s*"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)


class SignatureRefusedError(Exception):
    """STS's refusal of a signature. `code`: AWS's."""

    status = 403

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Signed(NamedTuple):
    """A signature of a request, and what it says about itself."""

    access_key: str
    region: str
    date: str
    headers: tuple[str, ...]
    signature: str
    session_token: str
    in_query: bool


class _Known(NamedTuple):
    """A key that the sandbox issued. `session_token`: None for a long-term key."""

    secret: str
    session_token: str | None


class _Recomputed(SigV4Auth):
    """botocore's signer, with the headers that a request says it signed."""

    def __init__(self, signed: Signed, secret: str) -> None:
        super().__init__(Credentials(signed.access_key, secret), "sts", signed.region)
        self._names = signed.headers

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        headers = HTTPHeaders()
        for name in self._names:
            headers[name] = request.headers.get(name, "")
        return headers


def query_credential(query_string: str) -> str:
    """X-Amz-Credential of a presigned request; empty where there is none."""
    return dict(parse_qsl(query_string)).get("X-Amz-Credential", "")


def check_signature(request: Request) -> None:
    """Check the signature of a request to STS.

    Raises:
        SignatureRefusedError: it has none, another one than it should, an unknown key, or has expired.
    """
    signed = _signed(request)
    known = _known(signed.access_key, signed.region)
    if known is None and not signed.in_query:
        return
    if known is None or (known.session_token or "") != signed.session_token:
        raise SignatureRefusedError("InvalidClientTokenId", "The security token included in the request is invalid.")
    signer, recomputed = _Recomputed(signed, known.secret), _as_signed(request, signed)
    recomputed.context["timestamp"] = signed.date
    expected = signer.signature(signer.string_to_sign(recomputed, signer.canonical_request(recomputed)), recomputed)
    if "host" not in signed.headers or not hmac.compare_digest(expected, signed.signature):
        raise SignatureRefusedError(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details.",
        )
    _check_date(signed.date)


def _signed(request: Request) -> Signed:
    query = dict(parse_qsl(request.query_string.decode(), keep_blank_values=True))
    in_query = "X-Amz-Signature" in query
    if in_query:
        credential, headers = query.get("X-Amz-Credential", ""), query.get("X-Amz-SignedHeaders", "")
        values = query["X-Amz-Signature"], query.get("X-Amz-Date", ""), query.get("X-Amz-Security-Token", "")
    else:
        found = _IN_HEADER.fullmatch(request.headers.get("Authorization", ""))
        if found is None:
            raise SignatureRefusedError("MissingAuthenticationToken", "Request is missing Authentication Token")
        credential, headers = found["credential"], found["headers"]
        date, token = (request.headers.get(name, "") for name in ("X-Amz-Date", "X-Amz-Security-Token"))
        values = found["signature"], date, token
    parts = credential.split("/")
    if len(parts) != 5 or parts[3:] != ["sts", "aws4_request"] or parts[1] != values[1][:8]:
        raise SignatureRefusedError("SignatureDoesNotMatch", "Credential should be scoped to correct service: 'sts'.")
    return Signed(parts[0], parts[2], values[1], tuple(headers.split(";")), values[0], values[2], in_query)


def _known(access_key: str, region: str) -> _Known | None:
    partition = get_partition(region)
    for account_id, account in list(iam_backends.items()):
        key = account[partition].access_keys.get(access_key)
        if key is None:
            continue
        if key.status != "Active":
            return None
        session = sts_backends[account_id][partition].get_assumed_role_from_access_key(access_key)
        return _Known(key.secret_access_key, session.session_token if session is not None else None)
    secret = current().secrets.get(access_key)
    return None if secret is None else _Known(secret, None)


def _as_signed(request: Request, signed: Signed) -> AWSRequest:
    headers = request.headers
    parts = urlsplit(str(request.url))
    query = request.query_string.decode()
    if signed.in_query:
        query = "&".join(pair for pair in query.split("&") if not pair.startswith("X-Amz-Signature="))
    url = f"{parts.scheme}://{parts.netloc}{parts.path or '/'}" + (f"?{query}" if query else "")
    named = {name: headers.get(name, "") for name in signed.headers}
    if "host" in named and not named["host"]:  # within `mock_aws` there is no such header
        named["host"] = parts.netloc
    return AWSRequest(str(request.method), url, headers=named, data=_body(request))


def _body(request: Request) -> bytes:
    """The body as it was sent; a form that was read is no longer in `data`."""
    stream = request.environ.get("wsgi.input")
    if request.data or not isinstance(stream, io.BytesIO):
        return bytes(request.data or b"")
    return stream.getvalue()


def _check_date(date: str) -> None:
    now = datetime.now(UTC)
    try:
        at = datetime.strptime(date, _FORM).replace(tzinfo=UTC)
    except ValueError:
        raise SignatureRefusedError("IncompleteSignature", f"Date must be in ISO-8601 'basic format': {date}") from None
    if at < now - COUNTS_FOR:
        earliest = f"{now - COUNTS_FOR:{_FORM}} ({now:{_FORM}} - 15 min.)"
        raise SignatureRefusedError(
            "SignatureDoesNotMatch", f"Signature expired: {date} is now earlier than {earliest}"
        )
    if at > now + COUNTS_FOR:
        latest = f"{now + COUNTS_FOR:{_FORM}} ({now:{_FORM}} + 15 min.)"
        raise SignatureRefusedError(
            "SignatureDoesNotMatch", f"Signature not yet current: {date} is still later than {latest}"
        )
