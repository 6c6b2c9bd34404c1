"""`prefect-drs validate`, and what every command does when something is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from prefect_drs.plan import Bindings, write_bindings
from tests.cli.conftest import ROOT, Run
from tests.plan.test_sample import BINDINGS

SAMPLE = "examples/three-tier.json"


UNBOUND = "15 names have no binding: 6 servers, 5 subnets, 1 security group, 3 groups; pass --bindings"


def test_the_sample_without_bindings_has_one_line_for_the_names_that_need_them(cli: Run) -> None:
    done = cli("validate", SAMPLE)
    assert done.returncode == 1
    assert done.stdout == f"{SAMPLE}:12: NAMES_WITHOUT_BINDING: {UNBOUND}\n"
    assert done.stderr == "1 fault, 0 warnings in 1 file\n"


def test_a_run_without_bindings_is_refused_with_the_same_line(cli: Run) -> None:
    done = cli("drill", SAMPLE)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[1:] == [f"{SAMPLE}:12: NAMES_WITHOUT_BINDING: {UNBOUND}"]


def test_with_bindings_that_lack_them_each_name_has_a_line(cli: Run, tmp_path: Path) -> None:
    write_bindings(Bindings(), tmp_path / "b.yaml")
    done = cli("validate", SAMPLE, "--bindings", str(tmp_path / "b.yaml"))
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert len(lines) == 19
    assert lines[0].startswith('examples/three-tier.json:12: INVALID_SOURCE_SERVER_ID: "s-db001" ')
    assert [line.split(":")[1] for line in lines if ": UNKNOWN_GROUP: " in line] == ["121", "130", "141"]
    assert done.stderr == "19 faults, 0 warnings in 1 file\n"


def test_with_bindings_it_is_sound_and_exit_code_0(cli: Run, tmp_path: Path) -> None:
    write_bindings(BINDINGS, tmp_path / "bindings.yaml")
    done = cli("validate", SAMPLE, "--bindings", str(tmp_path / "bindings.yaml"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "0 faults, 0 warnings in 1 file\n")


def test_several_files_are_checked_and_a_fault_of_their_bindings_is_told_once(cli: Run, tmp_path: Path) -> None:
    bindings = tmp_path / "bindings.yaml"
    bindings.write_text("subnets: 1\n")
    done = cli("validate", SAMPLE, "none.json", "--bindings", str(bindings))
    assert done.returncode == 1
    assert done.stdout.count("bindings.yaml:1: WRONG_TYPE") == 1
    assert "none.json:1: NO_SUCH_FILE: " in done.stdout
    assert done.stderr.endswith("in 2 files\n")


def test_json_is_a_list_of_faults(cli: Run) -> None:
    done = cli("validate", SAMPLE, "--json")
    faults = json.loads(done.stdout)
    assert done.returncode == 1
    assert faults == [
        {"path": SAMPLE, "line": 12, "code": "NAMES_WITHOUT_BINDING", "message": UNBOUND, "severity": "error"}
    ]


def test_warnings_alone_leave_the_exit_code_0(cli: Run, tmp_path: Path) -> None:
    manifest = json.loads((ROOT / SAMPLE).read_text()) | {"exportedBy": "me"}
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(manifest, indent=2))
    write_bindings(BINDINGS, tmp_path / "b.yaml")
    done = cli("validate", str(file), "--bindings", str(tmp_path / "b.yaml"))
    assert done.returncode == 0
    assert "UNKNOWN_FIELD: warning: " in done.stdout
    assert 'did you mean "exportedAt"?' in done.stdout
    assert done.stderr == "0 faults, 1 warning in 1 file\n"


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_a_broken_file_is_faults_and_no_traceback(suffix: str, cli: Run, tmp_path: Path) -> None:
    file = tmp_path / f"plan{suffix}"
    file.write_bytes(b"[" * 200_000 + b"\xff")
    done = cli("validate", str(file))
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["validate"], "FILE..."),
        (["validate", "--no-such-option", SAMPLE], "--no-such-option"),
        (["validat", SAMPLE], 'did you mean "validate"?'),
        (["show", SAMPLE, "--format", "pdf"], "pdf"),
        (["show", SAMPLE, "--plan", "Other"], "3TierFullStackRecoveryPlan"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(arguments: list[str], said: str, cli: Run) -> None:
    done = cli(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("prefect-drs: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_debug_anywhere_shows_the_traceback_as_well(cli: Run) -> None:
    for arguments in (["--debug", "show", "none.json"], ["show", "none.json", "--debug"]):
        done = cli(*arguments)
        assert done.returncode == 1
        assert "Traceback" in done.stderr
        assert "NO_SUCH_FILE" in done.stderr.splitlines()[-1]
    assert "Traceback" not in cli("show", "none.json").stderr


def test_names_that_the_terminal_cannot_show_do_no_harm(cli: Run, tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text("schemaVersion: 'é→'\n", encoding="utf-8")
    done = cli("validate", str(file), PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 1
    assert "UNKNOWN_SCHEMA_VERSION" in done.stdout


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps({"protectionGroups": ["x"] * 900, "recoveryPlans": ["y" * 70] * 900}, indent=1))
    command = f"set -o pipefail; {sys.executable} -m prefect_drs.cli validate {file} | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)
    assert done.stdout.count("\n") == 1
    assert (done.returncode, done.stderr) == (141, "")


def test_an_interrupt_is_one_line_and_exit_code_130(tmp_path: Path) -> None:
    pipe = tmp_path / "plan.json"
    os.mkfifo(pipe)
    running = subprocess.Popen(
        [sys.executable, "-m", "prefect_drs.cli", "validate", str(pipe)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background shell ignores it
    )
    with pipe.open("w"):  # opens once the command reads
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
    assert (running.returncode, said) == (130, "prefect-drs: interrupted\n")
