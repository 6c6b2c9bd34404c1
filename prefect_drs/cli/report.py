"""`report`: an execution's report as one HTML file, Markdown or JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from prefect_drs.cli.control import Execution, WithoutPrefect
from prefect_drs.cli.output import print_json, print_stderr, print_stdout

SUFFIXES: dict[str, Literal["html", "markdown", "json"]] = {
    ".html": "html",
    ".htm": "html",
    ".md": "markdown",
    ".markdown": "markdown",
    ".json": "json",
}


def report(
    execution: Execution,
    /,
    *,
    format: Annotated[
        Literal["html", "markdown", "json"] | None,
        Parameter(
            name=["--format", "-f"],
            help="By default that of the suffix of --out (.html, .md, .json); without --out, Markdown.",
        ),
    ] = None,
    out: Annotated[
        Path | None, Parameter(name=["--out", "-o"], metavar="FILE", help="The file to write; by default stdout.")
    ] = None,
    without_prefect: WithoutPrefect = False,
) -> None:
    """Print the report of an execution, or write it to a file that only you can read.

    HTML is one file without scripts and without requests to anywhere: wave graph, timeline against the forecast,
    gates, faults and what was done about them, servers. It needs the execution's journal.
    """
    from prefect_drs.cli.prefect_api import require_permission, require_prefect_to_find
    from prefect_drs.core.errors import UsageError
    from prefect_drs.core.private_files import write_file

    chosen = format or (SUFFIXES.get(out.suffix.lower(), "markdown") if out is not None else "markdown")
    if without_prefect:
        from prefect_drs.operations.standalone.look import document_here, named_here

        document = document_here(named_here(execution), chosen)
    else:
        from prefect_drs.operations.execution_report import execution_document

        require_prefect_to_find(execution)
        require_permission("get_execution_report", execution_id=execution)
        document = execution_document(execution, chosen)
    if out is not None:
        try:
            write_file(out, document.encode())
        except OSError as error:
            raise UsageError(f"the report cannot be written to {out}: {error.strerror or error}") from None
        print_stderr(f"the report was written to {out}")
    elif chosen == "json":
        print_json(document.rstrip("\n"))
    else:
        print_stdout(document, end="")
