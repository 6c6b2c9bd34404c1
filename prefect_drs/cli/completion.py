"""`completion`: a script that completes commands, options, files and values in a shell. It goes to stdout."""

from __future__ import annotations

from typing import Literal


def completion(shell: Literal["bash", "zsh", "fish", "powershell"], /) -> None:
    """Print the script that completes `prefect-drs` in a shell; the shell reads it at its start.

    Parameters
    ----------
    shell
        The shell that reads it.
    """
    from prefect_drs.cli.app import build_app

    print(build_app().generate_completion(shell=shell), end="")
