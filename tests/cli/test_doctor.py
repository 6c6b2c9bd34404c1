"""`prefect-drs doctor`: a line a check, JSON, and exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefect_drs.simulator import drs_backends
from prefect_drs.simulator.server import SandboxServer
from tests.cli.conftest import Run
from tests.conftest import free_port
from tests.identity.aws import configured_sandbox


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[SandboxServer]:
    """DRS is set up, and no Prefect API is configured."""
    with configured_sandbox() as running:
        drs_backends["123456789012"]["eu-central-1"].initialize_service()
        monkeypatch.delenv("PREFECT_API_URL", raising=False)
        monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
        monkeypatch.setenv("PREFECT_DRS_HOME", str(tmp_path / "drs"))
        yield running


def test_warnings_do_not_fail_and_each_line_has_its_level_and_remedy(cli: Run, aws: SandboxServer) -> None:
    done = cli("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert {line.split()[0] for line in lines} == {"ok", "warning"}
    assert any(line.startswith("warning  prefect-api: no Prefect API is configured") for line in lines)
    assert "ok       drs 123456789012: set up in eu-central-1" in lines


def test_json_has_all_that_the_lines_have(cli: Run, aws: SandboxServer) -> None:
    told = json.loads(cli("doctor", "--json").stdout)
    assert told["status"] == "warning"
    assert {"check", "subject", "level", "message", "remedy", "unreachable"} == set(told["findings"][0])


def test_a_fault_ends_with_1_and_what_cannot_be_reached_with_6(cli: Run, aws: SandboxServer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert cli("doctor", PREFECT_DRS_HOME=str(tmp_path / "file")).returncode == 1
    assert cli("doctor", PREFECT_API_URL=f"http://127.0.0.1:{free_port()}/api").returncode == 6
    assert cli("doctor", AWS_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}").returncode == 6


def test_a_time_limit_of_no_seconds_is_refused(cli: Run) -> None:
    assert cli("doctor", "--timeout", "0").returncode == 2
