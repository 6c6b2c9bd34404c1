"""A complete disaster over REST alone: nothing but requests to a real server, followed by its events."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import httpx
import pytest

from prefect_drs.rest.options import RestOptions
from tests.conftest import PrefectServer
from tests.operations.disaster import live_through, struck_site
from tests.operations.shop import until, work
from tests.rest.face import RestFace
from tests.rest.server import running_server
from tests.rest.test_events import blocks


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
