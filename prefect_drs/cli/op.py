"""`op`: run one operation; its body and its answer are JSON, and so is its error.

In: an operation's name and its body. Out: JSON values on stdout; an error's message on stderr too.
"""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from prefect_drs.cli.output import print_json, print_stderr
from prefect_drs.core.errors import PrefectDrsError, UsageError


def op(
    name: str | None = None,
    /,
    *,
    body: Annotated[str, Parameter(allow_leading_hyphen=True)] = "{}",
    lines: Annotated[bool, Parameter(name="--lines", negative="")] = False,
    list_: Annotated[bool, Parameter(name="--list", negative="")] = False,
) -> int:
    """Run one operation and print its answer as JSON.

    Parameters
    ----------
    name
        The operation's name; `prefect-drs op --list` shows all.
    body
        Its parameters: JSON, `@FILE`, or `-` for standard input.
    lines
        Print the items of the answer's list instead, one JSON line each.
    list_
        List the operations with their kind and help.
    """
    if name is None or list_:
        return _list(name, list_)
    parameters = _body(body)
    from prefect_drs.operations import error_body, invoke

    try:
        answer = invoke(name, parameters)
    except PrefectDrsError as error:
        print_json(jsonlib.dumps(error_body(error), indent=2, ensure_ascii=False, default=str))
        raise
    if lines:
        return _print_lines(name, answer)
    print_json(jsonlib.dumps(answer, indent=2, ensure_ascii=False))
    return 0


def _print_lines(name: str, answer: Any) -> int:
    lists = [value for value in answer.values() if isinstance(value, list)] if isinstance(answer, dict) else []
    if len(lists) != 1:
        raise UsageError(f"--lines: the answer of {name} has {len(lists)} lists, not one; leave it out")
    for item in lists[0]:
        print_json(jsonlib.dumps(item, ensure_ascii=False))
    if answer.get("more"):
        print_stderr(f"there are more than these {len(lists[0])}; ask for another part, or with a higher limit")
    return 0


def _list(name: str | None, requested: bool) -> int:
    if name is None and not requested:
        raise UsageError("name an operation; `prefect-drs op --list` shows all")
    from prefect_drs.operations import OPERATIONS

    width = max(len(operation.name) for operation in OPERATIONS)
    for operation in sorted(OPERATIONS, key=lambda operation: operation.name):
        print(f"{operation.name:<{width}}  {operation.kind.value:<9}  {operation.help}")
    return 0


def _body(text: str) -> dict[str, Any]:
    source = "--body"
    try:
        if text == "-":
            source, text = "standard input", sys.stdin.read()
        elif text.startswith("@"):
            source = text[1:]
            text = Path(source).read_text(encoding="utf-8")
        value = jsonlib.loads(text)
    except OSError as error:
        raise UsageError(f"{source} could not be read: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{source} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise UsageError(f"{source} holds no JSON object of parameters")
    return value
