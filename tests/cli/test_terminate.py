"""`prefect-drs terminate` after a real drill on a real Prefect server, and what it asks before."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from prefect_drs.aws.location import Location
from prefect_drs.cli import main
from prefect_drs.cli.terminate import confirmed
from prefect_drs.core.errors import UsageError
from prefect_drs.orchestration.flow.compile import compile_plan
from prefect_drs.orchestration.storage.duration_history import recorded_here
from prefect_drs.plan.model import RecoveryMode
from prefect_drs.recovery.instances import Found, TerminationTarget
from prefect_drs.report.model import ExecutionStatus, RecoveryReport
from tests.conftest import PrefectServer
from tests.rig import ACCOUNT, REGION, Rig, WaveSpec, simulated_aws


@pytest.fixture
def rig(prefect_server: PrefectServer) -> Iterator[Rig]:
    with simulated_aws(speed=600) as rig:
        yield rig


def instances(rig: Rig) -> list[str]:
    items = rig.sessions.client("drs", region=REGION).describe_recovery_instances()["items"]
    return [item["recoveryInstanceID"] for item in items]


def test_a_drill_is_recorded_terminated_once_and_never_resumed(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    report = compile_plan(rig.manifest({1: WaveSpec(2)}))(mode="drill")
    servers = {server.source_server_id for server in report.waves[0].servers}
    assert servers <= set(recorded_here())
    capsys.readouterr()

    assert main(["terminate", report.execution_id]) == 2
    assert "2 recovery instance(s) of the drill plan" in capsys.readouterr().err
    assert len(instances(rig)) == 2

    assert main(["terminate", report.execution_id, "--yes", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert {instance["outcome"] for instance in result["instances"]} == {"TERMINATED"}
    assert instances(rig) == []

    assert main(["terminate", report.execution_id]) == 0
    assert "2 of 2 recovery instance(s) are gone" in capsys.readouterr().out

    assert main(["resume", report.execution_id]) == 2
    assert "it cannot be resumed" in capsys.readouterr().err


def test_an_execution_that_nobody_knows_is_told(
    prefect_server: PrefectServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["terminate", "00000000-0000-4000-8000-000000000000", "--yes"]) == 2
    assert "knows no execution" in capsys.readouterr().err


def found(mode: RecoveryMode) -> Found:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    report = RecoveryReport(
        execution_id="exec-1", plan_name="Ledger", mode=mode, status=ExecutionStatus.COMPLETED, started_at=at,
        ended_at=at, achieved_rto_seconds=1.0, waves=(),
    )  # fmt: skip
    return Found(report, (TerminationTarget("i-0123456789abcdef0", "s-1", "db", Location(ACCOUNT, REGION)),), (), ())


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("mode", "typed", "goes_on"),
    [("drill", "yes", True), ("drill", "", False), ("recovery", "Ledger", True), ("recovery", "yes", False)],
)
def test_at_a_terminal_a_person_is_shown_what_goes_and_asked(
    monkeypatch: pytest.MonkeyPatch, mode: RecoveryMode, typed: str, goes_on: bool
) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stdin", Terminal(f"{typed}\n"))
    monkeypatch.setattr("sys.stderr", screen)
    assert confirmed(found(mode), yes=False, yes_really=False) is goes_on
    assert "i-0123456789abcdef0" in screen.getvalue()


def test_for_a_recovery_yes_is_not_enough() -> None:
    with pytest.raises(UsageError, match="--yes-really"):
        confirmed(found("recovery"), yes=True, yes_really=False)
    assert confirmed(found("recovery"), yes=False, yes_really=True)
    assert confirmed(found("drill"), yes=True, yes_really=False)
