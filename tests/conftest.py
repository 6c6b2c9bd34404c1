"""What every test may ask for: a real Prefect server with its UI, and a plain word about browser tests left out.

`prefect_server` starts one server for each process of pytest-xdist, and only when the first test asks for it.
`prefect_test_harness` would not do: the server that it starts serves no UI.
"""

from __future__ import annotations

import gc
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from tests import warm_client
from tests.migrated_database import give_migrated_database
from tests.scheduling import Scheduling, rank, unit_of
from tests.shared_folder import exclusive, run_id, shared_folder

if TYPE_CHECKING:
    from prefect_drs.simulator.server import SandboxServer
    from tests.identity.issuer import Issuer

# A slow machine fails no test: by default, Hypothesis measures wall time.
hypothesis_settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("untimed")
# moto makes a thousand images for each account and region otherwise; no test is about one of them.
os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")

# Collecting the many long-lived objects of botocore, moto and Prefect again and again takes a tenth of the CPU.
gc.set_threshold(100_000, 20, 100)

ROOT = Path(__file__).resolve().parents[1]
SERVER_STARTUP_SECONDS = 120
BROWSER_MISSING = (
    "no Chromium was found: install one (Debian: apt-get install chromium) or name it in PREFECT_DRS_CHROMIUM"
)
KINDS = ("e2e", "integration", "unit")  # the slowest first
LEFT_OUT = pytest.StashKey[list[str]]()


@dataclass(frozen=True)
class PrefectServer:
    """A running Prefect server; `environment` leads a subprocess to it."""

    url: str
    api_url: str
    home: Path
    environment: dict[str, str]


@dataclass(frozen=True)
class Programs:
    """`prefect-drs`, `prefect` and `python`, forked from a process that has imported them (`tests.warm_cli`).

    `folder` holds the three; `environment` is what they need.
    """

    folder: Path
    environment: dict[str, str]


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the processes of pytest-xdist share."""
    return shared_folder(tmp_path_factory)


@pytest.fixture(scope="session")
def programs(forked_programs: Programs) -> Programs:
    """Quick to start; a test that is about the process itself starts one by `python -m prefect_drs.cli`.

    A test that asks for it is marked `e2e`.
    """
    return forked_programs


@pytest.fixture(scope="session")
def forked_programs(shared: Path) -> Programs:
    """One process imports and forks for all of a run, and ends after it."""
    folder = shared / "programs"
    address = folder / "socket"
    with exclusive(shared, "programs"):
        if not address.exists():
            folder.mkdir()
            client = Path(warm_client.__file__).read_text(encoding="utf-8")
            for name in ("prefect-drs", "prefect", "python"):
                script = folder / name
                script.write_text(f"#!{sys.executable} -IS\n{client}")
                script.chmod(0o755)
            server = [sys.executable, "-m", "tests.warm_cli", str(address), str(run_id())]
            subprocess.run(server, cwd=ROOT, start_new_session=True, check=True, timeout=SERVER_STARTUP_SECONDS)
    return Programs(folder, {warm_client.VARIABLE: str(address)})


@pytest.fixture(scope="session")
def prefect_server(
    forked_programs: Programs, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PrefectServer]:
    home = tmp_path_factory.mktemp("prefect-home")
    prefect = forked_programs.folder / "prefect"
    give_migrated_database(home, shared, prefect, forked_programs.environment)
    port = free_port()
    server = PrefectServer(
        url=f"http://127.0.0.1:{port}",
        api_url=f"http://127.0.0.1:{port}/api",
        home=home,
        environment={
            "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
            "PREFECT_UI_URL": f"http://127.0.0.1:{port}",
            "PREFECT_HOME": str(home),
            "PREFECT_DRS_HOME": str(home / "drs"),
            "PREFECT_PROFILES_PATH": str(home / "profiles.toml"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_API_SSL_CERT_FILE": str(_one_certificate(home)),
            "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",  # a request less for each client; the server asks for none
            "DO_NOT_TRACK": "1",
        },
    )
    log = home / "server.log"
    with pytest.MonkeyPatch.context() as patch, log.open("wb") as output:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        process = subprocess.Popen(
            [prefect, "server", "start", "--host", "127.0.0.1", "--port", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                **forked_programs.environment,
                "PREFECT_SERVER_UI_API_URL": server.api_url,  # else the UI asks port 4200
                "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
                "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
                "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",  # 3 of 13 seconds
            },
        )
        try:
            _wait_until(
                lambda: _is_healthy(server),
                process,
                lambda: f"the Prefect server did not start:\n{log.read_text(errors='replace')[-4000:]}",
            )
            _settle_settings()
            yield server
            _send_what_is_queued()
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    _settle_settings()


@pytest.fixture
def beside(prefect_server: PrefectServer) -> Iterator[Callable[..., Future[Any]]]:
    """Run something in a thread beside the test. Gates that it still waits at when the test ends are rejected."""
    from prefect_drs.core.errors import UsageError
    from prefect_drs.orchestration.approvals.gate import answer_gate, pending_gates
    from prefect_drs.recovery.ports import Decision

    def release() -> None:
        for gate in pending_gates():
            with suppress(UsageError):  # answered or gone meanwhile
                answer_gate(gate.execution_id, gate.wave_number, Decision.REJECTED, by="the end of the test")

    started: list[Future[Any]] = []

    def start(function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        started.append(pool.submit(function, *arguments))
        return started[-1]

    with ThreadPoolExecutor(8) as pool:
        yield start
        while wait(started, timeout=1).not_done:
            pool.submit(release).result()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    """A sandbox with its STS, that this process's AWS configuration leads to."""
    from tests.identity.aws import configured_sandbox

    with configured_sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """An OIDC issuer with keys of its own."""
    from tests.identity.issuer import running_issuer

    with running_issuer() as running:
        yield running


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], failure: Callable[[], str]) -> None:
    """Wait until a started process is ready; fail the test where it ends before, or takes too long."""
    deadline = time.monotonic() + SERVER_STARTUP_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(failure(), pytrace=False)
        time.sleep(0.05)


