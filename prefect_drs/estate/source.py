"""A manifest from wherever it is: a plan file, or `estate:`, the stored groups and plans.

In: what a person names on a command line or as a flow's parameter. Out: a checked `Manifest`. A file is read without
Prefect.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from prefect_drs.core.errors import Fault
from prefect_drs.plan import Reading, check_manifest, check_values
from prefect_drs.plan.read.load import BindingsSource

if TYPE_CHECKING:
    from prefect_drs.plan.model import Manifest

STORED = "estate:"


def open_manifest(
    source: str | os.PathLike[str],
    bindings: BindingsSource | None = None,
    *,
    plan: str | None = None,
    strict: bool = False,
    rehearsal: bool = False,
    tell: Callable[[Fault], object] | None = None,
) -> Manifest:
    """The manifest of that name, with its names resolved by `bindings`.

    Args:
        source: a JSON or YAML file, or `estate:`.
        bindings: a bindings file, or the bindings themselves.
        plan: of the stored estate, only this plan and its groups are read: what is wrong elsewhere must not stop it.
        strict: warnings are faults.
        rehearsal: as in `check_manifest`.
        tell: called with each warning; by default it goes to the log `prefect_drs.plan`.

    Raises:
        FaultyInputError: with every fault.
        NotStoredError: the stored estate has no such plan.
    """
    return check_source(source, bindings, plan=plan, rehearsal=rehearsal).accepted(tell, strict=strict)


def check_source(
    source: str | os.PathLike[str],
    bindings: BindingsSource | None = None,
    *,
    plan: str | None = None,
    rehearsal: bool = False,
) -> Reading:
    """As `prefect_drs.plan.check_manifest`, of a file or of `estate:`.

    Raises:
        NotStoredError: the stored estate has no such plan.
    """
    if os.fspath(source) != STORED:
        return check_manifest(source, bindings, rehearsal=rehearsal)
    from prefect_drs.estate.model import DocumentKind  # noqa: PLC0415 - a file needs no Prefect
    from prefect_drs.estate.store import read_estate  # noqa: PLC0415

    estate = read_estate()
    chosen = None if plan is None else [estate.find(DocumentKind.PLAN, plan)]
    return check_values(estate.manifest(chosen), bindings, rehearsal=rehearsal)
