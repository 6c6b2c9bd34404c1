"""`why`, `replay` and `report`: from an execution's journal alone, without a Prefect API."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from prefect_drs.cli import main
from prefect_drs.core.private_files import FILE_MODE
from prefect_drs.execution.events import Event
from prefect_drs.orchestration.flow.compile import compile_plan
from prefect_drs.recovery.journal import FolderStorage, StoredJournal
from tests.conftest import PrefectServer
from tests.report.story import completed
from tests.rig import WaveSpec, simulated_aws
from tests.terminal import run_on_terminal

EXECUTION = "6f1c7a52-0f0e-4c0e-9a41-5d2f1a9f0c11"
OTHER = "00000000-0000-4000-8000-000000000000"


def keep(home: Path, execution_id: str, events: list[Event]) -> None:
    StoredJournal(FolderStorage(home / "journal"), execution_id).append(events)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home with one journal, on a machine that knows no Prefect API."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    monkeypatch.setenv("PREFECT_DRS_HOME", str(tmp_path / "drs"))
    for name in ("PREFECT_DRS_JOURNAL", "PREFECT_DRS_SANDBOX_CLOCK"):
        monkeypatch.delenv(name, raising=False)
    keep(tmp_path / "drs", EXECUTION, completed())
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        yield tmp_path


def test_why_says_what_an_execution_waited_for(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", EXECUTION]) == 0
    assert 'It waited at its gate; Ada approved it: "go".' in capsys.readouterr().out
    assert main(["why", EXECUTION, "--wave", "Wave 1"]) == 0
    assert "host-1-1" in capsys.readouterr().out
    assert main(["why", EXECUTION, "--server", "host-2-0"]) == 0
    assert 'host-2-0 (s-00002000000000000) of wave 2 "Wave 2": LAUNCHED' in capsys.readouterr().out


def test_why_in_json_has_every_wait(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", EXECUTION, "--json"]) == 0
    timeline = json.loads(capsys.readouterr().out)
    assert timeline["deciding"] == [1, 2]
    assert [wait["cause"] for wait in timeline["waves"][1]["waits"]][:2] == ["dependencies", "gate"]
    assert main(["why", EXECUTION, "--json", "--wave", "2"]) == 0
    assert json.loads(capsys.readouterr().out) == timeline["waves"][1]


def test_a_wave_or_server_that_is_not_there_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", EXECUTION, "--wave", "3"]) == 2
    assert "the execution has no wave 3; it has 1 'Wave 1', 2 'Wave 2'" in capsys.readouterr().err
    assert main(["why", EXECUTION, "--server", "db"]) == 2
    assert "has no server db" in capsys.readouterr().err


def test_replay_without_a_terminal_prints_the_whole_log_at_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", EXECUTION, "--speed", "0.001"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("-- 2030-01-01, times are UTC --\n12:00:00 drill of Plan: 2 waves, 3 servers")
    assert "12:13:00 wave 2 waits for approval" in out
    assert out.index("execution COMPLETED") < out.index("Plan  drill  COMPLETED")
    assert main(["replay", EXECUTION, "--speed", "-1"]) == 2
    assert "Invalid --speed -1: use 0 or more" in capsys.readouterr().err


def test_replay_on_a_terminal_draws_a_table_that_ends_as_the_report(home: Path) -> None:
    command = [sys.executable, "-m", "prefect_drs.cli", "replay", EXECUTION, "--speed", "100000"]
    shown = run_on_terminal(command, 100, {**os.environ, "PREFECT_HOME": str(home / "prefect"), "DO_NOT_TRACK": "1"})
    assert shown.code == 0
    text = "\n".join(shown.lines)
    assert "replay, 100000 times as fast: 2030-01-01 12:13:00 UTC" in text
    assert "12:13:00 wave 2 waits for approval" not in text
    assert text.rindex("host-2-0") > text.rindex("replay, 100000 times as fast")
    assert max(len(part) for line in shown.lines for part in line.split("\r")) <= 100


@pytest.mark.parametrize(
    ("name", "options", "beginning"),
    [
        ("report.html", [], "<!doctype html>"),
        ("report.md", [], "# Plan: drill COMPLETED"),
        ("report.json", [], "{"),
        ("report", [], "# Plan: drill COMPLETED"),
        ("report.txt", ["--format", "html"], "<!doctype html>"),
    ],
)
def test_the_suffix_of_the_file_chooses_the_format(
    home: Path, capsys: pytest.CaptureFixture[str], name: str, options: list[str], beginning: str
) -> None:
    out = home / name
    assert main(["report", EXECUTION, "--out", str(out), *options]) == 0
    assert out.read_text(encoding="utf-8").startswith(beginning)
    assert out.stat().st_mode & 0o777 == FILE_MODE
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"the report was written to {out}\n")


def test_without_a_file_the_report_goes_to_stdout(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", EXECUTION]) == 0
    assert capsys.readouterr().out.startswith("# Plan: drill COMPLETED\n")
    assert main(["report", EXECUTION, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["executionId"] == "exec-1"
    assert main(["report", EXECUTION, "--format", "html"]) == 0
    page = capsys.readouterr().out
    assert page.startswith("<!doctype html>")
    assert page.endswith("</html>\n")
    assert "forecast: P50, then to P90" in page


def test_the_forecast_knows_only_what_was_recorded_before(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", EXECUTION, "--format", "html"]) == 0
    assert "(0 of 3 servers" in " ".join(capsys.readouterr().out.split())
    earlier = [_moved(event, timedelta(days=-7)) for event in completed()]
    keep(home / "drs", OTHER, earlier)
    assert main(["report", EXECUTION, "--format", "html"]) == 0
    assert "(3 of 3 servers)" in " ".join(capsys.readouterr().out.split())


def _moved(event: Event, by: timedelta) -> Event:
    changes = {name: getattr(event, name) + by for name in ("at", "started_at", "ended_at") if hasattr(event, name)}
    return event.model_copy(update=changes)


def test_a_file_that_cannot_be_written_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", EXECUTION, "--out", str(home / "no-such-folder" / "report.html")]) == 2
    assert "the report cannot be written to" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["why"], ["replay"], ["report"], ["report", "--format", "html"]])
def test_a_journal_that_is_not_here_is_told_with_where_it_may_be(
    home: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert main([command[0], OTHER, *command[1:]]) == 2
    assert "is not here: ask on the machine that carried it out, or set PREFECT_DRS_JOURNAL" in capsys.readouterr().err


def test_after_a_drill_it_may_be_named_latest_and_what_is_published_is_enough_for_a_page(
    prefect_server: PrefectServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with simulated_aws(speed=600) as rig:
        report = compile_plan(rig.manifest({1: WaveSpec(1), 2: WaveSpec(1, (1,))}))(mode="drill")
        capsys.readouterr()
        assert main(["why", "latest"]) == 0
        said = capsys.readouterr().out
        assert 'It waited for wave 1 "wave 1".' in said
        assert "Times are those of the sandbox (simulated)." in said
        assert main(["replay", report.execution_id[:8]]) == 0
        assert "execution COMPLETED" in capsys.readouterr().out
        assert main(["report", report.execution_id, "--format", "html"]) == 0
        assert "of the sandbox's clock (simulated)" in capsys.readouterr().out
    shutil.rmtree(prefect_server.home / "drs" / "journal" / report.execution_id)
    assert main(["report", report.execution_id]) == 0
    assert capsys.readouterr().out.startswith("# plan: drill COMPLETED")
    assert main(["report", report.execution_id, "--format", "html"]) == 2
    assert "is not here" in capsys.readouterr().err
