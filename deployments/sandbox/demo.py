"""`make demo`: a complete drill on this machine, without AWS.

It starts the sandbox and a Prefect server, seeds the estate of examples/three-tier.json, deploys the plan, starts a
worker, runs the drill through its deployment and waits at the two gates. On a terminal it waits for a person to approve
in the Prefect UI; without a terminal it approves automatically. It ends with the report and stops all processes that it
started. It writes only to .demo/, or to the folder that PREFECT_DRS_DEMO names, which must be empty or new.
PREFECT_DRS_DEMO_SPEED is the number of simulated seconds in a second.

What takes long to start starts side by side: the Prefect server, the simulated AWS, and a process that imports Prefect
for all commands that need it (`processes`). Commands that do not need Prefect run in this process.
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
import time
import urllib.error
import urllib.request
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path

from processes import Processes
from progress import Progress

from prefect_drs.cli import main as prefect_drs

ROOT = Path(__file__).resolve().parents[2]
HOME = Path(os.environ.get("PREFECT_DRS_DEMO", ROOT / ".demo")).absolute()
BIN = Path(sys.executable).parent
MANIFEST = "examples/three-tier.json"
BINDINGS = (HOME.relative_to(ROOT) if HOME.is_relative_to(ROOT) else HOME) / "bindings.yaml"
POOL = "drs-sandbox"
SPEED = os.environ.get("PREFECT_DRS_DEMO_SPEED", "120")  # a launch of 20 minutes takes 10 seconds
# Prefect's worker would import Prefect once more to prepare a workspace, which this deployment does not need.
ENGINE = "python -m prefect.engine"
STARTUP_SECONDS = 180.0
POLL_SECONDS = 0.25
INTERRUPTED = 130


class Demo:
    """The steps of the demo, up to the drill."""

    def __init__(self, processes: Processes, progress: Progress, port: int) -> None:
        self._processes = processes
        self._progress = progress
        self._url = f"http://127.0.0.1:{port}"
        self._server_command = f"prefect server start --host 127.0.0.1 --port {port}"

    def run(self, command: str, doing: str, *, show: bool = False) -> str:
        """Run a command of `prefect-drs` as a user would type it, in this process.

        Args:
            command: the command line.
            doing: what it does, in a few words.
            show: let it print; otherwise its output is returned.
        """
        self._progress.command(command)
        output = io.StringIO()
        quiet = nullcontext() if show else redirect_stdout(output)
        errors = nullcontext() if show else redirect_stderr(output)
        with self._progress.waiting(doing), quiet, errors:
            code = prefect_drs(shlex.split(command)[1:])
        self._progress.shown()
        return checked(command, code, output.getvalue())

    def run_with_prefect(self, command: str, doing: str) -> str:
        """Run a command that needs Prefect, as a fork of the process that has imported it; returns its output."""
        self._progress.command(command)
        with self._progress.waiting(doing):
            code, output = self._processes.run_fork(command)
        return checked(command, code, output)

    def start_servers(self) -> subprocess.Popen[bytes]:
        """Start the Prefect server and the simulated AWS, and point everything at the latter."""
        self._progress.step("Start a Prefect server and the simulated AWS, side by side.")
        self._progress.command(self._server_command, background=True)
        server = self._processes.start(self._server_command, "prefect-server.log")
        self._processes.import_prefect()
        self.run(f"prefect-drs sandbox start --port {free_port()} --speed {SPEED}", "the simulated AWS starts")
        exports = self.run("prefect-drs sandbox env", "its address")
        for name, value in re.findall(r"^export (\w+)=(.*)$", exports, re.MULTILINE):
            os.environ[name] = shlex.split(value)[0] if value else ""
        return server

    def create_estate(self) -> None:
        """Create what the plan names in the simulated AWS; show the plan."""
        self._progress.step(f"Create the servers and networks that {MANIFEST} names; write their ids to {BINDINGS}.")
        seeding = f"prefect-drs sandbox seed {MANIFEST} --bindings {BINDINGS}"
        self.run(seeding, "servers, subnets and security groups are created", show=True)
        self._progress.step("Show the plan, and validate it.")
        self.run(f"prefect-drs show {MANIFEST} --bindings {BINDINGS}", "the plan is read", show=True)
        self.run(f"prefect-drs validate {MANIFEST} --bindings {BINDINGS}", "the plan is read", show=True)

    def deploy(self, server: subprocess.Popen[bytes]) -> None:
        """Prepare the Prefect server and start the worker."""
        self._progress.step(
            "Prepare the Prefect server: a work pool and its worker, block types, the deployment of the plan."
        )
        self._wait_for(server)
        self._progress.link("The Prefect UI:", self._url)
        self.run_with_prefect(f"prefect work-pool create {POOL} --type process", "the work pool is created")
        worker = f"prefect worker start --pool {POOL}"
        self._progress.command(worker, background=True)
        self._processes.start_fork(worker, "worker.log")
        self.run_with_prefect("prefect-drs setup --sample", "block types are registered")
        self.run_with_prefect("prefect --no-prompt deploy --name recover/sandbox", "the plan is deployed")

    def start_drill(self) -> str:
        """Start the drill; returns the id of its flow run, which is that of the execution."""
        self._progress.step("Run the drill through its deployment: the worker starts it in a process of its own.")
        started = self.run_with_prefect(
            f"prefect deployment run recover/sandbox --param mode=drill --param bindings={BINDINGS} "
            f"--job-variable command={shlex.quote(ENGINE)}",
            "the flow run is created",
        )
        found = re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", started)
        if found is None:
            raise SystemExit(f"no flow run id in:\n{started}")
        return found.group()

    def stop(self) -> None:
        """End everything that was started."""
        self._progress.step("Stop everything.")
        try:
            self.run("prefect-drs sandbox stop", "the simulated AWS ends")
        finally:
            with self._progress.waiting("the worker and the Prefect server end"):
                self._processes.end()

    def _wait_for(self, server: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + STARTUP_SECONDS
        with self._progress.waiting("the Prefect server creates its database and starts"):
            while time.monotonic() < deadline and server.poll() is None:
                try:
                    with urllib.request.urlopen(f"{self._url}/api/health", timeout=5):
                        return
                except (urllib.error.URLError, OSError):
                    time.sleep(POLL_SECONDS)
        raise SystemExit(f"the Prefect server did not start; see {HOME / 'prefect-server.log'}")


def checked(command: str, code: int, output: str) -> str:
    """The output of a command that succeeded; ends the demo otherwise."""
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    if code:
        raise SystemExit(f"`{command}` ended with {code}:\n{output}")
    return output


def free_port() -> int:
    """A free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_home() -> None:
    """Create an empty folder; the files of an earlier demo in .demo/ are deleted, those in PREFECT_DRS_DEMO never."""
    if "PREFECT_DRS_DEMO" not in os.environ:
        shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True, exist_ok=True)
    if any(HOME.iterdir()):
        raise SystemExit(f"PREFECT_DRS_DEMO is {HOME}, which is not empty: name another folder")


