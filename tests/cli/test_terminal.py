"""What commands print on a terminal: colours, unless NO_COLOR is set, and warnings apart from faults."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Programs
from tests.plan.files import sound
from tests.terminal import Shown, run_on_terminal

Run = Callable[..., Shown]


@pytest.fixture
def run(programs: Programs) -> Run:
    inherited = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "COLUMNS"}}

    def on_terminal(*arguments: str, width: int = 100, **environment: str) -> Shown:
        command = [str(programs.folder / "prefect-drs"), *arguments]
        return run_on_terminal(command, width, {**inherited, **programs.environment, **environment})

    return on_terminal


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    """A manifest with a fault between two warnings."""
    manifest = sound() | {"exportedBy": "me"}
    manifest["protectionGroups"][0]["region"] = "mars"
    manifest["recoveryPlans"][0]["owner"] = "you"
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(manifest, indent=2))
    return file


def test_faults_come_first_in_red_and_warnings_apart_in_yellow(run: Run, faulty: Path) -> None:
    shown = run("validate", str(faulty))
    fault, blank, *warnings, counts, _ = shown.lines
    assert (shown.code, blank, counts) == (1, "", "1 fault, 2 warnings in 1 file")
    assert fault.startswith(f"{faulty}:9: INVALID_REGION: ")
    assert [": UNKNOWN_FIELD: warning: " in line for line in warnings] == [True, True]
    assert "\x1b[1;31m INVALID_REGION: \x1b[0m" in shown.text
    assert "\x1b[33m UNKNOWN_FIELD: \x1b[0m" in shown.text


def test_no_color_is_respected(run: Run, faulty: Path) -> None:
    for arguments in (["validate", str(faulty)], ["show", "examples/diamond.yaml"]):
        shown = run(*arguments, NO_COLOR="1")
        assert "\x1b[3" not in shown.text


def test_warnings_of_a_plan_are_yellow_in_every_command(run: Run, faulty: Path) -> None:
    faulty.write_text(json.dumps(sound() | {"exportedBy": "me"}, indent=2))
    assert "\x1b[33m UNKNOWN_FIELD: \x1b[0m" in run("show", str(faulty)).text


def test_a_difference_shows_what_is_added_and_what_is_removed_in_colour(run: Run) -> None:
    shown = run("diff", "examples/diamond.yaml", "examples/three-tier.json")
    assert "\x1b[32madded\x1b[0m" in shown.text
    assert "\x1b[31mremoved\x1b[0m" in shown.text


@pytest.mark.parametrize("width", [80, 100, 160])
def test_a_plan_fits_the_terminal(run: Run, width: int) -> None:
    for arguments in (["show"], ["forecast", "--offline"]):
        shown = run(*arguments, "examples/diamond.yaml", width=width)
        assert shown.code == 0
        tables = [line for line in shown.lines if not line.startswith("note: ")]
        assert max(map(len, tables)) <= width
