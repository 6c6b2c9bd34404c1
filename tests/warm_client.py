"""The client of `tests.warm_cli`: as a script under a program's name, it behaves as that program does.

In: a command line, and the server's socket in the environment. Out: the streams, signals and exit code of the process
that the server forks. Without that server, `python` is the real one. It imports nothing that Python has not loaded at
its start, save two built-in modules: hundreds of them are started.
"""

import _signal
import _socket
import os
import sys

VARIABLE = "PREFECT_DRS_TESTS_WARM_CLI"
FORWARDED = (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP)


def run(program, arguments):
    """Hand everything over, pass signals on, end as the command ends."""
    if program == "python" and not can_fork(arguments):
        os.execv(sys.executable, [sys.executable, *arguments])
    connection = _socket.socket(_socket.AF_UNIX)
    connection.connect(os.environ[VARIABLE])
    pairs = [part for pair in os.environb.items() for part in pair]
    told = [os.getcwdb(), b"%d" % (len(arguments) + 1), *map(os.fsencode, (program, *arguments)), *pairs]
    body = b"\0".join(told)
    streams = b"".join(stream.to_bytes(4, sys.byteorder) for stream in (0, 1, 2))
    connection.sendmsg([len(body).to_bytes(4, "big")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
    connection.sendall(body)
    child = number(connection)
    for each in FORWARDED:
        _signal.signal(each, lambda received, _frame: os.kill(child, received))
    code = number(connection)
    if code < 0:
        if -code != _signal.SIGKILL:
            _signal.signal(-code, _signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def can_fork(arguments):
    """Whether the server knows what these arguments of Python mean, and is there."""
    first = arguments[0] if arguments else "-"
    known = len(arguments) > 1 if first in ("-m", "-c") else not first.startswith("-")
    return known and os.path.exists(os.environ.get(VARIABLE, ""))


def number(connection):
    """The next number that the server tells."""
    told = b""
    while len(told) < 4:
        part = connection.recv(4 - len(told))
        if not part:
            sys.exit("the process that forks commands ended")
        told += part
    return int.from_bytes(told, "big", signed=True)


if __name__ == "__main__":
    sys.exit(run(os.path.basename(sys.argv[0]), sys.argv[1:]))
