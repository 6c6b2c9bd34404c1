"""`prefect-drs`, `prefect` and `python` without the seconds of importing Prefect: forks of a process that imported it.

In: a command line, as a shell or a test gives it to a process of its own. Out: the same process as without this, with
its own environment, working directory, standard streams, signals and exit code. Importing costs 2 to 4 s of CPU per
process, and the tests start hundreds. What a forked process starts by `sys.executable` is forked too: the sandbox, a
worker's flow runs.

    python -m tests.warm_cli SOCKET PROCESS     the server, which imports, and then forks while PROCESS lives
    VARIABLE=SOCKET PROGRAM ARGUMENTS…          `tests.warm_client` under a program's name

A test that is about the process itself (SIGKILL, imports, a fresh machine) starts one by `python -m prefect_drs.cli`.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import sys
import traceback
from pathlib import Path
from types import ModuleType

from tests.warm_client import VARIABLE

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
            _become(body, files)
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


def _become(told: bytes, files: list[int]) -> None:
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
        directory, count, *rest = told.split(b"\0")
        arguments, pairs = rest[: int(count)], rest[int(count) :]
        os.environ.clear()
        os.environb.update(zip(pairs[::2], pairs[1::2], strict=True))
        os.chdir(directory)
        sys.argv = list(map(os.fsdecode, arguments))
        sys.executable = str(Path(os.environ[VARIABLE]).with_name("python"))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _settle()
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


def _settle() -> None:
    """What importing Prefect has done for the server's environment, for this one's."""
    import random

    from prefect.context import refresh_global_settings_context
    from prefect.logging.configuration import setup_logging
    from prefect.settings import get_current_settings

    random.seed()

    def logging() -> tuple[object, ...]:
        told = get_current_settings()
        own = told.logging.config_path.exists()
        return own, told.logging.level, told.server.logging_level, told.internal.logging_level

    former = logging()
    refresh_global_settings_context()
    if logging() != former or any(name.startswith("PREFECT_LOGGING_") for name in os.environ):
        setup_logging()  # a tenth of a second


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


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