def _is_healthy(server: PrefectServer) -> bool:
    import httpx

    try:
        return httpx.get(f"{server.api_url}/health", timeout=5, verify=False).status_code == 200
    except httpx.TransportError:
        return False


def _one_certificate(folder: Path) -> Path:
    """A file of one certificate: Prefect reads all of certifi's for each client (17 ms), also where it asks by HTTP."""
    import certifi

    text = Path(certifi.where()).read_text(encoding="ascii")
    end = "-----END CERTIFICATE-----\n"
    file = folder / "certificate.pem"
    file.write_text(text[: text.index(end)] + end, encoding="ascii")
    return file


def _settle_settings() -> None:
    """Let Prefect in this process, its threads included, read the environment anew."""
    from prefect.context import refresh_global_settings_context

    refresh_global_settings_context()


def _send_what_is_queued() -> None:
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    APILogWorker.instance().drain()
    EventsWorker.drain_all()


def find_chromium() -> str | None:
    return os.environ.get("PREFECT_DRS_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test by what it needs. Without Chromium, browser tests fail under CI and are skipped elsewhere.

    The slowest kinds stand first: `tests.scheduling` hands them out.
    """
    slowest: dict[str, int] = {}
    for item in items:
        kind, unit = _kind_of(item), unit_of(item.nodeid)
        item.add_marker(kind)
        slowest[unit] = min(slowest.get(unit, len(KINDS)), KINDS.index(kind))
    items.sort(key=lambda item: (rank(item.nodeid), slowest[unit_of(item.nodeid)]))
    browser_tests = [item for item in items if item.get_closest_marker("browser")]
    config.stash[LEFT_OUT] = []
    if find_chromium() or "CI" in os.environ:
        return
    for item in browser_tests:
        item.add_marker(pytest.mark.skip(reason=BROWSER_MISSING))
        config.stash[LEFT_OUT].append(item.nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_collection_finish() -> None:
    """What the tests imported stays: it is not looked through for garbage any more."""
    gc.collect()
    gc.freeze()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Files from both ends of the order above."""
    return Scheduling(config, log)


def _kind_of(item: pytest.Item) -> str:
    """`e2e` with processes of its own, `integration` with a server, a long property test, else `unit`."""
    fixtures = set(getattr(item, "fixturenames", ()))
    if "e2e" in item.path.parts or "programs" in fixtures or item.get_closest_marker("e2e"):
        return "e2e"
    if "prefect_server" in fixtures or item.get_closest_marker("integration"):
        return "integration"
    return "unit"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> Iterator[None]:
    result = yield
    left_out = config.stash.get(LEFT_OUT, [])
    if left_out:
        terminalreporter.section("left out", yellow=True)
        terminalreporter.write_line(f"{len(left_out)} browser tests, because {BROWSER_MISSING}:")
        for nodeid in left_out:
            terminalreporter.write_line(f"  {nodeid}")
    return result
