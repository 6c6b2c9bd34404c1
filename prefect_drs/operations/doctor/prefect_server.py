"""The Prefect API: whether it answers, its version, its UI, its database, its clock.

In: Prefect's settings. Out: findings. No server is started where no API is configured, and no call is repeated.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from http import HTTPStatus
from importlib.metadata import requires
from typing import Any
from urllib.parse import urlsplit

import httpx
from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version
from prefect import __version__ as client_version
from prefect.client.base import ServerType
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_UI_URL, get_current_settings

from prefect_drs.core.clock import Clock
from prefect_drs.operations.doctor.clock_skew import judge_skew
from prefect_drs.operations.doctor.findings import Finding, Report
from prefect_drs.orchestration.client import PrefectUnreachableError, quick_client

API = "prefect-api"
UI_SECONDS = 5.0
_DENIED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_SQLITE_REMEDY = (
    "for more than a trial, run the server on PostgreSQL (PREFECT_SERVER_DATABASE_CONNECTION_URL), which several "
    "servers can share and which can be replicated"
)

_LEASES_REMEDY = (
    "set PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE=prefect_redis.lease_storage on each server (see docs/workers.md): a "
    "second server does not know the leases of executions otherwise, and a restart forgets them"
)


def api_url() -> str:
    """The configured API without user and password; empty where none is configured."""
    return _without_user(get_current_settings().api.url or "")


def supported_versions() -> Requirement:
    """What this package's metadata asks of Prefect."""
    needed = (Requirement(line) for line in requires("prefect-drs") or ())
    return next(each for each in needed if each.name == "prefect" and each.marker is None)


def check_api(report: Report) -> Iterator[Finding]:
    """Whether the API answers, and its version."""
    if not (url := api_url()):
        yield report.warning(
            "no Prefect API is configured: no gates in a browser, no workers, no saved accounts, no view of other "
            "executions; so UI, database, workers and Prefect's clock are not checked",
            "set PREFECT_API_URL to that of the executions (`prefect server start` serves one on this machine)",
        )
        return
    try:
        with quick_client() as client:
            if client.server_type == ServerType.CLOUD:
                client.read_work_pools(limit=1)
                yield report.ok(f"Prefect Cloud answers at {url}")
                return
            version = Version(client.api_version())
    except PrefectUnreachableError as error:
        yield report.fault(
            f"nothing answers at {url} ({_cause(error)})",
            "start the server, or correct PREFECT_API_URL",
            unreachable=True,
        )
    except PrefectHTTPStatusError as error:
        yield _refused(report, url, error.response.status_code)
    except (ValueError, InvalidVersion, TypeError):  # a page instead of JSON
        yield report.fault(
            f"what answers at {url} is no Prefect API", "correct PREFECT_API_URL: it ends in /api", unreachable=True
        )
    else:
        yield _judged_version(report, url, version)


def _refused(report: Report, url: str, status: int) -> Finding:
    if status in _DENIED:
        remedy = "set PREFECT_API_KEY, or PREFECT_API_AUTH_STRING for a server with a password"
        return report.fault(f"{url} wants a key or refuses the one it gets ({status})", remedy, unreachable=True)
    if status == HTTPStatus.NOT_FOUND:
        remedy = "correct PREFECT_API_URL: it ends in /api"
        return report.fault(f"what answers at {url} is no Prefect API ({status})", remedy, unreachable=True)
    remedy = "read the log of the server and of the proxy before it"
    return report.fault(f"{url} answers with an error ({status})", remedy, unreachable=True)


def _judged_version(report: Report, url: str, version: Version) -> Finding:
    window = supported_versions().specifier
    if not window.contains(version, prereleases=True):
        return report.fault(
            f"{url} is Prefect {version}, and prefect-drs supports {window}",
            "upgrade the server, or install a release of prefect-drs that supports it",
        )
    if version < Version(client_version):
        return report.warning(
            f"{url} is Prefect {version}, older than this machine's {client_version}",
            "upgrade the server to at least the version of its clients and workers",
        )
    return report.ok(f"{url} answers: Prefect {version}, within {window}; this machine has {client_version}")


