"""The check before a command's first Prefect request: an API answers."""

from __future__ import annotations

import sys


def require_prefect() -> None:
    """Refuse an API that does not answer; if none is configured, start a temporary server, with progress on stderr.

    Raises:
        PrefectDrsError: see `prefect_drs.orchestration.client.require_prefect`.
    """
    from prefect.settings import get_current_settings

    from prefect_drs.cli.screen import quiet_prefect
    from prefect_drs.orchestration import client

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
