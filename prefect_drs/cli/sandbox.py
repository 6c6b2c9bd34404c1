"""`sandbox start`, `env`, `seed`, `stop`: the simulated AWS as a process of its own.

In: arguments. Out: a server on 127.0.0.1 that outlives this command, found again by the particulars it keeps in
`PREFECT_DRS_HOME` (`~/.prefect-drs` where that is not set). Everything asked of it goes over its control endpoint, so
only its own process imports moto. It must never reach further than this machine, nor end a process that is not its.
"""

from __future__ import annotations

import contextlib
import json as jsonlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from prefect_drs.core.errors import FaultyInputError, UsageError
from prefect_drs.core.escaping import shell_word
from prefect_drs.core.private_files import create_file, make_folder, truncate_file, write_file

START_SECONDS = 90.0
STOP_SECONDS = 120.0  # a large state takes its time to be written
DEFAULT_SPEED = 60.0
DEFAULT_REGION = "us-east-1"
MARK = "# Written by `prefect-drs sandbox seed`; the next one may write it anew."

app = App(name="sandbox", help="The simulated AWS to rehearse in.")


@app.command
def start(
    *,
    port: int = 0,
    speed: float = DEFAULT_SPEED,
    state: Path | None = None,
    seed: int = 0,
    foreground: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Start the simulated AWS on 127.0.0.1 and come back when it answers.

    Parameters
    ----------
    port
        The port to listen on; 0 takes a free one.
    speed
        Simulated seconds a real second; 0 stands still. A launch of 20 minutes takes 20 seconds at 60.
    state
        A file to load at the start, where it is there, and to save to at the end.
    seed
        Settles ids and durations: the same seed, the same run.
    foreground
        Stay until interrupted.
    """
    if not 0 <= port <= 65535:
        raise UsageError(f"--port {port} is none; give 0 to 65535, 0 for a free one")
    if not speed >= 0 or speed == float("inf"):
        raise UsageError(f"--speed {speed:g} is none; give 0 or more simulated seconds a second")
    wanted = state.expanduser().absolute() if state else None
    arguments = ["--port", str(port), "--speed", str(speed), "--seed", str(seed)]
    arguments += ["--particulars", str(_particulars())] + (["--state", str(wanted)] if wanted else [])
    with _starting():
        if running := find_running():
            return _runs_already(running, port=port, state=wanted)
        if not foreground:
            return _start_in_background(arguments)
    from prefect_drs.simulator.server import main

    print(f"The sandbox starts here; end it with Ctrl-C. Particulars: {_particulars()}", file=sys.stderr)
    return main(arguments)


@app.command
def env() -> int:
    """Print what a shell needs to point boto3, the AWS CLI and this tool at the sandbox.

    Use it as `eval "$(prefect-drs sandbox env)"`.
    """
    running = require_running()
    about = running.ask("GET", "/")
    regions = about["seededRegions"]
    region = DEFAULT_REGION if DEFAULT_REGION in regions or not regions else regions[0]
    real, now, speed = about["realNow"], about["now"], about["speed"]
    exports = {
        "AWS_ENDPOINT_URL": running.endpoint_url,
        "AWS_ACCESS_KEY_ID": "AKIASANDBOX000000000",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PREFECT_DRS_SANDBOX_CLOCK": f"{_seconds(real):.3f},{_seconds(now):.3f},{speed:g}",
    }
    in_the_way = {"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"}
    in_the_way |= {name for name in os.environ if name.startswith("AWS_ENDPOINT_URL_")}
    print(f"unset {' '.join(sorted(in_the_way))}")
    for name, value in exports.items():
        print(f"export {name}={shell_word(value)}")
    return 0


@app.command
def seed(
    files: Annotated[list[Path], Parameter(negative="")],
    /,
    *,
    bindings: Annotated[Path, Parameter(name=["--bindings", "-b"])],
    external_id: str | None = None,
    accounts: Path | None = None,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Build the estate that manifests ask for, and write the bindings from their names to its ids.

    Seeding the same file again changes nothing.

    Parameters
    ----------
    files
        Manifests, JSON or YAML. Names that are no AWS ids are made up for.
    bindings
        The file to write.
    external_id
        What the orchestration roles of other accounts demand.
    accounts
        A file, YAML or JSON, that says what no manifest does of some accounts: an ExternalId of its own, no role,
        missing actions, regions that are not enabled or not initialised, a staging account.
    overwrite
        Write the bindings even over a file that `sandbox seed` did not write.
    json
        Print what was made as JSON.
    """
    from prefect_drs.plan import Bindings, check_manifest, write_bindings

    readings = [check_manifest(file, rehearsal=True) for file in files]
    faults = tuple(fault for reading in readings for fault in reading.faults)
    manifests = [reading.manifest for reading in readings if reading.manifest is not None]
    if len(manifests) < len(files):
        raise FaultyInputError(faults)
    for fault in faults:
        print(fault, file=sys.stderr)
    _check_writable(bindings, files, overwrite=overwrite)
    body = {
        "manifests": [manifest.model_dump(mode="json", by_alias=True) for manifest in manifests],
        "externalId": external_id,
        "accounts": read_accounts(accounts) if accounts else {},
    }
    seeded = require_running().ask("POST", "/seed", body, timeout=600)
    bound = Bindings.model_validate(seeded["bindings"])
    try:
        make_folder(bindings.absolute().parent)
        write_bindings(bound, bindings)
        write_file(bindings, f"{MARK}\n{bindings.read_text(encoding='utf-8')}".encode())
    except OSError as error:
        raise UsageError(f"{bindings} cannot be written: {error.strerror or error}") from error
    if json:
        print(jsonlib.dumps(seeded, indent=2))
    else:
        from prefect_drs.cli.sandbox_view import show_seeded

        show_seeded(seeded, bindings)
    left = [fault for file in files for fault in check_manifest(file, bindings).errors]
    for fault in left:
        print(fault, file=sys.stderr)
    return 1 if left else 0


def read_accounts(file: Path) -> Any:
    """What stands under `accounts` in a file; the sandbox itself says what is wrong with it."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        found = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
    except (OSError, YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    if not isinstance(found, dict) or set(found) != {"accounts"} or not isinstance(found["accounts"], dict):
        raise UsageError(f"{file} must hold `accounts:`, and under it each account's id or name; see docs/sandbox.md")
    return {str(name).zfill(12) if isinstance(name, int) else name: told for name, told in found["accounts"].items()}


@app.command
def stop() -> int:
    """End the sandbox; its state is saved where `--state` asked for it."""
    running = find_running()
    if running is None:
        print("No sandbox is running.")
        return 0
    told = running.ask("POST", "/stop")
    deadline = time.monotonic() + STOP_SECONDS
    while _is_alive(running.pid) and running.answers():
        if time.monotonic() > deadline:
            raise UsageError(f"the sandbox (pid {running.pid}) does not end; see {_home() / 'sandbox.log'}")
        time.sleep(0.05)
    while _particulars().exists() and _is_alive(running.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    saved = f"; its state is in {told['stateFile']}" if told["stateFile"] else ""
    print(f"The sandbox at {running.endpoint_url} has ended{saved}.")
    return 0


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A sandbox that answers."""

    id: str
    pid: int
    port: int
    endpoint_url: str

    def ask(self, method: str, path: str, body: Any = None, *, timeout: float = 30.0) -> Any:
        """One question to its control endpoint.

        Raises:
            UsageError: it refused, in its words; or it does not answer.
        """
        request = urllib.request.Request(  # noqa: S310 - always http://127.0.0.1
            f"{self.endpoint_url}/_sandbox{path}",
            method=method,
            data=jsonlib.dumps(body if body is not None else {}).encode() if method != "GET" else None,
            headers={"Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=timeout) as answer:
                return jsonlib.load(answer)
        except urllib.error.HTTPError as error:
            raise UsageError(_said(error)) from error
        except (OSError, ValueError) as error:
            raise UsageError(f"the sandbox at {self.endpoint_url} does not answer ({error})") from error

    def answers(self) -> bool:
        """Whether this very sandbox answers on its port."""
        try:
            return bool(self.ask("GET", "/", timeout=10.0).get("id") == self.id)
        except (UsageError, AttributeError):
            return False


def find_running() -> RunningSandbox | None:
    """The sandbox of `PREFECT_DRS_HOME`; None where none answers."""
    try:
        told = jsonlib.loads(_particulars().read_text(encoding="utf-8"))
        running = RunningSandbox(
            str(told["id"]), int(told["pid"]), int(told["port"]), f"http://127.0.0.1:{int(told['port'])}"
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return running if running.answers() else None


def require_running() -> RunningSandbox:
    """The sandbox that runs.

    Raises:
        UsageError: none does.
    """
    running = find_running()
    if running is None:
        raise UsageError("no sandbox is running; start one with `prefect-drs sandbox start`")
    return running


def _start_in_background(arguments: list[str]) -> int:
    log = _home() / "sandbox.log"
    _particulars().unlink(missing_ok=True)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MOTO_"))}
    with truncate_file(log) as output:
        process = subprocess.Popen(  # noqa: S603 - this very Python and package, with checked arguments
            [sys.executable, "-m", "prefect_drs.simulator.server", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if running := find_running():
            print(f"A sandbox runs at {running.endpoint_url} (pid {running.pid}).")
            print('Point your shell at it:  eval "$(prefect-drs sandbox env)"')
            return 0
        if process.poll() is not None:
            break
        time.sleep(0.05)
    else:
        process.terminate()
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    said = lines[-1].removeprefix("prefect-drs: ") if lines else f"it said nothing in {START_SECONDS:.0f} seconds"
    if "No module named 'moto'" in said or "flask" in said:
        said = "moto is not installed; install `prefect-drs[sandbox]`"
    raise UsageError(f"the sandbox did not start: {said} (all it said is in {log})")


def _runs_already(running: RunningSandbox, *, port: int, state: Path | None) -> int:
    """A second start: fine where it asks for no more than is there, wrong usage where it asks for something else."""
    about = running.ask("GET", "/")
    said = f"a sandbox runs already at {running.endpoint_url} (pid {running.pid})"
    if port not in {0, running.port} or (state is not None and about["stateFile"] != str(state)):
        raise UsageError(f"{said}, on another port or with another state; end it first: `prefect-drs sandbox stop`")
    print(f"{said[0].upper()}{said[1:]}; `prefect-drs sandbox stop` ends it.")
    return 0


def _check_writable(target: Path, files: list[Path], *, overwrite: bool) -> None:
    """Refuse to write bindings over a manifest or over bindings that somebody wrote by hand."""
    if target.is_dir():
        raise UsageError(f"--bindings {target} is a directory; name a file")
    if not target.exists() or target.stat().st_size == 0:  # such as `mktemp` leaves
        return
    if any(file.exists() and target.samefile(file) for file in files):
        raise UsageError(f"--bindings {target} is the manifest itself; name another file")
    with target.open(encoding="utf-8", errors="replace") as file:
        is_ours = file.readline().rstrip("\n") == MARK
    if not is_ours and not overwrite:
        raise UsageError(f"{target} was not written by `sandbox seed`; name another file, or say --overwrite")


@contextlib.contextmanager
def _starting() -> Iterator[None]:
    """One start at a time; what a start that was killed left behind is passed over after a while."""
    home = _home()
    try:
        make_folder(home.absolute())
    except OSError as error:
        raise UsageError(f"PREFECT_DRS_HOME, {home}, cannot be made: {error.strerror or error}") from error
    mark = home / "sandbox.starting"
    with contextlib.suppress(OSError):
        if time.time() - mark.stat().st_mtime > START_SECONDS:
            mark.unlink()
    try:
        create_file(mark).close()
    except FileExistsError:
        raise UsageError(f"another `sandbox start` is under way; if not, delete {mark}") from None
    except OSError as error:
        raise UsageError(f"{mark} cannot be written: {error.strerror or error}") from error
    try:
        yield
    finally:
        mark.unlink(missing_ok=True)


def _home() -> Path:
    return Path(os.environ.get("PREFECT_DRS_HOME") or Path.home() / ".prefect-drs").expanduser()


def _particulars() -> Path:
    return _home().absolute() / "sandbox.json"


def _said(error: urllib.error.HTTPError) -> str:
    try:
        return str(jsonlib.load(error)["message"])
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


def _seconds(iso: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(iso).timestamp()
