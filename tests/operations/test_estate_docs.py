"""docs/estate.md names the operations and codes that there are."""

from __future__ import annotations

from prefect_drs.estate import errors, store
from prefect_drs.operations import OPERATIONS
from tests.test_docs import first_column, section

MODULES = {f"prefect_drs.operations.{name}" for name in ("groups", "plans", "configuration")}


def test_the_operations_of_the_page_are_those_of_the_registry() -> None:
    there = {operation.name for operation in OPERATIONS if operation.module in MODULES}
    assert first_column(section("docs/estate.md", "## Single groups and plans")) == there


def test_the_codes_of_the_page_are_those_of_the_code() -> None:
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    codes = {kind.code for kind in kinds if issubclass(kind, errors.EstateRefusedError)}
    assert first_column(section("docs/estate.md", "## What is refused")) == {*codes, store.EstateBusyError.code}