def set_environment(port: int) -> None:
    """The environment of this process and of all that it starts: the demo's own servers and folders."""
    for name in [name for name in os.environ if name.startswith(("PREFECT_", "AWS_"))]:
        del os.environ[name]
    os.environ |= {
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}",
        "PREFECT_HOME": str(HOME / "prefect"),
        "PREFECT_DRS_HOME": str(HOME / "drs"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_UI_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "1",  # by default a worker looks for runs every ten seconds
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_LOGGING_LEVEL": "INFO",
        "DO_NOT_TRACK": "1",
    }


def run_demo(demo: Demo, progress: Progress) -> int:
    """All steps; returns the exit code of the drill."""
    server = demo.start_servers()
    demo.create_estate()
    demo.deploy(server)
    execution = demo.start_drill()
    with progress.waiting("the worker starts the drill"):
        from drill import Drill  # imports Prefect, beside the process of the drill, which does so too

        drill = Drill(execution, HOME, progress)
    code = drill.follow()
    if sys.stdin.isatty() and progress.is_terminal:
        input("Look around in the UI; press Enter to stop everything. ")
    return code


def main() -> int:
    """Run the demo."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the started processes are stopped too
    os.umask(0o077)  # logs, state and report are readable by their owner only
    make_home()
    os.chdir(ROOT)
    progress, port = Progress(sys.stdout), free_port()
    progress.remind()
    set_environment(port)
    demo = Demo(Processes(HOME), progress, port)
    try:
        code = run_demo(demo, progress)
    except KeyboardInterrupt:
        code = INTERRUPTED
    finally:
        demo.stop()
    progress.step(f"make demo took {progress.seconds:.0f} s")
    return code


if __name__ == "__main__":
    sys.exit(main())
