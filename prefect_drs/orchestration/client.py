"""The one way to reach the Prefect API, and the one message where it cannot be reached.

In: Prefect's settings. Out: a client, or an error that names the URL and the remedy. Commands call `require_prefect`
before they begin with anything; everything in the package asks through `prefect_client` or `quick_client`.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache
from http import HTTPStatus
from typing import Any

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.context import SettingsContext, get_settings_context
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import get_current_settings

from prefect_drs.core.errors import UNREACHABLE as UNREACHABLE_EXIT_CODE
from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.orchestration.temporary_server import start_temporary_server

_shared: ContextVar[SyncPrefectClient | None] = ContextVar("shared Prefect client", default=None)
_lasting: dict[tuple[str, str], SyncPrefectClient] = {}  # by address and key; httpx's clients may be used by any thread
_lasting_lock = threading.Lock()
NOT_CONFIGURED = (
    "no Prefect API is configured: set PREFECT_API_URL to that of the executions (`prefect server start` serves those "
    "of this machine: export PREFECT_API_URL=http://127.0.0.1:4200/api)"
)
QUICK_SECONDS = 5.0  # how long a launch waits for an answer of Prefect
_refusals: list[bool] = []  # one for each block of `refused_prefect` that a thread of this process is in


class PrefectUnreachableError(PrefectDrsError):
    """The Prefect API cannot be reached."""

    code = "PREFECT_UNREACHABLE"
    exit_code = UNREACHABLE_EXIT_CODE


# The errors of a call that Prefect did not answer, or answered with an error status.
UNREACHABLE = (httpx.HTTPError, PrefectHTTPStatusError, PrefectUnreachableError)


@contextmanager
def refused_prefect() -> Iterator[None]:
    """For the time of the block, no thread of this process asks a Prefect API: whatever tries is refused at once.

    For executions without Prefect: a server that hangs must not hold them up.
    """
    _refusals.append(True)
    try:
        yield
    finally:
        _refusals.pop()


@contextmanager
def prefect_client() -> Iterator[SyncPrefectClient]:
    """The Prefect API.

    Prefect's client tries a call six times over 62 s by default, and waits 30 s for a connection.

    Raises:
        PrefectUnreachableError: it cannot be reached, or answers that it cannot serve the call now (5xx); the message
            has the URL and the remedy.
    """
    shared, settings = _shared.get(), get_current_settings()
    if shared is None and not settings.api.url and not settings.server.ephemeral.enabled:
        raise PrefectUnreachableError(NOT_CONFIGURED)
    with (
        _unreachable_as_error(),
        _failure_as_error(),
        _new_client() if shared is None else nullcontext(shared) as client,
    ):
        yield client


@contextmanager
def shared_client() -> Iterator[None]:
    """Share one client between all `prefect_client` calls in the block: one connection, one CSRF token."""
    with prefect_client() as client:
        token = _shared.set(client)
        try:
            yield
        finally:
            _shared.reset(token)


@contextmanager
def lasting_client() -> Iterator[None]:
    """Share one client between all `prefect_client` calls in the block, with all other such blocks of this process.

    For a process that answers many requests in many threads: a client of its own costs each of them more than what it
    asks. Without a configured API, the block has no client.
    """
    settings = get_current_settings()
    if not (url := settings.api.url):
        yield
        return
    key = settings.api.key.get_secret_value() if settings.api.key else ""
    with _lasting_lock:
        client = _lasting.get((url, key))
        if client is None:
            client = _lasting[url, key] = _new_client().__enter__()
    token = _shared.set(client)
    try:
        yield
    finally:
        _shared.reset(token)


@contextmanager
def quick_client() -> Iterator[SyncPrefectClient]:
    """The Prefect API for calls that a launch waits for: no retries, and an answer within 5 s or an error.

    Raises:
        PrefectUnreachableError: it cannot be reached.
    """
    with (
        _unreachable_as_error(),
        _no_retries(),
        _new_client(timeout=QUICK_SECONDS) as client,
    ):
        yield client


def _new_client(**httpx_settings: Any) -> SyncPrefectClient:
    if _refusals:
        raise PrefectUnreachableError("this process works without Prefect (--without-prefect) and asks no Prefect API")
    api = get_current_settings().api
    verify = _tls_context(api.ssl_cert_file, api.tls_insecure_skip_verify)
    return get_client(sync_client=True, httpx_settings={"verify": verify, **httpx_settings})


@cache
def _tls_context(certificates: str | None, is_insecure: bool) -> ssl.SSLContext:
    """The context that Prefect's client makes for itself otherwise, for each client: reading the certificates takes
    40 ms of CPU, and a waiting execution asks Prefect twice a second.
    """
    if is_insecure:
        return httpx.create_ssl_context(verify=False)
    return ssl.create_default_context(cafile=certificates) if certificates else httpx.create_ssl_context()


@contextmanager
def _no_retries() -> Iterator[None]:
    """What `temporary_settings` does, which reads the whole environment again: 40 ms of CPU."""
    context = get_settings_context()
    client = context.settings.client.model_copy(update={"max_retries": 0})
    settings = context.settings.model_copy(update={"client": client})
    with SettingsContext(profile=context.profile, settings=settings):
        yield


@contextmanager
def _unreachable_as_error() -> Iterator[None]:
    try:
        yield
    except httpx.TransportError as error:
        raise PrefectUnreachableError(
            f"the Prefect API at {get_current_settings().api.url} cannot be reached ({error}); "
            "start it or set PREFECT_API_URL"
        ) from error


@contextmanager
def _failure_as_error() -> Iterator[None]:
    """Turn a 5xx answer that is left after the retries of Prefect's client into one error that says what to do."""
    try:
        yield
    except PrefectHTTPStatusError as error:
        answer = error.response
        if answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        raise PrefectUnreachableError(
            f"the Prefect API at {get_current_settings().api.url} answers {answer.status_code} {answer.reason_phrase}: "
            "it may have done what was asked, or not; wait until it is less busy, look with `prefect-drs status`, then "
            "try again (its log has the cause; SQLite has one writer at a time, PostgreSQL many)"
        ) from error


