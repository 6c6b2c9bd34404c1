"""Failbacks into the instances that servers came from: the same ids and addresses over cycles, or refused."""

from __future__ import annotations

import pytest

from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import PreflightRefusedError
from prefect_drs.execution.events import SettingsApplied
from prefect_drs.plan.model import RecoveryMode
from prefect_drs.recovery.journal import MemoryJournal
from prefect_drs.report.model import RecoveryReport
from prefect_drs.report.prepared import prepared_summary
from prefect_drs.simulator.request_log import RequestLog
from prefect_drs.simulator.runtime import current
from tests.recovery.failback.originals import ALLOWED, Home
from tests.recovery.failback.scene import ORIGIN, recovered_of
from tests.rig import ACCOUNT, REGION, Rig

ACCOUNTS = {ACCOUNT: 34, "222222222222": 33, "333333333333": 33}


def launched(report: RecoveryReport) -> dict[str, str | None]:
    """The instance of each server, by source server id, as the waves that launch report them."""
    waves = [wave for wave in report.waves if wave.action == "launch"]
    return {server.source_server_id: server.recovery_instance_id for wave in waves for server in wave.servers}


def by_server(home: Home, instances: dict[str, dict[str, str]]) -> dict[str, str]:
    return {server: instances[account][name] for account, ids in home.servers.items() for name, server in ids.items()}


@pytest.mark.timeout(300)
def test_100_servers_in_3_accounts_keep_ids_and_addresses_on_both_sides_over_two_cycles(rig: Rig) -> None:
    home = Home(rig, ACCOUNTS)
    there, here = home.identities(REGION), home.identities(ORIGIN)
    assert (len(there), len(here)) == (100, 100)
    kept = "prepared instances: 100 of 100 kept instance id, private address and network interface"
    for cycle in (1, 2):
        recovery = home.recover(f"recovery-{cycle}")
        assert recovery.status == "COMPLETED", recovery
        assert launched(recovery) == by_server(home, home.prepared)
        if cycle == 2:
            home.release(ORIGIN, disconnect=True)
        journal = MemoryJournal()
        failback = home.fail_back(f"failback-{cycle}", journal)
        assert failback.status == "COMPLETED", failback
        assert launched(failback) == by_server(home, home.originals)
        assert (prepared_summary(recovery), prepared_summary(failback)) == (kept, kept)
        assert (home.identities(REGION), home.identities(ORIGIN)) == (there, here)
        written = [event for event in journal.read() if isinstance(event, SettingsApplied)]
        assert {event.source_server_id for event in written} == set(by_server(home, home.originals))
        home.release(REGION, disconnect=False)  # the clean-up has disconnected them
    assert home.recover("recovery-3").status == "COMPLETED"


def test_the_runbook_shows_the_change_and_only_what_differs_is_written(rig: Rig) -> None:
    home = Home(rig, {ACCOUNT: 2})
    home.recover("recovery")
    drs = home.drs(ACCOUNT, ORIGIN)
    runbook = home.runbook()
    launch = next(wave for wave in runbook.waves if wave.action == "launch")
    original = home.originals[ACCOUNT]["app-0-000"]
    assert {change.field: change.after for change in launch.servers[0].changes} == {
        "launchIntoInstance": original,
        "targetInstanceTypeRightSizingMethod": "NONE",
        "copyPrivateIp": False,
        "copyTags": False,
    }
    assert all(server.changes == () for wave in runbook.waves if wave.action != "launch" for server in wave.servers)
    # Replication back exists already for one server, and its settings are the plan's: nothing of it is written.
    instance = home.prepared[ACCOUNT]["app-0-000"]
    arn = home.drs(ACCOUNT, REGION).reverse_replication(recoveryInstanceID=instance)["reversedDirectionSourceServerArn"]
    back = arn.rpartition("/")[2]
    drs.update_launch_configuration(
        sourceServerID=back,
        launchIntoInstanceProperties={"launchIntoEC2InstanceID": original},
        targetInstanceTypeRightSizingMethod="NONE",
        copyPrivateIp=False,
        copyTags=False,
    )
    again = next(wave for wave in home.runbook().waves if wave.action == "launch")
    assert [len(server.changes) > 0 for server in again.servers] == [False, True]
    log = RequestLog().watch(current())
    assert home.fail_back("failback").status == "COMPLETED"
    updates = [entry.params for entry in log if entry.operation == "UpdateLaunchConfiguration" and entry.params]
    written = [params["sourceServerID"] for params in updates]
    assert len(written) == 1
    assert back not in written


