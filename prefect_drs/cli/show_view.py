"""What `show` prints of a plan: tables for a terminal.

In: a manifest, one of its plans and the graph of its waves. Out: rich renderables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from prefect_drs.cli.output import count
from prefect_drs.plan.approval import demand_of
from prefect_drs.plan.overview import groups_named, written_name
from prefect_drs.plan.rules.forms import SOURCE_SERVER_ID

if TYPE_CHECKING:
    from prefect_drs.plan import Manifest, ProtectionGroup, RecoveryPlan
    from prefect_drs.plan.graph import WaveGraph

SERVERS_A_WAVE = 50  # listed in the table; --format json has all


def _servers(groups: list[ProtectionGroup | None]) -> str:
    """The number of servers that the file names; groups by tags and unresolved groups have no number."""
    known = sum(len(group.source_server_ids) for group in groups if group)
    parts = [str(known)] if known else []
    parts += [
        " ".join(["tags", *(f"{key}={value}" for key, value in group.server_selection_tags.items())])
        for group in groups
        if group and group.server_selection_tags
    ]
    if None in groups:
        parts.append("?")
    return " + ".join(parts)


def plan_view(manifest: Manifest, plan: RecoveryPlan, graph: WaveGraph) -> RenderableType:
    """The waves in the order they run, and the servers that the file names."""
    waves, servers = _wave_rows(manifest, plan, graph), _server_rows(manifest, graph)
    return Group(waves, "", servers) if servers.row_count else waves


def _wave_rows(manifest: Manifest, plan: RecoveryPlan, graph: WaveGraph) -> Table:
    table = Table(title=Text(plan.plan_name), title_justify="left", caption_justify="left")
    table.caption = Text(
        f"{count(len(graph.order), 'wave')} in {count(len(graph.generations), 'generation')}; "
        "waves of one generation do not wait for each other"
    )
    table.add_column("Wave", justify="right")
    table.add_column("Name", overflow="fold")
    table.add_column("Groups", overflow="fold")
    table.add_column("Servers", justify="right", overflow="fold")
    table.add_column("Depends on")
    table.add_column("Gate")
    table.add_column("Generation", justify="right")
    for number in graph.order:
        wave = graph.wave(number)
        groups = groups_named(manifest, wave.groups)
        named = [name if group else f"{name} (unresolved)" for name, group in zip(wave.groups, groups, strict=True)]
        table.add_row(
            str(number),
            Text(wave.wave_name),
            Text(", ".join(named)),
            Text(_servers(groups)),
            ", ".join(map(str, graph.dependencies(number))) or "-",
            Text(demand_of(wave.approval or plan.approval).short, "yellow") if wave.pause_before_wave else "-",
            str(graph.generation(number)),
        )
    return table


def _server_rows(manifest: Manifest, graph: WaveGraph) -> Table:
    """Each server under the name that the file gives it, with its id beside; of a wave with many the first."""
    table = Table()
    table.add_column("Wave", justify="right")
    table.add_column("Group", overflow="fold")
    table.add_column("Server", overflow="fold")
    table.add_column("Source server id", no_wrap=True)
    for number in graph.order:
        groups = [group for group in groups_named(manifest, graph.wave(number).groups) if group]
        servers = [(group.group_name, server) for group in groups for server in group.source_server_ids]
        for group, server in servers[:SERVERS_A_WAVE]:
            name = written_name(manifest, server)
            is_id = SOURCE_SERVER_ID.fullmatch(server) is not None
            written = "-" if is_id and name == server else name
            table.add_row(str(number), Text(group), Text(written), server if is_id else "- (no binding)")
        if len(servers) > SERVERS_A_WAVE:
            table.add_row(str(number), "", f"and {len(servers) - SERVERS_A_WAVE} more: --format json has all", "")
    return table
