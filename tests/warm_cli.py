"""`prefect-drs` and `prefect` without the seconds that importing Prefect takes: forked from a process that imported it.

In: a command line, as a shell or a test gives it to a process of its own. Out: the same process as without this, with
its own environment, working directory, standard streams, signals and exit code. Importing costs about 3 s of CPU per
process, and the tests start hundreds.

    python warm_cli.py SOCKET                         the server, which imports and then forks
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
from typing import Any

VARIABLE = "PREFECT_DRS_TESTS_WARM_CLI"
FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
ORPHAN_CHECK_SECONDS = 5.0
LENGTH = struct.Struct("!i")
IMPORTED = (
    "prefect.cli",
    "prefect_drs.flows",
    "prefect_drs.operations",
    "prefect_drs.operations.control",
    "prefect_drs.operations.setup",
    "prefect_drs.orchestration.flow.compile",
    "prefect_drs.forecast.manifest",
    "prefect_drs.recovery.termination",
)


def serve(path: str) -> None:
    """Import what commands import, then fork a process for each connection."""
    import gc
    import importlib

    for module in IMPORTED:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # no collection in a fork copies the pages of what was imported
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the supervisors
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        listener.settimeout(ORPHAN_CHECK_SECONDS)
        parent = os.getppid()
        while os.getppid() == parent:  # it ends with the tests, however they end
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            connection.setblocking(True)
            if os.fork() == 0:
                listener.close()
                _supervise(connection)
            connection.close()


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
            stream.flush()
        os._exit(code)


def _main(program: str) -> int:
    if program == "prefect":
        from prefect.cli import app

        app()
        return 0
    from prefect_drs.cli import main

    return main()


def _flush_prefect() -> None:
    """What Python does at the end of a process, which `os._exit` leaves out."""
    import atexit
    import threading

    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()


def run() -> int:
    """The client: hand everything over, pass signals on, end as the command ends."""
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
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def _exactly(connection: socket.socket) -> bytes:
    told = b""
    while len(told) < LENGTH.size:
        part = connection.recv(LENGTH.size - len(told))
        if not part:
            sys.exit("the process that forks commands ended")
        told += part
    return told


if __name__ == "__main__":
    if VARIABLE in os.environ:
        sys.exit(run())
    serve(sys.argv[1])
