"""A complete disaster over REST alone: nothing but requests to a real server, followed by its events."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate

from prefect_drs.orchestration.storage.artifacts import DATA_TYPE, report_key
from prefect_drs.orchestration.storage.journal_storage import open_journal
from prefect_drs.report.model import ExecutionStatus, RecoveryReport
from prefect_drs.rest.options import RestOptions
from tests.conftest import PrefectServer
from tests.operations.disaster import live_through, struck_site
from tests.operations.shop import until, work
from tests.rest.face import RestFace
from tests.rest.server import running_server
from tests.rest.test_events import blocks
from tests.rig import WaveSpec, simulated_aws


def test_a_disaster_over_rest_alone(
    prefect_server: PrefectServer,
    beside: Callable[..., Future[Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREFECT_DRS_HOME", str(tmp_path))
    with (
        struck_site() as (_, deployment),
        running_server(RestOptions(caller="ada", event_poll_seconds=0.05)) as server,
        httpx.Client(base_url=server.url, timeout=120) as client,
    ):
        face = RestFace(client)

        def follow(execution_id: str, at_gate: Callable[[], None]) -> None:
            kinds: list[str] = []
            with httpx.stream("GET", f"{server.url}/executions/{execution_id}/events", timeout=300) as stream:
                beside(work, execution_id)
                for event in blocks(stream.iter_lines()):
                    kinds.append(event["event"])
                    if event["event"] == "GateAsked":
                        until(lambda: face("list_gates", executionId=execution_id)["gates"], "the gate opens")
                        at_gate()
            assert (kinds[0], "ExecutionEnded" in kinds) == ("ExecutionStarted", True)

        live_through(face, follow, deployment)


def published(report: RecoveryReport) -> None:
    with get_client(sync_client=True) as client:
        client.create_artifact(
            ArtifactCreate(key=report_key(report.execution_id), type=DATA_TYPE, data=report.to_json())
        )


def test_a_stream_ends_once_the_report_has_the_end_too(
    prefect_server: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_DRS_HOME", str(tmp_path))
    execution = str(uuid4())
    with simulated_aws() as rig:
        ended = rig.run(rig.engine(rig.runbook({1: WaveSpec(1)}), execution, open_journal(execution)))
    published(ended.model_copy(update={"status": ExecutionStatus.IN_PROGRESS, "ended_at": None}))
    options = RestOptions(caller="ada", event_poll_seconds=0.01, heartbeat_seconds=0.0)
    with (
        running_server(options) as server,
        httpx.stream("GET", f"{server.url}/executions/{execution}/events") as stream,
    ):
        lines = stream.iter_lines()
        assert "event: ExecutionEnded" in lines
        assert ": still running" in lines
        published(ended)
        list(lines)
        answer = httpx.get(f"{server.url}/executions/{execution}", timeout=60)
    assert answer.json()["status"] == "COMPLETED"
