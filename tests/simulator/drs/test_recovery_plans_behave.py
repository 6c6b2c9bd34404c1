"""AWS-native recovery plans."""

from __future__ import annotations

from typing import Any

from .documented import API, GUIDE, MODEL, documented
from .rig import Rig, refused

EXECUTING = GUIDE + "recovery-plans-executing.html"


def server_step(rig: Rig, *ids: str, level: str = "CRITICAL") -> dict[str, Any]:
    servers = [{"serverArn": rig.backend.servers[i].arn, "impactLevel": level} for i in ids]
    return {"serverStepConfiguration": {"servers": servers}}


def wait_step(minutes: int = 5) -> dict[str, Any]:
    return {"waitStepConfiguration": {"waitDurationMinutes": minutes}}


def plan(rig: Rig, *steps: dict[str, Any]) -> str:
    arn = rig.drs.create_recovery_plan(name=f"plan {len(rig.backend.plans)}")["recoveryPlan"]["recoveryPlanArn"]
    for number, step in enumerate(steps, 1):
        rig.drs.create_recovery_plan_step(recoveryPlanArn=arn, stepName=f"step {number}", configuration=step)
    return str(arn)


def run(rig: Rig, plan_arn: str, mode: str = "DRILL", **more: Any) -> str:
    made = rig.drs.start_recovery_plan_execution(recoveryPlanArn=plan_arn, mode=mode, **more)
    return str(made["recoveryPlanExecution"]["recoveryPlanExecutionArn"])


def status(rig: Rig, execution: str) -> str:
    told = rig.drs.get_recovery_plan_execution(recoveryPlanExecutionArn=execution)["recoveryPlanExecution"]
    return str(told["status"])


def steps(rig: Rig, execution: str) -> list[dict[str, Any]]:
    told = rig.drs.list_recovery_plan_execution_steps(recoveryPlanExecutionArn=execution)
    return list(told["recoveryPlanExecutionSteps"])


@documented(MODEL + "RecoveryPlanStatus")
def test_a_plan_without_a_server_step_is_invalid_and_cannot_run(rig: Rig) -> None:
    arn = plan(rig, wait_step())
    assert rig.drs.get_recovery_plan(recoveryPlanArn=arn)["recoveryPlan"]["status"] == "INVALID"
    with refused("ValidationException"):
        run(rig, arn)


@documented(EXECUTING)
def test_steps_run_one_after_another_and_the_execution_completes(rig: Rig) -> None:
    one, two = rig.seed(2)
    execution = run(rig, plan(rig, server_step(rig, one), wait_step(30), server_step(rig, two)))
    rig.advance(1200)
    assert [step["status"] for step in steps(rig, execution)] == ["COMPLETED", "WAITING", "NOT_STARTED"]
    rig.advance(7200)
    assert status(rig, execution) == "COMPLETED"
    launch = list(rig.drs.describe_jobs()["items"])[::-1]
    assert launch[1]["creationDateTime"] > launch[0]["endDateTime"]


@documented(MODEL + "RecoveryPlanServerImpactLevel")
def test_a_failed_critical_server_fails_the_step_and_an_optional_one_does_not(rig: Rig) -> None:
    one, two = rig.seed(2)
    rig.sandbox.faults.fail_server(one)
    critical = run(rig, plan(rig, server_step(rig, one)))
    rig.advance(3600)
    assert [step["status"] for step in steps(rig, critical)] == ["FAILED"]
    optional = run(rig, plan(rig, server_step(rig, one, two, level="OPTIONAL")))
    rig.advance(3600)
    assert status(rig, optional) == "COMPLETED"


@documented(API + "API_RetryRecoveryPlanExecutionStep.html")
def test_a_failed_step_is_retried_as_a_second_attempt(rig: Rig) -> None:
    (one,) = rig.seed()
    rig.sandbox.faults.fail_server(one, times=1)
    execution = run(rig, plan(rig, server_step(rig, one)))
    rig.advance(3600)
    (step,) = steps(rig, execution)
    retried = rig.drs.retry_recovery_plan_execution_step(
        recoveryPlanExecutionStepArn=step["recoveryPlanExecutionStepArn"]
    )["recoveryPlanExecutionStep"]
    assert retried["attempt"] == 2
    rig.advance(3600)
    assert status(rig, execution) == "COMPLETED"


@documented(API + "API_UpdateRecoveryPlanExecutionStep.html")
def test_a_failed_step_can_be_skipped_and_the_rest_continues(rig: Rig) -> None:
    one, two = rig.seed(2)
    rig.sandbox.faults.fail_server(one)
    execution = run(rig, plan(rig, server_step(rig, one), server_step(rig, two)))
    rig.advance(3600)
    first = steps(rig, execution)[0]["recoveryPlanExecutionStepArn"]
    rig.drs.update_recovery_plan_execution_step(recoveryPlanExecutionStepArn=first, status="SKIPPED")
    rig.advance(3600)
    assert [step["status"] for step in steps(rig, execution)] == ["SKIPPED", "COMPLETED"]


@documented(API + "API_UpdateRecoveryPlanExecutionStep.html")
def test_only_skipped_can_be_set_as_the_status_of_a_step(rig: Rig) -> None:
    one, two = rig.seed(2)
    execution = run(rig, plan(rig, server_step(rig, one), server_step(rig, two)))
    second = steps(rig, execution)[1]["recoveryPlanExecutionStepArn"]
    with refused("ValidationException"):
        rig.drs.update_recovery_plan_execution_step(recoveryPlanExecutionStepArn=second, status="COMPLETED")


