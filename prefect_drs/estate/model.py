"""The stored estate as values: groups and plans in the form of the manifest, with the author and time of changes.

In: the content of the blocks, and edits. Out: an `Estate`, or the one that results from the edits. Pure: reads and
writes nothing, and checks only the versions of edits.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from prefect_drs.core.escaping import prefect_key
from prefect_drs.estate.errors import NotStoredError, VersionMismatchError
from prefect_drs.plan.model import SCHEMA_VERSIONS
from prefect_drs.plan.read.draft import SPELLINGS
from prefect_drs.plan.read.finding import choices


class DocumentKind(enum.StrEnum):
    """The kinds of stored documents."""

    GROUP = "protection group"
    PLAN = "recovery plan"

    @property
    def name_field(self) -> str:
        """The field of a definition that contains its name."""
        return "groupName" if self is DocumentKind.GROUP else "planName"

    def path(self, name: str) -> str:
        """The path of a document in faults."""
        return f"{'groups' if self is DocumentKind.GROUP else 'plans'}.{name}"


@dataclass(frozen=True)
class Stored:
    """A stored group or plan.

    Args:
        kind: group or plan.
        id: never changes; a group's `groupId` if its definition has one.
        definition: an item of the manifest's `protectionGroups` or `recoveryPlans`.
        version: 1 at first, incremented by every change.
        created_at: when it was first stored.
        updated_at: when it was last changed.
        updated_by: who changed it last, as claimed.
    """

    kind: DocumentKind
    id: str
    definition: Mapping[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime
    updated_by: str

    @property
    def name(self) -> str:
        """Its name for people."""
        name = self.definition.get(self.kind.name_field)
        return name if isinstance(name, str) else ""

    @property
    def path(self) -> str:
        """Its path in faults."""
        return self.kind.path(self.name)

    @property
    def document(self) -> str:
        """The name of its block."""
        return prefect_key(self.name)


@dataclass(frozen=True, slots=True)
class Upsert:
    """An edit that creates or replaces a document.

    Args:
        kind: group or plan.
        definition: an item of the manifest's list.
        id: id of the document to replace; None creates one.
        version: the version that the caller read; None replaces any version.
    """

    kind: DocumentKind
    definition: Mapping[str, Any]
    id: str | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """An edit that deletes a stored group or plan. `version` as in `Upsert`."""

    kind: DocumentKind
    id: str
    version: int | None = None


Edit = Upsert | Delete


@dataclass(frozen=True, slots=True)
class EstateEdit:
    """The effect of an edit: `before` is None for a new document, `after` is None for a deleted one."""

    before: Stored | None
    after: Stored | None

    @property
    def subject(self) -> Stored:
        """The document after the edit, or before it if it is deleted."""
        subject = self.after or self.before
        assert subject is not None  # noqa: S101 - one of the two is always set
        return subject


@dataclass(frozen=True)
class Estate:
    """All stored groups and plans, each sorted by name."""

    groups: tuple[Stored, ...] = ()
    plans: tuple[Stored, ...] = ()

    @classmethod
    def of(cls, stored: Iterable[Stored]) -> Estate:
        """The estate with these documents."""
        every = sorted(stored, key=lambda each: (each.name.casefold(), each.id))
        return cls(
            tuple(each for each in every if each.kind is DocumentKind.GROUP),
            tuple(each for each in every if each.kind is DocumentKind.PLAN),
        )

    def of_kind(self, kind: DocumentKind) -> tuple[Stored, ...]:
        """The groups, or the plans."""
        return self.groups if kind is DocumentKind.GROUP else self.plans

    def find(self, kind: DocumentKind, reference: str) -> Stored:
        """The document with this id or name; names are not case-sensitive.

        Raises:
            NotStoredError: there is none; the message suggests existing names.
        """
        if (found := self.named(kind, reference)) is not None:
            return found
        names = [each.name for each in self.of_kind(kind)]
        raise NotStoredError(f"no stored {kind} has the id or name {reference!r}{choices(reference, names)}")

    def named(self, kind: DocumentKind, reference: str) -> Stored | None:
        """The document with this id or name (not case-sensitive); None if there is none."""
        documents = self.of_kind(kind)
        by_id = (each for each in documents if each.id == reference)
        return next(by_id, next((each for each in documents if each.name.casefold() == reference.casefold()), None))

    def groups_of(self, plan: Stored) -> tuple[Stored, ...]:
        """The stored groups that a plan's waves name."""
        wanted = set(_references(plan.definition))
        return tuple(group for group in self.groups if {group.id, group.name.casefold()} & wanted)

    def plans_of(self, group: Stored) -> tuple[Stored, ...]:
        """The stored plans whose waves name a group."""
        return tuple(
            plan for plan in self.plans if {group.id, group.name.casefold()} & set(_references(plan.definition))
        )

    def manifest(self, plans: Sequence[Stored] | None = None) -> dict[str, Any]:
        """The estate as the values of a manifest; with `plans`, only these plans and their groups."""
        chosen = self.plans if plans is None else tuple(plans)
        groups = (
            self.groups
            if plans is None
            else tuple({group.id: group for p in chosen for group in self.groups_of(p)}.values())
        )
        return {
            "schemaVersion": SCHEMA_VERSIONS[-1],
            "protectionGroups": [dict(group.definition) for group in groups],
            "recoveryPlans": [dict(plan.definition) for plan in chosen],
        }

    def steps(self, edits: Iterable[Edit], *, by: str, at: datetime) -> tuple[EstateEdit, ...]:
        """The effects of edits. If a group is renamed, the plans that refer to it are changed too.

        Args:
            edits: at most one for each document.
            by: who makes them.
            at: when.

        Raises:
            NotStoredError: an edit is of a document that is not stored.
            VersionMismatchError: an edit is based on another version than the stored one.
        """
        steps = {step.subject.id: step for step in (self._step(edit, by, at) for edit in edits)}
        for step in list(steps.values()):
            if (
                step.subject.kind is DocumentKind.GROUP
                and step.before
                and step.after
                and step.before.name != step.after.name
            ):
                for plan in self.plans_of(step.before):
                    new = steps[plan.id].after if plan.id in steps else _changed(plan, plan.definition, by, at)
                    if new is not None:
                        renamed = _renamed(new.definition, step.before.name, step.after.name)
                        steps[plan.id] = EstateEdit(plan, replace(new, definition=renamed))
        return tuple(steps.values())

    def after(self, steps: Iterable[EstateEdit]) -> Estate:
        """The estate after the steps."""
        steps = tuple(steps)
        replaced = {step.before.id for step in steps if step.before is not None}
        unchanged = [each for each in (*self.groups, *self.plans) if each.id not in replaced]
        return Estate.of([*unchanged, *(step.after for step in steps if step.after is not None)])

    def _step(self, edit: Edit, by: str, at: datetime) -> EstateEdit:
        if edit.id is None:
            own = edit.definition.get("groupId") if edit.kind is DocumentKind.GROUP else None
            return EstateEdit(None, Stored(edit.kind, str(own or uuid4()), edit.definition, 1, at, at, by))
        before = self.find(edit.kind, edit.id)
        if edit.version is not None and edit.version != before.version:
            raise VersionMismatchError(
                f"{edit.kind} {before.name!r} is at version {before.version}, changed by {before.updated_by} at "
                f"{before.updated_at:%Y-%m-%dT%H:%M:%SZ}; yours is based on version {edit.version}: read it again",
                id=before.id,
                givenVersion=edit.version,
                currentVersion=before.version,
            )
        return EstateEdit(before, None if isinstance(edit, Delete) else _changed(before, edit.definition, by, at))


def _changed(before: Stored, definition: Mapping[str, Any], by: str, at: datetime) -> Stored:
    own = definition.get("groupId") if before.kind is DocumentKind.GROUP else None
    return replace(
        before,
        id=str(own or before.id),
        definition=definition,
        version=before.version + 1,
        updated_at=at,
        updated_by=by,
    )


def _references(plan: Mapping[str, Any]) -> Iterator[str]:
    """How a plan's waves refer to groups: ids unchanged, and names in lower case."""
    for wave in plan.get("waves") or ():
        for spelling in SPELLINGS:
            written = wave.get(spelling)
            for name in [written] if isinstance(written, str) else written or ():
                yield from (name, name.casefold())


def _renamed(plan: Mapping[str, Any], before: str, after: str) -> dict[str, Any]:
    def new(written: Any) -> Any:
        if isinstance(written, list):
            return [new(name) for name in written]
        return after if isinstance(written, str) and written.casefold() == before.casefold() else written

    waves = [
        {field: new(value) if field in SPELLINGS else value for field, value in wave.items()} for wave in plan["waves"]
    ]
    return {**plan, "waves": waves}
