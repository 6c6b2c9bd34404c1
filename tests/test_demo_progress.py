"""What `make demo` prints: lines that fit, commands that can be copied, a word of what is waited for."""

from __future__ import annotations

import io
import shlex
from types import ModuleType

import pytest

from tests.demo_module import demo_module

LONG = "prefect deployment run recover/sandbox --param mode=drill --param bindings=/tmp/a/b/c/bindings.yaml"


@pytest.fixture(scope="module")
def module() -> ModuleType:
    return demo_module("progress")


class Clock:
    """Seconds that pass when told."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("command", [LONG, "prefect server start", 'op --body \'{"a": "b c"}\' ' + "word " * 40])
def test_a_command_fits_and_a_shell_reads_it_as_one(command: str, module: ModuleType) -> None:
    out = io.StringIO()
    module.Progress(out).command(command)
    assert max(map(len, out.getvalue().splitlines())) <= module.WIDTH_WITHOUT_TERMINAL
    assert shlex.split(out.getvalue().removeprefix("$ ").replace("\\\n", " ")) == shlex.split(command)


def test_steps_and_outcomes_are_wrapped_with_an_indent(module: ModuleType) -> None:
    out = io.StringIO()
    progress = module.Progress(out, Clock())
    progress.step("word " * 60)
    progress.line("word " * 60)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= module.WIDTH_WITHOUT_TERMINAL
    assert lines[0].startswith("[  0 s] word")
    assert all(line.startswith(" ") for line in lines[1:])


def test_a_silence_is_ended_with_what_is_waited_for(module: ModuleType) -> None:
    out, clock = io.StringIO(), Clock()
    progress = module.Progress(out, clock)
    with progress.waiting("the server starts"):
        clock.now += 4
        progress.remind_if_silent()
        assert out.getvalue() == ""
        clock.now += 1
        progress.remind_if_silent()
        progress.remind_if_silent()
        with progress.waiting("its database"):
            clock.now += 5
            progress.remind_if_silent()
    clock.now += 60
    progress.remind_if_silent()
    assert out.getvalue() == "  … the server starts (5 s)\n  … its database (5 s)\n"
