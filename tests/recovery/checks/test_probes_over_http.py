"""What starts things in AWS: once an attempt, found again after a crash, never two that could overlap."""

from __future__ import annotations

from datetime import timedelta

import pytest

from prefect_drs.recovery.checks import ProbeVerdict
from prefect_drs.report.checks import CheckPhase
from tests.recovery.checks.aws_endpoint import AwsEndpoint
from tests.recovery.checks.conftest import Launched
from tests.rig import Rig

COMMAND = {"type": "ssmCommand", "documentName": "AWS-RunShellScript", "timeoutSeconds": 60, "intervalSeconds": 10}
AUTOMATION = {"type": "ssmAutomation", "documentName": "Verify-Rows", "parameters": {"Server": ["{sourceServerId}"]}}
LAMBDA = {"type": "lambda", "functionName": "verify", "payload": {"server": "{name}", "n": 3}}


@pytest.fixture
def one(rig: Rig, aws: AwsEndpoint) -> Launched:
    return Launched(rig, servers=1)


def test_a_command_under_way_is_followed_and_its_failure_told(one: Launched, aws: AwsEndpoint) -> None:
    (probe,) = one.probes(COMMAND)
    look = {probe.subjects[0]: 1}
    assert probe.look(look)[probe.subjects[0]].at_work
    aws.status = "Failed"
    outcome = probe.look(look)[probe.subjects[0]]
    assert (outcome.verdict, outcome.at_work) == (ProbeVerdict.FAILED, False)
    assert "exit code 3" in outcome.detail
    assert aws.calls["SendCommand"] == 1


def test_a_command_whose_answer_was_lost_is_looked_for_and_not_sent_again(one: Launched, aws: AwsEndpoint) -> None:
    aws.lose.add("SendCommand")
    (probe,) = one.probes(COMMAND)
    look = {probe.subjects[0]: 1}
    assert probe.look(look)[probe.subjects[0]].at_work
    aws.status = "Success"
    assert probe.look(look)[probe.subjects[0]].verdict is ProbeVerdict.PASSED
    assert aws.calls["SendCommand"] == 1


def test_a_lost_command_that_does_not_show_is_waited_for_before_another_is_sent(
    one: Launched, aws: AwsEndpoint
) -> None:
    aws.lose.add("SendCommand")
    aws.hidden = True
    (probe,) = one.probes(COMMAND)
    look = {probe.subjects[0]: 1}
    probe.look(look)
    one.rig.clock.advance(timedelta(minutes=1, seconds=55).total_seconds())
    assert probe.look(look)[probe.subjects[0]].at_work
    assert aws.calls["SendCommand"] == 1
    one.rig.clock.advance(6)
    probe.look(look)
    assert aws.calls["SendCommand"] == 2


def test_a_command_that_runs_on_past_its_time_is_not_followed_by_another(one: Launched, aws: AwsEndpoint) -> None:
    checking = one.checking({**COMMAND, "retries": 3})
    (result,) = checking.results
    assert (result.passed, result.attempts) == (False, 1)
    assert "not within 60 s" in result.detail
    assert "may still be at work" in checking.reason
    assert aws.calls["SendCommand"] == 1


def test_a_command_that_failed_is_tried_again_as_often_as_the_plan_says(one: Launched, aws: AwsEndpoint) -> None:
    aws.status = "Failed"
    (result,) = one.checking({**COMMAND, "retries": 2}).results
    assert (result.passed, result.attempts, aws.calls["SendCommand"]) == (False, 3, 3)


def test_an_agent_that_has_not_registered_is_waited_for(one: Launched, aws: AwsEndpoint) -> None:
    aws.refuse["SendCommand"] = "InvalidInstanceId"
    (outcome,) = one.look(COMMAND)
    assert (outcome.verdict, outcome.at_work) == (ProbeVerdict.PENDING, False)
    aws.refuse["SendCommand"] = "InvalidDocument"
    assert one.look(COMMAND)[0].verdict is ProbeVerdict.FAILED


def test_a_command_whose_outcome_may_not_be_read_is_never_sent_again(one: Launched, aws: AwsEndpoint) -> None:
    aws.refuse["GetCommandInvocation"] = "AccessDeniedException"
    (result,) = one.checking({**COMMAND, "retries": 5}).results
    assert (result.passed, aws.calls["SendCommand"]) == (False, 1)


