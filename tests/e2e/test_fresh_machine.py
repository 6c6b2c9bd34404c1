"""A machine on which Prefect has never run: no API, no database, one core."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.e2e.rehearsal import Rehearsal, plan

FRESH = {"PREFECT_API_URL": None, "PREFECT_UI_URL": None, "PREFECT_PROFILES_PATH": None}
DRILL = ("drill", "examples/three-tier.json", "--bindings", "examples/three-tier-bindings.yaml")


@pytest.mark.skipif(shutil.which("taskset") is None, reason="taskset (util-linux) pins a process to one core")
def test_the_first_drill_without_a_prefect_server_says_what_it_waits_for_and_ends_completed(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    file, bindings = rehearsal.seeded(plan("eu-south-1", {"Database": ["f-db1"]}, gates=["Database"]))
    home = {"HOME": str(tmp_path), "PREFECT_HOME": str(tmp_path / "prefect"), "PREFECT_DRS_HOME": str(tmp_path / "drs")}
    one_core = ("taskset", "-c", "0")
    arguments = ("drill", file, "--bindings", bindings, "--yes", "--json")
    done = rehearsal.cli(*arguments, prefix=one_core, seconds=400, **FRESH, **home)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "COMPLETED"
    assert "starting a temporary Prefect server, since PREFECT_API_URL is not set" in done.stderr
    assert re.search(r"the temporary Prefect server answers after \d+ s", done.stderr)


def test_a_start_up_time_that_the_user_has_set_counts(rehearsal: Rehearsal, tmp_path: Path) -> None:
    done = rehearsal.cli(
        *DRILL,
        **FRESH,
        PREFECT_HOME=str(tmp_path),
        PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS="1",
    )
    assert done.returncode == 3
    assert "it was given 1 s (PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS)" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("status", "latest"),
        ("approve", "latest", "--wave", "1"),
        ("reject", "latest", "--wave", "1"),
        ("pause", "latest"),
        ("resume", "latest"),
        ("cancel", "latest"),
        ("terminate", "latest", "--yes"),
        ("setup",),
    ],
    ids=" ".join,
)
def test_a_control_command_without_an_api_starts_no_server_and_names_the_setting(
    command: tuple[str, ...], rehearsal: Rehearsal, tmp_path: Path
) -> None:
    done = rehearsal.cli(*command, **FRESH, PREFECT_HOME=str(tmp_path / "prefect"), HOME=str(tmp_path))
    assert (done.returncode, done.stdout) == (6, "")
    assert done.stderr.startswith("prefect-drs: no Prefect API is configured: set PREFECT_API_URL ")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.rglob("*.db"))


def test_where_no_temporary_server_is_allowed_the_setting_is_named(rehearsal: Rehearsal, tmp_path: Path) -> None:
    environment = {**FRESH, "PREFECT_HOME": str(tmp_path), "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false"}
    done = rehearsal.cli(*DRILL, **environment)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("prefect-drs: no Prefect API is configured")
