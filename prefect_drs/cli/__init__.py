"""The command line, `prefect-drs`: thin faces over the package's functions; each command imports what it needs."""

from prefect_drs.cli.app import main

__all__ = ["main"]
