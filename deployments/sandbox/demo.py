"""`make demo`: a complete drill on this machine, without AWS.

It starts the sandbox and a Prefect server, seeds the estate of examples/three-tier.json, deploys the plan, starts a
worker, runs the drill through its deployment and waits at the two gates. On a terminal it waits for a person to approve
in the Prefect UI; without a terminal it approves automatically. It ends with the report and stops all processes that it
started. It writes only to .demo/, or to the folder that PREFECT_DRS_DEMO names, which must be empty or new.

The servers, the worker and the drill are processes. The commands run in this process, one after the other, so that
Prefect is imported once for all of them; it is imported while the servers start.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from progress import Progress

if TYPE_CHECKING:
    from prefect_drs.orchestration.approvals.gate import PendingGate

ROOT = Path(__file__).resolve().parents[2]
HOME = Path(os.environ.get("PREFECT_DRS_DEMO", ROOT / ".demo")).absolute()
BIN = Path(sys.executable).parent
MANIFEST = "examples/three-tier.json"
BINDINGS = (HOME.relative_to(ROOT) if HOME.is_relative_to(ROOT) else HOME) / "bindings.yaml"
POOL = "drs-sandbox"
SPEED = 120  # simulated seconds per real second: a launch of 20 minutes takes 10 seconds
STARTUP_SECONDS = 180.0
STOP_SECONDS = 60
POLL_SECONDS = 0.25
PERSON_SECONDS = 60.0  # between two reminders that a gate is open


def free_port() -> int:
    """A free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def set_environment(api: str) -> None:
    """The environment of this process and of all that it starts: the demo's own servers and folders."""
    for name in [name for name in os.environ if name.startswith(("PREFECT_", "AWS_"))]:
        del os.environ[name]
    os.environ |= {
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}",
        "PREFECT_HOME": str(HOME / "prefect"),
        "PREFECT_DRS_HOME": str(HOME / "drs"),
        "PREFECT_API_URL": api,
        "PREFECT_SERVER_UI_API_URL": api,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "1",  # by default a worker looks for runs every ten seconds
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_LOGGING_LEVEL": "INFO",
        "DO_NOT_TRACK": "1",
    }


