"""The one way to change the stored estate: lock, read, edit, examine, write.

In: a function that makes edits of the estate as it is. Out: an `EstateChange`: what was written; in a rehearsal, what
would be written and everything that would refuse it. Checking and writing are one step for all processes, since a
server is in one group across all of them. Nothing is written where anything refuses.
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
from prefect_drs.estate.overlap import Readings, conflicts
from prefect_drs.estate.rules import checked, faults_of, still_named, under_execution
from prefect_drs.estate.store import estate_lock, one_of_this_process, read_snapshot, write_steps
from prefect_drs.orchestration.client import prefect_client
from prefect_drs.orchestration.executions.reports import active_reports
from prefect_drs.plan.export import export_group, export_plan
from prefect_drs.plan.model import Manifest, ProtectionGroup

Editing = Callable[[Estate], Iterable[Edit | Fault]]
"""From the estate to edits of it; a fault among them refuses the change."""


@dataclass(frozen=True)
class EstateChange:
    """A change of the estate, written or not.

    Args:
        before: the estate that it was made from.
        after: the one that it makes.
        steps: what changes.
        refusals: why it cannot be written; empty where it was, or could be.
        warnings: what is told of the definitions that change.
        rehearsed: whether it was not to be written.
    """

    before: Estate
    after: Estate
    steps: tuple[EstateEdit, ...]
    refusals: tuple[Fault, ...] = ()
    warnings: tuple[Fault, ...] = ()
    rehearsed: bool = False


def change_estate(edit: Editing, *, by: str, at: datetime, readings: Readings, what: str) -> EstateChange:
    """Change the estate, all or nothing.

    Args:
        edit: from the estate as it is to the edits.
        by: who asks for it.
        at: when.
        readings: the way to the servers, asked only where a group by tags is concerned.
        what: what is asked for, for the message of a refusal.

    Raises:
        EstateRefusedError: a rule, a version, or whoever uses it refuses; each code of the operations has its class.
        EstateBusyError: others change the estate all the time.
        AwsError: which servers carry a selection's tags could not be read.
    """
    with one_of_this_process(), prefect_client() as client:
        now = read_snapshot(client).estate
        _steps(now, tuple(edit(now)), by, at)  # who comes too late need not wait for the lock
        with estate_lock():
            snapshot = read_snapshot(client)
            change = _examined(client, snapshot.estate, tuple(edit(snapshot.estate)), by, at, readings)
            if change.refusals:
                raise refused(what, change.refusals)
            if change.steps:
                write_steps(client, snapshot, change.steps)
            return change


def rehearse_change(edit: Editing, *, by: str, at: datetime, readings: Readings) -> EstateChange:
    """What `change_estate` would do, and all that would refuse it. Writes nothing.

    Raises:
        NotStoredError: an edit is about what is not there.
        VersionMismatchError: an edit was made from another version.
        EstateBusyError: others change the estate all the time.
        AwsError: as in `change_estate`.
    """
    with prefect_client() as client:
        estate = read_snapshot(client).estate
        return replace(_examined(client, estate, tuple(edit(estate)), by, at, readings), rehearsed=True)


def _examined(
    client: SyncPrefectClient, before: Estate, edits: Sequence[Edit | Fault], by: str, at: datetime, readings: Readings
) -> EstateChange:
    steps = _steps(before, edits, by, at)
    after = before.after(steps)
    in_use = [*(edit for edit in edits if isinstance(edit, Fault)), *still_named(before, steps)]
    if any(step.before is not None for step in steps):
        members = partial(_members, readings)
        in_use += under_execution(before, steps, active_reports(client), members)
    if all(step.after is None for step in steps):  # what only goes breaks no rule but these, and may be mending others
        return EstateChange(before, after, steps, tuple(in_use))
    reading = checked(after)
    faults, warnings = faults_of(reading, steps)
    if reading.manifest is None:
        return EstateChange(before, after, steps, (*in_use, *faults), warnings)
    steps = tuple(_normal(step, reading.manifest) for step in steps)
    overlaps = conflicts(readings, _groups(steps, reading.manifest), reading.manifest.protection_groups)
    return EstateChange(before, before.after(steps), steps, (*in_use, *faults, *overlaps), warnings)


def _members(readings: Readings, stored: Stored) -> tuple[str, ...]:
    """The servers of a stored group now, as far as its definition can be understood."""
    alone = checked(Estate((stored,), ())).manifest
    return () if alone is None else readings.members(alone.protection_groups[0])


def _steps(estate: Estate, edits: Iterable[Edit | Fault], by: str, at: datetime) -> tuple[EstateEdit, ...]:
    return estate.steps((edit for edit in edits if not isinstance(edit, Fault)), by=by, at=at)


def _groups(steps: Iterable[EstateEdit], manifest: Manifest) -> list[ProtectionGroup]:
    return [manifest.group(step.after.name) for step in steps if step.after and step.after.kind is DocumentKind.GROUP]


def _normal(step: EstateEdit, manifest: Manifest) -> EstateEdit:
    """The step with its definition in the form that an export has: names resolved, defaults left out."""
    if step.after is None:
        return step
    if step.after.kind is DocumentKind.PLAN:
        return replace(step, after=replace(step.after, definition=export_plan(manifest.plan(step.after.name))))
    definition = export_group(manifest.group(step.after.name))
    if "groupId" not in step.after.definition:
        definition.pop("groupId", None)  # the stored id is no part of what was written
    return replace(step, after=replace(step.after, definition=definition))
