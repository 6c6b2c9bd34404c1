"""The Prefect API that a command needs: asked for, or started, before the command begins with anything."""

from __future__ import annotations

import sys

from prefect_drs.errors import PrefectDrsError


def require_prefect() -> None:
    """Tell an API that is not there before anything begins; without one, start Prefect's own for this process.

    Raises:
        PrefectDrsError: nothing answers at PREFECT_API_URL, or something else does; or no server could be started.
    """
    from prefect.exceptions import PrefectHTTPStatusError
    from prefect.settings import PREFECT_API_URL

    from prefect_drs.cli.screen import quiet_prefect
    from prefect_drs.gate_runs import prefect_client
    from prefect_drs.temporary_server import start_temporary_server

    if not (url := PREFECT_API_URL.value()):
        quiet_prefect()
        start_temporary_server(lambda line: print(f"prefect-drs: {line}", file=sys.stderr, flush=True))
        return
    with prefect_client() as client:
        try:
            client.api_version()
        except (PrefectHTTPStatusError, ValueError):  # a page instead of JSON: the UI's address, say
            raise PrefectDrsError(
                f"what answers at {url} is no Prefect API, or wants a key; correct PREFECT_API_URL "
                "(it ends in /api) or set PREFECT_API_KEY"
            ) from None