@documented(API + "API_CancelRecoveryPlanExecution.html")
def test_cancelling_skips_the_steps_that_remain(rig: Rig) -> None:
    one, two = rig.seed(2)
    execution = run(rig, plan(rig, server_step(rig, one), server_step(rig, two)))
    rig.advance(30)
    assert steps(rig, execution)[0]["status"] == "EXECUTING"
    rig.drs.cancel_recovery_plan_execution(recoveryPlanExecutionArn=execution)
    assert status(rig, execution) == "CANCELLING"
    rig.advance(3600)
    assert status(rig, execution) == "CANCELLED"
    assert [step["status"] for step in steps(rig, execution)] == ["COMPLETED", "SKIPPED"]


@documented(API + "API_StartRecoveryPlanExecution.html")
def test_a_plan_has_one_execution_at_a_time(rig: Rig) -> None:
    (one,) = rig.seed()
    arn = plan(rig, server_step(rig, one))
    run(rig, arn)
    with refused("ConflictException"):
        run(rig, arn)


@documented(API + "API_StartRecoveryPlanExecution.html")
def test_a_client_token_makes_the_start_of_an_execution_idempotent(rig: Rig) -> None:
    (one,) = rig.seed()
    arn = plan(rig, server_step(rig, one))
    assert run(rig, arn, clientToken="t-1") == run(rig, arn, clientToken="t-1")


@documented(API + "API_DeleteRecoveryPlan.html")
def test_a_running_plan_cannot_be_deleted_or_changed(rig: Rig) -> None:
    (one,) = rig.seed()
    arn = plan(rig, server_step(rig, one))
    run(rig, arn)
    with refused("ConflictException"):
        rig.drs.delete_recovery_plan(recoveryPlanArn=arn)
    with refused("ConflictException"):
        rig.drs.create_recovery_plan_step(recoveryPlanArn=arn, stepName="late", configuration=wait_step())


@documented(API + "API_DeleteRecoveryPlanExecution.html")
def test_only_an_execution_that_has_ended_can_be_deleted(rig: Rig) -> None:
    (one,) = rig.seed()
    execution = run(rig, plan(rig, server_step(rig, one)))
    with refused("ConflictException"):
        rig.drs.delete_recovery_plan_execution(recoveryPlanExecutionArn=execution)
    rig.advance(3600)
    rig.drs.delete_recovery_plan_execution(recoveryPlanExecutionArn=execution)
    with refused("ResourceNotFoundException"):
        status(rig, execution)


@documented(MODEL + "RecoveryPlanStepArnList")
def test_a_plan_has_at_most_20_steps(rig: Rig) -> None:
    arn = plan(rig, *[wait_step() for _ in range(20)])
    with refused("ServiceQuotaExceededException"):
        rig.drs.create_recovery_plan_step(recoveryPlanArn=arn, stepName="more", configuration=wait_step())


@documented(API + "API_UpdateRecoveryPlanStep.html")
def test_the_kind_of_a_step_never_changes(rig: Rig) -> None:
    (one,) = rig.seed()
    arn = plan(rig, server_step(rig, one))
    step = rig.drs.list_recovery_plan_steps(recoveryPlanArn=arn)["recoveryPlanSteps"][0]["recoveryPlanStepArn"]
    with refused("ValidationException"):
        rig.drs.update_recovery_plan_step(recoveryPlanStepArn=step, configuration=wait_step())


@documented(API + "API_ReorderRecoveryPlanSteps.html")
def test_reordering_names_every_step_once(rig: Rig) -> None:
    (one,) = rig.seed()
    arn = plan(rig, server_step(rig, one), wait_step())
    told = rig.drs.list_recovery_plan_steps(recoveryPlanArn=arn)["recoveryPlanSteps"]
    arns = [step["recoveryPlanStepArn"] for step in told]
    with refused("ValidationException"):
        rig.drs.reorder_recovery_plan_steps(recoveryPlanArn=arn, orderedStepArns=arns[:1])
    turned = rig.drs.reorder_recovery_plan_steps(recoveryPlanArn=arn, orderedStepArns=arns[::-1])
    assert [step["stepOrder"] for step in turned["recoveryPlanSteps"]] == [1, 2]
    assert [step["recoveryPlanStepArn"] for step in turned["recoveryPlanSteps"]] == arns[::-1]


@documented(API + "API_RecoveryPlanExecutionServer.html")
def test_a_server_of_a_step_names_the_job_that_recovers_it(rig: Rig) -> None:
    (one,) = rig.seed()
    execution = run(rig, plan(rig, server_step(rig, one)), mode="RECOVERY")
    rig.advance(30)
    (step,) = steps(rig, execution)
    (server,) = step["configuration"]["executionServerStepConfiguration"]["servers"]
    assert rig.job(server["jobID"])["initiatedBy"] == "START_RECOVERY"


@documented(EXECUTING)
def test_the_instances_of_a_plan_stay_when_it_has_ended(rig: Rig) -> None:
    (one,) = rig.seed()
    execution = run(rig, plan(rig, server_step(rig, one)))
    rig.advance(7200)
    assert status(rig, execution) == "COMPLETED"
    assert rig.drs.describe_recovery_instances()["items"][0]["ec2InstanceState"] == "RUNNING"