class Demo:
    """The commands and processes of the demo."""

    def __init__(self, stack: ExitStack, progress: Progress) -> None:
        self._stack = stack
        self._progress = progress
        self._importing = threading.Thread(target=import_prefect, name="import", daemon=True)
        self._started: list[subprocess.Popen[bytes]] = []

    def run(self, command: str, doing: str, *, show: bool = False) -> str:
        """Run a command as a user would type it, in this process.

        Args:
            command: a command line of `prefect-drs` or `prefect`.
            doing: what it does, in a few words.
            show: let it print; otherwise its output is returned.
        """
        self._progress.command(command)
        program, *arguments = shlex.split(command)
        output = io.StringIO()
        quiet = nullcontext() if show else redirect_stdout(output)
        errors = nullcontext() if show else redirect_stderr(output)
        with self._progress.waiting(doing):
            if program == "prefect":
                self._importing.join()
            with quiet, errors:
                code = prefect(arguments) if program == "prefect" else prefect_drs(arguments)
        self._progress.shown()
        if code:
            raise SystemExit(f"`{command}` ended with {code}:\n{output.getvalue()}")
        return output.getvalue()

    def background(self, command: str, log: str) -> subprocess.Popen[bytes]:
        """Start a command that runs until the demo ends; its output goes to a log in the demo's folder."""
        self._progress.command(command, background=True)
        output = self._stack.enter_context((HOME / log).open("wb"))
        process = subprocess.Popen(
            shlex.split(command), stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        self._started.append(process)
        self._stack.callback(stop, process)
        return process

    def end_all(self) -> None:
        """Ask all started processes to end; they end side by side, and are waited for afterwards."""
        for process in self._started:
            process.terminate()

    def import_prefect(self) -> None:
        """Begin to import Prefect, which takes seconds, beside whatever else is waited for."""
        self._importing.start()

    def wait_for_prefect(self, server: subprocess.Popen[bytes]) -> None:
        """Wait until the server answers."""
        deadline = time.monotonic() + STARTUP_SECONDS
        with self._progress.waiting("the Prefect server creates its database and starts"):
            while time.monotonic() < deadline and server.poll() is None:
                try:
                    with urllib.request.urlopen(f"{os.environ['PREFECT_API_URL']}/health", timeout=5):
                        return
                except (urllib.error.URLError, OSError):
                    time.sleep(POLL_SECONDS)
        raise SystemExit(f"the Prefect server did not start; see {HOME / 'prefect-server.log'}")

    def start_sandbox(self) -> None:
        """Start the simulated AWS and point everything at it."""
        self.run(f"prefect-drs sandbox start --port {free_port()} --speed {SPEED}", "the simulated AWS starts")
        self._stack.callback(self.run, "prefect-drs sandbox stop", "the simulated AWS ends")
        exports = self.run("prefect-drs sandbox env", "its address")
        for name, value in re.findall(r"^export (\w+)=(.*)$", exports, re.MULTILINE):
            os.environ[name] = shlex.split(value)[0] if value else ""


def import_prefect() -> None:
    """Import what the commands of `prefect` and the drill need."""
    import prefect.cli.deploy
    import prefect.cli.deployment
    import prefect.cli.work_pool  # noqa: F401

    import prefect_drs.flows
    import prefect_drs.operations.setup  # noqa: F401


def prefect_drs(arguments: Sequence[str]) -> int:
    """Run a command of `prefect-drs` in this process; returns its exit code."""
    from prefect_drs.cli import main

    return main(arguments)


def prefect(arguments: Sequence[str]) -> int:
    """Run a command of `prefect` in this process; returns its exit code."""
    from prefect.cli import app

    sys.argv = ["prefect", *arguments]
    try:
        app()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0


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


def kill_what_is_left() -> None:
    """Kill the flow runs of a worker that was stopped while they were ending: each has a session of its own.

    They are found by their environment, where the system shows it (Linux).
    """
    ours = f"PREFECT_HOME={HOME / 'prefect'}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile, or is another user's
            if int(entry.name) != os.getpid() and ours in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGKILL)


class Drill:
    """A drill that runs through its deployment: its journal is followed, its gates are answered, its report printed."""

    def __init__(self, execution: str, progress: Progress) -> None:
        from prefect_drs.execution.lines import EventLines

        self._execution = execution
        self._progress = progress
        self._person = sys.stdin.isatty() and progress.is_terminal
        self._told = 0
        self._log = EventLines()
        self._announced: set[int] = set()

    def follow(self) -> int:
        """Print what happens until the drill has ended, and its report; returns its exit code."""
        from prefect.client.orchestration import get_client

        from prefect_drs.cli.console import console
        from prefect_drs.core.errors import UsageError
        from prefect_drs.orchestration.executions.reports import read_report
        from prefect_drs.report.terminal import report_view

        with self._progress.waiting("the drill goes on"), get_client(sync_client=True) as client:
            while True:
                state = client.read_flow_run(UUID(self._execution)).state
                self._tell_events()
                if state is not None and state.is_final():
                    break
                self._answer_gates()
                time.sleep(POLL_SECONDS)
        try:
            report = read_report(self._execution)
        except UsageError:
            raise SystemExit(f"the drill ended {state.name} before anything was launched: {state.message}") from None
        self._progress.step("The drill has ended. Its report, as `prefect-drs status` shows it:")
        console().print(report_view(report))
        (HOME / "report.json").write_text(report.to_json(), encoding="utf-8")
        return report.exit_code

    def _tell_events(self) -> None:
        """Print the events that the journal has had since the last look, in simulated time."""
        from prefect_drs.orchestration.storage.journal_storage import open_journal

        events = open_journal(self._execution).read()
        for event in events[self._told :]:
            for line in self._log.lines(event):
                self._progress.line(line)
        self._told = len(events)

    def _answer_gates(self) -> None:
        from prefect_drs.orchestration.approvals.answers import pending_gates

        for gate in pending_gates(self._execution):
            if gate.wave_number not in self._announced:
                self._announced.add(gate.wave_number)
                self._progress.link(
                    f"GATE: {gate.wave_name} waits for approval. Choose ⋮ → Resume here:", gate.link or "(no UI)"
                )
                self._answer(gate)

    def _answer(self, gate: PendingGate) -> None:
        from prefect_drs.orchestration.approvals.answers import answer_gate
        from prefect_drs.recovery.ports import Decision

        if self._person:
            self._progress.line(f"or run: prefect-drs approve {self._execution} --wave {gate.wave_number}")
            return
        self._progress.line("(no terminal: approved by the demo itself)")
        answer_gate(self._execution, gate.wave_number, Decision.APPROVED, by="make demo", comment="no terminal")


