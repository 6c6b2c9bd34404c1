"""Rules for failbacks: a plan's own `failbackWaves`, and the hooks of its `failback`.

The rules of waves and of hooks hold for them as they do for `waves`: they are applied to the same plan with its
failback waves in place of its waves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from prefect_drs.plan.read.draft import Draft, DraftWave
from prefect_drs.plan.read.finding import PlanFinding, quote
from prefect_drs.plan.rules import checks, waves

OF_WAVES: tuple[Callable[[Draft], Iterator[PlanFinding]], ...] = (
    waves.wave_numbers_are_unique,
    waves.wave_names_are_unique,
    waves.waves_have_groups,
    waves.group_references_resolve,
    waves.group_references_agree,
    waves.a_group_is_in_one_wave_of_a_plan,
    waves.dependencies_exist,
    waves.dependencies_have_no_cycle,
    waves.failure_policies_agree,
    waves.lags_are_durations,
    checks.check_servers_are_of_the_wave,
)
OF_CHECKS: tuple[Callable[[Draft], Iterator[PlanFinding]], ...] = (
    checks.check_names_are_unique,
    checks.check_places_are_well_formed,
    checks.documents_are_named,
    checks.body_patterns_compile,
    checks.urls_are_well_formed,
)


def failback_waves_are_sound(draft: Draft) -> Iterator[PlanFinding]:
    """What holds for waves and their checks holds for failback waves."""
    with_own = [plan for plan in draft.plans if plan.failback_waves]
    back = replace(draft, plans=tuple(replace(plan, waves=plan.failback_waves) for plan in with_own))
    for rule in (*OF_WAVES, *OF_CHECKS):
        yield from rule(back)


def failback_hooks_are_sound(draft: Draft) -> Iterator[PlanFinding]:
    """What holds for the hooks of a wave holds for those of `failback`."""
    plans = tuple(
        replace(plan, waves=(DraftWave(entry, None, "failback", (), (), plan.failback_hooks),))
        for plan in draft.plans
        if (entry := plan.entry.entry("failback")) is not None
    )
    for rule in OF_CHECKS:
        yield from rule(replace(draft, plans=plans))


def failback_waves_have_the_groups_of_the_plan(draft: Draft) -> Iterator[PlanFinding]:
    """A server fails back in one wave: the failback waves have the plan's groups, each once, and no others."""
    for plan in draft.plans:
        if not plan.failback_waves:
            continue
        of_plan, back = _groups(plan.waves), _groups(plan.failback_waves)
        at = plan.entry.place("failbackWaves")
        yield from (
            PlanFinding(
                at,
                "FAILBACK_GROUP_MISSING",
                f"group {quote(name)} of plan {quote(plan.name or '')} is in none of its failbackWaves; add it to "
                "one, or leave failbackWaves out: then the waves fail back in reversed order",
            )
            for name in sorted(of_plan - back)
        )
        yield from (
            PlanFinding(
                at,
                "FAILBACK_GROUP_NOT_OF_PLAN",
                f"the failbackWaves of plan {quote(plan.name or '')} name group {quote(name)}, which none of its waves "
                "recovers; take it out, or add it to a wave",
            )
            for name in sorted(back - of_plan)
        )


def _groups(of: tuple[DraftWave, ...]) -> set[str]:
    return {reference.group.name or "" for wave in of for reference in wave.references if reference.group is not None}
