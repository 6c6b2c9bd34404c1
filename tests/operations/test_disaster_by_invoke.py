"""A complete disaster by direct invocation: nothing but events to the Lambda handler."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from prefect_drs.lambda_handler import handler
from tests.conftest import PrefectServer
from tests.operations.disaster import live_through, struck_site
from tests.operations.shop import until, work
from tests.operations.test_lambda_handler import lambda_context

CONTEXT = lambda_context(name="drs-operations")


def call(operation: str, /, **parameters: Any) -> Any:
    """One invocation, as Lambda makes it: JSON in, JSON out."""
    answer = handler(json.loads(json.dumps({"operation": operation, "parameters": parameters})), CONTEXT)
    assert "error" not in answer, answer
    return json.loads(json.dumps(answer))


def test_a_disaster_by_invocations_alone(
    prefect_server: PrefectServer,
    beside: Callable[..., Future[Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREFECT_DRS_HOME", str(tmp_path))

    def follow(execution_id: str, at_gate: Callable[[], None]) -> None:
        worker = beside(work, execution_id)
        until(lambda: call("list_gates", executionId=execution_id)["gates"], "the gate opens")
        at_gate()
        assert worker.result(timeout=300).is_completed()

    with struck_site() as (_, deployment):
        live_through(call, follow, deployment)
