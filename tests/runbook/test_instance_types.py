"""Instance types that a server cannot run as: architecture, Nitro, boot mode; its own, the template's, a retry's."""

from __future__ import annotations

import pytest

from prefect_drs.aws.drs import SourceServer
from prefect_drs.aws.instance_types import InstanceType
from prefect_drs.runbook.machines import machine_of
from tests.runbook.test_capacity import source
from tests.runbook.world import World, codes


def test_a_type_of_another_architecture_is_told_with_its_origin_and_remedy(world: World) -> None:
    server = world.server("api1")
    group = {"sourceServerIds": [server], "launchConfig": {"instanceType": "m7g.large"}}
    runbook = world.resolve(group, wave={"retry": {"attempts": 1, "instanceTypes": ["c6g.large", "c6i.large"]}})
    assert codes(runbook) == ["INSTANCE_TYPE_INCOMPATIBLE", "RETRY_TYPE_INCOMPATIBLE"]
    own, retried = runbook.refusals
    assert own.source_server_id == server
    assert (
        "instanceType m7g.large (from the group): its architecture is arm64, but the server's is x86_64" in own.message
    )
    assert "retry.instanceTypes c6g.large: its architecture is arm64" in retried.message
    assert "use a type of the server's architecture" in own.message


def test_an_arm_server_takes_graviton_types_and_no_others(world: World) -> None:
    server = world.server(architecture="arm64")
    for instance_type, refused in (("m7g.large", False), ("m6i.large", True)):
        group = {"sourceServerIds": [server], "launchConfig": {"instanceType": instance_type}}
        assert ("INSTANCE_TYPE_INCOMPATIBLE" in codes(world.resolve(group))) is refused


def test_the_type_of_a_launch_template_is_checked_where_drs_does_not_size_the_server(world: World) -> None:
    server = world.server(launch_settings={"targetInstanceTypeRightSizingMethod": "NONE"})
    world.template(server, InstanceType="m7g.large")
    (finding,) = world.resolve(server).refusals
    assert finding.code == "INSTANCE_TYPE_INCOMPATIBLE"
    assert "(from the account)" in finding.message
    sized = world.server("sized")
    world.template(sized, InstanceType="m7g.large")
    assert world.resolve(sized).findings == ()


def test_a_server_without_nitro_drivers_takes_types_of_earlier_generations(world: World) -> None:
    server = world.server(supports_nitro=False)
    for instance_type, refused in (("m4.large", False), ("m6i.large", True)):
        group = {"sourceServerIds": [server], "launchConfig": {"instanceType": instance_type}}
        told = [finding.message for finding in world.resolve(group).findings]
        assert any("Nitro System" in message for message in told) is refused


@pytest.mark.parametrize(("instance_type", "refused"), [("t2.micro", True), ("m6i.large", False)])
def test_the_boot_mode_is_that_of_the_last_recovery_instance(instance_type: str, refused: bool, world: World) -> None:
    server = world.server(boot_mode="uefi")
    group = {"sourceServerIds": [server], "launchConfig": {"instanceType": instance_type}}
    assert "INSTANCE_TYPE_INCOMPATIBLE" not in codes(world.resolve(group)), "unknown before its first launch"
    world.client("drs").start_recovery(sourceServers=[{"sourceServerID": server}], isDrill=True)
    world.clock.advance(6 * 3600)
    told = [finding.message for finding in world.resolve(group).refusals]
    assert any("it boots by legacy-bios only, but the server boots by uefi" in message for message in told) is refused


def test_many_servers_of_a_wave_are_one_finding_of_its_retry(world: World) -> None:
    retry = {"attempts": 1, "instanceTypes": ["c6g.large"]}
    (finding,) = world.resolve(world.servers(3), wave={"retry": retry}).refusals
    assert "and 2 more" in finding.message


def unlabelled(recommended: str) -> SourceServer:
    """A server whose architecture DRS does not tell."""
    server = source(1)
    return SourceServer(
        **{name: getattr(server, name) for name in server.__slots__} | {"recommended_instance_type": recommended}
    )


@pytest.mark.parametrize(("architecture", "expected"), [("arm64", "arm64"), ("x86_64", "x86_64")])
def test_where_drs_tells_no_architecture_that_of_its_recommendation_holds(architecture: str, expected: str) -> None:
    types = {"t": InstanceType("t", frozenset({architecture}), frozenset(), nitro=True, vcpus=2)}
    assert machine_of(unlabelled("t"), types).architecture == expected
    assert machine_of(unlabelled("unknown"), types).architecture == "x86_64"


def test_the_simulator_refuses_what_aws_would(world: World) -> None:
    server = world.server(launch_settings={"targetInstanceTypeRightSizingMethod": "NONE"})
    world.template(server, InstanceType="m7g.large")
    drs = world.client("drs")
    job = drs.start_recovery(sourceServers=[{"sourceServerID": server}], isDrill=True)["job"]["jobID"]
    world.clock.advance(6 * 3600)
    log = drs.describe_job_log_items(jobID=job)["items"]
    errors = [item["eventData"]["rawError"] for item in log if item["event"] == "LAUNCH_FAILED"]
    assert errors
    assert "architecture 'arm64'" in errors[0]
