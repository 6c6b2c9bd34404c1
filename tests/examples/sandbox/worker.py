"""What a Prefect worker does with the runs that an example starts."""

from __future__ import annotations

from typing import Any

from tests.operations.estate import Stored
from tests.operations.shop import PLAN, until, work


def carry_the_next(shop: Stored) -> Any:
    """Wait for an execution of the plan that nobody carries, and carry it."""
    pending = {"planName": PLAN, "status": "PENDING", "limit": 1}
    (started,) = until(lambda: shop.op("list_executions", pending)["executions"], "an execution waits for a worker")
    return work(started["executionId"])
