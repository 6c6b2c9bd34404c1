"""The Prefect server that Prefect starts for the time of one process where no API is configured.

Prefect gives it 20 seconds (`PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS`). Its first start on a machine creates
the database, which takes 35 to 60 seconds on two cores, so the first client of a fresh machine fails. Here the server
is started before the first client asks for it, in the same way (`get_client` in Prefect's client/orchestration uses the
same `SubprocessASGIServer()`), with more time, and with word of what is waited for. A time that the user has set
counts.

Must never: start a server where an API is configured.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import httpx
from prefect.settings import get_current_settings

from prefect_drs.core.errors import PrefectDrsError, UsageError

STARTUP_SECONDS = 300  # unless PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS is set
TELL_EVERY = 10.0  # seconds between two words of progress
_SETTING = "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"


def start_temporary_server(say: Callable[[str], None], *, tell_every: float = TELL_EVERY) -> None:
    """Start the process's own Prefect server where no API is configured, and wait until it answers.

    Args:
        say: told in a line what is waited for, and every `tell_every` seconds that it goes on.
        tell_every: seconds.

    Raises:
        UsageError: no API is configured, and Prefect may start no server (PREFECT_SERVER_ALLOW_EPHEMERAL_MODE).
        PrefectDrsError: the server was not ready in time, or ended.
    """
    settings = get_current_settings()
    if settings.api.url:
        return
    if not settings.server.ephemeral.enabled:
        raise UsageError("no Prefect API is configured: start one (`prefect server start`) and set PREFECT_API_URL")
    from prefect.server.api.server import SubprocessASGIServer  # noqa: PLC0415 - loads the server: seconds

    if SubprocessASGIServer().running:
        return
    own = "startup_timeout_seconds" in settings.server.ephemeral.model_fields_set
    limit = settings.server.ephemeral.startup_timeout_seconds if own else STARTUP_SECONDS
    say(
        "starting a temporary Prefect server, since PREFECT_API_URL is not set; "
        "the first start on a machine creates its database, which takes about a minute"
    )
    started = time.monotonic()
    failures: list[Exception] = []
    thread = threading.Thread(target=_start, args=(limit, failures), name="drs-temporary-server", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(tell_every)
        if thread.is_alive():
            say(f"the temporary Prefect server is still starting, {time.monotonic() - started:.0f} of {limit} s")
    if failures:
        raise PrefectDrsError(
            f"the temporary Prefect server could not be started: {' '.join(str(failures[0]).split())}; it was given "
            f"{limit} s ({_SETTING}); give it more, or start a server (`prefect server start`) and set PREFECT_API_URL"
        ) from failures[0]
    say(f"the temporary Prefect server answers after {time.monotonic() - started:.0f} s")


def temporary_server_url() -> str | None:
    """The API of the server that this process has started; None where it has started none."""
    from prefect.server.api.server import SubprocessASGIServer  # noqa: PLC0415

    server = SubprocessASGIServer()
    return server.api_url if server.running else None


def _start(limit: int, failures: list[Exception]) -> None:
    from prefect.server.api.server import SubprocessASGIServer  # noqa: PLC0415

    deadline = time.monotonic() + limit
    while True:
        server = SubprocessASGIServer()
        try:
            server.start(timeout=limit)
        except httpx.TimeoutException as error:  # it listens and is too slow to answer: the machine is busy
            server.stop()
            if time.monotonic() < deadline:
                continue
            failures.append(error)
        except Exception as error:
            server.stop()
            failures.append(error)
        return
