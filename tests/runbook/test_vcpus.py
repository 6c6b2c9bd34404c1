"""EC2's quotas on vCPUs: what is counted towards them, and what is told where they cannot be read."""

from __future__ import annotations

import pytest

from prefect_drs.aws.location import Location
from prefect_drs.aws.vcpu_quotas import quota_class
from prefect_drs.runbook import OtherExecution, PendingLaunch, Runbook
from prefect_drs.simulator.services.service_quotas import set_vcpu_quota
from tests.rig import ACCOUNT, REGION
from tests.runbook.cases import STANDARD
from tests.runbook.test_addresses import launch
from tests.runbook.world import World, codes

HERE = Location(ACCOUNT, REGION)
CODE = "VCPU_QUOTA"
STAGING = 2
"""The vCPUs of DRS's own replication server, a t3.small, which runs in the same account and counts too."""


def found(runbook: Runbook) -> list[str]:
    return [finding.message for finding in runbook.findings if finding.code == CODE]


def group(*servers: str, instance_type: str = "m6i.large", **settings: str) -> dict[str, object]:
    return {"sourceServerIds": list(servers), "launchConfig": {"instanceType": instance_type, **settings}}


def test_instances_that_run_count_and_the_finding_says_all_three_numbers(world: World) -> None:
    world.client("ec2").run_instances(ImageId="ami-12c6146b", InstanceType="m6i.xlarge", MinCount=1, MaxCount=1)
    set_vcpu_quota(ACCOUNT, REGION, STANDARD, 9 + STAGING)
    servers = world.servers(3)
    (message,) = found(world.resolve(group(*servers)))
    assert (
        f"{HERE}: quota {STANDARD}, Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances, is 11" in message
    )
    assert "instances that run use 6, and 6 more are needed for 3 server(s) of this plan (3 in wave 1)" in message
    set_vcpu_quota(ACCOUNT, REGION, STANDARD, 10 + STAGING)
    assert found(world.resolve(group(*servers))) == []


def test_instances_that_are_stopped_do_not_count(world: World) -> None:
    ec2 = world.client("ec2")
    made = ec2.run_instances(ImageId="ami-12c6146b", InstanceType="m6i.xlarge", MinCount=1, MaxCount=1)["Instances"]
    ec2.stop_instances(InstanceIds=[made[0]["InstanceId"]])
    set_vcpu_quota(ACCOUNT, REGION, STANDARD, 2 + STAGING)
    assert found(world.resolve(group(world.server()))) == []


def test_a_server_that_drs_sizes_counts_with_its_recommendation(world: World) -> None:
    set_vcpu_quota(ACCOUNT, REGION, STANDARD, 3)
    (message,) = found(world.resolve(world.servers(2)))  # c5.large for two cores and four GiB
    assert "4 more are needed" in message


def test_a_server_that_is_launched_stopped_does_not_count(world: World) -> None:
    set_vcpu_quota(ACCOUNT, REGION, STANDARD, 0)
    assert found(world.resolve(group(world.server(), launchDisposition="STOPPED"))) == []


def test_each_class_of_types_has_its_own_quota(world: World) -> None:
    set_vcpu_quota(ACCOUNT, REGION, "L-DB2E81BA", 3)
    (message,) = found(world.resolve(group(world.server(), instance_type="g4dn.xlarge")))
    assert "Running On-Demand G and VT instances, is 3" in message
    assert found(world.resolve(group(world.server("other")))) == []


def test_a_recovery_frees_the_vcpus_of_what_it_replaces(world: World) -> None:
    servers = world.servers(2)
    launch(world, *servers, drill=False)
    set_vcpu_quota(ACCOUNT, REGION, STANDARD, 4 + STAGING)
    assert found(world.resolve(servers, mode="recovery")) == []
    assert len(found(world.resolve(servers, mode="drill"))) == 1


def test_what_other_executions_have_still_to_launch_counts(world: World) -> None:
    set_vcpu_quota(ACCOUNT, REGION, STANDARD, 5)
    server = world.server()
    waiting = (PendingLaunch("s-" + "1" * 17, HERE, None, "m6i.xlarge"),)
    other = OtherExecution("exec-7", "another plan", frozenset({"s-" + "1" * 17}), waiting)
    (message,) = found(world.resolve(group(server), others=[other]))
    assert "6 more are needed" in message
    assert "1 of execution exec-7" in message


@pytest.mark.parametrize("fault", ["AccessDeniedException", "NoSuchResourceException"])
def test_a_quota_that_cannot_be_read_is_told_and_refuses_nothing(fault: str, world: World) -> None:
    world.sandbox.faults.add(
        {
            "kind": "operation",
            "service": "servicequotas",
            "operation": "GetServiceQuota",
            "effect": "error",
            "code": fault,
        }
    )
    runbook = world.resolve(group(world.server()))
    assert codes(runbook) == ["VCPU_QUOTA_UNCHECKED"]
    assert runbook.refusals == ()
    assert "GetServiceQuota" in runbook.findings[0].message


@pytest.mark.parametrize(
    ("instance_type", "code"),
    [
        ("m6i.large", "L-1216C47A"),
        ("is4gen.large", "L-1216C47A"),
        ("im4gn.large", "L-1216C47A"),
        ("inf2.xlarge", "L-1945791B"),
        ("trn1.2xlarge", "L-2C3B7624"),
        ("gr6.4xlarge", "L-DB2E81BA"),
        ("u-6tb1.56xlarge", "L-43DA4232"),
        ("u7i-12tb.224xlarge", "L-43DA4232"),
        ("hpc7a.12xlarge", "L-F7808C92"),
        ("dl1.24xlarge", "L-6E869C2A"),
        ("x2idn.16xlarge", "L-7295265B"),
        ("mac2.metal", None),
        ("", None),
    ],
)
def test_a_type_belongs_to_the_class_of_its_family(instance_type: str, code: str | None) -> None:
    counted = quota_class(instance_type)
    assert (counted.code if counted else None) == code


def test_every_family_that_ec2_offers_has_a_class_or_is_mac() -> None:
    from moto.ec2.models.instance_types import INSTANCE_TYPES

    without = {name.partition(".")[0] for name in INSTANCE_TYPES if quota_class(name) is None}
    assert {name for name in without if not name.startswith("mac")} == set()
