"""`validate` and `show`: read manifests offline. Neither needs Prefect, AWS or a network, except for `show estate:`.

Faults and plans go to stdout, the count of faults and warnings to stderr.
"""

from __future__ import annotations

import json as jsonlib
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from prefect_drs.cli.manifests import Bindings, File, read_manifest
from prefect_drs.cli.output import count, print_faults, print_json, print_stderr, print_stdout


def validate(
    files: Annotated[list[str | Path], Parameter(name="FILE...", negative="")],
    /,
    *,
    bindings: Bindings = None,
    strict: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Check manifests offline: each fault one line, `path:line: CODE: message`; all faults at once.

    Exit code 1 where a manifest has faults; warnings alone leave it 0, unless `--strict` makes faults of them.

    Parameters
    ----------
    files
        Manifests, JSON or YAML.
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
        print_faults(faults)
    errors = sum(fault.severity is Severity.ERROR for fault in faults)
    sys.stdout.flush()
    counts = f"{count(errors, 'fault')}, {count(len(faults) - errors, 'warning')} in {count(len(files), 'file')}"
    print_stderr(counts)
    return 1 if errors else 0


def show(
    file: File,
    /,
    *,
    plan: str | None = None,
    bindings: Bindings = None,
    format: Annotated[Literal["table", "mermaid", "json"], Parameter(name=["--format", "-f"])] = "table",
) -> int:
    """Show a plan's waves in the order they run, what each waits for, and its gates.

    Names that no binding resolves are shown as they are written.

    Parameters
    ----------
    plan
        The plan's name; optional if the manifest has one plan.
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
        from prefect_drs.plan.overview import overview_of

        print_json(overview_of(manifest, chosen, graph).model_dump_json(by_alias=True, indent=2))
    else:
        from prefect_drs.cli.console import console
        from prefect_drs.cli.show_view import plan_view

        console().print(plan_view(manifest, chosen, graph))
    return 0
