"""AWS-native recovery plans: plans and their steps.

A plan is a sequence of at most 20 steps. A step launches 1 to 100 servers, or waits 1 to 120 minutes; its kind never
changes. A plan without a server step is INVALID and cannot be executed. Executions are in `recovery_plan_executions`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from .exceptions import ConflictException, ResourceNotFoundException, ServiceQuotaExceededException, ValidationException
from .paging import answer_page
from .scope import Scope
from .source_servers import SourceServer
from .store import Store
from .wire import Params, Wire, dropping_none, wire_time

MOST_STEPS = 20
"""Steps a plan (`RecoveryPlanStepOrder` and `RecoveryPlanStepArnList` in the model)."""


@dataclass(slots=True)
class Step:
    """One step of a plan."""

    arn: str
    name: str
    configuration: Wire
    created_at: datetime
    updated_at: datetime

    @property
    def waits(self) -> bool:
        """Whether it is a WAIT step."""
        return "waitStepConfiguration" in self.configuration

    def wire(self, order: int) -> Wire:
        """`RecoveryPlanStep`."""
        return {
            "recoveryPlanStepArn": self.arn,
            "stepOrder": order,
            "stepName": self.name,
            "configuration": self.configuration,
            "createdAt": wire_time(self.created_at),
            "updatedAt": wire_time(self.updated_at),
        }


@dataclass(slots=True)
class DrsRecoveryPlan:
    """One plan."""

    arn: str
    name: str
    description: str | None
    created_at: datetime
    updated_at: datetime
    tags: dict[str, str] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    @property
    def status(self) -> str:
        """ACTIVE with a server step, else INVALID."""
        return "ACTIVE" if any(not step.waits for step in self.steps) else "INVALID"

    def summary(self) -> Wire:
        """`RecoveryPlanSummary`."""
        return {
            "recoveryPlanArn": self.arn,
            "name": self.name,
            "status": self.status,
            "createdAt": wire_time(self.created_at),
            "updatedAt": wire_time(self.updated_at),
        }

    def wire(self) -> Wire:
        """`RecoveryPlan`."""
        return dropping_none({**self.summary(), "description": self.description, "tags": self.tags})


@dataclass(slots=True)
class RecoveryPlanExecution:
    """One run of a plan, with its own copy of the steps."""

    arn: str
    plan_arn: str
    mode: str
    started_at: datetime
    status: str = "CREATED"
    completed_at: datetime | None = None
    error: Wire | None = None
    tags: dict[str, str] = field(default_factory=dict)
    snapshots: dict[str, str] = field(default_factory=dict)
    steps: list[ExecutionStep] = field(default_factory=list)

    def summary(self) -> Wire:
        """`RecoveryPlanExecutionSummary`."""
        return dropping_none(
            {
                "recoveryPlanExecutionArn": self.arn,
                "recoveryPlanArn": self.plan_arn,
                "mode": self.mode,
                "status": self.status,
                "startedAt": wire_time(self.started_at),
                "errorDetail": self.error,
            }
        )

    def wire(self) -> Wire:
        """`RecoveryPlanExecution`."""
        return dropping_none(
            {
                **self.summary(),
                "completedAt": wire_time(self.completed_at) if self.completed_at else None,
                "tags": self.tags,
            }
        )


@dataclass(slots=True)
class ExecutionStep:
    """One step of a run."""

    arn: str
    index: int
    name: str
    configuration: Wire
    created_at: datetime
    updated_at: datetime
    status: str = "NOT_STARTED"
    attempt: int = 1
    error: Wire | None = None
    job_id: str | None = None

    @property
    def waits(self) -> bool:
        """Whether it is a WAIT step."""
        return "waitStepConfiguration" in self.configuration

    def summary(self) -> Wire:
        """`RecoveryPlanExecutionStepSummary`."""
        return dropping_none(
            {
                "recoveryPlanExecutionStepArn": self.arn,
                "stepName": self.name,
                "stepIndex": self.index,
                "status": self.status,
                "configuration": self.configuration,
                "errorDetail": self.error,
            }
        )

    def wire(self) -> Wire:
        """`RecoveryPlanExecutionStep`."""
        return {
            **self.summary(),
            "attempt": self.attempt,
            "createdAt": wire_time(self.created_at),
            "updatedAt": wire_time(self.updated_at),
        }


@dataclass(slots=True)
class RecoveryPlans:
    """The operations on plans and their steps.

    Args:
        tokens: the ARNs of resources created with a client token, by parent and token.
    """

    _scope: Scope
    _plans: Store[DrsRecoveryPlan]
    _executions: Store[RecoveryPlanExecution]
    _servers: Store[SourceServer]
    _tokens: dict[tuple[str, str], str]

    def _step_of(self, arn: str) -> tuple[DrsRecoveryPlan, int]:
        for plan in self._plans.values():
            for number, step in enumerate(plan.steps):
                if step.arn == arn:
                    return plan, number
        raise ResourceNotFoundException("RecoveryPlanStep", arn)

    def refuse_running(self, plan: DrsRecoveryPlan) -> None:
        """Refuse a plan that has a running execution.

        Raises:
            ConflictException: names the execution.
        """
        for execution in self._executions.values():
            if execution.plan_arn == plan.arn and execution.status in {"CREATED", "IN_PROGRESS", "CANCELLING"}:
                raise ConflictException(
                    f"Recovery plan {plan.name} has the running execution {execution.arn}.", "RecoveryPlan", plan.arn
                )

    def create_recovery_plan(self, params: Params) -> Wire:
        """CreateRecoveryPlan: names are unique; a client token makes the call idempotent."""
        token = params.get("clientToken")
        if token and (known := self._tokens.get(("plan", token))) in self._plans:
            return {"recoveryPlan": self._plans[str(known)].wire()}
        if any(plan.name == params["name"] for plan in self._plans.values()):
            raise ConflictException(f"A recovery plan named {params['name']!r} exists.", "RecoveryPlan")
        now = self._scope.now()
        arn = self._scope.arn("recovery-plan", self._scope.identifier("rp-", params["name"], self._scope.count("plan")))
        plan = DrsRecoveryPlan(arn, params["name"], params.get("description"), now, now, dict(params.get("tags") or {}))
        self._plans[arn] = plan
        if token:
            self._tokens["plan", token] = arn
        return {"recoveryPlan": plan.wire()}

    def get_recovery_plan(self, params: Params) -> Wire:
        """GetRecoveryPlan."""
        return {"recoveryPlan": self._plans.one(params["recoveryPlanArn"]).wire()}

    def list_recovery_plans(self, params: Params) -> Wire:
        """ListRecoveryPlans."""
        plans = list(self._plans.values())
        return answer_page("ListRecoveryPlans", params, plans, DrsRecoveryPlan.summary, member="recoveryPlans")

    def update_recovery_plan(self, params: Params) -> Wire:
        """UpdateRecoveryPlan: its name or description."""
        plan = self._plans.one(params["recoveryPlanArn"])
        name = params.get("name")
        if name and any(other.name == name for other in self._plans.values() if other is not plan):
            raise ConflictException(f"A recovery plan named {name!r} exists.", "RecoveryPlan")
        plan.name = name or plan.name
        plan.description = params.get("description", plan.description)
        plan.updated_at = self._scope.now()
        return {"recoveryPlan": plan.wire()}

    def delete_recovery_plan(self, params: Params) -> Wire:
        """DeleteRecoveryPlan: refused while an execution is running."""
        plan = self._plans.one(params["recoveryPlanArn"])
        self.refuse_running(plan)
        del self._plans[plan.arn]
        return {"recoveryPlanArn": plan.arn}

    def create_recovery_plan_step(self, params: Params) -> Wire:
        """CreateRecoveryPlanStep: at `stepOrder`, or at the end."""
        plan = self._plans.one(params["recoveryPlanArn"])
        token = params.get("clientToken")
        if token and (known := self._tokens.get((plan.arn, token))):
            _, number = self._step_of(known)
            return {"recoveryPlanStep": plan.steps[number].wire(number + 1)}
        self.refuse_running(plan)
        if len(plan.steps) >= MOST_STEPS:
            raise ServiceQuotaExceededException(
                f"A recovery plan has at most {MOST_STEPS} steps.", "L-PLAN-STEPS", "RecoveryPlanStep"
            )
        order = params.get("stepOrder") or len(plan.steps) + 1
        if order > len(plan.steps) + 1:
            raise ValidationException(
                f"The plan has {len(plan.steps)} steps: the next order is {len(plan.steps) + 1}.",
                fields={"stepOrder": "leaves a gap"},
            )
        self._check_step(params["configuration"])
        now = self._scope.now()
        arn = f"{plan.arn}/step/{self._scope.identifier('rps-', plan.arn, self._scope.count('step'))}"
        plan.steps.insert(order - 1, Step(arn, params["stepName"], _with_levels(params["configuration"]), now, now))
        plan.updated_at = now
        if token:
            self._tokens[plan.arn, token] = arn
        return {"recoveryPlanStep": plan.steps[order - 1].wire(order)}

    def _check_step(self, configuration: Wire) -> None:
        """Require exactly one kind, and servers that exist here, each once.

        Raises:
            ValidationException: otherwise.
        """
        if len(configuration) != 1:
            raise ValidationException(
                "Exactly one of serverStepConfiguration and waitStepConfiguration must be set.",
                fields={"configuration": "must be one kind of step"},
            )
        servers = configuration.get("serverStepConfiguration", {}).get("servers", [])
        self.check_step_servers(servers)

    def check_step_servers(self, servers: list[Wire]) -> None:
        """Require servers that exist here, each once.

        Raises:
            ValidationException: otherwise.
        """
        arns = [server["serverArn"] for server in servers]
        if len(set(arns)) != len(arns):
            raise ValidationException("A server is named twice in one step.", fields={"servers": "duplicate"})
        for arn in arns:
            if arn.rsplit("/", 1)[-1] not in self._servers:
                raise ValidationException(f"Source server {arn} does not exist.", fields={"servers": "unknown server"})

    def get_recovery_plan_step(self, params: Params) -> Wire:
        """GetRecoveryPlanStep."""
        plan, number = self._step_of(params["recoveryPlanStepArn"])
        return {"recoveryPlanStep": plan.steps[number].wire(number + 1)}

    def list_recovery_plan_steps(self, params: Params) -> Wire:
        """ListRecoveryPlanSteps, in order."""
        plan = self._plans.one(params["recoveryPlanArn"])
        numbered = list(enumerate(plan.steps, 1))
        return answer_page(
            "ListRecoveryPlanSteps", params, numbered, lambda one: one[1].wire(one[0]), member="recoveryPlanSteps"
        )

    def update_recovery_plan_step(self, params: Params) -> Wire:
        """UpdateRecoveryPlanStep: its name or configuration, never its kind."""
        plan, number = self._step_of(params["recoveryPlanStepArn"])
        self.refuse_running(plan)
        step = plan.steps[number]
        configuration = params.get("configuration")
        if configuration is not None:
            self._check_step(configuration)
            if set(configuration) != set(step.configuration):
                raise ValidationException(
                    "The kind of a step never changes.", fields={"configuration": "another kind of step"}
                )
            step.configuration = _with_levels(configuration)
        step.name = params.get("stepName", step.name)
        step.updated_at = plan.updated_at = self._scope.now()
        return {"recoveryPlanStep": step.wire(number + 1)}

    def delete_recovery_plan_step(self, params: Params) -> Wire:
        """DeleteRecoveryPlanStep: later steps move up."""
        plan, number = self._step_of(params["recoveryPlanStepArn"])
        self.refuse_running(plan)
        del plan.steps[number]
        plan.updated_at = self._scope.now()
        return {"recoveryPlanStepArn": params["recoveryPlanStepArn"]}

    def reorder_recovery_plan_steps(self, params: Params) -> Wire:
        """ReorderRecoveryPlanSteps: every step, each once."""
        plan = self._plans.one(params["recoveryPlanArn"])
        self.refuse_running(plan)
        wanted = params["orderedStepArns"]
        by_arn = {step.arn: step for step in plan.steps}
        if len(wanted) != len(by_arn) or set(wanted) != set(by_arn):
            raise ValidationException(
                "The order must name every step of the plan, each once.",
                fields={"orderedStepArns": "not the plan's steps"},
            )
        plan.steps = [by_arn[arn] for arn in wanted]
        plan.updated_at = self._scope.now()
        return {"recoveryPlanSteps": [step.wire(order) for order, step in enumerate(plan.steps, 1)]}


def _with_levels(configuration: Wire) -> Wire:
    """The configuration with CRITICAL, the model's default, for servers without an impact level."""
    if "waitStepConfiguration" in configuration:
        return dict(configuration)
    servers = configuration["serverStepConfiguration"]["servers"]
    return {"serverStepConfiguration": {"servers": [{"impactLevel": "CRITICAL", **server} for server in servers]}}
