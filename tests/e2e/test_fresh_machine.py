"""A machine on which Prefect has never run: no API, no database, one core."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.e2e.rehearsal import Rehearsal, plan

FRESH = {"PREFECT_API_URL": None, "PREFECT_UI_URL": None, "PREFECT_PROFILES_PATH": None}


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
        "status",
        **FRESH,
        PREFECT_HOME=str(tmp_path),
        PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS="1",
    )
    assert done.returncode == 3
    assert "it was given 1 s (PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS)" in done.stderr
    assert "Traceback" not in done.stderr


def test_where_no_temporary_server_is_allowed_the_setting_is_named(rehearsal: Rehearsal, tmp_path: Path) -> None:
    done = rehearsal.cli("status", **FRESH, PREFECT_HOME=str(tmp_path), PREFECT_SERVER_ALLOW_EPHEMERAL_MODE="false")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("prefect-drs: no Prefect API is configured")