class OutageLog:
    """Logs that Prefect does not answer once per outage, and that it answers again, instead of at every attempt.

    Args:
        what: what waits for Prefect, such as `control requests`.
        logger: called with each line.
    """

    def __init__(self, what: str, logger: Callable[[str], None]) -> None:
        self._what = what
        self._logger = logger
        self._is_away = False

    def failed(self, error: Exception) -> None:
        """An attempt failed."""
        if not self._is_away:
            self._logger(f"Prefect does not answer ({error}); {self._what} wait until it does")
        self._is_away = True

    def answered(self) -> None:
        """An attempt succeeded."""
        if self._is_away:
            self._logger(f"Prefect answers again: {self._what} are read")
        self._is_away = False


def require_configured() -> None:
    """Refuse to ask a temporary server for executions: it knows none of another process.

    Raises:
        PrefectUnreachableError: no API is configured.
    """
    if not get_current_settings().api.url:
        raise PrefectUnreachableError(NOT_CONFIGURED)


def require_prefect(say: Callable[[str], None] | None = None) -> None:
    """Refuse an API that does not answer before anything begins.

    Args:
        say: where no API is configured, start Prefect's own server for this process, and call this with each line of
            progress; without it, refuse that too.

    Raises:
        PrefectUnreachableError: no API is configured, nothing answers at PREFECT_API_URL, or something else does.
        PrefectDrsError: no server could be started.
    """
    if not (url := get_current_settings().api.url):
        if say is None:
            raise PrefectUnreachableError(NOT_CONFIGURED)
        start_temporary_server(say)
        return
    with prefect_client() as client:
        try:
            client.api_version()
        except (PrefectHTTPStatusError, ValueError):  # a page instead of JSON: the UI's address, say
            raise PrefectUnreachableError(
                f"what answers at {url} is no Prefect API, or wants a key; correct PREFECT_API_URL "
                "(it ends in /api) or set PREFECT_API_KEY"
            ) from None
