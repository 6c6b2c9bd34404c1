"""Launches into prepared instances by the engine: identity kept over cycles, mismatches refused before any write."""

from __future__ import annotations

from typing import Any

import pytest
from moto.ec2.models import ec2_backends

from prefect_drs.core.errors import PreflightRefusedError
from prefect_drs.execution.view import report_of
from prefect_drs.plan.model import Manifest
from prefect_drs.recovery.instances import find_instances
from prefect_drs.recovery.journal import MemoryJournal
from prefect_drs.recovery.termination import terminate
from prefect_drs.report.markdown import report_summary
from prefect_drs.report.model import RecoveryReport
from prefect_drs.report.prepared import prepared_losses, prepared_summary
from prefect_drs.runbook import Runbook, resolve
from prefect_drs.simulator.request_log import RequestLog
from prefect_drs.simulator.runtime import current
from tests.rig import ACCOUNT, GIB, REGION, Rig

ALLOWED = {"Key": "AWSDRS", "Value": "AllowLaunchingIntoThisInstance"}
BY_NAME = {"tag": "Name"}


class Estate:
    """Servers and their prepared instances, named alike."""

    def __init__(self, rig: Rig, servers: int, **server: Any) -> None:
        self.rig = rig
        self.ec2: Any = rig.sessions.client("ec2", region=REGION)
        self.drs: Any = rig.sessions.client("drs", region=REGION)
        vpc = self.ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
        self.subnet = self.ec2.create_subnet(VpcId=vpc, CidrBlock="10.7.0.0/22", AvailabilityZone=f"{REGION}a")[
            "Subnet"
        ]["SubnetId"]
        self.other_subnet = self.ec2.create_subnet(VpcId=vpc, CidrBlock="10.7.8.0/24", AvailabilityZone=f"{REGION}b")[
            "Subnet"
        ]["SubnetId"]
        backend = rig.sandbox.backend(ACCOUNT, REGION)
        if not backend.initialized:
            backend.initialize_service()
        self.names = [f"app-{number:03d}" for number in range(servers)]
        self.servers = [
            backend.seed_source_server(
                hostname=name,
                name_tag=name,
                ram_bytes=4 * GIB,
                cpus=2,
                disks=[{"deviceName": "/dev/sda1", "bytes": 8 * GIB}],
                **server,
            ).server_id
            for name in self.names
        ]
        self.instances = [self.prepare(name) for name in self.names]

    def prepare(self, name: str, *, instance_type: str = "m5.large", tagged: bool = True, stop: bool = True) -> str:
        made = self.ec2.run_instances(
            ImageId="ami-1", MinCount=1, MaxCount=1, InstanceType=instance_type, SubnetId=self.subnet
        )
        instance = str(made["Instances"][0]["InstanceId"])
        tags = [{"Key": "Name", "Value": name}, *([ALLOWED] if tagged else [])]
        self.ec2.create_tags(Resources=[instance], Tags=tags)
        if stop:
            self.ec2.stop_instances(InstanceIds=[instance])
        return instance

    def manifest(self, *, group: dict[str, Any] | None = None, entries: Any = (), **plan: Any) -> Manifest:
        settings = {"launchIntoInstance": BY_NAME} if group is None else group
        return Manifest.model_validate(
            {
                "schemaVersion": "1.1",
                "protectionGroups": [
                    {
                        "groupName": "app",
                        "region": REGION,
                        "sourceServerIds": self.servers,
                        "launchConfig": settings,
                        "servers": list(entries),
                    }
                ],
                "recoveryPlans": [
                    {"planName": "plan", "waves": [{"waveNumber": 1, "waveName": "app", "groups": ["app"]}], **plan}
                ],
            }
        )

    def runbook(self, manifest: Manifest, mode: Any = "recovery") -> Runbook:
        return resolve(manifest, manifest.plan(), mode=mode, sessions=self.rig.sessions, clock=self.rig.clock)

    def identities(self) -> dict[str, tuple[str, str]]:
        """As plain boto3 reads them: private address and network interface by instance id."""
        pages = self.ec2.get_paginator("describe_instances").paginate(Filters=[{"Name": "tag:AWSDRS", "Values": ["*"]}])
        return {
            found["InstanceId"]: (found["PrivateIpAddress"], found["NetworkInterfaces"][0]["NetworkInterfaceId"])
            for page in pages
            for reservation in page["Reservations"]
            for found in reservation["Instances"]
        }

    def states(self) -> set[str]:
        found = self.ec2.describe_instances(InstanceIds=self.instances)["Reservations"]
        return {instance["State"]["Name"] for reservation in found for instance in reservation["Instances"]}

    def release(self) -> None:
        """Take the instances out of DRS and stop them, as the guide says."""
        for instance in self.instances:
            self.drs.disconnect_recovery_instance(recoveryInstanceID=instance)
            self.drs.delete_recovery_instance(recoveryInstanceID=instance)
        self.ec2.stop_instances(InstanceIds=self.instances)


