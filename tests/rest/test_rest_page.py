"""`docs/rest.md` says what the code does: routes and error codes.

`python -m tests.rest.test_rest_page` writes both tables.
"""

from __future__ import annotations

import re

import pytest

from prefect_drs.rest.errors import STATUS
from prefect_drs.rest.service import ServedRoute, served_routes
from tests.snippets import ROOT
from tests.test_docs import section

PAGE = "docs/rest.md"


def errors_table() -> str:
    """The status of each code."""
    statuses = sorted(set(STATUS.values()))
    rows = [f"| {status} | {', '.join(f'`{c}`' for c, s in STATUS.items() if s == status)} |" for status in statuses]
    return "\n".join(["| status | codes |", "|---|---|", *rows])


def routes_table() -> str:
    """Every route, its operation and where its parameters come from."""
    head = ["| method | path | operation | query | body | success |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *(_row(served) for served in served_routes())])


def _row(served: ServedRoute) -> str:
    route = served.route
    cells = {
        source: ", ".join(f"`{each.name}`" for each in served.parameters if each.source == source)
        for source in ("query", "body")
    }
    operation = f"`{route.operation}`"
    return f"| {route.method} | `{route.path}` | {operation} | {cells['query']} | {cells['body']} | {route.status} |"


@pytest.mark.parametrize(("heading", "table"), [("## Errors", errors_table), ("## Routes", routes_table)])
def test_the_tables_are_those_of_the_code(heading, table):
    assert table() in section(PAGE, heading), f"run `python -m {__name__}`"


def write_tables() -> None:
    """Write both tables into the page."""
    page = ROOT / PAGE
    text = page.read_text(encoding="utf-8")
    for start, mark, table in (
        ("| status | codes", "ERRORS", errors_table()),
        ("| method | path", "ROUTES", routes_table()),
    ):
        former = re.search(rf"^{re.escape(start)}.*?(?=\n\n)", text, re.MULTILINE | re.DOTALL)
        text = text.replace(former[0] if former else f"\n{mark}\n", table if former else f"\n{table}\n")
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_tables()
