"""`--help`: an example that the command takes, files shown as FILE, no default of an option that is off."""

from __future__ import annotations

import io
import re
import shlex

import pytest
from cyclopts import App
from rich.console import Console

from prefect_drs.cli.app import COMMANDS, build_app

WIDTH = 80


COMMAND_LINES = [
    *([command.name] for command in COMMANDS),
    *(["sandbox", name] for name in ("start", "env", "seed", "stop")),
]


def help_of(app: App, *command: str) -> str:
    console = Console(file=io.StringIO(), width=WIDTH)
    app.help_print(list(command), console=console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture(scope="module")
def app() -> App:
    return build_app()


@pytest.mark.parametrize("command", COMMAND_LINES, ids=" ".join)
def test_each_command_has_an_example_on_one_line_that_the_command_takes(command: list[str], app: App) -> None:
    shown = help_of(app, *command)
    (example,) = re.findall(r"^Example:\n  (.+)\n\n", shown, re.MULTILINE)
    words = shlex.split(re.sub(r' > .*|^eval "\$\(|\)"$', "", example))
    assert words[: len(command) + 1] == ["prefect-drs", *command]
    app.parse_args(words[1:], exit_on_error=False, print_error=False)


@pytest.mark.parametrize("command", COMMAND_LINES, ids=" ".join)
def test_files_are_shown_as_file_and_options_that_are_off_have_no_default(command: list[str], app: App) -> None:
    shown = help_of(app, *command)
    assert "PATH" not in shown
    assert not re.search(r"\[default:\s+(False|None|\"\")\]", shown)
    assert re.findall(r"--(?:old-)?bindings (?:-b )?(\w+)", shown.partition("Example:")[0]).count("FILE") == len(
        re.findall(r"--(?:old-)?bindings ", shown.partition("Example:")[0])
    )


def test_other_defaults_are_shown(app: App) -> None:
    assert "[default: latest]" in " ".join(help_of(app, "drill").replace("│", " ").split())
    assert "[default: 60.0]" in help_of(app, "sandbox", "start")
