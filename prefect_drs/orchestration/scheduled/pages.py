"""Results of what runs by itself as Markdown pages of the Prefect UI.

In: a `TagSyncResult` or an `Inventory`. Out: text, bounded however many servers there are: what does not fit is
counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from prefect_drs.aws.capacity import CapacityLevel
from prefect_drs.aws.locations import Failure, Skipped
from prefect_drs.core.escaping import markdown_text
from prefect_drs.inventory import Inventory, InventoryCapacity
from prefect_drs.inventory.model import InventoryQuota
from prefect_drs.report.text import table
from prefect_drs.tag_sync import TagSyncResult

SHOWN_CHANGES = 500  # rows of the table of changes
SHOWN_FAULTS = 50
SHOWN_PLACES = 200  # account-regions of the dashboard
LONGEST_CELL = 60  # characters of a tag's value

PLACES_NAMED = 3  # of those passed by for one reason


def changes_page(result: TagSyncResult) -> str:
    """The table of changes: what was, or of a dry run would be, written."""
    title = "What would change" if result.dry_run else "What changed"
    shown = result.changes[:SHOWN_CHANGES]
    rows = [
        (change.account_id, change.region, change.name, change.key, _cell(change.before), _cell(change.after))
        for change in shown
    ]
    if not rows:
        return f"### {title}\n\nNothing: every source server has its instance's tags."
    hidden = len(result.changes) - len(shown)
    more = f"\n\n… and {hidden} more changes, on {result.servers_changed} servers altogether." if hidden else ""
    return f"### {title}\n\n{table(('account', 'region', 'server', 'tag', 'before', 'after'), rows)}{more}"


def sync_page(result: TagSyncResult) -> str:
    """How a synchronisation went: the counts, what failed where and what to do, what was passed by."""
    went = "dry run" if result.dry_run else "complete" if result.exit_code == 0 else "**not complete**"
    seconds = (result.ended_at - result.started_at).total_seconds()
    parts = [
        f"### Tag sync: {went}",
        f"{result.ended_at:%Y-%m-%d %H:%M:%S} UTC, {seconds:.0f} s, {sum(result.calls.values())} calls to AWS, "
        f"{result.writes} of them writing.",
        table(
            ("servers", "changed", "tags written", "tags taken away", "copyTags switched on"),
            [
                (
                    result.servers_processed,
                    result.servers_changed,
                    result.tags_synchronized,
                    result.tags_removed,
                    result.copy_tags_switched_on,
                )
            ],
        ),
        *failure_parts(result.failures),
    ]
    if result.faults:
        shown = result.faults[:SHOWN_FAULTS]
        lines = [
            f"- {markdown_text(fault.name)} ({fault.source_server_id}, {fault.account_id}/{fault.region}): "
            f"{fault.code}: {markdown_text(fault.message)}"
            for fault in shown
        ]
        parts += ["#### Servers at fault", "\n".join([*lines, *_and_more(len(result.faults) - len(shown))])]
    return "\n\n".join([*parts, *skipped_parts(result.skipped)])


def inventory_page(inventory: Inventory) -> str:
    """A dashboard: all together, how servers replicate, and each account and region, the fullest first."""
    totals = inventory.totals
    rows = [
        (place.account_id, place.region, *(_usage(quota) for quota in place.quotas), max_level(place))
        for place in sorted(inventory.capacity, key=_fullness, reverse=True)[:SHOWN_PLACES]
    ]
    hidden = len(inventory.capacity) - len(rows)
    return "\n\n".join(
        [
            f"### DRS in {totals.accounts} account(s) and {totals.regions} region(s)",
            f"{inventory.taken_at:%Y-%m-%d %H:%M:%S} UTC. {totals.source_servers} source servers of "
            f"{totals.source_limit}, {totals.replicating_servers} replicating of {totals.replicating_limit}, "
            f"{totals.recovery_instances} recovery instances ({totals.drill_instances} of drills). "
            f"Fullest: **{totals.worst_level}**.",
            *failure_parts(inventory.failures),
            table(("replication", "servers"), Counter(totals.states).most_common()),
            table(("account", "region", "replicating", "source servers", "level"), rows),
            *(["… and the others are emptier: " + str(hidden)] if hidden else []),
            *skipped_parts(inventory.skipped),
        ]
    )


def max_level(place: InventoryCapacity) -> str:
    """The most pressing level of an account-region's quotas."""
    return str(max((quota.level for quota in place.quotas), key=list(CapacityLevel).index))


def _fullness(place: InventoryCapacity) -> float:
    return max(quota.percent for quota in place.quotas)


def _usage(quota: InventoryQuota) -> str:
    return f"{quota.used} of {quota.limit} ({quota.percent} %)"


def failure_parts(failures: Sequence[Failure]) -> list[str]:
    """What failed, where, and what to do."""
    if not failures:
        return []
    lines = [f"- **{failure.place}**: {failure.code}: {markdown_text(failure.message)}" for failure in failures]
    return ["#### Failed", "\n".join(lines)]


def skipped_parts(skipped: Iterable[Skipped]) -> list[str]:
    """What was passed by, a line a reason."""
    by_reason: dict[tuple[str, str], list[Skipped]] = {}
    for skip in skipped:
        by_reason.setdefault((skip.code, skip.reason), []).append(skip)
    if not by_reason:
        return []
    lines = []
    for (code, reason), group in sorted(by_reason.items()):
        servers = sum(skip.servers for skip in group)
        places = [f"{skip.account_id}/{skip.region}" for skip in group]
        named = ", ".join(places[:PLACES_NAMED]) + (
            f" and {len(places) - PLACES_NAMED} more" * (len(places) > PLACES_NAMED)
        )
        lines.append(f"- {code}: {markdown_text(reason)}: {f'{servers} servers in ' if servers else ''}{named}")
    return ["#### Passed by", "\n".join(lines)]


def _and_more(hidden: int) -> list[str]:
    return [f"- and {hidden} more"] if hidden > 0 else []


def _cell(value: str | None) -> str:
    if value is None:
        return "—"
    return value if len(value) <= LONGEST_CELL else f"{value[:LONGEST_CELL]}…"
