"""How many requests the control commands send to the Prefect API, counted by a proxy in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from prefect import flow
from prefect.client.schemas.actions import ArtifactCreate
from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_drs.cli import main
from prefect_drs.orchestration.client import prefect_client
from prefect_drs.orchestration.storage.artifacts import report_key, summary_key
from prefect_drs.report.model import ExecutionStatus, RecoveryReport, ServerReport, WaveReport, WaveStatus
from prefect_drs.report.summary import ExecutionSummary
from tests.conftest import PrefectServer
from tests.http_proxy import Proxy, http_proxy

EXECUTIONS = 50
SERVERS = 100
POLICY_READ = "GET /block_types/slug/drs-access-policy/block_documents"
# And a CSRF token, where the server asks for them.
LIST_REQUESTS = ["GET /admin/version", POLICY_READ, "POST /artifacts/filter"]
START = datetime(2026, 1, 1, tzinfo=UTC)


@flow(name="stands-for-an-execution")
def execution() -> None:
    pass


def report(number: int, execution_id: str, *, ended: bool) -> RecoveryReport:
    servers = tuple(
        ServerReport(
            source_server_id=f"s-{server:017x}", name=f"server {server}", launch_status="LAUNCHED",
            recovery_instance_id=f"i-{server:017x}", attempts=1, started_at=START, ended_at=START,
        )
        for server in range(SERVERS)
    )  # fmt: skip
    wave = WaveReport(
        wave_number=1, wave_name="all", status=WaveStatus.COMPLETED, reason="", started_at=START, ended_at=START,
        depends_on_waves=(), jobs=(), servers=servers,
    )  # fmt: skip
    return RecoveryReport(
        execution_id=execution_id, plan_name=f"plan {number}", mode="drill",
        status=ExecutionStatus.COMPLETED if ended else ExecutionStatus.IN_PROGRESS,
        started_at=START + timedelta(hours=number), ended_at=START + timedelta(hours=number + 1) if ended else None,
        achieved_rto_seconds=None, waves=(wave,),
    )  # fmt: skip


@pytest.fixture
def proxy(prefect_server: PrefectServer) -> Iterator[Proxy]:
    with http_proxy(prefect_server.url) as proxy:
        yield proxy


@dataclass(frozen=True)
class Sent:
    """What a command sent: its exit code, its requests, and the bytes of their answers."""

    code: int
    requests: list[str]
    received: int


@pytest.fixture
def send(proxy: Proxy, capsys: pytest.CaptureFixture[str]) -> Callable[..., Sent]:
    def run(*arguments: str) -> Sent:
        proxy.requests.clear()
        proxy.received = 0
        with temporary_settings({PREFECT_API_URL: f"{proxy.url}/api"}):
            code = main(list(arguments))
        capsys.readouterr()
        sent = [f"{method} {path.partition('?')[0].removeprefix('/api')}" for method, path, _ in proxy.requests]
        return Sent(code, [request for request in sent if request != "GET /events/in"], proxy.received)

    return run


def publish(number: int, *, ended: bool, summary: bool = True) -> str:
    """An execution as its process published it: a flow run, its report and its summary."""
    with prefect_client() as client:
        execution_id = str(client.create_flow_run(execution).id)
        published = report(number, execution_id, ended=ended)
        artifacts = {report_key(execution_id): published.to_json()}
        if summary:
            short = ExecutionSummary.of(published).model_dump_json(by_alias=True)
            artifacts[summary_key(execution_id)] = short
        for key, data in artifacts.items():
            client.create_artifact(ArtifactCreate(type="json", key=key, data=data))
    return execution_id


def test_a_list_of_executions_reads_no_report_of_one_that_has_ended(proxy: Proxy, send: Callable[..., Sent]) -> None:
    whole = sum(len(report(number, "", ended=True).to_json()) for number in range(EXECUTIONS))
    for number in range(EXECUTIONS):
        publish(number, ended=True)
    listed = send("status")
    assert listed.code == 0
    assert listed.requests == LIST_REQUESTS
    assert listed.received < whole / 10


def test_executions_that_an_older_release_published_are_listed_too(
    proxy: Proxy, send: Callable[..., Sent], monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect_drs.operations import status

    monkeypatch.setattr(status, "LATEST", 200)  # more than there are summaries; the most that the API gives
    old = publish(1, ended=True, summary=False)
    assert old in {summary.execution_id for summary in status.latest_executions()}


def test_one_execution_that_has_ended_is_one_report(proxy: Proxy, send: Callable[..., Sent]) -> None:
    shown = send("status", publish(1, ended=True))
    assert shown.code == 0
    assert shown.requests == LIST_REQUESTS


def test_a_pause_asks_whether_the_execution_is_active_then_stores_the_request(
    proxy: Proxy, send: Callable[..., Sent]
) -> None:
    execution_id = publish(1, ended=False)
    paused = send("pause", execution_id)
    assert paused.code == 0
    assert paused.requests == [
        "GET /admin/version",
        POLICY_READ,
        f"GET /flow_runs/{execution_id}",
        "POST /artifacts/filter",
        f"GET /flow_runs/{execution_id}",
        f"POST /flow_runs/{execution_id}/input",
        f"GET /v2/concurrency_limits/prefect-drs-{execution_id}",
    ]
