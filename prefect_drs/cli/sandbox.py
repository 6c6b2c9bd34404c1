"""`sandbox start`, `env`, `seed`, `stop`: the simulated AWS as a process of its own.

In: arguments. Out: text on stdout, warnings and errors on stderr. What the commands do is in
`prefect_drs.operations.sandbox`.
"""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from prefect_drs.cli.commands import epilogue

DEFAULT_SPEED = 60.0

app = App(
    name="sandbox",
    help="Run the simulated AWS for rehearsals.",
    help_format="plaintext",
    help_epilogue=epilogue("prefect-drs sandbox start --speed 600"),
)


@app.command(help_epilogue=epilogue("prefect-drs sandbox start --speed 600"))
def start(
    *,
    port: int = 0,
    speed: float = DEFAULT_SPEED,
    state: Annotated[Path | None, Parameter(metavar="FILE")] = None,
    seed: int = 0,
    foreground: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Start the simulated AWS on 127.0.0.1 and return when it answers.

    Parameters
    ----------
    port
        The port to listen on; 0 takes a free one.
    speed
        Simulated seconds per real second; 0 stops the clock. A launch of 20 minutes takes 20 seconds at 60.
    state
        A file that is loaded at the start, if it exists, and saved at the end.
    seed
        Decides ids and durations: the same seed gives the same run.
    foreground
        Run in this process until interrupted.
    """
    from prefect_drs.operations.sandbox import (
        SandboxStart,
        exclusive_start,
        find_running,
        require_compatible,
        start_in_background,
        state_file,
    )

    options = SandboxStart(port, speed, seed, state)
    with exclusive_start():
        if running := find_running():
            require_compatible(running, options)
            print(
                f"A sandbox is already running at {running.endpoint_url} (pid {running.pid}); "
                "`prefect-drs sandbox stop` ends it."
            )
            return 0
        if not foreground:
            running = start_in_background(options)
            print(f"A sandbox runs at {running.endpoint_url} (pid {running.pid}).")
            print('Point your shell at it:  eval "$(prefect-drs sandbox env)"')
            return 0
    from prefect_drs.simulator.server import main

    print(f"The sandbox runs in this process; end it with Ctrl-C. State file: {state_file()}", file=sys.stderr)
    return main(options.arguments)


@app.command(help_epilogue=epilogue('eval "$(prefect-drs sandbox env)"'))
def env() -> int:
    """Print what a shell needs to point boto3, the AWS CLI and this tool at the sandbox.

    Use it as `eval "$(prefect-drs sandbox env)"`.
    """
    from prefect_drs.core.escaping import shell_word
    from prefect_drs.operations.sandbox import conflicting_variables, require_running, sandbox_environment

    exports = sandbox_environment(require_running())
    print(f"unset {' '.join(conflicting_variables())}")
    for name, value in exports.items():
        print(f"export {name}={shell_word(value)}")
    return 0


@app.command(help_epilogue=epilogue("prefect-drs sandbox seed plan.yaml --bindings bindings.yaml"))
def seed(
    files: Annotated[list[Path], Parameter(name="FILE...", negative="")],
    /,
    *,
    bindings: Annotated[Path, Parameter(name=["--bindings", "-b"], metavar="FILE")],
    external_id: str | None = None,
    accounts: Annotated[Path | None, Parameter(metavar="FILE")] = None,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Build the estate that manifests ask for, and write the bindings from their names to its ids.

    Seeding the same file again changes nothing.

    Parameters
    ----------
    files
        Manifests, JSON or YAML. Names that are no AWS ids get an id.
    bindings
        The file to write.
    external_id
        The ExternalId that the orchestration roles of other accounts require.
    accounts
        A file, YAML or JSON, with what no manifest says about accounts: an ExternalId of its own, no role, missing
        actions, regions that are not enabled or not initialised, a staging account.
    overwrite
        Write the bindings even over a file that `sandbox seed` did not write.
    json
        Print what was created as JSON.
    """
    from prefect_drs.operations.sandbox_seeding import seed_sandbox

    seeded = seed_sandbox(files, bindings, external_id=external_id, accounts=accounts, overwrite=overwrite)
    for fault in seeded.warnings:
        print(fault, file=sys.stderr)
    if json:
        print(jsonlib.dumps(seeded.made, indent=2))
    else:
        from prefect_drs.cli.sandbox_view import show_seeded

        show_seeded(seeded.made, bindings)
    for fault in seeded.unresolved:
        print(fault, file=sys.stderr)
    return 1 if seeded.unresolved else 0


@app.command(help_epilogue=epilogue("prefect-drs sandbox stop"))
def stop() -> int:
    """Stop the sandbox; it saves its state if it was started with `--state`."""
    from prefect_drs.operations.sandbox import stop_running

    stopped = stop_running()
    if stopped is None:
        print("No sandbox is running.")
        return 0
    saved = f"; its state is in {stopped.saved_to}" if stopped.saved_to else ""
    print(f"The sandbox at {stopped.endpoint_url} has ended{saved}.")
    return 0
