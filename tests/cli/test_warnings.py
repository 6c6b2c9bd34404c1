"""Warnings about a plan: every command that reads one shows them, and `--strict` makes faults of them."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from prefect_drs.core.errors import FaultyInputError
from prefect_drs.plan import check_manifest, load_manifest
from tests.cli.conftest import Run
from tests.plan.files import sound

WARNING = 'UNKNOWN_FIELD: warning: "owner" is no field of a protection group, so it is ignored'
NO_SUCH_PLAN = ("--plan", "Another")
COMMANDS: dict[str, tuple[tuple[str, ...], int]] = {
    "runbook": (NO_SUCH_PLAN, 2),  # the plan is read, and then there is nothing to ask AWS
    "drill": (NO_SUCH_PLAN, 2),
    "recover": (NO_SUCH_PLAN, 2),
    "forecast": ((*NO_SUCH_PLAN, "--offline"), 2),
    "show": ((), 0),
}


@pytest.fixture
def warned(tmp_path: Path) -> Path:
    """A manifest with a warning and no fault."""
    manifest = sound()
    manifest["protectionGroups"][0]["owner"] = "me \u202etxt"
    return written(tmp_path, manifest)


def written(folder: Path, manifest: dict[str, Any]) -> Path:
    file = folder / "plan.json"
    file.write_text(json.dumps(manifest, indent=2), encoding="utf-8")
    return file


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_reads_a_plan_shows_its_warnings_on_stderr(command: str, cli: Run, warned: Path) -> None:
    options, code = COMMANDS[command]
    done = cli(command, str(warned), *options)
    assert done.returncode == code, done.stderr
    assert done.stderr.count(WARNING) == 1
    assert f"{warned}:" in done.stderr
    assert WARNING not in done.stdout


def test_a_difference_shows_the_warnings_of_both_sides(cli: Run, warned: Path) -> None:
    done = cli("diff", str(warned), str(warned), "--format", "json")
    assert (done.returncode, done.stderr.count(WARNING)) == (0, 2)
    json.loads(done.stdout)


@pytest.mark.parametrize("command", ["runbook", "drill", "recover", "forecast"])
def test_strict_refuses_a_plan_with_a_warning(command: str, cli: Run, warned: Path) -> None:
    done = cli(command, str(warned), "--strict")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("prefect-drs: 1 fault in the input:\n")
    assert 'UNKNOWN_FIELD: "owner" is no field of a protection group' in done.stderr


@pytest.mark.parametrize("command", ["runbook", "drill", "recover", "forecast"])
def test_a_misspelt_gate_refuses_the_plan(command: str, cli: Run, tmp_path: Path) -> None:
    manifest = sound()
    manifest["recoveryPlans"][0]["waves"][0]["pauseBeforeWaves"] = True
    done = cli(command, str(written(tmp_path, manifest)))
    assert done.returncode == 1
    assert "write pauseBeforeWave, or remove it" in done.stderr


def test_a_plan_with_faults_shows_its_warnings_too(cli: Run, tmp_path: Path) -> None:
    manifest = sound() | {"exportedBy": "me"}
    manifest["protectionGroups"][0]["region"] = "mars"
    done = cli("drill", str(written(tmp_path, manifest)))
    assert done.returncode == 1
    assert "UNKNOWN_FIELD: warning: " in done.stderr
    assert "INVALID_REGION" in done.stderr


def test_validate_strict_counts_warnings_as_faults(cli: Run, warned: Path) -> None:
    assert cli("validate", str(warned)).returncode == 0
    done = cli("validate", str(warned), "--strict", "--json")
    assert done.returncode == 1
    assert [fault["severity"] for fault in json.loads(done.stdout)] == ["error"]
    assert done.stderr == "1 fault, 0 warnings in 1 file\n"


def test_from_python_warnings_go_to_the_log_or_refuse(warned: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "prefect_drs.plan"):
        load_manifest(warned)
    assert [WARNING in message for message in caplog.messages] == [True]
    with pytest.raises(FaultyInputError, match="owner") as refused:
        load_manifest(warned, strict=True)
    assert len(refused.value.faults) == 1
    assert check_manifest(warned).strictly().manifest is None


def test_the_deployable_flow_logs_warnings_and_takes_strict(prefect_server: object, warned: Path) -> None:
    from prefect_drs.core.errors import UsageError
    from prefect_drs.flows import recover

    told: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("prefect.flow_runs").addHandler(handler)
    try:
        with pytest.raises(UsageError, match="Another"):
            recover(warned, plan="Another")
    finally:
        logging.getLogger("prefect.flow_runs").removeHandler(handler)
    assert sum(WARNING in message for message in told) == 1
    with pytest.raises(FaultyInputError, match="owner"):
        recover(warned, strict=True)
