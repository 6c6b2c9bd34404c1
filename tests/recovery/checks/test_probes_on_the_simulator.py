"""The kinds that moto and the DRS simulator know: EC2 status, SSM commands, post-launch actions, Lambda."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prefect_drs.core.escaping import ssm_value
from prefect_drs.recovery.checks import ProbeVerdict
from prefect_drs.report.checks import CheckPhase
from tests.recovery.checks.conftest import Launched
from tests.rig import Rig

STATUS = {"type": "ec2Status"}
COMMAND = {"type": "ssmCommand", "documentName": "AWS-RunShellScript", "parameters": {"commands": ["echo {name}"]}}
ACTIONS = {"type": "postLaunchActions"}


@pytest.fixture
def running(launched: Launched) -> Launched:
    """The same, with instances run by moto itself in place of those that the simulator launched."""
    reservation = launched.ec2.run_instances(ImageId="ami-12345678", MinCount=2, MaxCount=2)
    launched.targets = [
        replace(target, recovery_instance_id=instance["InstanceId"])
        for target, instance in zip(launched.targets, reservation["Instances"], strict=True)
    ]
    return launched


def test_running_instances_pass_ec2_status(running: Launched) -> None:
    launched = running
    checking = launched.checking(STATUS)
    assert checking.passed, checking.results
    assert [result.source_server_id for result in checking.results] == [
        target.server.source_server_id for target in launched.targets
    ]
    assert "system check ok, instance check ok" in checking.results[0].detail


def test_all_servers_of_a_location_are_asked_about_in_one_call(launched: Launched) -> None:
    assert len(launched.probes(STATUS)) == 1


def test_a_stopped_instance_is_looked_at_again_and_a_terminated_one_fails(running: Launched) -> None:
    launched = running
    stopped, terminated = (target.recovery_instance_id for target in launched.targets)
    launched.ec2.stop_instances(InstanceIds=[stopped])
    launched.ec2.terminate_instances(InstanceIds=[terminated])
    outcomes = launched.look(STATUS)
    assert [outcome.verdict for outcome in outcomes] == [ProbeVerdict.PENDING, ProbeVerdict.FAILED]
    launched.ec2.start_instances(InstanceIds=[stopped])
    assert launched.look(STATUS)[0].verdict is ProbeVerdict.PASSED


def test_an_instance_that_ec2_does_not_know_hides_no_other(running: Launched) -> None:
    launched = running
    launched.targets[0] = replace(launched.targets[0], recovery_instance_id="i-0123456789abcdef0")
    outcomes = launched.look(STATUS)
    assert [outcome.verdict for outcome in outcomes] == [ProbeVerdict.PENDING, ProbeVerdict.PASSED]
    assert "i-0123456789abcdef0" in outcomes[0].detail


def test_a_check_may_be_of_some_servers_only(running: Launched) -> None:
    launched = running
    one = launched.targets[1].server.source_server_id
    checking = launched.checking({**STATUS, "servers": [one]})
    assert [result.source_server_id for result in checking.results] == [one]


def test_a_command_runs_once_on_each_instance_with_its_variables_filled(launched: Launched) -> None:
    assert launched.checking(COMMAND).passed
    commands = launched.ssm.list_commands()["Commands"]
    assert len(commands) == 2
    assert {command["Parameters"]["commands"][0] for command in commands} == {
        f"echo {target.server.name}" for target in launched.targets
    }


@pytest.mark.parametrize("name", ["x'; $(touch marker) `id` \"", "{{ssm:/prod/password}}", "a\nrm -rf x", "n" * 300])
def test_a_name_in_a_commands_parameter_is_no_command_and_no_reference(launched: Launched, name: str) -> None:
    launched.targets = [
        replace(target, server=target.server.model_copy(update={"name": name})) for target in launched.targets
    ]
    assert launched.checking(COMMAND).passed
    sent = {command["Parameters"]["commands"][0] for command in launched.ssm.list_commands()["Commands"]}
    assert sent == {f"echo {ssm_value(name)}"}
    assert not set("'\"`$;{}\n") & set(ssm_value(name))


def test_a_command_that_a_dead_process_sent_is_found_again(launched: Launched) -> None:
    launched.look(COMMAND)
    assert [outcome.verdict for outcome in launched.look(COMMAND)] == [ProbeVerdict.PASSED, ProbeVerdict.PASSED]
    assert len(launched.ssm.list_commands()["Commands"]) == 2
    launched.look(COMMAND, attempt=2)
    assert len(launched.ssm.list_commands()["Commands"]) == 4


def test_a_command_hook_runs_once_for_all_its_targets(launched: Launched) -> None:
    ids = [target.recovery_instance_id for target in launched.targets]
    launched.ec2.create_tags(Resources=ids, Tags=[{"Key": "Role", "Value": "db"}])
    hook = {**COMMAND, "parameters": {"commands": ["true"]}, "targets": {"tag:Role": ["db"]}}
    # moto counts the instances given by id only, so a command by tag matches none there
    assert launched.checking({**hook, "targets": {}, "instanceIds": ids}, phase=CheckPhase.PRE_WAVE).passed
    by_tag = launched.checking(hook, phase=CheckPhase.POST_WAVE)
    assert len(launched.ssm.list_commands()["Commands"]) == 2
    assert by_tag.results[0].attempts == 1


@pytest.mark.parametrize("name", ["all", "one"])
def test_post_launch_actions_pass_when_the_last_of_them_succeeded(rig: Rig, name: str) -> None:
    launched = Launched(rig, 1, actions=({"name": "first"}, {"name": "second"}, {"name": "extra", "optional": True}))
    check = {**ACTIONS, "actions": ["second"]} if name == "one" else ACTIONS
    assert {outcome.verdict for outcome in launched.look(check)} == {ProbeVerdict.PENDING}
    rig.clock.advance(95)  # the agent after 30 s, the first action after 60 s more
    outcomes = launched.look(check)
    assert {outcome.verdict for outcome in outcomes} == {ProbeVerdict.PENDING}
    assert ("first SUCCEEDED" in outcomes[0].detail) == (name == "all")
    assert launched.checking(check).passed


def test_a_check_of_actions_that_a_server_does_not_have_fails(launched: Launched) -> None:
    assert "nothing was checked" in launched.look(ACTIONS)[0].detail
    assert "backup" in launched.look({**ACTIONS, "actions": ["backup"]})[0].detail
    assert {outcome.verdict for outcome in launched.look(ACTIONS)} == {ProbeVerdict.FAILED}
