"""`--exclude` on the command line: what is wrong with it ends with exit code 2 before AWS or Prefect are asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefect_drs.plan import write_bindings
from tests.cli.conftest import Run
from tests.plan.test_sample import BINDINGS

SAMPLE = "examples/three-tier.json"


@pytest.fixture
def bound(tmp_path: Path) -> str:
    """A bindings file of the sample."""
    write_bindings(BINDINGS, tmp_path / "b.yaml")
    return str(tmp_path / "b.yaml")


@pytest.mark.parametrize("command", ["runbook", "drill", "recover"])
def test_a_server_without_a_reason_is_refused_by_each_command_that_takes_it(command: str, cli: Run, bound: str) -> None:
    done = cli(command, SAMPLE, "--bindings", bound, "--exclude", "db1= ", "--exclude", "=why")
    assert done.returncode == 2, done.stderr
    assert "say why db1 is left out" in done.stderr
    assert "--exclude =why: name the server" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_forecast_without_the_accounts_leaves_nobody_out(cli: Run) -> None:
    done = cli("forecast", SAMPLE, "--offline", "--exclude", "db1=gone")
    assert done.returncode == 2
    assert "leave out --offline" in done.stderr
