"""`why`: in sentences, what an execution waited for and for how long. Reads its journal; changes nothing."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from prefect_drs.cli.completers import servers_of_execution, waves_of_execution
from prefect_drs.cli.control import Execution
from prefect_drs.cli.output import print_json


def why(
    execution: Execution,
    /,
    *,
    wave: Annotated[
        str | None,
        Parameter(
            completer=waves_of_execution,
            metavar="N",
            help="Number or name of a wave; without it the waves that decided.",
        ),
    ] = None,
    server: Annotated[
        str | None,
        Parameter(completer=servers_of_execution, metavar="NAME", help="Name or source server id of a server."),
    ] = None,
    json: Annotated[
        bool, Parameter(name="--json", negative="", help="Print all waits of all servers as JSON.")
    ] = False,
) -> None:
    """Say in sentences what an execution, a wave or a server waited for, and for how long.

    Reads the execution's journal alone. Waits shorter than ten seconds are only in the JSON.
    """
    from prefect_drs.cli.console import console
    from prefect_drs.cli.prefect_api import require_permission, require_prefect_to_find
    from prefect_drs.operations.execution_report import execution_timeline
    from prefect_drs.report.why import explain, why_view

    require_prefect_to_find(execution)
    require_permission("explain_execution", execution_id=execution)
    timeline = execution_timeline(execution)
    explanation = explain(timeline, wave=wave, server=server)
    if not json:
        console().print(why_view(explanation))
    elif wave is None:
        print_json(timeline.model_dump_json(by_alias=True, indent=2))
    else:
        print_json(timeline.named_wave(wave).model_dump_json(by_alias=True, indent=2))
