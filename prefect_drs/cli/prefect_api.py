"""The checks before a command reads anything: a Prefect API answers, and the access policy lets the caller."""

from __future__ import annotations

import sys


def require_prefect(*, or_start: bool = False) -> None:
    """Refuse a Prefect API that does not answer.

    Args:
        or_start: where none is configured, start a temporary server instead of refusing, with progress on stderr; only
            for commands that run a flow, since such a server knows no other process.

    Raises:
        PrefectDrsError: see `prefect_drs.orchestration.client.require_prefect`.
    """
    from prefect.settings import get_current_settings

    from prefect_drs.cli.screen import quiet_prefect
    from prefect_drs.orchestration import client

    if not or_start:
        client.require_prefect()
        return
    if not get_current_settings().api.url:
        quiet_prefect()
    client.require_prefect(lambda line: print(f"prefect-drs: {line}", file=sys.stderr, flush=True))


def require_permission(operation: str, **named: str | None) -> None:
    """Refuse a caller whose roles do not let them call the operation that reads what the command reads.

    Without an access policy, nothing is refused.

    Args:
        operation: its name.
        named: what the command is about, as fields of the operation's request.

    Raises:
        AuthorizationError, NotProvenError: see `prefect_drs.operations.access.acting_as`.
    """
    from prefect_drs.operations.access import acting_as

    acting_as(operation, None, **named)


def require_prefect_to_find(execution: str) -> None:
    """Refuse an API that does not answer if it is needed to find an execution: one not named by its whole id.

    Raises:
        PrefectDrsError: see `require_prefect`.
    """
    from uuid import UUID

    try:
        UUID(execution)
    except ValueError:
        require_prefect()
