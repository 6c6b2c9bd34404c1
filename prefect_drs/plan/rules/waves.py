"""Rules for recovery plans: their waves, the groups these name, and what they wait for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from prefect_drs.plan.cycles import cycles
from prefect_drs.plan.duration import parse_duration
from prefect_drs.plan.read.draft import SPELLINGS, Draft, DraftGroup, DraftPlan, DraftWave
from prefect_drs.plan.read.finding import Place, PlanFinding, choices, did_you_mean, listed, quote, warning
from prefect_drs.plan.rules.forms import INSTANCE_TYPE, SUBNET_ID, not_bound

NAME_AT_MOST = 500


def plan_names_are_unique(draft: Draft) -> Iterator[PlanFinding]:
    """No two plans share a name; case does not count."""
    first: dict[str, Place] = {}
    for plan in draft.plans:
        if plan.name is None:
            continue
        key, at = plan.name.casefold(), plan.entry.place("planName")
        if key in first:
            yield PlanFinding(
                at, "DUPLICATE_PLAN_NAME", f"two plans are named {quote(plan.name)}; rename one", first=first[key]
            )
        first.setdefault(key, at)


def plan_and_wave_names_are_short(draft: Draft) -> Iterator[PlanFinding]:
    """A plan's or wave's name has at most 500 characters: it is shown in tables, mails and the names of runs."""
    for plan in draft.plans:
        named = [("plan", "planName", plan.entry), *(("wave", "waveName", wave.entry) for wave in plan.waves)]
        for what, field, entry in named:
            name = entry.text(field) or ""
            if len(name) > NAME_AT_MOST:
                yield PlanFinding(
                    entry.place(field),
                    "NAME_TOO_LONG",
                    f"{what} name {quote(name)} has {len(name)} characters; use {NAME_AT_MOST} at most",
                )


def plans_have_waves(draft: Draft) -> Iterator[PlanFinding]:
    """A plan has a wave; a manifest without a plan is a warning."""
    if draft.entry.values.get("recoveryPlans") == ():
        yield warning(
            draft.entry.place("recoveryPlans"),
            "NO_PLAN",
            "there is no recovery plan in the file, so nothing to recover",
        )
    for plan in draft.plans:
        if plan.entry.values.get("waves") == ():
            yield PlanFinding(
                plan.entry.place("waves"), "EMPTY_PLAN", f"plan {quote(plan.name or '')} has no waves; give it one"
            )


def wave_numbers_are_unique(draft: Draft) -> Iterator[PlanFinding]:
    """No two waves of a plan share a number."""
    for plan in draft.plans:
        first: dict[int, Place] = {}
        for wave in plan.waves:
            if wave.number is None:
                continue
            at = wave.entry.place("waveNumber")
            if wave.number in first:
                yield PlanFinding(
                    at,
                    "DUPLICATE_WAVE_NUMBER",
                    f"two waves of plan {quote(plan.name or '')} have number {wave.number}; renumber one",
                    first=first[wave.number],
                )
            first.setdefault(wave.number, at)


def wave_names_are_unique(draft: Draft) -> Iterator[PlanFinding]:
    """No two waves of a plan share a name: who approves one must know which."""
    for plan in draft.plans:
        first: dict[str, Place] = {}
        for wave in plan.waves:
            if wave.name is None:
                continue
            key, at = wave.name.casefold(), wave.entry.place("waveName")
            if key in first:
                yield PlanFinding(
                    at,
                    "DUPLICATE_WAVE_NAME",
                    f"two waves of plan {quote(plan.name or '')} are named {quote(wave.name)}; rename one",
                    first=first[key],
                )
            first.setdefault(key, at)


def wave_numbers_start_at_0_or_1(draft: Draft) -> Iterator[PlanFinding]:
    """Waves are numbered from 0 or from 1. Gaps are fine: numbers name waves, `dependsOnWaves` orders them."""
    for plan in draft.plans:
        numbered = [(wave.number, wave) for wave in plan.waves if wave.number is not None]
        if len(numbered) == len(plan.waves) and numbered:
            lowest, wave = min(numbered, key=lambda pair: pair[0])
            if lowest > 1:
                yield warning(
                    wave.entry.place("waveNumber"),
                    "WAVE_NUMBERS_START_LATE",
                    f"the lowest wave number of plan {quote(plan.name or '')} is {lowest}; is a wave missing?",
                )


def waves_have_groups(draft: Draft) -> Iterator[PlanFinding]:
    """A wave names a group."""
    for plan in draft.plans:
        for wave in plan.waves:
            misread = any(wave.entry.values.get(field, "") is None for field in SPELLINGS)
            if not wave.references and not misread:
                yield PlanFinding(
                    wave.entry.at,
                    "EMPTY_WAVE",
                    f"{wave.label} names no protection group; give it protectionGroupNames (or protectionGroupIds)",
                )


def group_references_resolve(draft: Draft) -> Iterator[PlanFinding]:
    """Each group that a wave names is in the file: by name, by id, or through the bindings."""
    there = [group.label for group in draft.groups if group.name or group.group_id]
    known = [*there, *(group.group_id for group in draft.groups if group.group_id)]
    for plan in draft.plans:
        for wave in plan.waves:
            for reference in wave.references:
                if reference.group is not None:
                    continue
                name = reference.name
                if name.bound_at is not None:
                    yield PlanFinding(
                        name.bound_at,
                        "UNKNOWN_GROUP",
                        f"protectionGroups binds {quote(name.written)} to {quote(name.real)}, but the manifest has no "
                        f"such group{choices(name.real, known, there)}",
                        in_bindings=True,
                    )
                else:
                    yield PlanFinding(
                        name.at,
                        "UNKNOWN_GROUP",
                        f"{wave.label} names group {quote(name.written)}, and no group has that name or id"
                        f"{choices(name.written, known, there)}; "
                        "or bind it under protectionGroups in a bindings file (--bindings)",
                        unbound=None if did_you_mean(name.written, known) else ("protectionGroups", name.written),
                    )


def group_references_agree(draft: Draft) -> Iterator[PlanFinding]:
    """Where a wave names its groups in several fields, one of them has all that the others have."""
    for plan in draft.plans:
        for wave in plan.waves:
            meant: dict[str, set[str]] = defaultdict(set)
            for reference in wave.references:
                if reference.group is not None:
                    meant[reference.spelling].add(reference.key)
            if len(meant) < 2 or any(reference.group is None for reference in wave.references):
                continue
            whole = set().union(*meant.values())
            if whole not in meant.values():
                said = "; ".join(f"{spelling} means {listed(sorted(groups))}" for spelling, groups in meant.items())
                yield PlanFinding(
                    wave.entry.at,
                    "CONFLICTING_REFERENCES",
                    f"{wave.label} contradicts itself: {said}; keep one of them",
                )


def a_group_is_in_one_wave_of_a_plan(draft: Draft) -> Iterator[PlanFinding]:
    """A group is launched once in a plan."""
    for plan in draft.plans:
        first: dict[str, tuple[DraftWave, Place]] = {}
        for wave in plan.waves:
            for reference in wave.references:
                other, place = first.setdefault(reference.key.casefold(), (wave, reference.name.at))
                if other is not wave:
                    yield PlanFinding(
                        reference.name.at,
                        "GROUP_IN_TWO_WAVES",
                        f"group {quote(reference.key)} is in {other.label} and in {wave.label}; "
                        "its servers are launched once: remove it from one wave",
                        first=place,
                    )


def dependencies_exist(draft: Draft) -> Iterator[PlanFinding]:
    """A wave waits for waves of its own plan, and not for itself."""
    for plan in draft.plans:
        numbers = sorted({wave.number for wave in plan.waves if wave.number is not None})
        for wave in plan.waves:
            for item in wave.depends_on:
                if item.value == wave.number:
                    yield PlanFinding(
                        item.at, "CYCLE", f"{wave.label} waits for itself; remove {item.value} from dependsOnWaves"
                    )
                elif item.value not in numbers:
                    there = ", ".join(map(str, numbers[:20])) + (", …" if len(numbers) > 20 else "")
                    yield PlanFinding(
                        item.at,
                        "UNKNOWN_WAVE",
                        f"{wave.label} waits for wave {item.value}, which plan {quote(plan.name or '')} does not have; "
                        f"its waves are {there or 'none'}",
                    )


def dependencies_have_no_cycle(draft: Draft) -> Iterator[PlanFinding]:
    """No waves wait for each other in a cycle; each cycle is named edge by edge."""
    for plan in draft.plans:
        yield from _rings(plan)


def _rings(plan: DraftPlan) -> Iterator[PlanFinding]:
    waves: dict[int, DraftWave] = {}
    for wave in plan.waves:
        if wave.number is not None:
            waves.setdefault(wave.number, wave)
    depends = {
        number: [item.value for item in wave.depends_on if item.value in waves and item.value != number]
        for number, wave in waves.items()
    }
    for ring in cycles(depends):
        edges = list(zip(ring, [*ring[1:], ring[0]], strict=True))
        said = ", ".join(f"wave {waiting} waits for wave {awaited}" for waiting, awaited in edges)
        waiting, awaited = edges[-1]
        at = next(item.at for item in waves[waiting].depends_on if item.value == awaited)
        yield PlanFinding(
            at,
            "CYCLE",
            f"waves of plan {quote(plan.name or '')} wait for each other: {said}; "
            "remove one of these from dependsOnWaves",
        )


def groups_are_used(draft: Draft) -> Iterator[PlanFinding]:
    """A group that no wave names is never recovered: a warning, once all names resolve."""
    references = [reference for plan in draft.plans for wave in plan.waves for reference in wave.references]
    if not references or any(reference.group is None for reference in references):
        return
    used = {id(reference.group) for reference in references}
    for group in draft.groups:
        if id(group) not in used:
            yield _unused(group)


def _unused(group: DraftGroup) -> PlanFinding:
    return warning(
        group.entry.at,
        "UNUSED_GROUP",
        f"no wave of any plan names group {quote(group.label)}, so it is never recovered",
    )


def failure_policies_agree(draft: Draft) -> Iterator[PlanFinding]:
    """`minHealthy` or `minHealthyPercent`, not both, and only with `onServerFailure: continue`."""
    for plan in draft.plans:
        for wave in plan.waves:
            given = [name for name in ("minHealthy", "minHealthyPercent") if wave.entry.values.get(name) is not None]
            if len(given) == 2:
                yield PlanFinding(
                    wave.entry.place("minHealthy"),
                    "CONTRADICTION",
                    f"{wave.label} gives both minHealthy and minHealthyPercent; keep one of them",
                )
            if given and wave.entry.text("onServerFailure") != "continue":
                yield PlanFinding(
                    wave.entry.place(given[0]),
                    "CONTRADICTION",
                    f"{wave.label} has {given[0]}, but any failed server fails it; add onServerFailure: continue",
                )


def lags_are_durations(draft: Draft) -> Iterator[PlanFinding]:
    """`maxLag` of a plan or wave is an ISO 8601 duration of fixed length."""
    for plan in draft.plans:
        for entry in (plan.entry, *(wave.entry for wave in plan.waves)):
            text = entry.text("maxLag")
            if text is not None and parse_duration(text) is None:
                yield PlanFinding(
                    entry.place("maxLag"),
                    "INVALID_DURATION",
                    f"maxLag {quote(text)} is no ISO 8601 duration; write it like PT15M or P1DT2H",
                )


def retries_are_well_formed(draft: Draft) -> Iterator[PlanFinding]:
    """A retry names EC2 subnet ids, once bindings have been applied, and instance types."""
    for plan in draft.plans:
        for wave in plan.waves:
            for name in wave.retry_subnets:
                if not SUBNET_ID.fullmatch(name.real):
                    problem = "which is no EC2 subnet id (subnet- and 8 or 17 hexadecimal digits)"
                    yield not_bound(name, "subnets", "INVALID_SUBNET_ID", problem)
            for item in wave.retry.items("instanceTypes") if wave.retry else ():
                if not INSTANCE_TYPE.fullmatch(item.value):
                    yield PlanFinding(
                        item.at,
                        "INVALID_INSTANCE_TYPE",
                        f"{quote(item.value)} is no EC2 instance type, such as r7a.large",
                    )
