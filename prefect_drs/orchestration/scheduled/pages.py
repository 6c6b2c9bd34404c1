"""Results of tag sync and inventory as Markdown pages for the Prefect UI.

In: a `TagSyncResult` or an `Inventory`. Out: Markdown of bounded length, independent of the number of servers: omitted
rows are counted.
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
SHOWN_LOCATIONS = 200  # account-regions of the dashboard
MAX_CELL_LENGTH = 60  # characters of a tag's value
NAMED_LOCATIONS = 3  # of those skipped for one reason


def changes_page(result: TagSyncResult) -> str:
    """The table of changes that were written, or that a dry run would write."""
    title = "What would change" if result.dry_run else "What changed"
    shown = result.changes[:SHOWN_CHANGES]
    rows = [
        (change.account_id, change.region, change.name, change.key, _cell(change.before), _cell(change.after))
        for change in shown
    ]
    if not rows:
        return f"### {title}\n\nNothing: every source server has its instance's tags."
    hidden = len(result.changes) - len(shown)
    more = f"\n\n… and {hidden} more changes, on {result.servers_changed} servers in total." if hidden else ""
    return f"### {title}\n\n{table(('account', 'region', 'server', 'tag', 'before', 'after'), rows)}{more}"


def sync_page(result: TagSyncResult) -> str:
    """The result of a synchronisation: counts, failures with their remedies, and what was skipped."""
    status = "dry run" if result.dry_run else "complete" if result.exit_code == 0 else "**not complete**"
    seconds = (result.ended_at - result.started_at).total_seconds()
    parts = [
        f"### Tag sync: {status}",
        f"{result.ended_at:%Y-%m-%d %H:%M:%S} UTC, {seconds:.0f} s, {sum(result.calls.values())} calls to AWS, "
        f"{result.writes} of them writes.",
        table(
            ("servers", "changed", "tags written", "tags removed", "copyTags switched on"),
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
        parts += ["#### Failed servers", "\n".join([*lines, *_and_more(len(result.faults) - len(shown))])]
    return "\n\n".join([*parts, *skipped_parts(result.skipped)])


def inventory_page(inventory: Inventory) -> str:
    """A dashboard: totals, replication states, and each account and region, highest quota usage first."""
    totals = inventory.totals
    rows = [
        (capacity.account_id, capacity.region, *(_usage(quota) for quota in capacity.quotas), max_level(capacity))
        for capacity in sorted(inventory.capacity, key=_highest_percent, reverse=True)[:SHOWN_LOCATIONS]
    ]
    hidden = len(inventory.capacity) - len(rows)
    return "\n\n".join(
        [
            f"### DRS in {totals.accounts} account(s) and {totals.regions} region(s)",
            f"{inventory.taken_at:%Y-%m-%d %H:%M:%S} UTC. {totals.source_servers} source servers of "
            f"{totals.source_limit}, {totals.replicating_servers} replicating of {totals.replicating_limit}, "
            f"{totals.recovery_instances} recovery instances ({totals.drill_instances} of drills). "
            f"Highest level: **{totals.worst_level}**.",
            *failure_parts(inventory.failures),
            table(("replication", "servers"), Counter(totals.states).most_common()),
            table(("account", "region", "replicating", "source servers", "level"), rows),
            *([f"… and {hidden} more with lower usage."] if hidden else []),
            *skipped_parts(inventory.skipped),
        ]
    )


def max_level(capacity: InventoryCapacity) -> str:
    """The highest level of an account-region's quotas."""
    return str(max((quota.level for quota in capacity.quotas), key=list(CapacityLevel).index))


def _highest_percent(capacity: InventoryCapacity) -> float:
    return max(quota.percent for quota in capacity.quotas)


def _usage(quota: InventoryQuota) -> str:
    return f"{quota.used} of {quota.limit} ({quota.percent} %)"


def failure_parts(failures: Sequence[Failure]) -> list[str]:
    """The account-regions that failed, each with its remedy."""
    if not failures:
        return []
    lines = [f"- **{failure.place}**: {failure.code}: {markdown_text(failure.message)}" for failure in failures]
    return ["#### Failed", "\n".join(lines)]


def skipped_parts(skipped: Iterable[Skipped]) -> list[str]:
    """What was skipped, one line per reason."""
    by_reason: dict[tuple[str, str], list[Skipped]] = {}
    for skip in skipped:
        by_reason.setdefault((skip.code, skip.reason), []).append(skip)
    if not by_reason:
        return []
    lines = []
    for (code, reason), group in sorted(by_reason.items()):
        servers = sum(skip.servers for skip in group)
        locations = [f"{skip.account_id}/{skip.region}" for skip in group]
        hidden = len(locations) - NAMED_LOCATIONS
        named = ", ".join(locations[:NAMED_LOCATIONS]) + (f" and {hidden} more" if hidden > 0 else "")
        lines.append(f"- {code}: {markdown_text(reason)}: {f'{servers} servers in ' if servers else ''}{named}")
    return ["#### Skipped", "\n".join(lines)]


def _and_more(hidden: int) -> list[str]:
    return [f"- and {hidden} more"] if hidden > 0 else []


def _cell(value: str | None) -> str:
    if value is None:
        return "—"
    return value if len(value) <= MAX_CELL_LENGTH else f"{value[:MAX_CELL_LENGTH]}…"
