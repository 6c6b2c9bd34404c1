"""Reports calls of moto's services to the runtime's observers, as DRS reports its own calls.

In: WSGI requests on their way to moto. Out: the same responses, and a `Call` for each request that is not reported yet:
service, region and key from the signature, the operation from the form, the target header or the path, the error code
from the response. Never changes a request or a response; where moto raises an exception, `not_simulated` answers.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from moto.iam.models import get_account_id_from

from prefect_drs.simulator.not_simulated import is_unknown, refusal
from prefect_drs.simulator.runtime import LOCK, Call, Runtime
from prefect_drs.simulator.services.signatures import query_credential

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_SCOPE = re.compile(r"Credential=([^/]+)/\d{8}/([^/]+)/([^/]+)/")
_XML_CODE = re.compile(rb"<Code>([^<]+)</Code>")
_ONE_AT_A_TIME = frozenset({"drs", "ec2", "iam", "sts", "ssm", "sns", "events"})
"""Services answered one call after another. DRS launches into EC2, reads IAM and tells EventBridge; moto's own code
walks dictionaries that another thread may be changing. The others (SQS waits for messages) are left to themselves."""
_SERVICES = {"monitoring": "cloudwatch", "email": "ses"}  # where the signing name is not botocore's name


class CallObserver:
    """WSGI middleware in front of moto's dispatcher."""

    def __init__(self, application: WSGIApplication, runtime: Runtime) -> None:
        self._application = application
        self._runtime = runtime
        self._reported = threading.local()
        runtime.observers.append(self._notice)

    def _notice(self, _: Call) -> None:
        self._reported.count = getattr(self._reported, "count", 0) + 1

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        """Serve a request, and report it unless the service itself did."""
        head: list[Any] = []

        def recording(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            head[:] = [status, headers]
            return start_response(status, headers, exc_info)

        body = environ["wsgi.input"].read()
        environ["wsgi.input"] = io.BytesIO(body)
        before = getattr(self._reported, "count", 0)
        signed = _SCOPE.search(_signature_of(environ))
        with LOCK if signed is None or signed[3] in _ONE_AT_A_TIME else contextlib.nullcontext():
            try:
                answer = self._answer(environ, recording)
            except Exception as error:
                status, headers, content = refusal(environ, signed[3] if signed else "", _read(environ, body)[0], error)
                recording(status, headers)
                answer = [content]
            if signed and is_unknown(environ, signed[3], str(head[0]), answer):
                unknown = NotImplementedError("moto has no such operation or service")
                status, headers, content = refusal(environ, signed[3], _read(environ, body)[0], unknown)
                recording(status, headers)
                answer = [content]
        if getattr(self._reported, "count", 0) == before:
            self._report(environ, body, str(head[0]), head[1], answer)
        return answer

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        """The whole body of the application's response."""
        chunks = self._application(environ, start_response)
        try:
            return list(chunks)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()

    def _report(
        self, environ: WSGIEnvironment, body: bytes, status: str, headers: list[tuple[str, str]], answer: list[bytes]
    ) -> None:
        signed = _SCOPE.search(_signature_of(environ))
        if signed is None:
            return  # health checks, browsers: no AWS call
        access_key, region, service = signed.groups()
        operation, params = _read(environ, body)
        self._runtime.observe(
            Call(
                at=self._runtime.now(),
                account_id=get_account_id_from(access_key),
                region=region,
                service=_SERVICES.get(service, service),
                operation=operation,
                access_key=access_key,
                params=params,
                code=_error_code(int(status[:3]), dict(headers), b"".join(answer)),
            )
        )


def _signature_of(environ: WSGIEnvironment) -> str:
    """The Authorization header, or the like of it of a presigned request."""
    return environ.get("HTTP_AUTHORIZATION") or f"Credential={query_credential(environ.get('QUERY_STRING', ''))}"


def _read(environ: WSGIEnvironment, body: bytes) -> tuple[str, dict[str, Any]]:
    """The operation and its input, as far as the request shows them without the model."""
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return target.rsplit(".", 1)[-1], _json_object(body)
    text = body if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded") else b""
    form = dict(parse_qsl((text or environ.get("QUERY_STRING", "").encode()).decode("utf-8", "replace")))
    if "Action" in form:
        operation = form.pop("Action")
        form.pop("Version", None)
        return operation, dict(form)
    return f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}", _json_object(body)


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body) if body else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _error_code(status: int, headers: dict[str, str], answer: bytes) -> str:
    if status < 400:
        return ""
    code = headers.get("x-amzn-errortype") or headers.get("x-amzn-ErrorType") or ""
    if not code:
        in_json = _json_object(answer)
        code = str(in_json.get("__type") or in_json.get("code") or "")
    if not code and (in_xml := _XML_CODE.search(answer)):
        code = in_xml[1].decode()
    return code.rsplit("#", 1)[-1].split(":")[0] or str(status)
