"""What moto lacks: an HTTP error in the form of the service, whose code names the case.

In: a request to which moto's code answered with an exception, and the exception. Out: 501 with the code
`OperationNotSimulated` where moto has not implemented the operation or the service, 500 with `InternalFailure` for any
other exception. moto's server would close the connection: clients repeat such a call until their sessions expire. AWS
SDKs do not repeat a 501, and repeat a 500 a few times.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

NOT_SIMULATED = "OperationNotSimulated"
FAILURE = "InternalFailure"
_NOT_THERE = (NotImplementedError, ModuleNotFoundError)

Answer = tuple[str, list[tuple[str, str]], bytes]


def refusal(environ: WSGIEnvironment, service: str, operation: str, error: Exception) -> Answer:
    """Status line, headers and body.

    Args:
        environ: the request.
        service: its signing name, such as `ssm`; empty for a request without a signature.
        operation: its operation, or method and path.
        error: what moto raised.
    """
    named = f"{service}:{operation}" if service else operation
    if isinstance(error, _NOT_THERE):
        status, code = "501 Not Implemented", NOT_SIMULATED
        message = f"The sandbox does not simulate {named}. docs/sandbox.md lists what it simulates."
    else:
        status, code = "500 Internal Server Error", FAILURE
        message = f"The sandbox failed to carry out {named}: {type(error).__name__}: {error}"
    kind, body = _form(environ, service, code, message)
    headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("x-amzn-errortype", code)]
    return status, headers, body


def is_unknown(environ: WSGIEnvironment, service: str, status: str, body: list[bytes]) -> bool:
    """Whether an answer is moto's 404 for a path that none of its services has: an empty body or an HTML page."""
    if not status.startswith("404") or service == "s3" or environ["REQUEST_METHOD"] == "HEAD":
        return False
    start = b"".join(body)[:50].strip().lower()
    return not start or start.startswith((b"<!doctype html", b"not yet implemented"))


def _form(environ: WSGIEnvironment, service: str, code: str, message: str) -> tuple[str, bytes]:
    is_form = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
    error = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if service == "ec2":
        text = f"<Response><Errors><Error>{error}</Error></Errors><RequestID>sandbox</RequestID></Response>"
    elif service in {"s3", "route53", "cloudfront"}:
        text = f"<Error>{error}<RequestId>sandbox</RequestId></Error>"
    elif is_form and not environ.get("HTTP_X_AMZ_TARGET"):
        text = f"<ErrorResponse><Error>{error}</Error><RequestId>sandbox</RequestId></ErrorResponse>"
    else:
        return "application/json", json.dumps({"__type": code, "code": code, "message": message}).encode()
    return "text/xml", f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
