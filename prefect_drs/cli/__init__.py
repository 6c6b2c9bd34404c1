"""The command line, `prefect-drs`: parse and print; each command imports what it needs."""

from prefect_drs.cli.app import main

__all__ = ["main"]
