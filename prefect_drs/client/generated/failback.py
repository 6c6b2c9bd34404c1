"""The operations of `prefect_drs.operations.failback` as methods. Written by `python -m tests.client.generator`; do not edit it."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from prefect_drs.client.caller import UNSET, Caller, Unset
from prefect_drs.client.generated.shared_types import RunningRequest, StartedExecution


class FailbackOperations(Caller):
    """Calls the operations."""

    def start_failback(
        self,
        *,
        manifest: str | Mapping[str, Any] | Unset | None = UNSET,
        bindings: str | Mapping[str, Any] | Unset | None = UNSET,
        strict: bool | Unset = UNSET,
        plan_id: str | Unset | None = UNSET,
        plan_name: str | Unset | None = UNSET,
        initiated_by: str | Unset | None = UNSET,
        deployment: str | Unset | None = UNSET,
        approve_gates: bool | Unset = UNSET,
        gate_timeout_seconds: float | Unset | None = UNSET,
        gates: Literal["hold", "suspend"] | Unset | None = UNSET,
        execution_id: str | Unset | None = UNSET,
        exclude: Mapping[str, str] | Unset = UNSET,
        confirm_failback: bool | Unset = UNSET,
        idempotency_key: str | None = None,
    ) -> StartedExecution | RunningRequest:
        """Start the failback of a plan's servers, and answer at once with the execution's id."""
        return self.call(
            "start_failback",
            {
                "manifest": manifest,
                "bindings": bindings,
                "strict": strict,
                "planId": plan_id,
                "planName": plan_name,
                "initiatedBy": initiated_by,
                "deployment": deployment,
                "approveGates": approve_gates,
                "gateTimeoutSeconds": gate_timeout_seconds,
                "gates": gates,
                "executionId": execution_id,
                "exclude": exclude,
                "confirmFailback": confirm_failback,
            },
            idempotency_key=idempotency_key,
        )