def test_a_lost_answer_of_the_write_is_compared_again_and_the_launch_goes_where_the_plan_says(rig: Rig) -> None:
    home = Home(rig, {ACCOUNT: 2})
    home.recover("recovery")
    for effect in ("lose-answer", "time-out"):
        rig.sandbox.faults.add({"kind": "operation", "operation": "UpdateLaunchConfiguration", "effect": effect})
    report = home.fail_back("failback")
    assert report.status == "COMPLETED", report
    assert launched(report) == by_server(home, home.originals)


def test_originals_that_do_not_fit_are_refused_all_at_once_and_nothing_is_written(rig: Rig) -> None:
    home = Home(rig, {ACCOUNT: 5})
    home.recover("recovery")
    running, untagged, gone, taken, fits = home.originals[ACCOUNT].values()
    ec2 = home.ec2(ACCOUNT, ORIGIN)
    ec2.start_instances(InstanceIds=[running])
    ec2.delete_tags(Resources=[untagged], Tags=[ALLOWED])
    ec2.terminate_instances(InstanceIds=[gone])
    other = rig.sandbox.backend(ACCOUNT, ORIGIN).seed_source_server(
        hostname="other", ram_bytes=2**32, cpus=2, disks=[{"deviceName": "/dev/sda1", "bytes": 2**30}]
    )
    into = {"launchIntoEC2InstanceID": taken}
    home.drs(ACCOUNT, ORIGIN).update_launch_configuration(
        sourceServerID=other.server_id, launchIntoInstanceProperties=into
    )
    log = RequestLog().watch(current())
    runbook = home.runbook()
    with pytest.raises(PreflightRefusedError):
        rig.engine(runbook)
    assert [entry.operation for entry in log if entry.is_write] == []
    servers = dict(zip(home.originals[ACCOUNT].values(), home.servers[ACCOUNT].values(), strict=True))
    assert {(finding.source_server_id, finding.code) for finding in runbook.refusals} == {
        (servers[running], "PREPARED_INSTANCE_NOT_STOPPED"),
        (servers[untagged], "PREPARED_INSTANCE_NOT_ALLOWED"),
        (servers[gone], "PREPARED_INSTANCE_TERMINATED"),
        (servers[taken], "PREPARED_INSTANCE_TAKEN"),
    }
    assert fits not in str([finding.message for finding in runbook.refusals])


def test_an_original_of_a_former_failback_must_be_taken_out_of_drs_first(rig: Rig) -> None:
    home = Home(rig, {ACCOUNT: 1})
    home.recover("recovery-1")
    home.fail_back("failback-1")
    home.release(REGION, disconnect=False)
    home.recover("recovery-2")
    (refusal,) = home.runbook().refusals
    assert refusal.code == "PREPARED_INSTANCE_NOT_RELEASED"
    assert "aws drs delete-recovery-instance" in refusal.message


def test_a_clean_up_that_would_terminate_prepared_instances_is_refused(rig: Rig) -> None:
    home = Home(rig, {ACCOUNT: 2}, cleanUp="terminate")
    home.recover("recovery")
    assert [finding.code for finding in home.runbook().refusals] == ["FAILBACK_TERMINATES_PREPARED"] * 2


def test_a_rehearsal_launches_new_instances_since_production_runs_on_the_originals(rig: Rig) -> None:
    home = Home(rig, {ACCOUNT: 1})
    plan = home.manifest.plan().model_copy(update={"drill_into_prepared_instances": True})
    home.manifest = home.manifest.model_copy(update={"recovery_plans": (plan,)})
    drill = home.recover("drill", "drill")
    runbook = home.runbook(recovered_of(drill)).require_accepted()
    assert all(server.prepared is None for wave in runbook.waves for server in wave.servers)


