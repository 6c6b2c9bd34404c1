"""Names that no binding resolves, as one finding: where no bindings were given, all of them have one cause.

In: the findings of a manifest that was checked without bindings. Out: the same findings, with one in place of those
about names. With bindings, each name is a finding of its own, since each is a binding that is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prefect_drs.plan.read.draft import Draft
from prefect_drs.plan.read.finding import LISTED_AT_MOST, PlanFinding
from prefect_drs.plan.rules.forms import SOURCE_SERVER_ID

_WORDS: Mapping[str, tuple[str, str]] = {
    "sourceServers": ("server", "servers"),
    "subnets": ("subnet", "subnets"),
    "securityGroups": ("security group", "security groups"),
    "preparedInstances": ("prepared instance", "prepared instances"),
    "accounts": ("account", "accounts"),
    "protectionGroups": ("group", "groups"),
}
"""The kinds of names that a rehearsal leaves as written, in words; types and profiles are checked by name alone."""


def summarize_unbound(findings: Sequence[PlanFinding], draft: Draft) -> list[PlanFinding]:
    """The findings, those about unbound names as one at the place of the first.

    A few such names (12 at most, and fewer than the source server ids that the file has) stay as they are: in a file
    with real ids they are misspelt rather than placeholders. So does a single one.
    """
    unbound = {f: f.unbound for f in findings if f.unbound is not None and f.unbound[0] in _WORDS}
    names = set(unbound.values())
    if len(names) < 2 or (len(names) <= LISTED_AT_MOST and len(names) < _real_servers(draft)):
        return list(findings)
    counts = {kind: sum(found == kind for found, _ in names) for kind in _WORDS}
    parts = [f"{count} {_WORDS[kind][count > 1]}" for kind, count in counts.items() if count]
    message = f"{len(names)} names have no binding: {', '.join(parts)}; pass --bindings"
    summary = PlanFinding(next(iter(unbound)).at, "NAMES_WITHOUT_BINDING", message)
    return [summary, *(f for f in findings if f not in unbound)]


def _real_servers(draft: Draft) -> int:
    """How many source server ids the groups have."""
    return len({name.real for group in draft.groups for name in group.servers if SOURCE_SERVER_ID.fullmatch(name.real)})
