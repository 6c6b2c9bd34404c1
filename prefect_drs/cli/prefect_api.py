"""The check before a command's first Prefect request: an API answers."""

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
