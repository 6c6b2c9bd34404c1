"""What the demo prints: its steps and commands, no line wider than the terminal, and a word at least every few seconds.

In: text. Out: lines on stdout, wrapped at the terminal's width; where there is no terminal, at 100 columns.
"""

from __future__ import annotations

import os
import shlex
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

SILENCE_SECONDS = 5.0  # after which a line says what is waited for
WIDTH_WITHOUT_TERMINAL = 100


class Progress:
    """Lines for the person who watches; safe to use from several threads.

    Args:
        out: where they go, also while `sys.stdout` is captured.
        clock: seconds that only grow.
    """

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._clock = clock
        self._lock = threading.Lock()
        self._begun = self._last = clock()
        self._waiting: list[tuple[str, float, float]] = []

    def remind(self) -> None:
        """From now on, say what is waited for whenever nothing was printed for a while."""

        def look() -> None:
            while True:
                time.sleep(0.5)
                self.remind_if_silent()

        threading.Thread(target=look, name="progress", daemon=True).start()

    @property
    def is_terminal(self) -> bool:
        """Whether stdout is a terminal."""
        return self._out.isatty()

    @property
    def seconds(self) -> float:
        """Seconds since the demo began."""
        return self._clock() - self._begun

    def step(self, text: str) -> None:
        """What the demo does next, and how long after its start."""
        self._print(f"[{self.seconds:3.0f} s] {text}", hanging=8, bold=True)

    def command(self, text: str, *, background: bool = False) -> None:
        """A command, as a person would type it; one that is too long is broken as a shell allows."""
        words = [*shlex.split(text), *(["&"] if background else [])]
        lines, line = [], "$"
        for word in (word if word == "&" else shlex.quote(word) for word in words):
            if len(line) + len(word) + 3 > self._width() and line not in {"$", "   "}:
                lines.append(f"{line} \\")
                line = "   "
            line += f" {word}"
        self._write("\n".join([*lines, line]), bold=True)

    def line(self, text: str, *, indent: int = 2) -> None:
        """An outcome, or part of one."""
        self._print(text, indent=indent, hanging=indent + 2)

    def link(self, text: str, link: str) -> None:
        """A text and a link, which has a line of its own, so that it can be copied."""
        self._print(text, bold=True)
        self._write(f"  {link}")

    @contextmanager
    def waiting(self, what: str, *, silence: float = SILENCE_SECONDS) -> Iterator[None]:
        """Within the block, a line says what is waited for whenever nothing was printed for so many seconds."""
        entry = (what, silence, self._clock())
        self._waiting.append(entry)
        try:
            yield
        finally:
            self._waiting.remove(entry)

    def shown(self) -> None:
        """Something else has printed."""
        self._last = self._clock()

    def remind_if_silent(self) -> None:
        """Say what is waited for, if nothing was printed for as long as it says."""
        now = self._clock()
        for what, silence, since in self._waiting[-1:]:
            if now - self._last >= silence:
                self._print(f"… {what} ({now - since:.0f} s)", indent=2, hanging=4)

    def _print(self, text: str, *, indent: int = 0, hanging: int = 2, bold: bool = False) -> None:
        lines = textwrap.wrap(
            text.strip(),
            self._width(),
            initial_indent=" " * indent,
            subsequent_indent=" " * hanging,
            break_on_hyphens=False,
        )
        self._write("\n".join(lines), bold=bold)

    def _write(self, text: str, *, bold: bool = False) -> None:
        with self._lock:
            print(f"\033[1m{text}\033[0m" if bold and self.is_terminal else text, file=self._out, flush=True)
            self._last = self._clock()

    def _width(self) -> int:
        return os.get_terminal_size(self._out.fileno()).columns if self.is_terminal else WIDTH_WITHOUT_TERMINAL