def check_ui(report: Report) -> Iterator[Finding]:
    """Whether the UI that links in messages lead to answers, and asks an API that a browser elsewhere reaches."""
    url = str(PREFECT_UI_URL.value() or "").rstrip("/")
    if not url:
        yield report.warning("no UI is known: messages have no links to gates", "set PREFECT_UI_URL")
        return
    shown = _without_user(url)
    try:
        answer = httpx.get(f"{url}/", timeout=UI_SECONDS, follow_redirects=True).raise_for_status()
        settings = _ui_settings(url)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        yield report.fault(
            f"no UI answers at {shown}, where links in messages lead ({why})",
            "set PREFECT_UI_URL to the address that people open, or start the server with its UI",
        )
        return
    if "html" not in answer.headers.get("content-type", ""):
        yield report.fault(f"what answers at {shown} is no UI", "set PREFECT_UI_URL to the address that people open")
        return
    asked = str(settings.get("api_url") or "")
    if _is_loopback(asked) and not _is_loopback(url):
        yield report.warning(
            f"the UI at {shown} asks {_without_user(asked)}, which is the browser's own machine",
            "start the server with PREFECT_SERVER_UI_API_URL, the API's address for browsers",
        )
        return
    yield report.ok(f"{shown} answers")


def _ui_settings(url: str) -> dict[str, Any]:
    """What the server tells its UI; nothing where it has no such page (Prefect Cloud)."""
    try:
        found = httpx.get(f"{url}/ui-settings", timeout=UI_SECONDS).raise_for_status().json()
    except (httpx.HTTPStatusError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def check_database(report: Report) -> Iterator[Finding]:
    """The kind of database that the server uses, as far as it says so, and whether all servers on it share leases.

    By default a server keeps the leases of concurrency limits in its own memory
    (`prefect.settings.models.server.concurrency`). The API hides the connection's URL. It shows the driver or the host
    where the server's settings name them; a server of this machine has the settings of this machine.
    """
    with quick_client() as client:
        if client.server_type == ServerType.CLOUD:
            yield report.ok("that of Prefect Cloud")
            return
        settings = client.request("GET", "/admin/settings").raise_for_status().json()["server"]
    database = settings["database"]
    told = str(database.get("driver") or ("postgresql" if database.get("host") else ""))
    own = get_current_settings().server.database
    if not told and _is_loopback(api_url()) and own.connection_url is not None:
        told = own.connection_url.get_secret_value().partition(":")[0]
    leases = str(settings.get("concurrency", {}).get("lease_storage") or "")
    if told.startswith("postgresql") and leases.endswith(".memory"):
        yield report.warning("PostgreSQL; leases are kept in the memory of one server", _LEASES_REMEDY)
    elif told.startswith("postgresql"):
        yield report.ok("PostgreSQL")
    elif told.startswith("sqlite"):
        yield report.warning("SQLite: one server on one machine's disk", _SQLITE_REMEDY)
    else:
        yield report.warning(
            "the server does not say which database it uses",
            "set PREFECT_SERVER_DATABASE_DRIVER on the server beside its connection URL (postgresql+asyncpg)",
        )


def check_clock(report: Report, clock: Clock) -> Iterator[Finding]:
    """This machine's clock against the server's."""
    with quick_client() as client:
        client.api_version()  # the connection, so that its handshake is not in what is measured
        before = clock.now()
        answer = client.request("GET", "/admin/version")
        after = clock.now()
    yield judge_skew(report, "the Prefect API", answer.headers.get("date"), before, after)


def _cause(error: PrefectUnreachableError) -> str:
    return " ".join(str(error.__cause__ or error).split())


def _without_user(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
