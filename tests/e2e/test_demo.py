"""`make demo` without a person: deployment, worker, gates, report, nothing left behind; terminals of three widths."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.rehearsal import ROOT, base_environment
from tests.terminal import run_on_terminal

pytestmark = pytest.mark.prefect

DEMO_SECONDS = 280
SILENT_SECONDS = 10
SERVERS = ["db001", "db002", "app001", "app002", "web001", "web002"]
Demo = tuple[Path, subprocess.CompletedProcess[str]]


def processes_of(folder: Path) -> list[str]:
    """The processes of this machine whose environment leads to the demo's folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if entry.name != str(os.getpid()) and str(folder).encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it has ended, or is another user's
            continue
    return found


def run_demo(folder: Path, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "deployments/sandbox/demo.py"],
        cwd=ROOT,
        env=base_environment() | {"PREFECT_DRS_DEMO": str(folder), "HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEMO_SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    place = tmp_path_factory.mktemp("demo")
    (place / "home").mkdir()
    return place, run_demo(place / "demo", place / "home")


def test_it_ends_well_with_all_six_servers_launched_tier_after_tier(demo: Demo) -> None:
    place, done = demo
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    report = json.loads((place / "demo" / "report.json").read_text(encoding="utf-8"))
    assert report["status"] == "COMPLETED"
    database, application, web = report["waves"]
    assert [server["name"] for wave in report["waves"] for server in wave["servers"]] == SERVERS
    assert {server["launchStatus"] for wave in report["waves"] for server in wave["servers"]} == {"LAUNCHED"}
    assert up(database) < begun(application)
    assert up(application) < begun(web)
    assert "approval" not in database
    assert {wave["approval"]["by"] for wave in (application, web)} == {"make demo"}


def test_it_tells_the_link_of_each_gate_and_ends_with_the_report(demo: Demo) -> None:
    _, done = demo
    gates = re.findall(
        r"^GATE: (.+) waits for approval\. .*:\n  (http://127\.0\.0\.1:\d+/\S+)$", done.stdout, re.MULTILINE
    )
    assert [name for name, _ in gates] == ["Wave 2 - Application Tier", "Wave 3 - Web Tier"]
    assert all("/v2/runs/flow-run/" in link for _, link in gates)
    assert done.stdout.count("approved by the demo itself") == 2
    rows = [line.split() for line in done.stdout.splitlines() if re.match(r"\d+ .*\bs-[0-9A-Za-z]{17}\b.*\bi-", line)]
    assert [(row[1], row[3]) for row in rows] == [(name, "LAUNCHED") for name in SERVERS]
    assert re.fullmatch(r"\[ *\d+ s\] make demo took \d+ s", done.stdout.splitlines()[-1])


def test_its_flow_run_is_one_of_the_deployment_and_a_worker_ran_it(demo: Demo) -> None:
    place, _ = demo
    execution_id = json.loads((place / "demo" / "report.json").read_text(encoding="utf-8"))["executionId"]
    with closing(sqlite3.connect(place / "demo" / "prefect" / "prefect.db")) as database:
        found = database.execute(
            "select flow.name, deployment.name, flow_run.state_type from flow_run "
            "join flow on flow.id = flow_run.flow_id join deployment on deployment.id = flow_run.deployment_id"
        ).fetchall()
    assert found == [("recover", "sandbox", "COMPLETED")]
    assert execution_id in (place / "demo" / "worker.log").read_text(encoding="utf-8")


def test_it_leaves_no_process_and_nothing_in_the_users_home(demo: Demo) -> None:
    place, _ = demo
    assert processes_of(place) == []
    assert list((place / "home").iterdir()) == []


@pytest.mark.parametrize("width", [80, 100, 160])
def test_on_a_terminal_no_line_is_wider_and_nothing_is_silent_for_long(width: int, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    with tempfile.TemporaryDirectory(prefix="demo-", dir="/tmp") as folder:  # a short path, as .demo is
        shown = run_on_terminal(
            [sys.executable, "deployments/sandbox/demo.py"],
            width,
            base_environment() | {"PREFECT_DRS_DEMO": folder, "HOME": str(tmp_path / "home")},
            seconds=DEMO_SECONDS,
        )
        assert processes_of(Path(folder)) == []
    assert shown.code == 0, shown.text[-3000:]
    assert [line for line in shown.lines if len(line) > width] == []
    told = [line for line in shown.lines if "COMPLETED" in line]
    assert len(told) == 8  # the execution and its three waves, as events and in the report
    assert shown.silence <= SILENT_SECONDS


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    done = run_demo(tmp_path, tmp_path)
    assert done.returncode == 1
    assert "is not empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def up(wave: dict[str, Any]) -> datetime:
    """When its last server was LAUNCHED."""
    return max(datetime.fromisoformat(server["endedAt"]) for server in wave["servers"])


def begun(wave: dict[str, Any]) -> datetime:
    """When its first job was started."""
    return min(datetime.fromisoformat(job["startedAt"]) for job in wave["jobs"])
