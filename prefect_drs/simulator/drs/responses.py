"""The wire format of DRS: a request's operation, its input validated against the model, its response or error as JSON.

DRS uses REST with JSON whose members have the model's names, so outputs are serialised unchanged; this keeps calls
fast.
"""

from __future__ import annotations

import itertools
import json
from typing import Any
from urllib.parse import parse_qs, unquote

from moto.core.common_types import TYPE_RESPONSE
from moto.core.request import Request
from moto.core.responses import BaseResponse

from .exceptions import DRSError, ValidationException
from .identifiers import uuid_of
from .models import drs_backends
from .validation import check_input, service_model
from .wire import Params, Wire

_TAG_OPERATIONS = {"GET": "ListTagsForResource", "POST": "TagResource", "DELETE": "UntagResource"}
_STATUS = {
    name: service_model().operation_model(name).http.get("responseCode", 200)
    for name in service_model().operation_names
}
_REQUESTS = itertools.count(1)


class DRSResponse(BaseResponse):
    """Answers the calls of DRS."""

    def __init__(self) -> None:
        super().__init__(service_name="drs")

    def _dispatch(self, request: Request, full_url: str | None = None, headers: Any = None) -> TYPE_RESPONSE:
        self.setup_class(request, full_url, headers)
        operation, params, fault = self._parse(request)
        return self.answer(request, operation, params, fault)

    def _parse(self, request: Request) -> tuple[str, Params, DRSError | None]:
        path = self.parsed_url.path
        if path.startswith("/tags/"):
            params: Params = {"resourceArn": unquote(path[len("/tags/") :])}
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
        if operation not in _STATUS:
            return operation, params, ValidationException(f"Unknown operation {operation}.", reason="unknownOperation")
        try:
            body = json.loads(self.body) if self.body else {}
        except ValueError:
            return operation, params, ValidationException("The body is no JSON.", reason="cannotParse")
        if not isinstance(body, dict):
            return operation, params, ValidationException("The body is no JSON object.", reason="cannotParse")
        return operation, {**{k: v for k, v in body.items() if v is not None}, **params}, None

    def answer(self, request: Request, operation: str, params: Params, fault: DRSError | None) -> TYPE_RESPONSE:
        """Status, headers and body; `fault` is the error of a request that could not be parsed."""
        try:
            if fault is not None:
                raise fault
            check_input(operation, params)
            result = self.carry_out(operation, params)
        except DRSError as error:
            return self.refuse(error)
        return _STATUS[operation], self._headers(), json.dumps(result)

    def carry_out(self, operation: str, params: Params) -> Wire:
        """The output of an operation whose input is valid.

        Raises:
            DRSError: an error of the operation.
        """
        return drs_backends[self.current_account][self.region].call(operation, params)

    def refuse(self, error: DRSError) -> TYPE_RESPONSE:
        """An error in wire form."""
        return error.status, {**self._headers(), **error.headers()}, json.dumps(error.body())

    def _headers(self) -> dict[str, str]:
        return {
            **self.response_headers,
            "content-type": "application/json",
            "x-amzn-RequestId": uuid_of("request", next(_REQUESTS)),
        }
