"""The runbook of a failback: a runbook with other steps, which the same engine carries out.

`resolve_failback` makes it from a plan and what runs now, or from the recovery that an execution made: `fetch` reads
the accounts, `candidates` finds the recovery instance of each server and what refuses its failback, `waves` puts the
steps together. Nothing here changes anything in any account.
"""

from prefect_drs.runbook.failback.resolve import resolve_failback

__all__ = ["resolve_failback"]
