"""`forecast`: how long a run of a plan would take.

In: a manifest and options. Out: timeline, RTO, critical path and what bounds it, on stdout; what the forecast does not
know, on stderr. Changes nothing. What the command does is in `prefect_drs.operations.forecast`.
"""

from __future__ import annotations

import json as jsonlib
import sys
from typing import Annotated

from cyclopts import Parameter

from prefect_drs.cli.completers import servers
from prefect_drs.cli.manifests import Bindings, File, Strict, named_plan, read_manifest
from prefect_drs.cli.output import print_json, print_stderr


def forecast(
    file: File,
    /,
    *,
    plan: str | None = None,
    bindings: Bindings = None,
    exclude: Annotated[list[str] | None, Parameter(negative="", completer=servers, metavar="SERVER=REASON")] = None,
    offline: Annotated[bool, Parameter(negative="")] = False,
    samples: int = 100,
    seed: int = 1,
    failback: Annotated[bool, Parameter(name="--failback", negative="")] = False,
    strict: Strict = False,
    json: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON on stdout.")] = False,
) -> None:
    """Print the expected timeline, the RTO (P50 and P90), the critical path and what bounds it. Changes nothing.

    Parameters
    ----------
    plan
        The plan's name; optional if the manifest has one plan.
    exclude
        Leave that server out, with the reason; repeatable. Needs the accounts.
    offline
        Do not ask AWS: use the servers that the manifest names. Groups selected by tags count as empty.
    samples
        How many runs are simulated; 100 give the median to about 1 %.
    seed
        The same seed and the same data give the same forecast.
    failback
        Forecast the failback of the plan: its steps, as if every server ran where it is recovered.
    strict
        Warnings about the plan are faults.
    json
        Print the forecast as JSON.
    """
    from prefect_drs.cli.console import console
    from prefect_drs.cli.forecast_view import forecast_view
    from prefect_drs.cli.prefect_api import require_permission
    from prefect_drs.operations.forecast import forecast_plan
    from prefect_drs.runbook.exclusions import parse_exclusions

    excluded = parse_exclusions(exclude)
    manifest = read_manifest(file, bindings, plan=plan, strict=strict, rehearsal=offline)
    chosen = manifest.plan(plan)
    if not offline:
        require_permission("forecast_plan", **named_plan(file, plan))
    result = forecast_plan(
        manifest, chosen, exclude=excluded, offline=offline, samples=samples, seed=seed, failback=failback
    )
    if json:
        print_json(jsonlib.dumps(result.to_json(), indent=2, ensure_ascii=False))
    else:
        console().print(forecast_view(result))
        sys.stdout.flush()
        for note in result.notes:
            print_stderr(f"note: {note}")
