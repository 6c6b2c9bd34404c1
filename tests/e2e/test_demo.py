"""`make demo` without a person: deployment, worker, gates, report, nothing left behind; terminals of three widths.

The whole demo runs once, at its own speed, on a terminal of 80 columns; what it does and what it prints is read there.
At 100 and 160 columns it runs with a faster simulated clock, so that a wave takes a second; all else is the same.
Ctrl-C is tried on a run without a terminal.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.rehearsal import ROOT, base_environment
from tests.terminal import Shown, run_on_terminal

pytestmark = pytest.mark.prefect

COMMAND = [sys.executable, "deployments/sandbox/demo.py"]
DEMO_SECONDS = 280
SILENT_SECONDS = 10
QUICK = {"PREFECT_DRS_DEMO_SPEED": "1200"}  # a launch of 20 minutes takes a second
SERVERS = ["db001", "db002", "app001", "app002", "web001", "web002"]


@dataclass(frozen=True)
class Demo:
    """A demo that has ended: its folder, the home of its user, what it showed."""

    folder: Path
    home: Path
    shown: Shown

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "report.json").read_text(encoding="utf-8"))
        return found


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


def environment(folder: Path, home: Path) -> dict[str, str]:
    home.mkdir(exist_ok=True)
    return base_environment() | {"PREFECT_DRS_DEMO": str(folder), "HOME": str(home)}


@pytest.fixture(scope="module")
def short_folder() -> Iterator[Path]:
    """A folder with a short path, as .demo has: a path is the one thing that is not wrapped."""
    with tempfile.TemporaryDirectory(prefix="demo-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def demo(short_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder, home = short_folder / "80", tmp_path_factory.mktemp("demo") / "home"
    return Demo(folder, home, run_on_terminal(COMMAND, 80, environment(folder, home), seconds=DEMO_SECONDS))


def test_it_ends_well_with_all_six_servers_launched_tier_after_tier(demo: Demo) -> None:
    assert demo.shown.code == 0, demo.shown.text[-3000:]
    assert demo.report["status"] == "COMPLETED"
    database, application, web = waves = demo.report["waves"]
    assert [server["name"] for wave in waves for server in wave["servers"]] == SERVERS
    assert {server["launchStatus"] for wave in waves for server in wave["servers"]} == {"LAUNCHED"}
    assert up(database) < begun(application)
    assert up(application) < begun(web)
    assert "approval" not in database
    assert {wave["approval"]["by"] for wave in (application, web)} == {"make demo"}


def test_it_tells_the_link_of_each_gate_and_ends_with_the_report(demo: Demo) -> None:
    told = "\n".join(demo.shown.lines)
    gates = re.findall(r"^GATE: (.+) waits for approval\. .*:\n  (http://127\.0\.0\.1:\d+/\S+)$", told, re.MULTILINE)
    assert [name for name, _ in gates] == ["Wave 2 - Application Tier", "Wave 3 - Web Tier"]
    assert all("/v2/runs/flow-run/" in link for _, link in gates)
    assert told.count("approved by the demo itself") == 2
    rows = [line.split() for line in demo.shown.lines if re.match(r"\d+ .*\bs-[0-9A-Za-z]{17}\b.*\bi-", line)]
    assert [(row[1], row[3]) for row in rows] == [(name, "LAUNCHED") for name in SERVERS]
    assert re.fullmatch(r"\[ *\d+ s\] make demo took \d+ s", told.splitlines()[-1])


def test_its_flow_run_is_one_of_the_deployment_and_a_worker_ran_it(demo: Demo) -> None:
    with closing(sqlite3.connect(demo.folder / "prefect" / "prefect.db")) as database:
        found = database.execute(
            "select flow.name, deployment.name, flow_run.state_type from flow_run "
            "join flow on flow.id = flow_run.flow_id join deployment on deployment.id = flow_run.deployment_id"
        ).fetchall()
    assert found == [("recover", "sandbox", "COMPLETED")]
    assert demo.report["executionId"] in (demo.folder / "worker.log").read_text(encoding="utf-8")


def test_it_leaves_no_process_and_nothing_in_the_users_home(demo: Demo) -> None:
    assert processes_of(demo.folder) == []
    assert list(demo.home.iterdir()) == []


def test_on_80_columns_no_line_is_wider_and_nothing_is_silent_for_long(demo: Demo) -> None:
    assert_readable(demo.shown, 80)


@pytest.mark.parametrize("width", [100, 160])
def test_on_other_widths_no_line_is_wider_and_nothing_is_silent_for_long(
    width: int, short_folder: Path, tmp_path: Path
) -> None:
    folder = short_folder / str(width)
    shown = run_on_terminal(COMMAND, width, environment(folder, tmp_path / "home") | QUICK, seconds=DEMO_SECONDS)
    assert shown.code == 0, shown.text[-3000:]
    assert_readable(shown, width)
    assert processes_of(folder) == []


def test_ctrl_c_during_the_drill_ends_every_process(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with subprocess.Popen(
        COMMAND,
        cwd=ROOT,
        env=environment(folder, tmp_path / "home"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored under nohup
    ) as process:
        limit = threading.Timer(DEMO_SECONDS, process.kill)
        limit.start()
        assert process.stdout is not None
        told, running = [], []
        for line in process.stdout:
            told.append(line)
            if line.startswith("  -- ") and not running:  # the first event: the drill's own process runs
                running = processes_of(folder)
                os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        code = process.wait()
        limit.cancel()
    assert any("prefect.engine" in command for command in running)
    assert processes_of(folder) == []
    assert code == 130, "".join(told)
    assert "Traceback" not in "".join(told)


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "mine").touch()
    done = subprocess.run(
        COMMAND,
        cwd=ROOT,
        env=environment(folder, tmp_path / "home"),
        capture_output=True,
        text=True,
        timeout=DEMO_SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert "is not empty" in done.stderr
    assert [path.name for path in folder.iterdir()] == ["mine"]


def assert_readable(shown: Shown, width: int) -> None:
    """No line is wider than the terminal, nothing is silent for long; the tables are there."""
    assert [line for line in shown.lines if len(line) > width] == []
    told = [line for line in shown.lines if "COMPLETED" in line]
    assert len(told) == 8  # the execution and its three waves, as events and in the report
    assert shown.silence <= SILENT_SECONDS


def up(wave: dict[str, Any]) -> datetime:
    """When its last server was LAUNCHED."""
    return max(datetime.fromisoformat(server["endedAt"]) for server in wave["servers"])


def begun(wave: dict[str, Any]) -> datetime:
    """When its first job was started."""
    return min(datetime.fromisoformat(job["startedAt"]) for job in wave["jobs"])
