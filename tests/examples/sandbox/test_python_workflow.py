"""The Python workflow on the sandbox, with a worker that carries its drill."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from prefect_drs.operations import Context
from tests.demo_module import module_of
from tests.examples.places import EXAMPLES
from tests.examples.sandbox.worker import carry_the_next
from tests.operations.estate import Stored
from tests.operations.shop import PLAN

workflow = module_of(EXAMPLES / "python/nightly_drill.py")


def test_a_drill_is_carried_out_reported_and_terminated(
    shop: Stored, deployment: str, beside: Callable[..., Future[Any]], tmp_path: Path
) -> None:
    carried = beside(carry_the_next, shop)
    report = tmp_path / "drill.html"
    assert workflow.nightly_drill(PLAN, deployment, report, Context(caller="ada")) == ("COMPLETED", True)
    assert PLAN in report.read_text(encoding="utf-8")
    execution_id = str(carried.result().state_details.flow_run_id)
    assert shop.op("get_termination_status", {"executionId": execution_id})["status"] == "TERMINATED"


def test_a_plan_that_is_not_stored_is_named_and_starts_nothing(
    shop: Stored, deployment: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["nightly_drill.py", "Shpo", deployment])
    assert workflow.main() == 1
    assert "Shpo" in capsys.readouterr().err
