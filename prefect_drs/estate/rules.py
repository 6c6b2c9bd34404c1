"""What a change of the estate has to keep: the rules of a manifest, and what is in use.

In: the estate, the steps of a change, and the estate that would be. Out: all faults, with their places.
What only the accounts can tell is `overlap`'s.
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
    """The estate as one manifest, checked by the rules of a file. Waves may name a group by its stored id."""
    values = estate.manifest()
    for definition, group in zip(values["protectionGroups"], estate.groups, strict=True):
        definition.setdefault("groupId", group.id)
    return check_values(values)


def sound(estate: Estate) -> Manifest:
    """The stored estate as a manifest.

    Raises:
        UsageError: it has faults.
    """
    found = checked(estate)
    if found.manifest is None:
        raise UsageError(
            f"the stored estate has faults: {'; '.join(map(str, found.errors))}; update what has them, or delete it",
            faults=[fault_json(fault) for fault in found.errors],
        )
    return found.manifest


def faults_of(reading: Reading, steps: Iterable[EstateEdit]) -> tuple[tuple[Fault, ...], tuple[Fault, ...]]:
    """What refuses the estate that would be, and what is only told of what the steps change.

    A field that is not known refuses: whoever sends it to an operation is not there to read a warning.
    """
    changed = tuple(step.after.place for step in steps if step.after is not None)
    told = tuple(fault for fault in reading.warnings if _within(fault.path, changed))
    unknown = tuple(fault for fault in told if fault.code == UNKNOWN_FIELD)
    return (*reading.errors, *unknown), tuple(fault for fault in told if fault not in unknown)


def still_named(estate: Estate, steps: Sequence[EstateEdit]) -> Iterator[Fault]:
    """A group that a stored plan names cannot go, unless the plan goes with it or no longer names it."""
    would_be = estate.after(steps)
    for step in steps:
        if step.before is None or step.after is not None or step.before.kind is not DocumentKind.GROUP:
            continue
        if plans := [plan.name for plan in would_be.plans_of(step.before)]:
            yield Fault(
                step.before.place,
                0,
                "IN_USE",
                f"protection group {step.before.name!r} is named by {listed(plans)}; take it out of their waves first",
            )


def under_execution(
    estate: Estate,
    steps: Iterable[EstateEdit],
    active: Sequence[RecoveryReport],
    members: Callable[[Stored], Sequence[str]],
) -> Iterator[Fault]:
    """What an execution that has not ended uses cannot change: its plan, the plan's groups, a group of its servers.

    Args:
        estate: as it is.
        steps: what would change.
        active: the reports of such executions.
        members: the servers of a stored group now.
    """
    for step in steps:
        if step.before is None:
            continue
        for report in active:
            if why := _use(estate, step.before, report, members):
                yield Fault(
                    step.before.place,
                    0,
                    "ACTIVE_EXECUTION",
                    f"execution {report.execution_id} ({report.mode} of {report.plan_name!r}, {report.status}) "
                    f"{why}; wait until it has ended, or cancel it",
                )


def _use(estate: Estate, stored: Stored, report: RecoveryReport, members: Callable[[Stored], Sequence[str]]) -> str:
    """How an execution uses what is stored; empty where it does not."""
    if stored.kind is DocumentKind.PLAN:
        return "carries this plan out" if stored.name.casefold() == report.plan_name.casefold() else ""
    if any(plan.name.casefold() == report.plan_name.casefold() for plan in estate.plans_of(stored)):
        return f"carries out a plan that names group {stored.name!r}"
    launched = {server.source_server_id for wave in report.waves for server in wave.servers}
    own = launched.intersection(members(stored))
    return f"has servers of group {stored.name!r}: {listed(sorted(own))}" if own else ""


def _within(path: str, places: Iterable[str]) -> bool:
    return any(path == place or path.startswith((f"{place}.", f"{place}[")) for place in places)
