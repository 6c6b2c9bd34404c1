"""The output of `sandbox seed`: guesses for a person to check, and what was created.

In: the answer of the sandbox's seed endpoint. Out: tables on stdout, remarks on stderr.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from prefect_drs.cli.console import console


def show_seeded(seeded: dict[str, Any], bindings: Path) -> None:
    """Print guesses, what was created, and remarks."""
    screen = console()
    if seeded["guesses"]:
        table = Table(title="Guessed: please check", title_justify="left", title_style="bold")
        for column in ("reference", "group", "certainty", "evidence"):
            table.add_column(column, overflow="fold")
        for guess in seeded["guesses"]:
            group = Text(guess["groupName"]) if guess["groupName"] else Text("nothing", "red")
            table.add_row(guess["reference"], group, guess["certainty"], guess["evidence"])
        screen.print(table)
    table = Table(title="Created", title_justify="left", title_style="bold")
    for column in ("account", "region"):
        table.add_column(column)
    for column in ("VPCs", "subnets", "security groups", "source servers", "new things"):
        table.add_column(column, justify="right")
    for region in seeded["regions"]:
        counts = ("vpcs", "subnets", "securityGroups", "sourceServers", "new")
        table.add_row(region["accountId"], region["region"], *(str(region[name]) for name in counts))
    screen.print(table)
    for role in seeded["roles"]:
        screen.print(f"Role {role}", soft_wrap=True)
    errors = console(stderr=True)
    for remark in seeded["remarks"]:
        errors.print(f"remark: {remark}", soft_wrap=True)
    screen.print(f"The bindings are in {bindings}.", soft_wrap=True)
