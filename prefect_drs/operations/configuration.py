"""The whole stored estate as a manifest, and manifests into it.

In: a manifest's JSON values. Out: what an import did, or would do, item by item; or the manifest of all that is stored.
An import happens whole or not at all, and loses nothing of what a manifest may hold.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import JsonValue

from prefect_drs.core.errors import Fault
from prefect_drs.core.models import FrozenModel
from prefect_drs.estate.change import EstateChange, change_estate, rehearse_change
from prefect_drs.estate.errors import fault_json, refused
from prefect_drs.estate.model import DocumentKind, Edit, Estate, EstateEdit, Stored, Upsert
from prefect_drs.estate.store import read_estate
from prefect_drs.operations.context import Context
from prefect_drs.operations.group_settings import record_stored
from prefect_drs.operations.groups import reading
from prefect_drs.operations.models import EmptyRequest
from prefect_drs.operations.registry import OperationKind, operation
from prefect_drs.plan import Bindings, check_values
from prefect_drs.plan.export import export_group, export_plan
from prefect_drs.plan.model import Manifest

NOTHING_IMPORTED = "nothing was imported"


class ImportRequest(FrozenModel):
    """A manifest to store.

    Args:
        manifest: what a plan file holds.
        bindings: what its names stand for, as in a bindings file; what is stored has the real ids.
        dry_run: tell what would happen and what would refuse it; write nothing.
        overwrite_existing: replace groups and plans of the same name; without it they refuse the import.
    """

    manifest: JsonValue
    bindings: Bindings | None = None
    dry_run: bool = False
    overwrite_existing: bool = False


class Action(enum.StrEnum):
    """What an import does with a group or plan."""

    CREATE = "CREATE"
    REPLACE = "REPLACE"
    UNCHANGED = "UNCHANGED"
    REFUSE = "REFUSE"


class ImportedItem(FrozenModel):
    """A group or plan of an import. `id` and `version`: what it has afterwards; null where it is not known yet."""

    name: str
    action: Action
    id: str | None
    version: int | None


class ImportAnswer(FrozenModel):
    """What an import did, or, in a dry run, would do.

    Args:
        dry_run: whether nothing was written by intention.
        valid: whether nothing refuses it.
        protection_groups: what becomes of each group; empty where the manifest could not be understood.
        recovery_plans: likewise.
        faults: what refuses it; always empty but in a dry run.
        warnings: warnings about the manifest.
        history_error: why the history of launch settings could not be written, where it was not.
    """

    dry_run: bool
    valid: bool
    protection_groups: tuple[ImportedItem, ...] = ()
    recovery_plans: tuple[ImportedItem, ...] = ()
    faults: tuple[dict[str, JsonValue], ...] = ()
    warnings: tuple[dict[str, JsonValue], ...] = ()
    history_error: str | None = None


@operation(kind=OperationKind.DATA, permission="import_configuration")
def import_configuration(context: Context, request: ImportRequest) -> ImportAnswer:
    """Store a manifest's groups and plans, all or none; or report what that would do.

    Raises:
        EstateRefusedError: unless it is a dry run: the manifest has faults, something of its name is there already, or
            the estate with it would break a rule; all faults.
        AwsError: which servers carry the tags of a selection could not be read.
    """
    found = check_values(request.manifest, request.bindings)
    warnings = tuple(fault_json(fault) for fault in found.warnings)
    manifest = found.manifest
    if manifest is None:
        if not request.dry_run:
            raise refused(NOTHING_IMPORTED, found.errors)
        return ImportAnswer(
            dry_run=True, valid=False, faults=tuple(fault_json(fault) for fault in found.errors), warnings=warnings
        )

    def edit(estate: Estate) -> Iterator[Edit | Fault]:
        for kind, definition in _definitions(manifest):
            there = _there(estate, kind, definition)
            if there is not None and not request.overwrite_existing:
                yield _exists(there)  # and the rest is looked at as if it were replaced: all faults at once
            if there is None or there.definition != definition:
                yield Upsert(kind, definition, there.id if there is not None else None)

    readings = reading(context)
    origin: dict[str, Any] = {"by": context.caller, "at": context.clock.now(), "servers": readings}
    change = (
        rehearse_change(edit, **origin) if request.dry_run else change_estate(edit, **origin, what=NOTHING_IMPORTED)
    )
    items = {kind: tuple(_items(kind, manifest, change, request.overwrite_existing)) for kind in DocumentKind}
    return ImportAnswer(
        dry_run=request.dry_run,
        valid=not change.refusals,
        protection_groups=items[DocumentKind.GROUP],
        recovery_plans=items[DocumentKind.PLAN],
        faults=tuple(fault_json(fault) for fault in change.refusals),
        warnings=warnings,
        history_error=None if request.dry_run else record_stored(change, "import_configuration", readings),
    )


@operation(kind=OperationKind.QUERY, permission="export_configuration")
def export_configuration(context: Context, request: EmptyRequest) -> dict[str, JsonValue]:
    """Return all that is stored as a manifest, which can be imported again."""
    values = read_estate().manifest()
    version = values.pop("schemaVersion")
    return {"schemaVersion": version, "exportedAt": context.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"), **values}


def _definitions(manifest: Manifest) -> Iterator[tuple[DocumentKind, dict[str, Any]]]:
    yield from ((DocumentKind.GROUP, export_group(group)) for group in manifest.protection_groups)
    yield from ((DocumentKind.PLAN, export_plan(plan)) for plan in manifest.recovery_plans)


def _there(estate: Estate, kind: DocumentKind, definition: dict[str, Any]) -> Stored | None:
    """What an item of the manifest would replace: what has its name, or else its id."""
    references: Iterable[str | None] = (definition[kind.name_field], definition.get("groupId"))
    found = (estate.named(kind, reference) for reference in references if reference)
    return next((stored for stored in found if stored is not None), None)


def _exists(there: Stored) -> Fault:
    return Fault(
        there.path,
        0,
        "ALREADY_EXISTS",
        f"{there.kind} {there.name!r} is stored already (version {there.version}, by {there.updated_by}); "
        "import with overwriteExisting to replace it, or rename one",
    )


def _items(kind: DocumentKind, manifest: Manifest, change: EstateChange, overwrite: bool) -> Iterator[ImportedItem]:
    steps: dict[str, EstateEdit] = {
        step.after.name.casefold(): step for step in change.steps if step.after is not None and step.after.kind is kind
    }
    for of, definition in _definitions(manifest):
        if of is not kind:
            continue
        name = definition[kind.name_field]
        step, there = steps.get(name.casefold()), _there(change.before, kind, definition)
        if there is not None and not overwrite:
            yield ImportedItem(name=name, action=Action.REFUSE, id=there.id, version=there.version)
        elif step is not None and step.after is not None:
            action = Action.CREATE if step.before is None else Action.REPLACE
            known = step.before is not None or not change.rehearsed
            yield ImportedItem(
                name=name, action=action, id=step.after.id if known else None, version=step.after.version
            )
        elif there is not None:
            yield ImportedItem(name=name, action=Action.UNCHANGED, id=there.id, version=there.version)
