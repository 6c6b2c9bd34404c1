"""The one way to change the stored estate: lock, read, edit, check, write.

In: a function that returns edits of the current estate. Out: an `EstateChange`: what was written, or, in a rehearsal,
what would be written and every fault. Check and write are one critical section for all processes, since a server may be
in one group only. With any fault, nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from prefect.client.orchestration import SyncPrefectClient

from prefect_drs.core.errors import Fault
from prefect_drs.estate.errors import refused
from prefect_drs.estate.model import DocumentKind, Edit, Estate, EstateEdit, Stored
from prefect_drs.estate.overlap import ServerReader, conflicts
from prefect_drs.estate.rules import checked, faults_of, still_named, under_execution
from prefect_drs.estate.store import estate_lock, process_lock, read_snapshot, write_steps
from prefect_drs.orchestration.client import prefect_client
from prefect_drs.orchestration.executions.reports import active_reports
from prefect_drs.plan.export import export_group, export_plan
from prefect_drs.plan.model import Manifest, ProtectionGroup

Editing = Callable[[Estate], Iterable[Edit | Fault]]
"""Returns the edits of an estate; with a `Fault` among them the change is refused."""


@dataclass(frozen=True)
class EstateChange:
    """A change of the estate, written or rehearsed.

    Args:
        before: the estate before the change.
        after: the resulting estate.
        steps: the changed documents.
        refusals: the faults that prevent the change; empty if it was, or could be, written.
        warnings: warnings about the changed definitions.
        rehearsed: whether this was a rehearsal, which writes nothing.
    """

    before: Estate
    after: Estate
    steps: tuple[EstateEdit, ...]
    refusals: tuple[Fault, ...] = ()
    warnings: tuple[Fault, ...] = ()
    rehearsed: bool = False


def change_estate(edit: Editing, *, by: str, at: datetime, servers: ServerReader, what: str) -> EstateChange:
    """Change the estate atomically.

    Args:
        edit: returns the edits of the current estate.
        by: who makes the change.
        at: when.
        servers: reads source servers; used only if a group selects by tags.
        what: the beginning of the error message.

    Raises:
        EstateRefusedError: a rule, a version conflict, or use by a plan or execution prevents the change; each code of
            the operations has its subclass.
        EstateBusyError: other processes held the lock for too long.
        AwsError: the servers with a selection's tags could not be read.
    """
    with process_lock(), prefect_client() as client:
        current = read_snapshot(client).estate
        _steps(current, tuple(edit(current)), by, at)  # a version conflict is found without waiting for the lock
        with estate_lock():
            snapshot = read_snapshot(client)
            change = _check(client, snapshot.estate, tuple(edit(snapshot.estate)), by, at, servers)
            if change.refusals:
                raise refused(what, change.refusals)
            if change.steps:
                write_steps(client, snapshot, change.steps)
            return change


def rehearse_change(edit: Editing, *, by: str, at: datetime, servers: ServerReader) -> EstateChange:
    """What `change_estate` would do, with every fault that would prevent it. Writes nothing.

    Raises:
        NotStoredError: an edit is of a group or plan that is not stored.
        VersionMismatchError: an edit is based on another version.
        EstateBusyError: other processes changed the estate during each read.
        AwsError: as in `change_estate`.
    """
    with prefect_client() as client:
        estate = read_snapshot(client).estate
        return replace(_check(client, estate, tuple(edit(estate)), by, at, servers), rehearsed=True)


def _check(
    client: SyncPrefectClient,
    before: Estate,
    edits: Sequence[Edit | Fault],
    by: str,
    at: datetime,
    servers: ServerReader,
) -> EstateChange:
    """The change that the edits make, with every fault."""
    steps = _steps(before, edits, by, at)
    after = before.after(steps)
    in_use = [*(edit for edit in edits if isinstance(edit, Fault)), *still_named(before, steps)]
    if any(step.before is not None for step in steps):
        members = partial(_members, servers)
        in_use += under_execution(before, steps, active_reports(client), members)
    if all(step.after is None for step in steps):  # a deletion breaks no other rule, and may fix an invalid estate
        return EstateChange(before, after, steps, tuple(in_use))
    reading = checked(after)
    faults, warnings = faults_of(reading, steps)
    if reading.manifest is None:
        return EstateChange(before, after, steps, (*in_use, *faults), warnings)
    steps = tuple(_normalised(step, reading.manifest) for step in steps)
    overlaps = conflicts(servers, _groups(steps, reading.manifest), reading.manifest.protection_groups)
    return EstateChange(before, before.after(steps), steps, (*in_use, *faults, *overlaps), warnings)


def _members(servers: ServerReader, stored: Stored) -> tuple[str, ...]:
    """The servers of a stored group now; none if its definition is invalid."""
    alone = checked(Estate((stored,), ())).manifest
    return () if alone is None else servers.members(alone.protection_groups[0])


def _steps(estate: Estate, edits: Iterable[Edit | Fault], by: str, at: datetime) -> tuple[EstateEdit, ...]:
    return estate.steps((edit for edit in edits if not isinstance(edit, Fault)), by=by, at=at)


def _groups(steps: Iterable[EstateEdit], manifest: Manifest) -> list[ProtectionGroup]:
    return [manifest.group(step.after.name) for step in steps if step.after and step.after.kind is DocumentKind.GROUP]


def _normalised(step: EstateEdit, manifest: Manifest) -> EstateEdit:
    """The step with its definition in the form of an export: names resolved, defaults omitted."""
    if step.after is None:
        return step
    if step.after.kind is DocumentKind.PLAN:
        return replace(step, after=replace(step.after, definition=export_plan(manifest.plan(step.after.name))))
    definition = export_group(manifest.group(step.after.name))
    if "groupId" not in step.after.definition:
        definition.pop("groupId", None)  # the stored id is not part of the user's definition
    return replace(step, after=replace(step.after, definition=definition))
