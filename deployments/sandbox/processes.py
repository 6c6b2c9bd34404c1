"""The processes of the demo: its servers and its commands of Prefect, none of which outlives it.

Importing Prefect costs two to four seconds of CPU a process. A fork server (Python's `multiprocessing`) imports it
once, while the servers start; each command that needs Prefect, the worker too, is a fork of it and begins at once.
"""

from __future__ import annotations

import multiprocessing
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path

STOP_SECONDS = 15
IMPORTED = [
    "prefect.cli.deploy",
    "prefect.cli.deployment",
    "prefect.cli.work_pool",
    "prefect.cli.worker",
    "prefect.workers.process",
    "prefect_drs.flows",
    "prefect_drs.operations.setup",
]
# Forks of a process that has imported so much are safe on Linux; elsewhere each command imports for itself.
FORKS = sys.platform == "linux"
CONTEXT = multiprocessing.get_context("forkserver" if FORKS else "spawn")


class Processes:
    """Starts processes, and ends them and all that they started.

    Args:
        home: the folder for their logs. `PREFECT_HOME` must be `prefect` in it.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._started: list[subprocess.Popen[bytes] | BaseProcess] = []

    def import_prefect(self) -> None:
        """Begin to import Prefect for `fork`; returns at once. The environment must be complete but for AWS's."""
        if FORKS:
            CONTEXT.set_forkserver_preload(IMPORTED)
            forkserver.ensure_running()

    def start(self, command: str, log: str) -> subprocess.Popen[bytes]:
        """Start a command that runs until `end`; its output goes to a log."""
        with (self._home / log).open("wb") as output:
            process = subprocess.Popen(
                shlex.split(command), stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        self._started.append(process)
        return process

    def start_fork(self, command: str, log: str) -> None:
        """The same for a command of `prefect` or `prefect-drs`, with Prefect imported."""
        self._started.append(self._fork(command, self._home / log, own_session=True))

    def run_fork(self, command: str) -> tuple[int, str]:
        """Run a command of `prefect` or `prefect-drs`, with Prefect imported; returns its exit code and its output."""
        output = self._home / "command.log"
        process = self._fork(command, output, own_session=False)
        process.join()
        return process.exitcode or 0, output.read_text(encoding="utf-8")

    def end(self) -> None:
        """End all processes, side by side, and wait until they have ended."""
        try:
            for process in self._started:
                process.terminate()
            for process in self._started:
                wait_and_kill(process)
        finally:
            kill_what_is_left(self._home)

    def _fork(self, command: str, output: Path, *, own_session: bool) -> BaseProcess:
        process = CONTEXT.Process(target=become, args=(shlex.split(command), output, dict(os.environ), own_session))
        process.start()
        return process


def become(command: list[str], output: Path, environment: dict[str, str], own_session: bool) -> None:
    """Run a command as this process, which was forked for it, with its environment, and its output in a file."""
    if own_session:
        os.setsid()  # Ctrl-C in the terminal ends the demo, which then ends this
    os.environ.clear()
    os.environ.update(environment)
    with output.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = command
    if command[0] == "prefect":
        from prefect.cli import app

        app()
    else:
        from prefect_drs.cli import main

        sys.exit(main())


def wait_and_kill(process: subprocess.Popen[bytes] | BaseProcess) -> None:
    """Wait until a process that was asked to has ended; kill it if it does not, and what it started and left.

    Prefect's worker does not end by itself where its parent ignores SIGINT, as under `nohup`.
    """
    if isinstance(process, subprocess.Popen):
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    else:
        process.join(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid or 0, signal.SIGKILL)


def kill_what_is_left(home: Path) -> None:
    """Kill what outlived its parent: flow runs of a worker that was stopped have sessions of their own.

    They are found by their environment, where the system shows it (Linux). A process may start another one while it is
    looked for, so that this looks again until nothing is found.
    """
    for _ in range(100):
        left = list(processes_of(home))
        for process_id in left:
            with suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)
        if not left:
            return
        time.sleep(0.02)


def processes_of(home: Path) -> Iterator[int]:
    """The ids of all other processes with this demo's PREFECT_HOME."""
    ours = f"PREFECT_HOME={home / 'prefect'}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile, or is another user's
            if int(entry.name) != os.getpid() and ours in (entry / "environ").read_bytes().split(b"\0"):
                yield int(entry.name)
