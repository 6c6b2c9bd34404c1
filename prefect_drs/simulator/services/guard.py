"""The sandbox's own checks in front of moto's services: regions, sessions, faults, and AssumeRole.

In: moto's handlers of EC2, IAM, STS, SSM, SNS, SQS, EventBridge, KMS and Service Quotas. Out: the same handlers behind
the checks of DRS: an unreachable region does not respond, expired sessions and actions that the role lacks are refused
in the service's own form, and operation faults of that service apply. `assume_role` runs before moto's AssumeRole.

Due launches are processed before each EC2 call. All of this applies within `mock_aws` and over HTTP, since both use the
handlers in moto's `urls` modules.
"""

from __future__ import annotations

import functools
import importlib
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from moto.core.common_types import TYPE_RESPONSE
from moto.core.request import Request
from moto.core.responses import ActionResult
from moto.ec2.responses import EC2Response
from moto.iam.models import get_account_id_from
from moto.iam.responses import IamResponse
from moto.servicequotas.responses import ServiceQuotasResponse
from moto.ssm.responses import SimpleSystemManagerResponse
from moto.sts.responses import TokenResponse

from ..drs.exceptions import AccessDeniedException, ExpiredTokenException, UnrecognizedClientException
from ..drs.models import drs_backends
from ..runtime import LOCK, current
from ..sessions import Session
from . import assume_role, connection, signatures
from .launch_templates import SandboxEC2Response
from .ops_items import SandboxSSMResponse
from .permissions import SandboxIAMResponse
from .service_quotas import SandboxServiceQuotasResponse

GUARDED = ("ec2", "iam", "sts", "ssm", "sns", "sqs", "events", "kms", "servicequotas")
LOCKED = frozenset({"ec2", "iam", "sts", "events"})
"""Services whose state launches change or read: their calls take turns with DRS's."""
_SCOPE = re.compile(r"Credential=([^/]+)/\d{8}/([^/]+)/")
_IN_JSON = {
    "ssm": "application/x-amz-json-1.1",
    "events": "application/x-amz-json-1.1",
    "sqs": "application/x-amz-json-1.0",
    "kms": "application/x-amz-json-1.1",
    "servicequotas": "application/x-amz-json-1.1",
}
"""Services that answer in JSON; the others do in XML."""
_Code = tuple[str, int]
_EXPIRED: dict[str, _Code] = {"ec2": ("RequestExpired", 400), **dict.fromkeys(_IN_JSON, ("ExpiredTokenException", 400))}
_NOT_ENABLED: dict[str, _Code] = {
    "ec2": ("AuthFailure", 401),
    **dict.fromkeys(_IN_JSON, ("UnrecognizedClientException", 400)),
}
_DENIED: dict[str, _Code] = {
    "ec2": ("UnauthorizedOperation", 403),
    "sns": ("AuthorizationError", 403),
    **dict.fromkeys(_IN_JSON, ("AccessDeniedException", 400)),
}
_THROTTLED: dict[str, _Code] = {
    "ec2": ("RequestLimitExceeded", 503),
    **dict.fromkeys(_IN_JSON, ("ThrottlingException", 400)),
}
Handler = Callable[[Request, str, Any], TYPE_RESPONSE]


def guard_services() -> None:
    """Put the checks in front of moto's services. Called once per process, by `install`."""
    ours = {
        TokenResponse.dispatch: SandboxTokenResponse.dispatch,
        EC2Response.dispatch: SandboxEC2Response.dispatch,
        IamResponse.dispatch: SandboxIAMResponse.dispatch,
        SimpleSystemManagerResponse.dispatch: SandboxSSMResponse.dispatch,
        ServiceQuotasResponse.dispatch: SandboxServiceQuotasResponse.dispatch,
    }
    for service in GUARDED:
        urls = importlib.import_module(f"moto.{service}.urls")
        for path, handler in list(urls.url_paths.items()):
            urls.url_paths[path] = guarded(ours.get(handler, handler), service)


