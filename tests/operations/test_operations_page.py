"""`docs/operations.md` says what the code does: operations and their faces, spellings, error codes.

`python -m tests.operations.test_operations_page` writes both tables of operations.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import AliasChoices, BaseModel

from prefect_drs.operations import OPERATIONS
from prefect_drs.rest.routes import ROUTES
from tests.snippets import ROOT
from tests.test_docs import first_column, section

PAGE = "docs/operations.md"


def operations_table() -> str:
    """The table of the registry."""
    rows = [f"| `{each.name}` | {each.kind} | `{each.permission}` | {each.help} |" for each in OPERATIONS]
    return "\n".join(["| operation | kind | permission | |", "|---|---|---|---|", *rows])


def faces_table() -> str:
    """How each operation is called through each face."""
    rows = [
        f"| `{each.module.rpartition('.')[2]}.{each.name}` | `op {each.name}` | `{each.name}` | {_routes(each.name)} |"
        for each in OPERATIONS
    ]
    return "\n".join(["| Python | command line | Lambda, `Client` | REST |", "|---|---|---|---|", *rows])


def _routes(operation: str) -> str:
    return ", ".join(f"`{route.method} {route.path}`" for route in ROUTES if route.operation == operation)


TABLES = {"## All operations": operations_table, "## Four faces": faces_table}


def write_tables() -> None:
    """Write the tables of the registry into the page."""
    page = ROOT / PAGE
    text = page.read_text(encoding="utf-8")
    for heading, table in TABLES.items():
        former = re.search(r"^\|.*?(?=\n\n)", section(PAGE, heading), re.MULTILINE | re.DOTALL)
        assert former is not None
        text = text.replace(former[0], table())
    page.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("heading", TABLES)
def test_the_tables_are_those_of_the_registry(heading: str) -> None:
    assert TABLES[heading]() in section(PAGE, heading), f"run `python -m {__name__}`"


def models_of(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A request model, and the models of its fields."""
    yield model
    for field in model.model_fields.values():
        arguments = field.annotation.__args__ if isinstance(field.annotation, types.UnionType) else [field.annotation]
        for argument in arguments:
            if isinstance(argument, type) and issubclass(argument, BaseModel):
                yield from models_of(argument)


def test_the_table_of_spellings_has_every_alias() -> None:
    accepted: dict[str, set[str]] = {}
    for operation in OPERATIONS:
        for model in models_of(operation.request):
            for field in model.model_fields.values():
                if isinstance(field.validation_alias, AliasChoices):
                    ours, *others = map(str, field.validation_alias.choices)
                    accepted.setdefault(ours, set()).update(others)
    rows: dict[str, Any] = {}
    for ours, others in re.findall(r"^\| `(\w+)` \| (.*) \|$", section(PAGE, "## The event"), re.MULTILINE):
        rows.setdefault(ours, set()).update(re.findall(r"`(\w+)`", others))
    assert accepted.keys() == rows.keys()
    assert {ours: others - rows[ours] for ours, others in accepted.items() if others - rows[ours]} == {}


def test_the_codes_of_errors_are_those_of_the_package() -> None:
    from prefect_drs.core.errors import PrefectDrsError
    from prefect_drs.operations.registry import registered_operations

    registered_operations()

    def codes(kind: type[PrefectDrsError]) -> Iterator[str]:
        yield kind.code
        for each in kind.__subclasses__():
            yield from codes(each)

    documented = first_column(section(PAGE, "## Errors"))
    assert documented <= set(codes(PrefectDrsError))


if __name__ == "__main__":
    write_tables()