def test_an_origin_whose_instances_cannot_be_read_refuses(rig: Rig) -> None:
    rig.sessions = Sessions(attempts=1)
    home = Home(rig, {ACCOUNT: 1})
    home.recover("recovery")
    rig.sandbox.faults.add(
        {"kind": "operation", "service": "ec2", "operation": "DescribeInstances", "region": ORIGIN, "effect": "error"}
    )
    assert "NOT_CHECKED" in {finding.code for finding in home.runbook().refusals}


@pytest.mark.parametrize("mode", ["recovery", "drill"])
def test_a_default_of_drs_that_launches_into_originals_is_refused_unless_the_plan_says_so(
    rig: Rig, mode: RecoveryMode
) -> None:
    home = Home(rig, {ACCOUNT: 2}, launchIntoOriginal=False)
    plan = home.manifest.plan().model_copy(update={"drill_into_prepared_instances": True})
    home.manifest = home.manifest.model_copy(update={"recovery_plans": (plan,)})
    recovered = recovered_of(home.recover("recovery", mode))
    assert home.runbook(recovered).refusals == ()
    drs = home.drs(ACCOUNT, ORIGIN)
    drs.create_launch_configuration_template(launchIntoSourceInstance=True, copyTags=False, copyPrivateIp=False)
    log = RequestLog().watch(current())
    refusals = home.runbook(recovered).refusals
    assert [entry.operation for entry in log if entry.is_write] == []
    assert [finding.code for finding in refusals] == ["FAILBACK_INTO_SOURCE_INSTANCE"] * 2
    remedy = "a rehearsal launches new instances" if mode == "drill" else "set failback.launchIntoOriginal: true"
    for finding, instance in zip(refusals, home.originals[ACCOUNT].values(), strict=True):
        assert f"would be launched into {instance}" in finding.message
        assert remedy in finding.message


def test_a_server_that_replicates_back_already_is_refused_by_its_own_launch_settings(rig: Rig) -> None:
    home = Home(rig, {ACCOUNT: 2}, launchIntoOriginal=False)
    home.recover("recovery")
    name, other = home.prepared[ACCOUNT]
    drs = home.drs(ACCOUNT, REGION)
    for each in (name, other):
        arn = drs.reverse_replication(recoveryInstanceID=home.prepared[ACCOUNT][each])
        back = arn["reversedDirectionSourceServerArn"].rpartition("/")[2]
        if each == name:
            into = {"launchIntoEC2InstanceID": home.originals[ACCOUNT][name]}
            home.drs(ACCOUNT, ORIGIN).update_launch_configuration(
                sourceServerID=back, launchIntoInstanceProperties=into
            )
    (refusal,) = home.runbook().refusals
    assert (refusal.code, refusal.source_server_id) == (
        "FAILBACK_INTO_SOURCE_INSTANCE",
        home.servers[ACCOUNT][name],
    )


def test_launch_settings_of_the_origin_that_cannot_be_read_refuse(rig: Rig) -> None:
    rig.sessions = Sessions(attempts=1)
    home = Home(rig, {ACCOUNT: 1}, launchIntoOriginal=False)
    home.recover("recovery")
    rig.sandbox.faults.add(
        {"kind": "operation", "operation": "DescribeLaunchConfigurationTemplates", "region": ORIGIN, "effect": "error"}
    )
    assert "NOT_CHECKED" in {finding.code for finding in home.runbook().refusals}


def test_a_default_of_drs_and_a_plan_that_says_the_same_go_together(rig: Rig) -> None:
    home = Home(rig, {ACCOUNT: 2})
    drs = home.drs(ACCOUNT, ORIGIN)
    drs.create_launch_configuration_template(launchIntoSourceInstance=True, copyTags=False, copyPrivateIp=False)
    home.recover("recovery")
    report = home.fail_back("failback")
    assert report.status == "COMPLETED", report
    assert launched(report) == by_server(home, home.originals)