def guarded(handler: Handler, service: str) -> Handler:
    """A moto handler behind the sandbox's checks."""

    @functools.wraps(handler)
    def check_first(request: Request, full_url: str, headers: Any) -> TYPE_RESPONSE:
        access_key, region = _who(request)
        operation = _operation(request)
        account = get_account_id_from(access_key)
        try:
            fault = connection.admit(service, operation, account, region, access_key)
            if fault is not None and fault.effect != "lose-answer":
                code, status = _THROTTLED.get(service, ("Throttling", 400))
                if fault.effect == "error":
                    code, status = fault.code, 500 if fault.code.startswith("Internal") else 400
                return _refusal(service, status, code, fault.message)
            answer = _carry_out(handler, (service, operation, account, region), request, full_url, headers)
            if fault is not None:
                raise connection.NoAnswerError("lose-answer")
        except ExpiredTokenException as error:
            code, status = _EXPIRED.get(service, ("ExpiredToken", 403))
            return _refusal(service, status, code, error.message)
        except UnrecognizedClientException as error:
            code, status = _NOT_ENABLED.get(service, ("InvalidClientTokenId", 403))
            return _refusal(service, status, code, error.message)
        except AccessDeniedException as error:
            code, status = _DENIED.get(service, ("AccessDenied", 403))
            message = f"You are not authorized to perform this operation. {error.message}"
            return _refusal(service, status, code, message if service == "ec2" else error.message)
        except (assume_role.AssumeRoleDeniedError, signatures.SignatureRefusedError) as denied:
            return _refusal(service, denied.status, denied.code, str(denied))
        except connection.NoAnswerError as silence:
            return connection.drop(request, silence)
        return answer

    # moto's server names the endpoints of handlers called `dispatch` by their class.
    check_first.__self__ = getattr(handler, "__self__", None)  # type: ignore[attr-defined]
    return check_first


def _carry_out(
    handler: Handler, where: tuple[str, str, str, str], request: Request, full_url: str, headers: Any
) -> TYPE_RESPONSE:
    service, operation, account, region = where
    if service not in LOCKED:
        return handler(request, full_url, headers)
    with LOCK:
        if service == "ec2":
            regions: Any = dict.get(drs_backends, account, {})  # its own `get` makes accounts
            for backend in [made for name, made in regions.items() if name == region]:
                backend.advance()
                backend.show_in_ec2(snapshots="Snapshot" in operation)
        return handler(request, full_url, headers)


def _who(request: Request) -> tuple[str, str]:
    found = _SCOPE.search(request.headers.get("Authorization", "")) or _SCOPE.match(
        f"Credential={signatures.query_credential(request.query_string.decode())}"  # a presigned request
    )
    return (found.group(1), found.group(2)) if found else ("", "us-east-1")


def _operation(request: Request) -> str:
    target = request.headers.get("X-Amz-Target")
    if target:
        return str(target).rsplit(".", 1)[-1]
    if "Action" in request.form:
        return str(request.form["Action"])
    values = parse_qs(request.query_string.decode()).get("Action")
    return values[0] if values else ""


def _refusal(service: str, status: int, code: str, message: str) -> TYPE_RESPONSE:
    if service in _IN_JSON:
        headers = {"content-type": _IN_JSON[service], "x-amzn-errortype": code}
        return status, headers, json.dumps({"__type": code, "message": message})
    error = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    if service == "ec2":
        body = f"<Response><Errors>{error}</Errors><RequestID>sandbox</RequestID></Response>"
    else:
        body = f"<ErrorResponse>{error}<RequestId>sandbox</RequestId></ErrorResponse>"
    return status, {"content-type": "text/xml"}, f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'


class SandboxTokenResponse(TokenResponse):
    """STS with AWS's checks of AssumeRole and of GetCallerIdentity's signature; records the sessions."""

    def get_access_key(self) -> str:
        """The key that signed the request, in its query too."""
        credential = "".join(self.querystring.get("X-Amz-Credential", []))
        return credential.partition("/")[0] or str(super().get_access_key())

    def get_caller_identity(self) -> ActionResult:
        """GetCallerIdentity.

        Raises:
            SignatureRefusedError: the signature is not that of the key.
        """
        if current().checks_assume_role:
            with LOCK:
                signatures.check_signature(self.normalized_request)
        return super().get_caller_identity()

    def assume_role(self) -> ActionResult:
        """AssumeRole."""
        runtime = current()
        seconds = int(self._get_param("DurationSeconds") or 3600)
        role_arn = str(self._get_param("RoleArn"))
        with LOCK:
            if runtime.checks_assume_role:
                assume_role.check(
                    self.backend, self.get_access_key(), self.region, role_arn, self._get_param("ExternalId"), seconds
                )
            answer = super().assume_role()
            result: Any = answer.result
            session = result["Credentials"]
            expires_at = runtime.now() + timedelta(seconds=seconds)
            session.expiration = runtime.clock.wall(expires_at)
            runtime.sessions.add(
                Session(
                    session.access_key_id,
                    role_arn.split(":")[4],
                    role_arn,
                    expires_at,
                    str(self._get_param("RoleSessionName")),
                )
            )
            return answer
