"""The four faces of an operation, each as a function of its name and a body: Python, command line, Lambda, REST.

In: a body in JSON's spelling. Out: an `Outcome`: the answer or the error, as a caller of that face gets it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

from prefect_drs.cli import main
from prefect_drs.client import Client, RestError
from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.lambda_handler import handler
from prefect_drs.operations import Context, error_body, invoke
from tests.client.generator import snake

CALLER = "ada"
Body = dict[str, Any]
Face = Callable[[str, Body], "Outcome"]


@dataclass(frozen=True)
class Outcome:
    """What a caller gets.

    Args:
        answer: JSON values; None where it is an error.
        error: the code of the error; None where it is an answer.
        fields: the fields of its faults.
        shown: how the face shows it beside the body: an exit code, an HTTP status; None where it has no such thing.
    """

    answer: Any = None
    error: str | None = None
    fields: tuple[str, ...] = ()
    shown: int | None = None


def _outcome(value: Any, shown: int | None = None) -> Outcome:
    if not (isinstance(value, dict) and value.keys() == {"error", "message", "details"}):
        return Outcome(value, shown=shown)
    faults = value["details"].get("faults", ())
    places = (fault.get("field", fault.get("place")) for fault in faults if isinstance(fault, dict))
    fields = (place.rpartition(".")[2] for place in places if place is not None)
    return Outcome(error=value["error"], fields=tuple(sorted(fields)), shown=shown)


def in_python(name: str, body: Body) -> Outcome:
    """`invoke`, which calls the typed function. `shown`: the exit code that its error stands for."""
    try:
        return _outcome(invoke(name, body, context=Context(caller=CALLER)), 0)
    except PrefectDrsError as error:
        return _outcome(error_body(error), error.exit_code)


def on_the_command_line(name: str, body: Body) -> Outcome:
    """`prefect-drs op`. `shown`: its exit code."""
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(io.StringIO()):
        code = main(["op", name, "--body", json.dumps(body)])
    return _outcome(json.loads(out.getvalue()), code)


def by_lambda(name: str, body: Body) -> Outcome:
    """The Lambda handler, which takes the event that `unwrap` takes."""
    return _outcome(handler({"operation": name, "body": body, "caller": CALLER}))


def over_rest(client: Client) -> Face:
    """The client's method of that name. `shown`: the HTTP status, where it is an error."""

    def call(name: str, body: Body) -> Outcome:
        try:
            return _outcome(_method(client, name, body))
        except RestError as error:
            return _outcome(error_body(error), error.status)
        except PrefectDrsError as error:  # nothing was sent
            return _outcome(error_body(error), error.exit_code)

    return call


def _method(client: Client, name: str, body: Body) -> Any:
    """The typed method; one field that it does not have is sent by `call`, so that the server refuses it."""
    method = getattr(client, name)
    arguments = {snake(field): value for field, value in body.items()}
    return method(**arguments) if arguments.keys() <= method.__annotations__.keys() else client.call(name, body)


def faces(client: Client) -> Iterator[tuple[str, Face]]:
    """All four, by the names that the objects of each bear in the world."""
    yield from (("py", in_python), ("op", on_the_command_line), ("fn", by_lambda), ("rest", over_rest(client)))