def make_home() -> None:
    """Create an empty folder; the files of an earlier demo in .demo/ are deleted, those in PREFECT_DRS_DEMO never."""
    if "PREFECT_DRS_DEMO" not in os.environ:
        shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True, exist_ok=True)
    if any(HOME.iterdir()):
        raise SystemExit(f"PREFECT_DRS_DEMO is {HOME}, which is not empty: name another folder")


def main() -> int:
    """Run the demo."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the started processes are stopped too
    os.umask(0o077)  # logs, state and report are readable by their owner only
    make_home()
    os.chdir(ROOT)
    progress, port = Progress(sys.stdout), free_port()
    progress.remind()
    set_environment(f"http://127.0.0.1:{port}/api")
    with ExitStack() as stack:
        stack.callback(kill_what_is_left)
        demo = Demo(stack, progress)
        progress.step("Start a Prefect server and the simulated AWS, side by side.")
        server = demo.background(f"prefect server start --host 127.0.0.1 --port {port}", "prefect-server.log")
        demo.import_prefect()
        demo.start_sandbox()
        progress.step(f"Create the servers and networks that {MANIFEST} names; write their ids to {BINDINGS}.")
        seeding = f"prefect-drs sandbox seed {MANIFEST} --bindings {BINDINGS}"
        demo.run(seeding, "servers, subnets and security groups are created", show=True)
        progress.step("Show the plan, and validate it.")
        demo.run(f"prefect-drs show {MANIFEST} --bindings {BINDINGS}", "the plan is read", show=True)
        demo.run(f"prefect-drs validate {MANIFEST} --bindings {BINDINGS}", "the plan is read", show=True)
        progress.step(
            "Prepare the Prefect server: a work pool and its worker, block types, the deployment of the plan."
        )
        demo.wait_for_prefect(server)
        progress.link("The Prefect UI:", f"http://127.0.0.1:{port}")
        demo.run(f"prefect work-pool create {POOL} --type process", "the work pool is created")
        demo.background(f"prefect worker start --pool {POOL}", "worker.log")
        demo.run("prefect-drs setup --sample", "block types are registered")
        demo.run("prefect --no-prompt deploy --name recover/sandbox", "the plan is deployed")
        progress.step("Run the drill through its deployment: the worker starts it in a process of its own.")
        run = f"prefect deployment run recover/sandbox --param mode=drill --param bindings={BINDINGS}"
        started = demo.run(run, "the flow run is created")
        found = re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", started)
        if found is None:
            raise SystemExit(f"no flow run id in:\n{started}")
        from prefect_drs.orchestration.ui_links import ui_link

        progress.link("The drill is running; its events follow:", ui_link(found.group()) or "")
        code = Drill(found.group(), progress).follow()
        if sys.stdin.isatty() and progress.is_terminal:
            input("Look around in the UI; press Enter to stop everything. ")
        progress.step("Stop everything.")
        demo.end_all()
    progress.step(f"make demo took {progress.seconds:.0f} s")
    return code


if __name__ == "__main__":
    sys.exit(main())