def recover(estate: Estate, execution_id: str, mode: str = "recovery", **plan: Any) -> RecoveryReport:
    runbook = estate.runbook(estate.manifest(**plan), mode)
    return estate.rig.run(estate.rig.engine(runbook, execution_id))


def test_ids_and_addresses_of_100_prepared_instances_are_the_same_over_two_cycles(rig: Rig) -> None:
    estate = Estate(rig, 100)
    before = estate.identities()
    assert len(before) == 100
    for cycle in ("one", "two"):
        report = recover(estate, f"cycle-{cycle}")
        assert report.status == "COMPLETED"
        launched = {server.source_server_id: server.recovery_instance_id for server in report.waves[0].servers}
        assert launched == dict(zip(estate.servers, estate.instances, strict=True))
        assert estate.identities() == before
        kept = [server.prepared.kept for server in report.waves[0].servers if server.prepared]
        assert kept == [True] * 100
        expected = "prepared instances: 100 of 100 kept instance id, private address and network interface"
        assert prepared_summary(report) == expected
        assert expected in report_summary(report)
        assert estate.states() == {"running"}
        estate.release()


def test_settings_are_written_only_where_they_differ_with_right_sizing_none(rig: Rig) -> None:
    estate = Estate(rig, 2)
    (first, second) = estate.runbook(estate.manifest()).waves[0].servers
    assert {change.field: change.after for change in first.changes} == {
        "launchIntoInstance": estate.instances[0],
        "targetInstanceTypeRightSizingMethod": "NONE",
    }
    assert first.prepared is not None
    assert second.effective["launchIntoInstance"].value == estate.instances[1]
    assert second.effective["launchIntoInstance"].origin == "group"
    assert recover(estate, "one").status == "COMPLETED"
    configuration = estate.drs.get_launch_configuration(sourceServerID=estate.servers[0])
    assert configuration["launchIntoInstanceProperties"] == {"launchIntoEC2InstanceID": estate.instances[0]}
    assert configuration["targetInstanceTypeRightSizingMethod"] == "NONE"
    estate.release()
    assert [server.changes for server in estate.runbook(estate.manifest()).waves[0].servers] == [(), ()]


def test_ten_mismatches_are_refused_all_at_once_each_with_its_remedy_and_nothing_is_written(rig: Rig) -> None:
    estate = Estate(rig, 12)
    ids = estate.instances
    estate.ec2.start_instances(InstanceIds=[ids[0]])
    estate.ec2.delete_tags(Resources=[ids[1]], Tags=[ALLOWED])
    estate.ec2.terminate_instances(InstanceIds=[ids[2]])
    arm = estate.prepare("arm", instance_type="m6g.large")
    ec2 = ec2_backends[ACCOUNT][REGION]
    for index, attribute, value in (
        (4, "current_instance_boot_mode", "uefi"),
        (5, "platform", "windows"),
        (6, "root_device_type", "instance-store"),
    ):
        setattr(ec2.get_instance(ids[index]), attribute, value)
    (elsewhere,) = rig.sessions.client("ec2", region="eu-west-1").run_instances(
        ImageId="ami-1", MinCount=1, MaxCount=1
    )["Instances"]
    chosen = {**dict(enumerate(ids)), 3: arm, 7: elsewhere["InstanceId"], 9: ids[10]}
    entries = [
        {
            "sourceServerId": server,
            "launchTemplate": {
                "launchIntoInstance": {"instanceId": chosen[number]},
                **({"subnetId": estate.other_subnet} if number == 8 else {}),
            },
        }
        for number, server in enumerate(estate.servers)
    ]
    estate.ec2.create_tags(Resources=[ids[11]], Tags=[{"Key": "Name", "Value": "not compared"}])
    log = RequestLog().watch(current())
    runbook = estate.runbook(estate.manifest(group={}, entries=entries))
    with pytest.raises(PreflightRefusedError) as refused:
        rig.engine(runbook)
    writes = [(entry.service, entry.operation) for entry in log if entry.is_write]
    assert writes == []
    assert len(log) > 10
    found = {(f.source_server_id, f.code): f.message for f in runbook.refusals if f.code.startswith("PREPARED")}
    servers = estate.servers
    expected = {
        (servers[0], "PREPARED_INSTANCE_NOT_STOPPED"): "aws ec2 stop-instances",
        (servers[1], "PREPARED_INSTANCE_NOT_ALLOWED"): "aws ec2 create-tags",
        (servers[2], "PREPARED_INSTANCE_TERMINATED"): "prepare a new one",
        (servers[3], "PREPARED_INSTANCE_ARCHITECTURE"): "prepare an instance of the server's architecture",
        (servers[3], "PREPARED_INSTANCE_BOOT_MODE"): "boot mode legacy-bios",  # Graviton types boot by UEFI only
        (servers[4], "PREPARED_INSTANCE_BOOT_MODE"): "boot mode legacy-bios",
        (servers[5], "PREPARED_INSTANCE_PLATFORM"): "prepare an instance of a Linux image",
        (servers[6], "PREPARED_INSTANCE_ROOT_VOLUME"): "prepare an EBS-backed instance",
        (servers[7], "PREPARED_INSTANCE_NOT_FOUND"): "name one that is there",
        (servers[8], "PREPARED_INSTANCE_IN_OTHER_ZONE"): f"prepare one in {REGION}b",
        (servers[9], "PREPARED_INSTANCE_TAKEN"): "prepare one for each server",
        (servers[10], "PREPARED_INSTANCE_TAKEN"): "prepare one for each server",
    }
    assert found.keys() == expected.keys()
    for key, remedy in expected.items():
        assert remedy in found[key]
    for (server, code), message in found.items():
        assert f"{ACCOUNT}/{REGION}" in message
        assert str(server) in message
        assert code in str(refused.value)


