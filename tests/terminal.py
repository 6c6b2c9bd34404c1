"""A terminal of a chosen width, as a program sees it: a pseudo-terminal whose other end is read here."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]
CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")


@dataclass(frozen=True)
class Shown:
    """What a program wrote to its terminal, and its exit code."""

    text: str
    code: int
    silence: float
    """The longest time between two of its outputs, in seconds."""

    @property
    def lines(self) -> list[str]:
        """The lines without the codes for colours."""
        return [line.rstrip("\r") for line in CODES.sub("", self.text).split("\n")]


def run_on_terminal(
    command: Sequence[str], width: int, environment: Mapping[str, str] | None = None, *, seconds: float = 120
) -> Shown:
    """Run a program with stdout and stderr on a terminal of that many columns; stdin is none."""
    ours, theirs = pty.openpty()
    began = time.monotonic()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    read: list[tuple[float, bytes]] = []
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**(os.environ if environment is None else environment), "TERM": "xterm-256color"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        reader = threading.Thread(target=_read, args=(ours, read))
        reader.start()
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        finally:
            reader.join(10)
    os.close(ours)
    times = [began, *(at for at, _ in read), time.monotonic()]
    silence = max(after - before for before, after in pairwise(times))
    return Shown(b"".join(part for _, part in read).decode(errors="replace"), code, silence)


def _read(terminal: int, read: list[tuple[float, bytes]]) -> None:
    while True:
        try:
            part = os.read(terminal, 1 << 16)
        except OSError:  # EIO: the program has ended
            return
        if not part:
            return
        read.append((time.monotonic(), part))