def test_a_command_hook_whose_targets_match_no_instance_fails(one: Launched, aws: AwsEndpoint) -> None:
    aws.status = "Success"
    (outcome,) = one.look({**COMMAND, "targets": {"tag:Role": ["none"]}}, phase=CheckPhase.PRE_WAVE)
    assert outcome.verdict is ProbeVerdict.FAILED
    assert "match no instance" in outcome.detail


def test_an_automation_is_started_once_an_attempt_in_whichever_process(one: Launched, aws: AwsEndpoint) -> None:
    aws.lose.add("StartAutomationExecution")  # botocore asks again by itself
    assert one.look(AUTOMATION)[0].at_work
    assert one.look(AUTOMATION)[0].at_work
    assert aws.calls["StartAutomationExecution"] == 3
    aws.status = "Success"
    assert one.look(AUTOMATION)[0].verdict is ProbeVerdict.PASSED
    assert len(aws.automations) == 1
    (given,) = aws.automations.values()
    assert given["Parameters"] == {"Server": [one.targets[0].server.source_server_id]}
    one.look(AUTOMATION, attempt=2)
    assert len(aws.automations) == 2


def test_an_automation_that_failed_tells_its_step(one: Launched, aws: AwsEndpoint) -> None:
    aws.status = "Failed"
    (outcome,) = one.look(AUTOMATION)
    assert outcome.verdict is ProbeVerdict.FAILED
    assert "at step checkRows" in outcome.detail


def test_an_expired_session_is_waited_out_without_a_second_start(one: Launched, aws: AwsEndpoint) -> None:
    aws.refuse["GetAutomationExecution"] = "ExpiredTokenException"
    (probe,) = one.probes(AUTOMATION)
    look = {probe.subjects[0]: 1}
    assert probe.look(look)[probe.subjects[0]].at_work
    aws.refuse.clear()
    aws.status = "Success"
    assert probe.look(look)[probe.subjects[0]].verdict is ProbeVerdict.PASSED
    assert aws.calls["StartAutomationExecution"] == 1


def test_an_automation_limit_is_waited_out(one: Launched, aws: AwsEndpoint) -> None:
    aws.refuse["StartAutomationExecution"] = "AutomationExecutionLimitExceededException"
    (outcome,) = one.look(AUTOMATION)
    assert (outcome.verdict, outcome.at_work) == (ProbeVerdict.PENDING, False)


def test_a_function_gets_the_filled_payload_and_the_attempts_id(one: Launched, aws: AwsEndpoint) -> None:
    assert one.look(LAMBDA)[0].verdict is ProbeVerdict.PASSED
    one.look(LAMBDA)
    one.look(LAMBDA, attempt=2)
    first, again, second = aws.invocations
    assert first["payload"] == {"server": one.targets[0].server.name, "n": 3}
    assert first["path"] == "/2015-03-31/functions/verify/invocations"
    ids = [call["context"]["custom"]["prefect-drs:attempt"] for call in (first, again, second)]
    assert ids[0] == ids[1] != ids[2]


def test_a_function_error_fails_and_tells_its_type_but_not_its_message(one: Launched, aws: AwsEndpoint) -> None:
    aws.function_error = "Unhandled"
    aws.answers = [{"errorType": "KeyError", "errorMessage": "password=hunter2"}]
    (outcome,) = one.look(LAMBDA)
    assert outcome.verdict is ProbeVerdict.FAILED
    assert "KeyError" in outcome.detail
    assert "hunter2" not in outcome.detail


def test_a_function_is_asked_again_until_it_says_healthy(one: Launched, aws: AwsEndpoint) -> None:
    aws.answers = [{"healthy": False}, {"healthy": False}, {"healthy": True}]
    checking = one.checking({**LAMBDA, "expectHealthy": True})
    assert checking.passed, checking.results
    assert checking.results[0].attempts == 1
    assert aws.calls["Invoke"] == 3


def test_an_answer_that_says_neither_is_not_healthy(one: Launched, aws: AwsEndpoint) -> None:
    aws.answers = [{"healthy": "yes"}, ["healthy"], None]
    assert {one.look({**LAMBDA, "expectHealthy": True})[0].verdict for _ in range(3)} == {ProbeVerdict.FAILED}


def test_a_function_whose_answer_was_lost_is_not_invoked_again(one: Launched, aws: AwsEndpoint) -> None:
    aws.lose.add("Invoke")
    (result,) = one.checking({**LAMBDA, "retries": 3}).results
    assert (result.passed, aws.calls["Invoke"]) == (False, 1)
