"""The sandbox as a process of its own: start it, find it, send it requests, stop it.

In: the options of a start. Out: a `RunningSandbox` on 127.0.0.1 that outlives the process which started it. It is found
again by its state file in `PREFECT_DRS_HOME` (`~/.prefect-drs` where that is not set) and answers on its control
endpoint, so only its own process imports moto. Prints nothing.

Must never: listen on another address than 127.0.0.1; end a process that is not the sandbox.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect_drs.core.errors import UsageError
from prefect_drs.core.private_files import create_file, make_folder, truncate_file

START_SECONDS = 90.0
STOP_SECONDS = 120.0  # a large state takes its time to be written
POLL_SECONDS = 0.05
DEFAULT_REGION = "us-east-1"
ACCESS_KEY_ID = "AKIASANDBOX000000000"
SECRET_ACCESS_KEY = "sandbox"  # noqa: S105 - the simulated AWS takes any key
CONFLICTING_SETTINGS = frozenset(
    {"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"}
)
"""Environment variables that would lead boto3 past the sandbox."""


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A sandbox that answers."""

    id: str
    pid: int
    port: int
    endpoint_url: str

    def ask(self, method: str, path: str, body: Any = None, *, timeout: float = 30.0) -> Any:
        """Send one request to its control endpoint.

        Raises:
            UsageError: it refused, with its own message; or it does not answer.
        """
        request = urllib.request.Request(  # noqa: S310 - always http://127.0.0.1
            f"{self.endpoint_url}/_sandbox{path}",
            method=method,
            data=json.dumps(body if body is not None else {}).encode() if method != "GET" else None,
            headers={"Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise UsageError(_error_message(error)) from error
        except (OSError, ValueError) as error:
            raise UsageError(f"the sandbox at {self.endpoint_url} does not answer ({error})") from error

    def answers(self) -> bool:
        """Whether this very sandbox answers on its port."""
        try:
            return bool(self.ask("GET", "/", timeout=10.0).get("id") == self.id)
        except (UsageError, AttributeError):
            return False


@dataclass(frozen=True, slots=True)
class SandboxStart:
    """The options of a start.

    Args:
        port: the port to listen on; 0 takes a free one.
        speed: simulated seconds per real second; 0 stops the clock.
        seed: decides ids and durations.
        state: a file that the sandbox loads when it starts, if it exists, and saves when it ends.

    Raises:
        UsageError: a port or a speed that is out of range.
    """

    port: int
    speed: float
    seed: int = 0
    state: Path | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise UsageError(f"Invalid --port {self.port}: use 0 to 65535; 0 takes a free one")
        if not self.speed >= 0 or self.speed == float("inf"):
            raise UsageError(f"Invalid --speed {self.speed:g}: use 0 or more simulated seconds per real second")

    @property
    def state_path(self) -> Path | None:
        """The state as an absolute path."""
        return self.state.expanduser().absolute() if self.state else None

    @property
    def arguments(self) -> list[str]:
        """The arguments of `prefect_drs.simulator.server`."""
        arguments = ["--port", str(self.port), "--speed", str(self.speed), "--seed", str(self.seed)]
        arguments += ["--particulars", str(state_file())]
        return arguments + (["--state", str(self.state_path)] if self.state else [])


@dataclass(frozen=True, slots=True)
class StoppedSandbox:
    """A sandbox that has ended; `saved_to` is the file with its state, if it saves one."""

    endpoint_url: str
    saved_to: str | None


def find_running() -> RunningSandbox | None:
    """The sandbox of `PREFECT_DRS_HOME`; None where none answers."""
    try:
        known = json.loads(state_file().read_text(encoding="utf-8"))
        port = int(known["port"])
        running = RunningSandbox(str(known["id"]), int(known["pid"]), port, f"http://127.0.0.1:{port}")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return running if running.answers() else None


def require_running() -> RunningSandbox:
    """The running sandbox.

    Raises:
        UsageError: none is running.
    """
    running = find_running()
    if running is None:
        raise UsageError("no sandbox is running; start one with `prefect-drs sandbox start`")
    return running


def require_compatible(running: RunningSandbox, options: SandboxStart) -> None:
    """Accept a running sandbox as the result of another start, unless that one has other options.

    Raises:
        UsageError: it listens on another port, or has another state.
    """
    other_port = options.port not in {0, running.port}
    if other_port or (options.state and running.ask("GET", "/")["stateFile"] != str(options.state_path)):
        raise UsageError(
            f"a sandbox is already running at {running.endpoint_url} (pid {running.pid}), on another port or with "
            "another state; stop it first: `prefect-drs sandbox stop`"
        )


def start_in_background(options: SandboxStart) -> RunningSandbox:
    """Start a sandbox as a process of its own and wait until it answers. Call it within `exclusive_start`.

    Raises:
        UsageError: it did not start; with the last line of its log.
    """
    log = home() / "sandbox.log"
    state_file().unlink(missing_ok=True)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MOTO_"))}
    with truncate_file(log) as output:
        process = subprocess.Popen(  # noqa: S603 - this very Python and package, with checked arguments
            [sys.executable, "-m", "prefect_drs.simulator.server", *options.arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if running := find_running():
            return running
        if process.poll() is not None:
            break
        time.sleep(POLL_SECONDS)
    else:
        process.terminate()
    raise UsageError(f"the sandbox did not start: {_last_line(log)} (see {log})")


def stop_running() -> StoppedSandbox | None:
    """End the sandbox and wait until it has ended; None where none is running.

    Raises:
        UsageError: it does not end.
    """
    running = find_running()
    if running is None:
        return None
    answer = running.ask("POST", "/stop")
    deadline = time.monotonic() + STOP_SECONDS
    while _is_alive(running.pid) and running.answers():
        if time.monotonic() > deadline:
            raise UsageError(f"the sandbox (pid {running.pid}) does not end; see {home() / 'sandbox.log'}")
        time.sleep(POLL_SECONDS)
    while state_file().exists() and _is_alive(running.pid) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return StoppedSandbox(running.endpoint_url, answer["stateFile"])


def sandbox_environment(running: RunningSandbox) -> dict[str, str]:
    """The environment variables that point boto3, the AWS CLI and this tool at a sandbox."""
    about = running.ask("GET", "/")
    regions = about["seededRegions"]
    region = DEFAULT_REGION if DEFAULT_REGION in regions or not regions else regions[0]
    real, now = (datetime.fromisoformat(about[name]).timestamp() for name in ("realNow", "now"))
    return {
        "AWS_ENDPOINT_URL": running.endpoint_url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PREFECT_DRS_SANDBOX_CLOCK": f"{real:.3f},{now:.3f},{about['speed']:g}",
    }


def conflicting_variables() -> list[str]:
    """The environment variables to unset, so that nothing leads past the sandbox."""
    return sorted(CONFLICTING_SETTINGS | {name for name in os.environ if name.startswith("AWS_ENDPOINT_URL_")})


@contextlib.contextmanager
def exclusive_start() -> Iterator[None]:
    """Allow one start at a time; the lock of a start that was killed expires after `START_SECONDS`.

    Raises:
        UsageError: another start is in progress, or `PREFECT_DRS_HOME` cannot be written.
    """
    try:
        make_folder(home().absolute())
    except OSError as error:
        raise UsageError(f"PREFECT_DRS_HOME, {home()}, cannot be created: {error.strerror or error}") from error
    lock = home() / "sandbox.starting"
    with contextlib.suppress(OSError):
        if time.time() - lock.stat().st_mtime > START_SECONDS:
            lock.unlink()
    try:
        create_file(lock).close()
    except FileExistsError:
        raise UsageError(f"another `sandbox start` is in progress; if not, delete {lock}") from None
    except OSError as error:
        raise UsageError(f"{lock} cannot be written: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def home() -> Path:
    """The folder of the sandbox's files."""
    return Path(os.environ.get("PREFECT_DRS_HOME") or Path.home() / ".prefect-drs").expanduser()


def state_file() -> Path:
    """The file by which a running sandbox is found."""
    return home().absolute() / "sandbox.json"


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    line = lines[-1].removeprefix("prefect-drs: ") if lines else f"no output within {START_SECONDS:.0f} seconds"
    if "No module named 'moto'" in line or "flask" in line:
        return "moto is not installed; install `prefect-drs[sandbox]`"
    return line


def _error_message(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["message"])
    except (ValueError, KeyError, TypeError):
        return f"the sandbox answered {error.code}"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
