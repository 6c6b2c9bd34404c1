"""Run one operation: unwrap the event, validate the body, call the function, convert the answer to JSON values.

In: what a caller sent. Out: JSON values. All faults of a body are reported at once, each with its field, before
anything is called; values are never quoted, since they may be secrets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import AliasChoices, BaseModel, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.core.models import FrozenModel
from prefect_drs.operations.access import admit
from prefect_drs.operations.audit import audited
from prefect_drs.operations.context import Context
from prefect_drs.operations.registry import find_operation
from prefect_drs.orchestration.client import UNREACHABLE, PrefectUnreachableError
from prefect_drs.plan.read.finding import did_you_mean

BODY_KEYS = ("body", "queryParams", "parameters")

_ANY: TypeAdapter[Any] = TypeAdapter(Any)


class InvalidInvocationError(PrefectDrsError):
    """The event is not a call of an operation."""

    code = "INVALID_INVOCATION"
    exit_code = 2


class InvalidRequestError(PrefectDrsError):
    """The body of a call has faults; `details["faults"]` names each field."""

    code = "VALIDATION_ERROR"
    exit_code = 1


class MissingParameterError(InvalidRequestError):
    """The body only lacks required fields."""

    code = "MISSING_PARAMETER"


def unwrap(event: object) -> tuple[str, dict[str, Any]]:
    """The operation's name and body of an event: the body is under `body`, `queryParams` or `parameters`, or at the
    top level beside `operation`.

    Raises:
        InvalidInvocationError: the event is not such an object.
    """
    if not isinstance(event, Mapping) or not isinstance(event.get("operation"), str):
        raise InvalidInvocationError(
            'a call is an object with the name of its operation: {"operation": "…", "body": {}}'
        )
    name: str = event["operation"]
    keys = [key for key in BODY_KEYS if key in event]
    rest = {key: value for key, value in event.items() if key not in {"operation", *BODY_KEYS}}
    if not keys:
        return name, rest
    if rest or len(keys) > 1:
        raise InvalidInvocationError(f"{name}: give the parameters once, under {', '.join(keys)} alone")
    body = event[keys[0]]
    if body is None:
        return name, {}
    if not isinstance(body, Mapping):
        raise InvalidInvocationError(f"{name}: {keys[0]} is an object of parameters")
    return name, dict(body)


def invoke(name: str, body: Mapping[str, Any] | None = None, *, context: Context | None = None) -> Any:
    """Run an operation.

    Args:
        name: the operation.
        body: its parameters, camelCase.
        context: who calls, and when; by default this machine's user, now.

    Returns:
        JSON values.

    Raises:
        InvalidOperationError: there is no such operation.
        AuthorizationError: the access policy does not let the caller.
        NotProvenError: there is an access policy, and the caller has proven nothing.
        InvalidRequestError: the body has faults; all of them.
        PrefectDrsError: what the operation itself raises.
    """
    chosen = find_operation(name)
    with audited(context or Context(), chosen) as recording:
        admission = admit(recording.context, chosen)
        recording.context = admission.context
        request = recording.request = _checked(name, chosen.request, body or {})
        answer = chosen.function(admission.check(request), request)
    if isinstance(answer, BaseModel):
        return answer.model_dump(mode="json", by_alias=True)
    return _ANY.dump_python(answer, mode="json", by_alias=True)


def _checked(name: str, model: type[FrozenModel], body: Mapping[str, Any]) -> FrozenModel:
    try:
        return model.model_validate(dict(body))
    except ValidationError as error:
        refusal = invalid_request(name, model, error)
    raise refusal  # outside the handler: pydantic's error holds the values that were given


def invalid_request(
    name: str, model: type[BaseModel], error: ValidationError, *, spelled: Callable[[str], str] = str
) -> InvalidRequestError:
    """The error for all faults that pydantic found, each with its field and without its value.

    Args:
        name: the operation.
        model: what was validated; its fields are suggested for unknown ones.
        error: the error of pydantic.
        spelled: converts a field of the model to its name in a request.
    """
    problems = error.errors(include_url=False, include_input=False)
    known = [_spelling(key, field) for key, field in model.model_fields.items()]
    faults = [
        {
            "field": (path := ".".join(spelled(str(part)) for part in problem["loc"])),
            "message": f"is not known{did_you_mean(path, known)}"
            if problem["type"] == "extra_forbidden"
            else "is missing"
            if problem["type"] == "missing"
            else problem["msg"].removeprefix("Value error, "),
        }
        for problem in problems
    ]
    kind = MissingParameterError if all(p["type"] == "missing" for p in problems) else InvalidRequestError
    text = "; ".join(f"{fault['field'] or 'body'} {fault['message']}" for fault in faults)
    return kind(f"{name}: {text}", faults=faults)


def _spelling(name: str, field: FieldInfo) -> str:
    """The documented name of a field in requests."""
    alias = field.validation_alias
    first = alias.choices[0] if isinstance(alias, AliasChoices) else alias
    return first if isinstance(first, str) else name


def error_body(error: Exception) -> dict[str, Any]:
    """An error as JSON values: `{"error": CODE, "message": …, "details": {…}}`; the names in `details` are camelCase.

    An error that is not the package's own has the code INTERNAL_ERROR and only its kind in the message, since its text
    may hold a secret; one of Prefect's API has PREFECT_UNREACHABLE.
    """
    if isinstance(error, PrefectDrsError):
        details = {to_camel(name): value for name, value in error.details.items()}
        return {
            "error": error.code,
            "message": error.message,
            "details": _ANY.dump_python(details, mode="json", by_alias=True, fallback=str),
        }
    kind = type(error).__name__
    if isinstance(error, UNREACHABLE):
        message = f"the Prefect API did not answer as expected ({kind}): check PREFECT_API_URL and PREFECT_API_KEY"
        return {"error": PrefectUnreachableError.code, "message": message, "details": {}}
    message = f"an error that prefect-drs does not know ({kind}); the log of this process has its details"
    return {"error": PrefectDrsError.code, "message": message, "details": {}}
