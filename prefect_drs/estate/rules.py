"""The rules for changes of the estate: the rules of a manifest, and no change of what is in use.

In: the estate, the steps of a change, and the resulting estate. Out: all faults, with their paths. Rules that need the
accounts are in `overlap`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from prefect_drs.core.errors import Fault, UsageError
from prefect_drs.estate.errors import fault_json
from prefect_drs.estate.model import DocumentKind, Estate, EstateEdit, Stored
from prefect_drs.plan import Reading, check_values
from prefect_drs.plan.model import Manifest
from prefect_drs.plan.read.finding import listed
from prefect_drs.report.model import RecoveryReport

UNKNOWN_FIELD = "UNKNOWN_FIELD"


def checked(estate: Estate) -> Reading:
    """The estate as one manifest, checked by the rules of a plan file. Waves may refer to a group by its stored id."""
    values = estate.manifest()
    for definition, group in zip(values["protectionGroups"], estate.groups, strict=True):
        definition.setdefault("groupId", group.id)
    return check_values(values)


def valid_manifest(estate: Estate) -> Manifest:
    """The stored estate as a manifest.

    Raises:
        UsageError: it has faults.
    """
    found = checked(estate)
    if found.manifest is None:
        raise UsageError(
            f"the stored estate has faults: {'; '.join(map(str, found.errors))}; update or delete what has them",
            faults=[fault_json(fault) for fault in found.errors],
        )
    return found.manifest


def faults_of(reading: Reading, steps: Iterable[EstateEdit]) -> tuple[tuple[Fault, ...], tuple[Fault, ...]]:
    """The errors of the resulting estate, and the warnings about the changed documents.

    An unknown field is an error: a program that calls an operation does not read warnings.
    """
    changed = tuple(step.after.path for step in steps if step.after is not None)
    warnings = tuple(fault for fault in reading.warnings if _within(fault.path, changed))
    unknown = tuple(fault for fault in warnings if fault.code == UNKNOWN_FIELD)
    return (*reading.errors, *unknown), tuple(fault for fault in warnings if fault not in unknown)


def still_named(estate: Estate, steps: Sequence[EstateEdit]) -> Iterator[Fault]:
    """A group cannot be deleted while a stored plan of the resulting estate refers to it."""
    after = estate.after(steps)
    for step in steps:
        if step.before is None or step.after is not None or step.before.kind is not DocumentKind.GROUP:
            continue
        if plans := [plan.name for plan in after.plans_of(step.before)]:
            yield Fault(
                step.before.path,
                0,
                "IN_USE",
                f"protection group {step.before.name!r} is used by {listed(plans)}; remove it from their waves first",
            )


def under_execution(
    estate: Estate,
    steps: Iterable[EstateEdit],
    active: Sequence[RecoveryReport],
    members: Callable[[Stored], Sequence[str]],
) -> Iterator[Fault]:
    """An active execution prevents changes of its plan, of the plan's groups, and of any group with one of its servers.

    Args:
        estate: the current estate.
        steps: the changes.
        active: the reports of executions that have not ended.
        members: returns the current servers of a stored group.
    """
    for step in steps:
        if step.before is None:
            continue
        for report in active:
            if why := _use(estate, step.before, report, members):
                yield Fault(
                    step.before.path,
                    0,
                    "ACTIVE_EXECUTION",
                    f"execution {report.execution_id} ({report.mode} of {report.plan_name!r}, {report.status}) "
                    f"{why}; wait until it has ended, or cancel it",
                )


def _use(estate: Estate, stored: Stored, report: RecoveryReport, members: Callable[[Stored], Sequence[str]]) -> str:
    """How an execution uses a stored document; empty if it does not."""
    if stored.kind is DocumentKind.PLAN:
        return "runs this plan" if stored.name.casefold() == report.plan_name.casefold() else ""
    if any(plan.name.casefold() == report.plan_name.casefold() for plan in estate.plans_of(stored)):
        return f"runs a plan that uses group {stored.name!r}"
    launched = {server.source_server_id for wave in report.waves for server in wave.servers}
    own = launched.intersection(members(stored))
    return f"has servers of group {stored.name!r}: {listed(sorted(own))}" if own else ""


def _within(path: str, parents: Iterable[str]) -> bool:
    return any(path == parent or path.startswith((f"{parent}.", f"{parent}[")) for parent in parents)
