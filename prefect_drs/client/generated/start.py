"""The operations of `prefect_drs.operations.start` as methods. Written by `python -m tests.client.generator`; do not edit it."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NotRequired, TypedDict

from prefect_drs.client.caller import UNSET, Caller, Unset
from prefect_drs.client.generated.shared_types import RunningRequest, StartedExecution


class AccountContext(TypedDict):
    """The account that the caller expects the plan to run in, and how it is entered."""

    accountId: NotRequired[str | None]
    isCurrentAccount: NotRequired[bool]
    assumeRoleName: NotRequired[str | None]
    externalId: NotRequired[str | None]


class StartOperations(Caller):
    """Calls the operations."""

    def start_execution(
        self,
        *,
        execution_type: Literal["DRILL", "RECOVERY"],
        plan_id: str | Unset = UNSET,
        at: str | Unset = UNSET,
        snapshots: Mapping[str, str] | Unset = UNSET,
        waivers: Mapping[str, str] | Unset = UNSET,
        exclude: Mapping[str, str] | Unset = UNSET,
        manifest: str | Mapping[str, Any] | Unset | None = UNSET,
        bindings: str | Mapping[str, Any] | Unset | None = UNSET,
        strict: bool | Unset = UNSET,
        plan_name: str | Unset | None = UNSET,
        initiated_by: str | Unset | None = UNSET,
        deployment: str | Unset | None = UNSET,
        approve_gates: bool | Unset = UNSET,
        gate_timeout_seconds: float | Unset | None = UNSET,
        gates: Literal["hold", "suspend"] | Unset | None = UNSET,
        account_context: AccountContext | Unset | None = UNSET,
        confirm_recovery: bool | Unset = UNSET,
        idempotency_key: str | None = None,
    ) -> StartedExecution | RunningRequest:
        """Start a drill or a recovery of a plan, and answer at once with the execution's id."""
        return self.call(
            "start_execution",
            {
                "executionType": execution_type,
                "planId": plan_id,
                "at": at,
                "snapshots": snapshots,
                "waivers": waivers,
                "exclude": exclude,
                "manifest": manifest,
                "bindings": bindings,
                "strict": strict,
                "planName": plan_name,
                "initiatedBy": initiated_by,
                "deployment": deployment,
                "approveGates": approve_gates,
                "gateTimeoutSeconds": gate_timeout_seconds,
                "gates": gates,
                "accountContext": account_context,
                "confirmRecovery": confirm_recovery,
            },
            idempotency_key=idempotency_key,
        )
