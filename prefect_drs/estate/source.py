"""Opens a manifest: a plan file, or `estate:`, the stored groups and plans.

In: a source from the command line or a flow's parameter. Out: a checked `Manifest`. Reading a file does not import
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
    """Read and check a manifest, with its names resolved by `bindings`.

    Args:
        source: a JSON or YAML file, or `estate:`.
        bindings: a bindings file, or the bindings themselves.
        plan: read only this plan of the stored estate and its groups, so that faults of other plans do not matter.
        strict: treat warnings as faults.
        rehearsal: as in `check_manifest`.
        tell: called with each warning; by default they go to the log `prefect_drs.plan`.

    Raises:
        FaultyInputError: the manifest has faults; the error has all of them.
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
    """Like `prefect_drs.plan.check_manifest`, for a file or `estate:`.

    Raises:
        NotStoredError: the stored estate has no such plan.
    """
    if os.fspath(source) != STORED:
        return check_manifest(source, bindings, rehearsal=rehearsal)
    from prefect_drs.estate.model import DocumentKind  # noqa: PLC0415 - not needed for a file
    from prefect_drs.estate.store import read_estate  # noqa: PLC0415

    estate = read_estate()
    chosen = None if plan is None else [estate.find(DocumentKind.PLAN, plan)]
    return check_values(estate.manifest(chosen), bindings, rehearsal=rehearsal)
