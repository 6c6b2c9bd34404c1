"""`docs/operations.md` says what the code does: operations, spellings, error codes.

`python -m tests.operations.test_operations_page` writes the table of operations.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from typing import Any

from pydantic import AliasChoices, BaseModel

from prefect_drs.operations import OPERATIONS
from tests.snippets import ROOT
from tests.test_docs import first_column, section

PAGE = "docs/operations.md"


def operations_table() -> str:
    """The table of the registry."""
    rows = [f"| `{each.name}` | {each.kind} | `{each.permission}` | {each.help} |" for each in OPERATIONS]
    return "\n".join(["| operation | kind | permission | |", "|---|---|---|---|", *rows])


def write_table() -> None:
    """Write the table of the registry into the page."""
    page = ROOT / PAGE
    text = page.read_text(encoding="utf-8")
    former = re.search(r"^\| operation \| kind .*?(?=\n\n)", text, re.MULTILINE | re.DOTALL)
    assert former is not None
    page.write_text(text.replace(former[0], operations_table()), encoding="utf-8")


def test_the_table_of_operations_is_that_of_the_registry() -> None:
    assert operations_table() in section(PAGE, "## All operations")


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
    write_table()
