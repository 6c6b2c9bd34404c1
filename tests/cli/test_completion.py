"""Completion in a shell: the script of each shell, and the values that the program offers at a TAB."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from prefect_drs.execution.events import ExecutionStarted
from prefect_drs.runbook.waivers import WAIVABLE
from tests.cli.conftest import ROOT, Run
from tests.cli.test_execution_report import EXECUTION, OTHER, keep
from tests.cli.test_imports import HEAVY, heavy_after, run_and_report
from tests.report.story import completed

SAMPLE, BINDINGS = "examples/three-tier.json", "examples/three-tier-bindings.yaml"
NAMES = [f"s-{tier}00{number}=" for tier in ("db", "app", "web") for number in (1, 2)]


def offered(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert (done.returncode, done.stderr) == (0, "")
    _, _, records = done.stdout.partition("\x1fbegin\n")
    return [line.partition("\t")[0] for line in records.splitlines()]


@pytest.mark.parametrize("command", ["runbook", "drill", "recover"])
@pytest.mark.parametrize("option", ["--exclude", "--snapshot"])
def test_the_servers_of_the_file_are_offered_as_it_names_them(command: str, option: str, cli: Run) -> None:
    assert offered(cli("__complete", command, SAMPLE, option, "")) == []  # its groups need bindings
    assert offered(cli("__complete", command, SAMPLE, "--bindings", BINDINGS, option, "")) == NAMES
    diamond = offered(cli("__complete", command, "examples/diamond.yaml", option, "p-pay"))
    assert diamond[:3] == ["p-dc1=", "p-dc2=", "p-paydb1="]  # the shell takes those that begin so


def test_only_the_servers_of_the_plan_are_offered_and_nothing_for_a_broken_file(cli: Run, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("{")
    for arguments in (
        [str(tmp_path / "plan.json")],
        [str(tmp_path / "none.json")],
        ["estate:"],
        [],
        ["examples/diamond.yaml", "--plan", "Another"],
    ):
        assert offered(cli("__complete", "drill", *arguments, "--exclude", "")) == []


def test_the_findings_that_can_be_waived_are_offered(cli: Run) -> None:
    assert offered(cli("__complete", "drill", SAMPLE, "--waive", "")) == [f"{code}=" for code in WAIVABLE]


def test_without_an_api_no_wave_is_offered_and_no_server_is_started(cli: Run, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    found = cli(
        "__complete", "approve", "latest", "--wave", "", PREFECT_HOME=str(tmp_path / "home"), PREFECT_API_URL=""
    )
    assert offered(found) == []
    assert not list(tmp_path.rglob("*.db"))


def test_the_waves_and_servers_of_an_execution_are_offered_from_its_journal(cli: Run, tmp_path: Path) -> None:
    keep(tmp_path / "drs", EXECUTION, completed())
    environment = {"PREFECT_HOME": str(tmp_path), "PREFECT_API_URL": "", "PREFECT_DRS_HOME": str(tmp_path / "drs")}
    waves = cli("__complete", "why", EXECUTION, "--wave", "", **environment)
    assert offered(waves) == ["1", "2"]
    assert "2\tWave 2" in waves.stdout
    assert offered(cli("__complete", "why", EXECUTION, "--server", "", **environment)) == [
        "host-1-0",
        "host-1-1",
        "host-2-0",
    ]
    for unknown in ("latest", EXECUTION[:8], OTHER):
        assert offered(cli("__complete", "why", unknown, "--wave", "", **environment)) == []
    assert not list(tmp_path.rglob("*.db"))


def test_servers_of_one_name_are_offered_by_their_ids(cli: Run, tmp_path: Path) -> None:
    first, *others = completed()
    assert isinstance(first, ExecutionStarted)
    text = first.model_dump_json().replace("host-1-1", "host-1-0")
    keep(tmp_path / "drs", EXECUTION, [ExecutionStarted.model_validate_json(text), *others])
    environment = {"PREFECT_HOME": str(tmp_path), "PREFECT_API_URL": "", "PREFECT_DRS_HOME": str(tmp_path / "drs")}
    found = offered(cli("__complete", "why", EXECUTION, "--server", "", **environment))
    assert [name[:2] for name in found] == ["s-", "s-", "ho"]


def test_servers_are_offered_without_prefect_and_without_boto3() -> None:
    code = run_and_report(HEAVY)
    assert heavy_after(code, "__complete", "drill", "examples/diamond.yaml", "--exclude", "") == (0, "heavy:")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_there_is_a_script_for_each_shell_with_every_command(shell: str, cli: Run) -> None:
    from prefect_drs.cli.app import COMMANDS

    done = cli("completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(command.name in done.stdout for command in COMMANDS)
    assert "take-over" in done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash reads the script")
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("prefect-drs drill examples/diamond.yaml --exclude p-pay", "p-paydb1= p-paydb2= p-pay1= p-pay2= p-pay3="),
        ("prefect-drs drill examples/diamond.yaml --waive NOT_", "NOT_REPLICATING="),
        ("prefect-drs dri", "drill"),
        ("prefect-drs drill --bindings examples/three-tier-", "examples/three-tier-bindings.yaml"),
        ("prefect-drs validate examples/dia", "examples/diamond.yaml"),
        ("prefect-drs diff examples/diamond.yaml examples/dia", "examples/diamond.yaml"),
    ],
)
def test_bash_completes_with_it(typed: str, expected: str, cli: Run, tmp_path: Path) -> None:
    program = tmp_path / "prefect-drs"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m prefect_drs.cli "$@"\n')
    program.chmod(0o755)
    script = tmp_path / "completion.bash"
    script.write_text(cli("completion", "bash").stdout)
    ask = f"""
source {script}
read -ra COMP_WORDS <<<{typed!r}
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)) COMP_LINE={typed!r} COMP_POINT=${{#COMP_LINE}}
$(complete -p prefect-drs | sed 's/.*-F \\([^ ]*\\) .*/\\1/') prefect-drs
echo "${{COMPREPLY[*]}}"
"""
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", ask], capture_output=True, text=True, cwd=ROOT, env=environment, timeout=120, check=False
    )
    assert (done.stdout.strip(), done.stderr) == (expected, "")
