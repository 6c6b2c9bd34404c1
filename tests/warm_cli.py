"""`prefect-drs`, `prefect` and `python` without the seconds of importing Prefect: forks of a process that imported it.

In: a command line, as a shell or a test gives it to a process of its own. Out: the same process as without this, with
its own environment, working directory, standard streams, signals and exit code. Importing costs 2 to 4 s of CPU per
process, and the tests start hundreds. What a forked process starts by `sys.executable` is forked too: the sandbox, a
worker's flow runs.

    python warm_cli.py serve SOCKET PROCESS           the server, which imports, and then forks while PROCESS lives
    VARIABLE=SOCKET python warm_cli.py PROGRAM ARGUMENTS…     a client, which behaves as the program does

A test that is about the process itself (SIGKILL, imports, a fresh machine) starts one by `python -m prefect_drs.cli`.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import struct
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

VARIABLE = "PREFECT_DRS_TESTS_WARM_CLI"
FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
ORPHAN_CHECK_SECONDS = 2.0
LENGTH = struct.Struct("!i")
IMPORTED = (
    "prefect.cli",
    "prefect.engine",
    "prefect.flow_engine",
    "prefect.runner",
    "prefect.server.database",  # not prefect.server.services: they read their settings when they are imported
    "prefect.server.models",
    "prefect.server.orchestration.core_policy",
    "prefect_drs.flows",
    "prefect_drs.operations",
    "prefect_drs.operations.control",
    "prefect_drs.operations.setup",
    "prefect_drs.orchestration.flow.compile",
    "prefect_drs.forecast.manifest",
    "prefect_drs.recovery.termination",
    "prefect_drs.simulator.server",
)


def serve(path: str, process: int) -> None:
    """Import what commands import; then fork in the background a process for each connection, while `process` lives."""
    import gc
    import importlib

    for module in IMPORTED:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # no collection in a fork copies the pages of what was imported
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        if os.fork() == 0:
            _serve(listener, process)


def _serve(listener: socket.socket, process: int) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the supervisors
    listener.settimeout(ORPHAN_CHECK_SECONDS)
    while _lives(process):  # it ends with the tests, however they end
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        connection.setblocking(True)
        if os.fork() == 0:
            listener.close()
            _supervise(connection)
        connection.close()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _supervise(connection: socket.socket) -> None:
    """Fork the command, tell the client its process id, and then how it ended."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, lambda *_: None)
        head, files, _, _ = socket.recv_fds(connection, LENGTH.size, 3)
        body = b""
        while len(body) < LENGTH.unpack(head)[0]:
            body += connection.recv(1 << 16)
        child = os.fork()
        if child == 0:
            connection.close()
            _become(json.loads(body), files)
        for file in files:
            os.close(file)
        connection.sendall(LENGTH.pack(child))
        _wait_for_either(child, connection)
        _, status = os.waitpid(child, 0)
        connection.sendall(LENGTH.pack(os.waitstatus_to_exitcode(status)))
        code = 0
    finally:
        os._exit(code)


def _wait_for_either(child: int, connection: socket.socket) -> None:
    """Return once the command has ended; end it where its client was killed."""
    ended, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        readable, _, _ = select.select([ended, connection.fileno()], [], [])
        if connection.fileno() in readable:
            os.killpg(child, signal.SIGKILL)
            return
        os.read(ended, 1)


def _become(told: dict[str, Any], files: list[int]) -> None:
    """The command itself, in the process that was forked for it."""
    code = 1
    try:
        os.setsid()
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", buffering=1, closefd=False, errors="backslashreplace")  # noqa: SIM115
        os.environ.clear()
        os.environ.update(told["environment"])
        os.chdir(told["directory"])
        sys.argv = list(told["arguments"])
        sys.executable = str(Path(os.environ[VARIABLE]).with_name("python"))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        import random

        from prefect.context import refresh_global_settings_context
        from prefect.logging.configuration import setup_logging

        random.seed()
        refresh_global_settings_context()
        setup_logging()
        code = _main(sys.argv[0])
        _flush_prefect()
    except SystemExit as stop:
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            if not stream.closed:
                stream.flush()
        os._exit(code)


def _main(program: str) -> int:
    if program == "python":
        _interpret(*sys.argv[1:])
        return 0
    if program == "prefect":
        from prefect.cli import app

        app()
        return 0
    from prefect_drs.cli import main

    return main()


def _interpret(first: str, *others: str) -> None:
    """What `python -m MODULE`, `python -c CODE` and `python FILE` do with their arguments."""
    import runpy
    import warnings

    warnings.filterwarnings("ignore", "'.*' found in sys.modules", RuntimeWarning)  # it was imported before
    directory = {"-m": os.getcwd(), "-c": ""}.get(first, os.path.dirname(os.path.abspath(first)))
    sys.path[:1] = [directory, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    if first == "-m":
        module, *rest = others
        sys.argv = [module, *rest]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    elif first == "-c":
        code, *rest = others
        sys.argv = ["-c", *rest]
        main = sys.modules["__main__"] = ModuleType("__main__")
        exec(compile(code, "<string>", "exec"), main.__dict__)
    else:
        sys.argv = [first, *others]
        runpy.run_path(first, run_name="__main__")


def _flush_prefect() -> None:
    """What Python does at the end of a process, which `os._exit` leaves out."""
    import atexit
    import threading

    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()


def run() -> int:
    """The client: hand everything over, pass signals on, end as the command ends."""
    program, *arguments = sys.argv[1:]
    if program == "python" and not _can_fork(arguments):
        os.execv(sys.executable, [sys.executable, *arguments])
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ[VARIABLE])
        body = json.dumps(
            {"environment": dict(os.environ), "directory": os.getcwd(), "arguments": sys.argv[1:]}
        ).encode()
        socket.send_fds(connection, [LENGTH.pack(len(body))], [0, 1, 2])
        connection.sendall(body)
        child = LENGTH.unpack(_exactly(connection))[0]
        for number in FORWARDED:
            signal.signal(number, lambda received, _frame: os.kill(child, received))
        code: int = LENGTH.unpack(_exactly(connection))[0]
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def _can_fork(arguments: list[str]) -> bool:
    """Whether `_interpret` knows these arguments, and the server is there."""
    first = arguments[0] if arguments else "-"
    known = len(arguments) > 1 if first in {"-m", "-c"} else not first.startswith("-")
    return known and os.path.exists(os.environ.get(VARIABLE, ""))


def _exactly(connection: socket.socket) -> bytes:
    told = b""
    while len(told) < LENGTH.size:
        part = connection.recv(LENGTH.size - len(told))
        if not part:
            sys.exit("the process that forks commands ended")
        told += part
    return told


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        sys.exit(run())
