"""`make demo`: a complete drill on this machine, without AWS.

It starts the sandbox and a Prefect server, seeds the estate of examples/three-tier.json, deploys the plan, starts a
worker, runs the drill through its deployment and waits at the two gates. On a terminal it waits for a person to approve
in the Prefect UI; without a terminal it approves automatically. It ends with the report and stops all processes that it
started. It writes only to .demo/, or to the folder that PREFECT_DRS_DEMO names, which must be empty or new.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path
from uuid import UUID

ROOT = Path(__file__).resolve().parents[2]
HOME = Path(os.environ.get("PREFECT_DRS_DEMO", ROOT / ".demo")).absolute()
BIN = Path(sys.executable).parent
MANIFEST = "examples/three-tier.json"
BINDINGS = HOME / "bindings.yaml"
POOL = "drs-sandbox"
SPEED = 120  # simulated seconds per real second: a launch of 20 minutes takes 10 seconds
STARTUP_SECONDS = 180.0
STOP_SECONDS = 60


def say(text: str) -> None:
    """Print one step of the demo."""
    print(f"\033[1m{text}\033[0m" if sys.stdout.isatty() else text, flush=True)


def free_port() -> int:
    """A free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Demo:
    """The processes and the environment they share."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.api = ""
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "AWS_"))},
            "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}",
            "PREFECT_HOME": str(HOME / "prefect"),
            "PREFECT_DRS_HOME": str(HOME / "drs"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_CLI_PROMPT": "false",
            "PREFECT_LOGGING_LEVEL": "INFO",
            "DO_NOT_TRACK": "1",
        }

    def run(self, command: str, *, quiet: bool = False) -> str:
        """Run a command as a user would type it; returns its output."""
        if not quiet:
            say(f"$ {command}")
        done = subprocess.run(
            shlex.split(command), cwd=ROOT, env=self.environment, text=True, capture_output=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"`{command}` ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def background(self, command: str, log: str) -> subprocess.Popen[bytes]:
        """Start a command that runs until the demo ends; its output goes to a log in the demo's folder."""
        say(f"$ {command} &")
        output = self._stack.enter_context((HOME / log).open("wb"))
        process = subprocess.Popen(
            shlex.split(command),
            cwd=ROOT,
            env=self.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._stack.callback(stop, process)
        return process

    def start_prefect(self) -> subprocess.Popen[bytes]:
        """Start a Prefect server with its UI."""
        port = free_port()
        self.api = f"http://127.0.0.1:{port}/api"
        self.environment |= {"PREFECT_SERVER_UI_API_URL": self.api, "PREFECT_API_URL": self.api}
        return self.background(f"prefect server start --host 127.0.0.1 --port {port}", "prefect-server.log")

    def wait_for_prefect(self, server: subprocess.Popen[bytes]) -> None:
        """Wait until the server answers."""
        deadline = time.monotonic() + STARTUP_SECONDS
        while time.monotonic() < deadline and server.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.api}/health", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
        raise SystemExit(f"the Prefect server did not start; see {HOME / 'prefect-server.log'}")

    def start_sandbox(self) -> None:
        """Start the simulated AWS and point everything at it."""
        self.run(f"prefect-drs sandbox start --port {free_port()} --speed {SPEED}")
        self._stack.callback(self.run, "prefect-drs sandbox stop")
        for name, value in re.findall(r"^export (\w+)=(.*)$", self.run("prefect-drs sandbox env"), re.MULTILINE):
            self.environment[name] = shlex.split(value)[0] if value else ""


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process, and then what it started and left, such as a worker's flow run that is just ending.

    Prefect's worker does not end by itself where its parent ignores SIGINT, as under `nohup`.
    """
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def drill(demo: Demo) -> int:
    """Start the drill through its deployment, follow it through its gates, print its report."""
    started = demo.run(f"prefect deployment run recover/sandbox --param mode=drill --param bindings={BINDINGS}")
    found = re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", started)
    if found is None:
        raise SystemExit(f"no flow run id in:\n{started}")
    os.environ.update(demo.environment)  # from here on this process uses the same Prefect API

    from prefect.client.orchestration import get_client

    from prefect_drs.cli.console import console
    from prefect_drs.core.errors import UsageError
    from prefect_drs.orchestration.approvals.gate import answer_gate, pending_gates
    from prefect_drs.orchestration.executions.reports import read_report
    from prefect_drs.orchestration.ui_links import ui_link
    from prefect_drs.recovery.ports import Decision
    from prefect_drs.report.terminal import report_view

    execution = found.group()
    say(f"The drill is running: {ui_link(execution)}")
    person = sys.stdin.isatty() and sys.stdout.isatty()
    announced: set[int] = set()
    with get_client(sync_client=True) as client:
        while True:
            for gate in pending_gates(execution):
                if gate.wave_number in announced:
                    continue
                announced.add(gate.wave_number)
                say(f"GATE: {gate.wave_name} waits for approval. Choose ⋮ → Resume here: {gate.link}")
                if not person:
                    say("  (no terminal: approved by the demo itself)")
                    answer_gate(execution, gate.wave_number, Decision.APPROVED, by="make demo", comment="no terminal")
            state = client.read_flow_run(UUID(execution)).state
            if state is not None and state.is_final():
                break
            time.sleep(1.0)
    try:
        report = read_report(execution)
    except UsageError:
        raise SystemExit(f"the drill ended {state.name} before anything was launched: {state.message}") from None
    console().print(report_view(report))
    (HOME / "report.json").write_text(report.to_json(), encoding="utf-8")
    return report.exit_code


def make_home() -> None:
    """Create an empty folder; the files of an earlier demo in .demo/ are deleted, those in PREFECT_DRS_DEMO never."""
    if "PREFECT_DRS_DEMO" not in os.environ:
        shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True, exist_ok=True)
    if any(HOME.iterdir()):
        raise SystemExit(f"PREFECT_DRS_DEMO is {HOME}, which is not empty: name another folder")


def main() -> int:
    """Run the demo."""
    begun = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the started processes are stopped too
    os.umask(0o077)  # logs, state and report are readable by their owner only
    make_home()
    with ExitStack() as stack:
        demo = Demo(stack)
        server = demo.start_prefect()
        demo.start_sandbox()
        print(demo.run(f"prefect-drs sandbox seed {MANIFEST} --bindings {BINDINGS}"))
        print(demo.run(f"prefect-drs show {MANIFEST} --bindings {BINDINGS}"))
        demo.run(f"prefect-drs validate {MANIFEST} --bindings {BINDINGS}")
        demo.wait_for_prefect(server)
        say(f"Prefect UI: {demo.api.removesuffix('/api')}")
        demo.run("prefect-drs setup --sample")
        demo.run(f"prefect work-pool create {POOL} --type process")
        demo.run("prefect --no-prompt deploy --name recover/sandbox")
        demo.background(f"prefect worker start --pool {POOL}", "worker.log")
        code = drill(demo)
        if sys.stdin.isatty() and sys.stdout.isatty():
            input("Look around in the UI; press Enter to stop everything. ")
    say(f"make demo took {time.monotonic() - begun:.0f} s")
    return code


if __name__ == "__main__":
    sys.exit(main())
