"""Runs of AWS-native recovery plans.

Steps run one after another. A server step is one job; it is COMPLETED if every CRITICAL server is LAUNCHED. Otherwise
the step is FAILED and the execution stays IN_PROGRESS until the step is retried or skipped or the execution is
cancelled; after 24 hours it is FAILED. Cancelling skips the steps that have not started; a running job continues to its
end.
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from datetime import datetime, timedelta

from .exceptions import ConflictException, DRSError, ResourceNotFoundException, ValidationException
from .job_operations import JobOperations
from .job_runs import JobRuns
from .jobs import Job, LaunchStatus
from .paging import answer_page
from .recovery_plans import DrsRecoveryPlan, ExecutionStep, RecoveryPlanExecution, RecoveryPlans
from .scope import Scope
from .store import Store
from .wire import Params, Wire

TIMES_OUT_AFTER = timedelta(hours=24)
OVER = frozenset({"COMPLETED", "FAILED", "CANCELLED"})


@dataclass(slots=True)
class RecoveryPlanExecutions:
    """The operations on executions of plans, and their runs."""

    _scope: Scope
    _executions: Store[RecoveryPlanExecution]
    _plans: Store[DrsRecoveryPlan]
    _recovery_plans: RecoveryPlans
    _tokens: dict[tuple[str, str], str]
    _jobs: JobOperations
    _runs: InitVar[JobRuns]

    def __post_init__(self, runs: JobRuns) -> None:
        runs.on_completed.append(self._judge_steps)
        self._scope.handle(
            execution_next=self._go_on, execution_waited=self._end_wait, execution_timed_out=self._time_out
        )

    def _execution_step(self, arn: str) -> tuple[RecoveryPlanExecution, ExecutionStep]:
        execution = self._executions.get(arn.rsplit("/step/", 1)[0])
        for step in execution.steps if execution else ():
            if step.arn == arn and execution is not None:
                return execution, step
        raise ResourceNotFoundException("RecoveryPlanExecutionStep", arn)

    def start_recovery_plan_execution(self, params: Params) -> Wire:
        """StartRecoveryPlanExecution: one at a time per plan; a client token makes the call idempotent."""
        token = params.get("clientToken")
        if token and (known := self._tokens.get(("execution", token))) in self._executions:
            return {"recoveryPlanExecution": self._executions[str(known)].wire()}
        plan = self._plans.one(params["recoveryPlanArn"])
        if plan.status == "INVALID":
            raise ValidationException(
                f"Recovery plan {plan.name} has no server step.", fields={"recoveryPlanArn": "the plan is INVALID"}
            )
        self._recovery_plans.refuse_running(plan)
        now = self._scope.now()
        name = self._scope.identifier("rpe-", plan.arn, self._scope.count("execution"))
        arn = self._scope.arn("recovery-plan-execution", name)
        execution = RecoveryPlanExecution(
            arn,
            plan.arn,
            params["mode"],
            now,
            tags=dict(params.get("tags") or {}),
            snapshots={s["sourceServerID"]: s["recoverySnapshotID"] for s in params.get("sourceServers") or ()},
        )
        for index, step in enumerate(plan.steps, 1):
            step_arn = f"{arn}/step/{self._scope.identifier('rpes-', arn, index)}"
            execution.steps.append(ExecutionStep(step_arn, index, step.name, _enriched(step.configuration), now, now))
        self._executions[arn] = execution
        if token:
            self._tokens["execution", token] = arn
        self._scope.schedule(now + timedelta(seconds=2), "execution_next", arn)
        self._scope.schedule(now + TIMES_OUT_AFTER, "execution_timed_out", arn)
        return {"recoveryPlanExecution": execution.wire()}

    # The run

    def _go_on(self, at: datetime, arn: str) -> None:
        """Start the next step, or end the execution."""
        execution = self._executions.get(arn)
        if execution is None or execution.status not in {"CREATED", "IN_PROGRESS"}:
            return
        execution.status = "IN_PROGRESS"
        for step in execution.steps:
            if step.status in {"EXECUTING", "WAITING", "FAILED"}:
                return
            if step.status == "NOT_STARTED":
                self._begin_step(at, execution, step)
                return
        execution.status = "COMPLETED"
        execution.completed_at = at

    def _begin_step(self, at: datetime, execution: RecoveryPlanExecution, step: ExecutionStep) -> None:
        step.updated_at = at
        step.error = None
        if step.waits:
            step.status = "WAITING"
            minutes = step.configuration["waitStepConfiguration"]["waitDurationMinutes"]
            self._scope.schedule(at + timedelta(minutes=minutes), "execution_waited", execution.arn, step.arn)
            return
        step.status = "EXECUTING"
        servers = step.configuration["executionServerStepConfiguration"]["servers"]
        ids = [server["serverArn"].rsplit("/", 1)[-1] for server in servers]
        initiated_by = "START_DRILL" if execution.mode == "DRILL" else "START_RECOVERY"
        try:
            snapshots = {i: execution.snapshots[i] for i in ids if i in execution.snapshots}
            job = self._jobs.start_launch_job(
                self._jobs.servers_to_launch(ids), initiated_by, dict(execution.tags), snapshots
            )
        except DRSError as refusal:
            self._fail_step(at, execution, step, refusal.code, refusal.message)
            return
        step.job_id = job.job_id
        for server in servers:
            server["jobID"] = job.job_id

    def _fail_step(
        self, at: datetime, execution: RecoveryPlanExecution, step: ExecutionStep, code: str, message: str
    ) -> None:
        step.status = "FAILED"
        step.error = {"code": code, "message": message}
        step.updated_at = at
        execution.error = {"code": "StepFailed", "message": f"Step {step.index} ({step.name}) failed: {message}"}

    def _end_wait(self, at: datetime, arn: str, step_arn: str) -> None:
        """End a WAIT step."""
        execution = self._executions.get(arn)
        for step in execution.steps if execution else ():
            if step.arn == step_arn and step.status == "WAITING":
                step.status = "COMPLETED"
                step.updated_at = at
                self._go_on(at, arn)

    def _judge_steps(self, at: datetime, job: Job) -> None:
        """Set the status of a step from its CRITICAL servers after its job has ended."""
        for execution in self._executions.values():
            for step in execution.steps:
                if step.job_id == job.job_id and step.status == "EXECUTING":
                    self._judge(at, execution, step, job)

    def _judge(self, at: datetime, execution: RecoveryPlanExecution, step: ExecutionStep, job: Job) -> None:
        servers = step.configuration["executionServerStepConfiguration"]["servers"]
        critical = {s["serverArn"].rsplit("/", 1)[-1] for s in servers if s["impactLevel"] == "CRITICAL"}
        failed = [
            p.server_id
            for p in job.participants.values()
            if p.status is not LaunchStatus.LAUNCHED and p.server_id in critical
        ]
        step.updated_at = at
        if failed:
            self._fail_step(at, execution, step, "ServerLaunchFailed", f"{', '.join(failed)} did not launch")
        else:
            step.status = "COMPLETED"
        if execution.status == "CANCELLING":
            execution.status, execution.completed_at = "CANCELLED", at
        else:
            self._go_on(at, execution.arn)

    def _time_out(self, at: datetime, arn: str) -> None:
        """Fail the execution after 24 hours."""
        execution = self._executions.get(arn)
        if execution is None or execution.status in OVER:
            return
        for step in execution.steps:
            if step.status in {"EXECUTING", "WAITING"}:
                step.status = "TIMED_OUT"
            elif step.status == "NOT_STARTED":
                step.status = "SKIPPED"
        execution.status, execution.completed_at = "FAILED", at
        execution.error = {"code": "ExecutionTimedOut", "message": "The execution has run for 24 hours."}

    # The operations

    def get_recovery_plan_execution(self, params: Params) -> Wire:
        """GetRecoveryPlanExecution."""
        return {"recoveryPlanExecution": self._executions.one(params["recoveryPlanExecutionArn"]).wire()}

    def list_recovery_plan_executions(self, params: Params) -> Wire:
        """ListRecoveryPlanExecutions, of a plan, in a status; the newest first."""
        found = [
            execution
            for execution in reversed(self._executions.values())
            if params.get("recoveryPlanArn", execution.plan_arn) == execution.plan_arn
            and params.get("status", execution.status) == execution.status
        ]
        return answer_page(
            "ListRecoveryPlanExecutions", params, found, RecoveryPlanExecution.summary, member="recoveryPlanExecutions"
        )

    def cancel_recovery_plan_execution(self, params: Params) -> Wire:
        """CancelRecoveryPlanExecution: skips the steps that have not started."""
        execution = self._executions.one(params["recoveryPlanExecutionArn"])
        if execution.status not in {"CREATED", "IN_PROGRESS"}:
            raise _conflict(execution, f"Execution {execution.arn} is {execution.status}.")
        now = self._scope.now()
        runs = False
        for step in execution.steps:
            runs = runs or step.status == "EXECUTING"
            if step.status in {"NOT_STARTED", "WAITING"}:
                step.status, step.updated_at = "SKIPPED", now
        execution.status = "CANCELLING" if runs else "CANCELLED"
        execution.completed_at = None if runs else now
        return {"recoveryPlanExecution": execution.wire()}

    def delete_recovery_plan_execution(self, params: Params) -> Wire:
        """DeleteRecoveryPlanExecution: only one that has ended."""
        execution = self._executions.one(params["recoveryPlanExecutionArn"])
        if execution.status not in OVER:
            raise _conflict(execution, f"Execution {execution.arn} is {execution.status}.")
        del self._executions[execution.arn]
        return {"recoveryPlanExecutionArn": execution.arn}

    def list_recovery_plan_execution_steps(self, params: Params) -> Wire:
        """ListRecoveryPlanExecutionSteps, in order."""
        execution = self._executions.one(params["recoveryPlanExecutionArn"])
        wanted = (params.get("filter") or {}).get("status")
        found = [step for step in execution.steps if wanted in (None, step.status)]
        return answer_page(
            "ListRecoveryPlanExecutionSteps", params, found, ExecutionStep.summary, member="recoveryPlanExecutionSteps"
        )

    def get_recovery_plan_execution_step(self, params: Params) -> Wire:
        """GetRecoveryPlanExecutionStep."""
        _, step = self._execution_step(params["recoveryPlanExecutionStepArn"])
        return {"recoveryPlanExecutionStep": step.wire()}

    def retry_recovery_plan_execution_step(self, params: Params) -> Wire:
        """RetryRecoveryPlanExecutionStep: a server step that FAILED."""
        execution, step = self._execution_step(params["recoveryPlanExecutionStepArn"])
        if step.status != "FAILED" or step.waits or execution.status != "IN_PROGRESS":
            raise _conflict(
                step,
                f"Step {step.name} is {step.status}: only a failed server step of a running execution can be retried.",
            )
        step.attempt += 1
        execution.error = None
        self._begin_step(self._scope.now(), execution, step)
        return {"recoveryPlanExecutionStep": step.wire()}

    def update_recovery_plan_execution_step(self, params: Params) -> Wire:
        """UpdateRecoveryPlanExecutionStep: skip one; before it begins, change its servers or its wait."""
        execution, step = self._execution_step(params["recoveryPlanExecutionStepArn"])
        if execution.status in OVER:
            raise ConflictException(f"Execution {execution.arn} is {execution.status}.", resource_id=execution.arn)
        now = self._scope.now()
        if params.get("status") is not None:
            self._skip(now, execution, step, params["status"])
        if params.get("servers") is not None:
            self._refuse_begun(step, waits=False)
            self._recovery_plans.check_step_servers(params["servers"])
            step.configuration = _enriched({"serverStepConfiguration": {"servers": params["servers"]}})
        if params.get("waitDurationMinutes") is not None:
            self._refuse_begun(step, waits=True)
            step.configuration = {"waitStepConfiguration": {"waitDurationMinutes": params["waitDurationMinutes"]}}
        step.updated_at = now
        return {"recoveryPlanExecutionStep": step.wire()}

    def _skip(self, at: datetime, execution: RecoveryPlanExecution, step: ExecutionStep, status: str) -> None:
        if status != "SKIPPED":
            raise ValidationException("Only SKIPPED can be set.", fields={"status": "must be SKIPPED"})
        if step.status not in {"NOT_STARTED", "FAILED"}:
            raise _conflict(
                step,
                f"Step {step.name} is {step.status}: only a step that has not started or has failed can be skipped.",
            )
        failed = step.status == "FAILED"
        step.status = "SKIPPED"
        if failed:
            execution.error = None
            self._go_on(at, execution.arn)

    def _refuse_begun(self, step: ExecutionStep, *, waits: bool) -> None:
        if step.waits is not waits:
            kind = "wait" if step.waits else "server"
            raise ValidationException(f"Step {step.name} is a {kind} step.", fields={"configuration": "wrong kind"})
        if step.status != "NOT_STARTED":
            raise ConflictException(f"Step {step.name} is {step.status}.", "RecoveryPlanExecutionStep", step.arn)


def _enriched(configuration: Wire) -> Wire:
    if "waitStepConfiguration" in configuration:
        return {"waitStepConfiguration": dict(configuration["waitStepConfiguration"])}
    servers = configuration["serverStepConfiguration"]["servers"]
    return {"executionServerStepConfiguration": {"servers": [{"impactLevel": "CRITICAL", **s} for s in servers]}}


def _conflict(of: RecoveryPlanExecution | ExecutionStep, message: str) -> ConflictException:
    kind = "RecoveryPlanExecutionStep" if isinstance(of, ExecutionStep) else "RecoveryPlanExecution"
    return ConflictException(message, kind, of.arn)
