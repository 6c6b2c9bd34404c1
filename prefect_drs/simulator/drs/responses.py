"""The wire of DRS: which operation a request is, its input checked against the model, its answer or error as JSON.

Every call passes, in this order: region reachable and enabled, session alive, action allowed, operation faults, input
against the model, throttle, account initialised, state brought up to now, the operation itself. DRS speaks REST with
JSON whose members carry the model's own names, so answers are written as they are; that is what keeps a call short.
"""

from __future__ import annotations

import itertools
import json
from typing import Any
from urllib.parse import parse_qs, unquote

from moto.core.common_types import TYPE_RESPONSE
from moto.core.request import Request
from moto.core.responses import BaseResponse
from moto.core.utils import camelcase_to_underscores

from ..faults import OperationFault
from ..runtime import LOCK, Call, current
from ..services import connection
from .exceptions import (
    DRSError,
    InternalServerException,
    ThrottlingException,
    UninitializedAccountException,
    ValidationException,
)
from .identifiers import uuid_of
from .models import DRSBackend, drs_backends
from .validation import check_input, service_model

WITHOUT_INITIALIZATION = frozenset({"InitializeService", "TagResource", "UntagResource", "ListTagsForResource"})
"""Operations whose errors in the model hold no UninitializedAccountException."""
_FORBIDDEN = frozenset({"UnrecognizedClientException", "InvalidClientTokenId", "ExpiredTokenException"})
"""Common errors of AWS that are 403: a region that is not enabled answers UnrecognizedClientException."""
_TAG_OPERATIONS = {"GET": "ListTagsForResource", "POST": "TagResource", "DELETE": "UntagResource"}
_METHODS = {name: camelcase_to_underscores(name) for name in service_model().operation_names}
_STATUS = {name: service_model().operation_model(name).http.get("responseCode", 200) for name in _METHODS}
_REQUESTS = itertools.count(1)


class DRSResponse(BaseResponse):
    """Answers the calls of DRS."""

    def __init__(self) -> None:
        super().__init__(service_name="drs")

    def _dispatch(self, request: Request, full_url: str | None = None, headers: Any = None) -> TYPE_RESPONSE:
        self.setup_class(request, full_url, headers)
        operation, params, fault = self._parse(request)
        with LOCK:
            return self._answer(request, operation, params, fault)

    def _parse(self, request: Request) -> tuple[str, dict[str, Any], DRSError | None]:
        path = self.parsed_url.path
        if path.startswith("/tags/"):
            params: dict[str, Any] = {"resourceArn": unquote(path[len("/tags/") :])}
            operation = _TAG_OPERATIONS.get(request.method, "")
            if operation == "UntagResource":
                params["tagKeys"] = parse_qs(self.parsed_url.query, keep_blank_values=True).get("tagKeys", [])
        else:
            params, operation = {}, path.strip("/")
            if operation == "ListStagingAccounts":
                query = parse_qs(self.parsed_url.query)
                params = {key: values[0] for key, values in query.items()}
                if params.get("maxResults", "").isdigit():
                    params["maxResults"] = int(params["maxResults"])
        if operation not in _METHODS:
            return operation, params, ValidationException(f"Unknown operation {operation}.", reason="unknownOperation")
        try:
            body = json.loads(self.body) if self.body else {}
        except ValueError:
            return operation, params, ValidationException("The body is no JSON.", reason="cannotParse")
        if not isinstance(body, dict):
            return operation, params, ValidationException("The body is no JSON object.", reason="cannotParse")
        return operation, {**{k: v for k, v in body.items() if v is not None}, **params}, None

    def _answer(
        self, request: Request, operation: str, params: dict[str, Any], fault: DRSError | None
    ) -> TYPE_RESPONSE:
        runtime = current()
        account, region = self.current_account, self.region
        code = ""
        try:
            connection.check(request, "drs", operation, account, region, self.access_key)
            planted = runtime.faults.hit(OperationFault, account, region, service="drs", operation=operation)
            if planted is not None and planted.effect == "time-out":
                raise connection.NoAnswerError("time-out")
            if planted is not None and planted.effect != "lose-answer":
                raise _planted_error(planted)
            if fault is not None:
                raise fault
            check_input(operation, params)
            if runtime.throttle is not None:
                runtime.throttle.take(account, region, operation, runtime.now())
            result = self._carry_out(operation, params, runtime.needs_initialization)
            if planted is not None:
                raise connection.NoAnswerError("lose-answer")
            return _STATUS[operation], self._headers(), json.dumps(result)
        except DRSError as error:
            code = error.code
            return error.status, {**self._headers(), **error.headers()}, json.dumps(error.body())
        except connection.NoAnswerError as silence:
            code = silence.code
            return connection.drop(request, silence)
        finally:
            runtime.observe(Call(runtime.now(), account, region, "drs", operation, self.access_key, params, code))

    def _carry_out(self, operation: str, params: dict[str, Any], needs_initialization: bool) -> Any:
        backends = drs_backends[self.current_account]
        if self.region not in backends:
            raise connection.NoAnswerError("unreachable")  # DRS has no endpoint there
        backend: DRSBackend = backends[self.region]
        if needs_initialization and not backend.initialized and operation not in WITHOUT_INITIALIZATION:
            raise UninitializedAccountException()
        backend.advance()
        return getattr(backend, _METHODS[operation])(params)

    def _headers(self) -> dict[str, str]:
        return {
            **self.response_headers,
            "content-type": "application/json",
            "x-amzn-RequestId": uuid_of("request", next(_REQUESTS)),
        }


def _planted_error(fault: OperationFault) -> DRSError:
    if fault.effect == "throttle":
        return ThrottlingException()
    if fault.code == InternalServerException.code:
        return InternalServerException(fault.message)
    planted = DRSError(fault.message)
    planted.code = fault.code
    if fault.code in _FORBIDDEN:
        planted.status = 403
    elif fault.code in service_model().shape_names:
        planted.status = int(service_model().shape_for(fault.code).metadata.get("error", {}).get("httpStatusCode", 400))
    return planted