def test_a_drill_into_prepared_instances_is_refused_unless_the_plan_allows_it(rig: Rig) -> None:
    estate = Estate(rig, 2)
    refused = estate.runbook(estate.manifest(), "drill")
    assert [finding.code for finding in refused.refusals] == ["DRILL_INTO_PREPARED_INSTANCE"]
    assert "drillIntoPreparedInstances: true" in refused.refusals[0].message
    report = recover(estate, "drill", "drill", drillIntoPreparedInstances=True)
    assert report.status == "COMPLETED"
    (told,) = [finding for finding in report.findings if finding.code == "PREPARED_INSTANCE_REPLACED"]
    assert "their root volumes deleted" in told.message
    assert "after the drill they run with its data: stop them" in told.message


def test_an_instance_that_was_not_kept_is_named_with_what_is_different(rig: Rig) -> None:
    estate = Estate(rig, 2)
    runbook = estate.runbook(estate.manifest())
    (first, second) = runbook.waves[0].servers
    assert first.prepared is not None
    was = first.prepared.model_copy(update={"private_ip": "10.7.3.99", "network_interface_id": "eni-0"})
    wave = runbook.waves[0].model_copy(update={"servers": (first.model_copy(update={"prepared": was}), second)})
    report = rig.run(rig.engine(runbook.model_copy(update={"waves": (wave,)})))
    (lost, kept) = report.waves[0].servers
    assert (lost.prepared and lost.prepared.kept, kept.prepared and kept.prepared.kept) == (False, True)
    (line,) = prepared_losses(report)
    assert "was 10.7.3.99" in line
    assert "was eni-0" in line
    assert "1 of 2 kept" in str(prepared_summary(report))


def test_the_journal_gives_the_same_report_as_the_run(rig: Rig) -> None:
    estate = Estate(rig, 2)
    journal = MemoryJournal()
    report = rig.run(rig.engine(estate.runbook(estate.manifest()), journal=journal))
    assert report_of(journal.read()) == report


def test_terminate_leaves_prepared_instances_unless_that_is_asked_for(rig: Rig) -> None:
    estate = Estate(rig, 2)
    report = recover(estate, "one")
    found = find_instances(report, rig.sessions)
    assert found.standing == ()
    assert {target.recovery_instance_id for target in found.prepared} == set(estate.instances)
    result = terminate(found, rig.sessions, rig.clock, lambda event: None, by="tester")
    assert len(result.to_json()["preparedKept"]) == 2
    assert estate.states() == {"running"}
    asked = find_instances(report, rig.sessions, include_prepared=True)
    terminate(asked, rig.sessions, rig.clock, lambda event: None, by="tester")
    assert estate.states() == {"terminated"}


def test_an_instance_that_only_its_tag_shows_to_be_prepared_is_not_terminated(rig: Rig) -> None:
    """Somebody changed the launch configuration after the preflight: the report does not know of the instance."""
    estate = Estate(rig, 1)
    runbook = estate.runbook(estate.manifest(group={}))
    into = {"launchIntoEC2InstanceID": estate.instances[0]}
    estate.drs.update_launch_configuration(sourceServerID=estate.servers[0], launchIntoInstanceProperties=into)
    report = rig.run(rig.engine(runbook))
    assert report.waves[0].servers[0].recovery_instance_id == estate.instances[0]
    assert [target.recovery_instance_id for target in find_instances(report, rig.sessions).prepared] == [
        estate.instances[0]
    ]
