"""`validate` and `show`: read manifests offline. Neither needs Prefect, AWS or a network, except for `show estate:`.

Faults and plans go to stdout, the count of faults and warnings to stderr.
"""

from __future__ import annotations

import json as jsonlib
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from prefect_drs.cli.manifests import read_manifest
from prefect_drs.cli.output import print_json, print_stderr, print_stdout

if TYPE_CHECKING:
    from prefect_drs.plan import Manifest, ProtectionGroup, RecoveryPlan
    from prefect_drs.plan.graph import WaveGraph


def validate(
    files: Annotated[list[str], Parameter(negative="")],
    /,
    *,
    bindings: Annotated[str | None, Parameter(name=["--bindings", "-b"])] = None,
    strict: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Check manifests offline: each fault one line, `path:line: CODE: message`; all faults at once.

    Exit code 1 where a manifest has faults; warnings alone leave it 0, unless `--strict` makes faults of them.

    Parameters
    ----------
    files
        Manifests, JSON or YAML.
    bindings
        A file that maps the manifests' names to real ids.
    strict
        Warnings are faults.
    json
        Print the faults as a JSON list.
    """
    from prefect_drs.core.errors import Severity
    from prefect_drs.plan import check_manifest

    readings = [check_manifest(file, bindings) for file in files]
    if strict:
        readings = [reading.strictly() for reading in readings]
    faults = list(dict.fromkeys(fault for reading in readings for fault in reading.faults))
    if json:
        print(jsonlib.dumps([asdict(fault) for fault in faults], indent=2, ensure_ascii=True))
    else:
        for fault in faults:
            print_stdout(fault)
    errors = sum(fault.severity is Severity.ERROR for fault in faults)
    sys.stdout.flush()
    counts = f"{_count(errors, 'fault')}, {_count(len(faults) - errors, 'warning')} in {_count(len(files), 'file')}"
    print_stderr(counts)
    return 1 if errors else 0


def show(
    file: str,
    /,
    *,
    plan: str | None = None,
    bindings: Annotated[str | None, Parameter(name=["--bindings", "-b"])] = None,
    format: Annotated[Literal["table", "mermaid", "json"], Parameter(name=["--format", "-f"])] = "table",
) -> int:
    """Show a plan's waves in the order they run, what each waits for, and its gates.

    Names that no binding resolves are shown as they are written.

    Parameters
    ----------
    file
        A manifest, JSON or YAML; `estate:` is the stored estate.
    plan
        The plan's name; optional if the manifest has one plan.
    bindings
        A file that maps the manifest's names to real ids.
    format
        A table for a person, a Mermaid flowchart, or JSON.
    """
    from prefect_drs.plan.graph import WaveGraph

    manifest = read_manifest(file, bindings, plan=plan, rehearsal=True)
    chosen = manifest.plan(plan)
    graph = WaveGraph.of(chosen)
    if format == "mermaid":
        print_stdout(graph.mermaid(), end="")
    elif format == "json":
        print_json(jsonlib.dumps(_as_json(manifest, chosen, graph), indent=2, ensure_ascii=False))
    else:
        _print_table(manifest, chosen, graph)
    return 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _groups(manifest: Manifest, names: tuple[str, ...]) -> list[ProtectionGroup | None]:
    """The groups of those names; None for a name that no binding resolves."""
    groups = {group.group_name: group for group in manifest.protection_groups}
    return [groups.get(name) for name in names]


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


def _as_json(manifest: Manifest, plan: RecoveryPlan, graph: WaveGraph) -> dict[str, Any]:
    waves = []
    for number in graph.order:
        wave = graph.wave(number)
        groups = _groups(manifest, wave.groups)
        waves.append(
            {
                "waveNumber": number,
                "waveName": wave.wave_name,
                "generation": graph.generation(number),
                "pauseBeforeWave": wave.pause_before_wave,
                "dependsOnWaves": list(graph.dependencies(number)),
                "protectionGroups": [
                    {
                        "groupName": name,
                        "resolved": group is not None,
                        "region": group.region if group else None,
                        "accountId": group.account_id if group else None,
                        "sourceServerIds": list(group.source_server_ids) if group else [],
                        "serverSelectionTags": group.server_selection_tags if group else {},
                    }
                    for name, group in zip(wave.groups, groups, strict=True)
                ],
            }
        )
    return {
        "planName": plan.plan_name,
        "description": plan.description,
        "order": list(graph.order),
        "generations": [list(generation) for generation in graph.generations],
        "waves": waves,
    }


def _print_table(manifest: Manifest, plan: RecoveryPlan, graph: WaveGraph) -> None:
    from rich.table import Table
    from rich.text import Text

    from prefect_drs.cli.console import console

    table = Table(title=Text(plan.plan_name), title_justify="left", caption_justify="left")
    table.caption = Text(
        f"{_count(len(graph.order), 'wave')} in {_count(len(graph.generations), 'generation')}; "
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
        groups = _groups(manifest, wave.groups)
        named = [name if group else f"{name} (unresolved)" for name, group in zip(wave.groups, groups, strict=True)]
        table.add_row(
            str(number),
            Text(wave.wave_name),
            Text(", ".join(named)),
            Text(_servers(groups)),
            ", ".join(map(str, graph.dependencies(number))) or "-",
            "approve" if wave.pause_before_wave else "-",
            str(graph.generation(number)),
        )
    console().print(table)
