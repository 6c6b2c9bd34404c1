"""The methods of execution operations. Written by `python -m tests.client.generator`; do not edit it."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from prefect_drs.client.caller import UNSET, Caller, Unset
from prefect_drs.client.generated.json_types import (
    AccountContext,
    AnsweredAnswer,
    ControlAnswer,
    DeletedExecutions,
    EvidenceAnswer,
    ExecutionAnswer,
    ExecutionsAnswer,
    ExecutionStatus,
    ExistingInstancesAnswer,
    ExplainAnswer,
    GatesAnswer,
    GetRecoveryInstancesPage,
    InstanceView,
    JobLogsAnswer,
    ListedExecution,
    ReportAnswer,
    RunningRequest,
    StartedExecution,
    TerminationStatus,
    Verification,
)


class ExecutionOperations(Caller):
    """Calls execution operations."""

    def approve_gate(
        self,
        execution_id: str,
        wave_number: int | str,
        *,
        by: str | Unset | None = UNSET,
        comment: str | Unset = UNSET,
        token: str | Unset | None = UNSET,
        break_glass: str | Unset | None = UNSET,
        idempotency_key: str | None = None,
    ) -> AnsweredAnswer | RunningRequest:
        """Approve a wave that waits at its gate."""
        return self.call(
            "approve_gate",
            {
                "executionId": execution_id,
                "waveNumber": wave_number,
                "by": by,
                "comment": comment,
                "token": token,
                "breakGlass": break_glass,
            },
            idempotency_key=idempotency_key,
        )

    def cancel_execution(
        self,
        execution_id: str,
        *,
        by: str | Unset | None = UNSET,
        reason: str | Unset = UNSET,
        idempotency_key: str | None = None,
    ) -> ControlAnswer | RunningRequest:
        """Launch nothing more, follow running DRS jobs to their end, and close open gates."""
        return self.call(
            "cancel_execution",
            {"executionId": execution_id, "by": by, "reason": reason},
            idempotency_key=idempotency_key,
        )

    def check_existing_instances(self, plan_id: str) -> ExistingInstancesAnswer:
        """List the recovery instances that a plan's servers have before it is started."""
        return self.call("check_existing_instances", {"planId": plan_id})

    def delete_executions(
        self,
        *,
        execution_ids: Sequence[str] | Unset = UNSET,
        all_finished: bool | Unset = UNSET,
        finished_before: datetime | str | Unset = UNSET,
        next_token: str | Unset = UNSET,
        leave_instances: bool | Unset = UNSET,
    ) -> DeletedExecutions:
        """Delete executions that have ended: their flow runs, artifacts and journals."""
        return self.call(
            "delete_executions",
            {
                "executionIds": execution_ids,
                "allFinished": all_finished,
                "finishedBefore": finished_before,
                "nextToken": next_token,
                "leaveInstances": leave_instances,
            },
        )

    def explain_execution(
        self, execution_id: str, *, wave: int | str | Unset = UNSET, server: str | Unset = UNSET
    ) -> ExplainAnswer:
        """Say in sentences what an execution, a wave or a server waited for, and for how long."""
        return self.call("explain_execution", {"executionId": execution_id, "wave": wave, "server": server})

    def get_evidence(self, execution_id: str) -> EvidenceAnswer:
        """Return the evidence of an execution as one signed ZIP file."""
        return self.call("get_evidence", {"executionId": execution_id})

    def get_execution(self, execution_id: str) -> ExecutionAnswer:
        """Return an execution's report, the process that carries it, and what it waits for."""
        return self.call("get_execution", {"executionId": execution_id})

    def get_execution_report(
        self, execution_id: str, *, format: Literal["html", "markdown", "json"] | Unset = UNSET
    ) -> ReportAnswer:
        """Return an execution's report as one HTML document, Markdown or JSON."""
        return self.call("get_execution_report", {"executionId": execution_id, "format": format})

    def get_job_logs(self, execution_id: str, *, job_id: str | Unset = UNSET) -> JobLogsAnswer:
        """Return the logs of an execution's DRS jobs, step by step."""
        return self.call("get_job_logs", {"executionId": execution_id, "jobId": job_id})

    def get_recovery_instances(
        self,
        execution_id: str,
        *,
        limit: int | Unset = UNSET,
        next_token: str | Unset = UNSET,
        sort: Literal[
            "name", "-name", "waveNumber", "-waveNumber", "state", "-state", "recoveryInstanceId", "-recoveryInstanceId"
        ]
        | Unset = UNSET,
    ) -> GetRecoveryInstancesPage:
        """Return the recovery instances that an execution launched, as DRS has them now."""
        return self.call(
            "get_recovery_instances",
            {"executionId": execution_id, "limit": limit, "nextToken": next_token, "sort": sort},
        )

    def iterate_recovery_instances(
        self,
        execution_id: str,
        *,
        limit: int | Unset = UNSET,
        sort: Literal[
            "name", "-name", "waveNumber", "-waveNumber", "state", "-state", "recoveryInstanceId", "-recoveryInstanceId"
        ]
        | Unset = UNSET,
    ) -> Iterator[InstanceView]:
        """Iterate over all that `get_recovery_instances` lists; a page of `limit` is read when it is needed."""
        return self._items(
            "get_recovery_instances", "recoveryInstances", {"executionId": execution_id, "limit": limit, "sort": sort}
        )

    def get_termination_status(self, execution_id: str) -> TerminationStatus:
        """Return what became of the termination of an execution's instances, as DRS has them now."""
        return self.call("get_termination_status", {"executionId": execution_id})

    def list_executions(
        self,
        *,
        execution_id: str | Unset = UNSET,
        status: ExecutionStatus | Sequence[ExecutionStatus] | Unset = UNSET,
        plan_name: str | Unset = UNSET,
        execution_type: Literal["DRILL", "RECOVERY"] | Unset = UNSET,
        started_after: datetime | str | Unset = UNSET,
        started_before: datetime | str | Unset = UNSET,
        sort: Literal[
            "startedAt",
            "-startedAt",
            "endedAt",
            "-endedAt",
            "planName",
            "-planName",
            "status",
            "-status",
            "executionType",
            "-executionType",
        ]
        | Unset = UNSET,
        next_token: str | Unset = UNSET,
        limit: int | Unset = UNSET,
        offset: int | Unset = UNSET,
    ) -> ExecutionsAnswer:
        """List executions, the newest first, by id, status, plan, type and time."""
        return self.call(
            "list_executions",
            {
                "executionId": execution_id,
                "status": status,
                "planName": plan_name,
                "executionType": execution_type,
                "startedAfter": started_after,
                "startedBefore": started_before,
                "sort": sort,
                "nextToken": next_token,
                "limit": limit,
                "offset": offset,
            },
        )

    def iterate_executions(
        self,
        *,
        execution_id: str | Unset = UNSET,
        status: ExecutionStatus | Sequence[ExecutionStatus] | Unset = UNSET,
        plan_name: str | Unset = UNSET,
        execution_type: Literal["DRILL", "RECOVERY"] | Unset = UNSET,
        started_after: datetime | str | Unset = UNSET,
        started_before: datetime | str | Unset = UNSET,
        sort: Literal[
            "startedAt",
            "-startedAt",
            "endedAt",
            "-endedAt",
            "planName",
            "-planName",
            "status",
            "-status",
            "executionType",
            "-executionType",
        ]
        | Unset = UNSET,
        limit: int | Unset = UNSET,
    ) -> Iterator[ListedExecution]:
        """Iterate over all that `list_executions` lists; a page of `limit` is read when it is needed."""
        return self._items(
            "list_executions",
            "executions",
            {
                "executionId": execution_id,
                "status": status,
                "planName": plan_name,
                "executionType": execution_type,
                "startedAfter": started_after,
                "startedBefore": started_before,
                "sort": sort,
                "limit": limit,
            },
        )

    def list_gates(self, *, execution_id: str | Unset = UNSET) -> GatesAnswer:
        """List the gates that wait for an answer."""
        return self.call("list_gates", {"executionId": execution_id})

    def pause_execution(
        self, execution_id: str, *, by: str | Unset | None = UNSET, idempotency_key: str | None = None
    ) -> ControlAnswer | RunningRequest:
        """Launch nothing more for now; running jobs continue."""
        return self.call("pause_execution", {"executionId": execution_id, "by": by}, idempotency_key=idempotency_key)

    def reject_gate(
        self,
        execution_id: str,
        wave_number: int | str,
        *,
        by: str | Unset | None = UNSET,
        comment: str | Unset = UNSET,
        idempotency_key: str | None = None,
    ) -> AnsweredAnswer | RunningRequest:
        """Reject a wave that waits at its gate: it and every wave that depends on it are cancelled."""
        return self.call(
            "reject_gate",
            {"executionId": execution_id, "waveNumber": wave_number, "by": by, "comment": comment},
            idempotency_key=idempotency_key,
        )

    def resume_execution(
        self,
        execution_id: str,
        *,
        by: str | Unset | None = UNSET,
        deployment: str | Unset | None = UNSET,
        take_over: bool | Unset = UNSET,
        despite_cancel: bool | Unset = UNSET,
        idempotency_key: str | None = None,
    ) -> ControlAnswer | RunningRequest:
        """Resume an execution that was paused or interrupted, or retry what failed of it."""
        return self.call(
            "resume_execution",
            {
                "executionId": execution_id,
                "by": by,
                "deployment": deployment,
                "takeOver": take_over,
                "despiteCancel": despite_cancel,
            },
            idempotency_key=idempotency_key,
        )

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
        account_context: AccountContext | Unset | None = UNSET,
        deployment: str | Unset | None = UNSET,
        approve_gates: bool | Unset = UNSET,
        confirm_recovery: bool | Unset = UNSET,
        gate_timeout_seconds: float | Unset | None = UNSET,
        gates: Literal["hold", "suspend"] | Unset | None = UNSET,
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
                "accountContext": account_context,
                "deployment": deployment,
                "approveGates": approve_gates,
                "confirmRecovery": confirm_recovery,
                "gateTimeoutSeconds": gate_timeout_seconds,
                "gates": gates,
            },
            idempotency_key=idempotency_key,
        )

    def terminate_instances(
        self,
        execution_id: str,
        *,
        confirm_recovery: bool | Unset = UNSET,
        skip_failback: bool | Unset = UNSET,
        by: str | Unset | None = UNSET,
        idempotency_key: str | None = None,
    ) -> dict[str, Any] | RunningRequest:
        """Terminate the recovery instances that an execution launched, and no others."""
        return self.call(
            "terminate_instances",
            {"executionId": execution_id, "confirmRecovery": confirm_recovery, "skipFailback": skip_failback, "by": by},
            idempotency_key=idempotency_key,
        )

    def verify_execution(
        self, execution_id: str, *, public_keys: Sequence[str] | Unset = UNSET, allow_open: bool | Unset = UNSET
    ) -> Verification:
        """Verify an execution's journal in place: its chain, and the signatures of its anchors."""
        return self.call(
            "verify_execution", {"executionId": execution_id, "publicKeys": public_keys, "allowOpen": allow_open}
        )
