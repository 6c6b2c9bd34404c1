"""Prefect as it is run for many: several API servers on PostgreSQL behind one address, Redis between them.

In: a folder and the programs. Out: a `PrefectCluster`, whose `environment` leads a process to its one address. All
parts are real: PostgreSQL, Redis and HAProxy as Debian packages them, Prefect's servers and services, prefect-redis.
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from tests.conftest import Programs, free_port

MISSING = "needs PostgreSQL, Redis and HAProxy (Debian: apt-get install postgresql redis-server haproxy)"
STARTUP_SECONDS = 180.0
PROXY = """
defaults
  mode http
  option httpchk GET /api/health
  option redispatch
  retries 3
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout check 20s
frontend one_address
  bind 127.0.0.1:{port}
  default_backend servers
backend servers
  balance roundrobin
{servers}
"""


def postgres_programs() -> Path | None:
    """The folder of `initdb` and `postgres`, which Debian keeps off the PATH; None where they are not installed."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    return next((Path(each) for each in sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)), None)


def is_installed() -> bool:
    """Whether all three programs are here."""
    return postgres_programs() is not None and all(map(shutil.which, ("redis-server", "haproxy")))


LEASE_STORAGE = "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"


@dataclass
class PrefectCluster:
    """Servers that run. `environment`: leads to their one address; `server_urls`: the API of each server."""

    api_url: str
    environment: dict[str, str]
    server_urls: list[str]
    _start: Callable[[int, Mapping[str, str]], subprocess.Popen[bytes]]
    _servers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, number: int, **settings: str) -> None:
        """Start the server of that position and wait until it answers; `settings` instead of those of the others."""
        self._servers[number:] = [self._start(number, settings), *self._servers[number + 1 :]]

    def kill(self, number: int) -> None:
        """Kill the server of that position."""
        self._servers[number].kill()
        self._servers[number].wait()


class _Parts:
    """Starts processes that end with the block."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack

    def start(
        self, name: str, command: Sequence[str | Path], environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        log = self._stack.enter_context((self._folder / f"{name}.log").open("wb"))
        process = subprocess.Popen(
            [str(each) for each in command], stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=self._folder
        )
        self._stack.callback(_end, process)
        return process

    def log(self, name: str) -> str:
        """The end of what a process said."""
        return (self._folder / f"{name}.log").read_text(errors="replace")[-3000:]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _as_owner(folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root: the words before its command, and the folder given to who runs it."""
    if os.geteuid() != 0:
        return []
    shutil.chown(folder, "postgres")
    return ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]


def _postgres(folder: Path, parts: _Parts) -> str:
    """A database of its own in `folder`, which no folder that is closed to others may hold: its URL."""
    programs = postgres_programs()
    assert programs is not None
    before, data, port = _as_owner(folder), folder / "data", free_port()
    made = [str(programs / "initdb"), "--pgdata", str(data), "--username", "prefect", "--auth", "trust", "--no-sync"]
    subprocess.run([*before, *made], check=True, capture_output=True, cwd=folder)
    settings = ("fsync=off", "listen_addresses=127.0.0.1", "max_connections=200", f"unix_socket_directories={folder}")
    options = [word for setting in settings for word in ("-c", setting)]
    command = [str(programs / "postgres"), "-D", str(data), "-p", str(port), *options]
    parts.start("postgres", [*before, *command])
    ready = [str(programs / "pg_isready"), "-h", "127.0.0.1", "-p", str(port), "-U", "prefect", "-d", "postgres"]
    _until(
        lambda: subprocess.run(ready, capture_output=True, check=False).returncode == 0, lambda: parts.log("postgres")
    )
    return f"postgresql+asyncpg://prefect@127.0.0.1:{port}/postgres"


def _redis(folder: Path, parts: _Parts) -> int:
    port = free_port()
    parts.start("redis", ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder])
    ping = ["redis-cli", "-p", str(port), "ping"]
    _until(lambda: b"PONG" in subprocess.run(ping, capture_output=True, check=False).stdout, lambda: parts.log("redis"))
    return port


def _until(look: Callable[[], bool], told: Callable[[], str]) -> None:
    deadline = time.monotonic() + STARTUP_SECONDS
    while not look():
        if time.monotonic() > deadline:
            pytest.fail(f"a part of the cluster did not start:\n{told()}", pytrace=False)
        time.sleep(0.2)


def _is_healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def _server_environment(home: Path, database_url: str, redis_port: int) -> dict[str, str]:
    """The environment of each server and of the services: docs/workers.md, "Several Prefect servers"."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")} | {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database_url,
        "PREFECT_SERVER_DATABASE_DRIVER": "postgresql+asyncpg",
        "PREFECT_MESSAGING_BROKER": "prefect_redis.messaging",
        "PREFECT_MESSAGING_CACHE": "prefect_redis.messaging",
        "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": "prefect_redis.ordering",
        LEASE_STORAGE: "prefect_redis.lease_storage",
        "PREFECT_REDIS_MESSAGING_HOST": "127.0.0.1",
        "PREFECT_REDIS_MESSAGING_PORT": str(redis_port),
        "PREFECT_SERVER_DOCKET_URL": f"redis://127.0.0.1:{redis_port}/0",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "DO_NOT_TRACK": "1",
    }


@contextmanager
def prefect_cluster(folder: Path, programs: Programs, servers: int = 2) -> Iterator[PrefectCluster]:
    """Servers without services, one process with Prefect's services, and HAProxy before the servers.

    Args:
        folder: an empty folder for databases, logs and homes.
        programs: `prefect` as the tests start it.
        servers: how many API servers.
    """
    with ExitStack() as stack:
        parts = _Parts(folder, stack)
        database = Path(stack.enter_context(TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True)))
        redis_port = _redis(folder, parts)
        home = folder / "prefect"
        server_environment = programs.environment | _server_environment(home, _postgres(database, parts), redis_port)
        prefect = programs.folder / "prefect"
        migrate = [str(prefect), "server", "database", "upgrade", "--yes"]
        subprocess.run(migrate, env=server_environment, check=True, capture_output=True, timeout=STARTUP_SECONDS)
        ports = [free_port() for _ in range(servers)]

        def start(number: int, settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
            name, port = f"server-{number}", ports[number]
            command: list[str | Path] = [
                prefect,
                "server",
                "start",
                "--no-services",
                "--host",
                "127.0.0.1",
                "--port",
                str(port),
            ]
            process = parts.start(name, command, {**server_environment, **settings})
            _until(lambda: _is_healthy(f"http://127.0.0.1:{port}/api"), lambda: parts.log(name))
            return process

        cluster = PrefectCluster("", {}, [f"http://127.0.0.1:{port}/api" for port in ports], start)
        parts.start("services", [prefect, "server", "services", "start"], server_environment)
        for number in range(servers):
            cluster.start(number)
        proxy_port, configuration = free_port(), folder / "haproxy.cfg"
        lines = "\n".join(
            f"  server server{number} 127.0.0.1:{port} check inter 1s fall 2 rise 1"
            for number, port in enumerate(ports)
        )
        configuration.write_text(PROXY.format(port=proxy_port, servers=lines))
        parts.start("haproxy", ["haproxy", "-db", "-f", configuration])
        cluster.api_url = f"http://127.0.0.1:{proxy_port}/api"
        _until(partial(_is_healthy, cluster.api_url), partial(parts.log, "haproxy"))
        cluster.environment |= {
            "PREFECT_API_URL": cluster.api_url,
            "PREFECT_UI_URL": cluster.api_url.removesuffix("/api"),
            "PREFECT_HOME": str(home),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }
        yield cluster
