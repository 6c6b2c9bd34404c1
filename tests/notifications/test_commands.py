"""The commands of a mail, run unchanged by a real shell against a real Prefect API, for any name."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta
from queue import Queue
from typing import Any

import pytest
from prefect import flow, get_client

from prefect_drs.notifications.commands import (
    ExecutionAccess,
    approve_command,
    cancel_command,
    resume_command,
    status_command,
)
from prefect_drs.orchestration.approvals.gate import PendingGate, PrefectGate
from prefect_drs.recovery.ports import Decision, GateRequest
from tests.conftest import PrefectServer
from tests.notifications import story

BY = (
    "CORP\\tom",
    "CORP\\ada",
    'O"Brien',
    "O'Brien; touch marker",
    "$(touch marker) `touch marker` ${HOME}",
    "Ada\nLovelace\tof\rShop",
    "-n --help @file %s",
    '", "decision": "reject',
    '\\", \\"wish\\": \\"PAUSE',
    "\\\\\\'\"$`!*?[]{}()<>|&;~#",
    "🚀 Läden データ",
    "\a\x1b[31mred\x7f",
    "x" * 300,
)


def as_sent(name: str) -> str:
    """The name without control characters, as the answer must contain it."""
    return "".join(" " if ord(c) < 32 or ord(c) == 127 else c for c in name).strip()


def reach(server: PrefectServer) -> ExecutionAccess:
    return replace(story.ACCESS, api_url=server.api_url)


def run(lines: list[str], folder: os.PathLike[str], by: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command without its status request, which waits; the shell has only PATH in its environment."""
    without_status = "\n".join(lines[: -len(status_command(story.ACCESS))])
    return subprocess.run(
        ["/bin/sh", "-c", without_status],
        env={"PATH": os.environ["PATH"]} | ({} if by is None else {"BY": by}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=folder,
    )


@pytest.mark.parametrize("by", BY, ids=ascii)
def test_a_gate_is_approved_in_the_name_that_the_shell_holds(
    by: str,
    prefect_server: PrefectServer,
    beside: Callable[..., Future[Any]],
    tmp_path: os.PathLike[str],
) -> None:
    opened: Queue[PendingGate] = Queue()
    request = GateRequest(
        execution_id=str(uuid.uuid4()), plan_name="{x}", mode="drill", wave_number=1, wave_name="{0} <b>", summary="",
        timeout=timedelta(minutes=5),
    )  # fmt: skip
    answer = beside(PrefectGate(on_waiting=opened.put).ask, request)
    gate = opened.get(timeout=60)
    result = run(approve_command(reach(prefect_server), request.execution_id, str(gate.flow_run_id)), tmp_path, by)
    assert result.returncode == 0, result.stderr
    assert '"status":"ACCEPT"' in result.stdout
    assert (answer.result(60).decision, answer.result().by) == (Decision.APPROVED, as_sent(by))
    assert os.listdir(tmp_path) == []


@pytest.fixture(scope="module")
def execution(prefect_server: PrefectServer) -> str:
    """A flow run that gets control requests."""

    @flow(name="controlled")
    def controlled() -> None: ...

    state = controlled(return_state=True)
    return str(state.state_details.flow_run_id)


def requests_of(execution_id: str) -> list[dict[str, Any]]:
    """The control requests of an execution as the API holds them."""
    with get_client(sync_client=True) as client:
        stored = client.filter_flow_run_input(uuid.UUID(execution_id), story.ACCESS.request_key, 200, set())
    return [json.loads(request.value) for request in stored]


@pytest.mark.parametrize(("command", "action"), [(cancel_command, "CANCEL"), (resume_command, "RESUME")])
@pytest.mark.parametrize("by", BY, ids=ascii)
def test_a_control_request_holds_the_name_that_the_shell_holds_and_can_be_read(
    by: str,
    command: Callable[[ExecutionAccess, str], list[str]],
    action: str,
    execution: str,
    prefect_server: PrefectServer,
    tmp_path: os.PathLike[str],
) -> None:
    key = f"{story.ACCESS.request_key}{uuid.uuid4()}-"  # several a second
    result = run(command(replace(reach(prefect_server), request_key=key), execution), tmp_path, by)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{action.lower()} requested\n"
    (request,) = [
        each for each in requests_of(execution) if (each["wish"], each["by"].strip()) == (action, as_sent(by))
    ]
    assert request["reason"] == "by mail"
    assert os.listdir(tmp_path) == []


def test_without_a_name_it_is_the_user_of_the_shell(
    execution: str, prefect_server: PrefectServer, tmp_path: os.PathLike[str]
) -> None:
    result = run(cancel_command(reach(prefect_server), execution), tmp_path)
    assert result.returncode == 0, result.stderr
    user = subprocess.run(["sh", "-c", 'echo "$(whoami)@$(uname -n)"'], capture_output=True, text=True, check=True)
    assert user.stdout.strip() in {request["by"] for request in requests_of(execution)}


def test_the_status_request_shows_names_and_reasons_as_the_report_has_them(tmp_path: os.PathLike[str]) -> None:
    name = 'a\\nb "c" \\ \\\\ \\" {x} データ\n"status": "COMPLETED"'
    report = json.dumps({"status": "FAILED", "waves": [{"waveName": name, "status": "FAILED"}]}, indent=2)
    (filters,) = ["\n".join(status_command(story.ACCESS)[3:])]
    shown = subprocess.run(
        ["/bin/sh", "-c", filters], input=json.dumps({"data": report}, ensure_ascii=False), capture_output=True,
        text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert [json.loads("{" + line.strip().rstrip(",") + "}") for line in shown] == [
        {"status": "FAILED"}, {"waveName": name}, {"status": "FAILED"},
    ]  # fmt: skip
