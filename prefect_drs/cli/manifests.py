"""How commands read a plan: every warning goes to stderr."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from prefect_drs.cli.output import print_faults

if TYPE_CHECKING:
    from prefect_drs.core.errors import Fault
    from prefect_drs.plan import Manifest

File = Annotated[str | Path, Parameter(help="A manifest, JSON or YAML; `estate:` is the stored estate.")]
"""Read as text, so that faults name the file as it was typed; `Path` lets the shell complete it."""
Bindings = Annotated[
    str | Path | None,
    Parameter(name=["--bindings", "-b"], metavar="FILE", help="File that maps the manifest's names to real ids."),
]
Strict = Annotated[bool, Parameter(name="--strict", negative="", help="Warnings about the plan are faults.")]


def named_plan(source: str | os.PathLike[str], plan: str | None) -> dict[str, str | None]:
    """What a command is about, for the access policy: a stored plan, or a file of the caller's own."""
    from prefect_drs.estate.source import STORED

    return {"plan_name": plan} if str(source) == STORED else {"manifest": str(source)}


def read_manifest(
    source: str | os.PathLike[str],
    bindings: str | os.PathLike[str] | None = None,
    *,
    plan: str | None = None,
    strict: bool = False,
    rehearsal: bool = False,
) -> Manifest:
    """The manifest of a file or of `estate:`, as `prefect_drs.estate.source.open_manifest` gives it.

    Raises:
        FaultyInputError: with every fault.
        NotStoredError: the stored estate has no such plan.
        AuthorizationError: the access policy does not let the caller read the stored estate.
    """
    from prefect_drs.estate.source import STORED, open_manifest

    if str(source) == STORED:
        from prefect_drs.cli.prefect_api import require_permission

        require_permission("show_plan", plan_name=plan)

    def tell(warning: Fault) -> None:
        print_faults([warning], stderr=True)

    return open_manifest(source, bindings, plan=plan, strict=strict, rehearsal=rehearsal, tell=tell)
