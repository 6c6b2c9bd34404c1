"""For every rule of the preflight a case that breaks it and one that keeps it: as like as can be, but for the rule.

A case is a function of the world and of whether it is to break its rule; `CASES` has them by code.
"""

from __future__ import annotations

import sys
from typing import Any

from prefect_drs.runbook import OtherExecution, Runbook
from prefect_drs.runbook.points import Points
from prefect_drs.simulator.roles import plant_role
from prefect_drs.simulator.services.service_quotas import set_vcpu_quota
from tests.rig import ACCOUNT, REGION
from tests.runbook import journal_cases, prepared_cases  # noqa: F401 - register their cases
from tests.runbook.case import CASES, case
from tests.runbook.world import TARGET, World

__all__ = ["CASES", "STANDARD"]

STANDARD = "L-1216C47A"
"""The quota on vCPUs of Standard types (A, C, D, H, I, M, R, T, Z)."""


def with_settings(world: World, *, mode: Any = "drill", wave: Any = None, **settings: Any) -> Runbook:
    """A server with settings of its own."""
    server = world.server()
    group = {
        "sourceServerIds": [server],
        "servers": [{"sourceServerId": server, "launchTemplate": settings}],
    }
    return world.resolve(group, mode=mode, wave=wave)


# ---- the accounts could be looked at -----------------------------------------------------------------------------


@case("UNCHECKED")
def a_region_that_may_not_be_read(world: World, broken: bool) -> Runbook:
    if broken:
        world.sandbox.faults.add(
            {"kind": "operation", "operation": "DescribeJobs", "effect": "error", "code": "AccessDeniedException"}
        )
    return world.resolve(world.server())


def in_target_account(world: World, *missing: str) -> Runbook:
    plant_role(TARGET, missing_actions=missing)
    return world.resolve({"accountId": TARGET, "sourceServerIds": [world.server(account=TARGET)]})


@case("PERMISSION_MISSING")
def a_role_that_may_not_launch(world: World, broken: bool) -> Runbook:
    return in_target_account(world, *(["drs:StartRecovery", "iam:PassRole"] if broken else []))


@case("IAM_UNCHECKED")
def a_role_that_may_not_be_asked_about(world: World, broken: bool) -> Runbook:
    return in_target_account(world, *(["iam:SimulatePrincipalPolicy"] if broken else []))


# ---- who is in the plan ------------------------------------------------------------------------------------------


@case("SERVER_NOT_FOUND")
def a_server_that_is_not_there(world: World, broken: bool) -> Runbook:
    return world.resolve([world.server(), *(["s-" + "0" * 17] if broken else [])])


@case("NO_SERVER_MATCHES")
def tags_that_nobody_carries(world: World, broken: bool) -> Runbook:
    world.server(tags={"tier": "web", "env": "test"})
    return world.resolve({"serverSelectionTags": {"tier": "web", "env": "prod" if broken else "test"}})


@case("SERVER_IN_TWO_GROUPS")
def tags_of_two_groups_that_meet(world: World, broken: bool) -> Runbook:
    world.server("one", tags={"tier": "web"})
    world.server("two", tags={"env": "prod", **({"tier": "web"} if broken else {})})
    return world.resolve({"serverSelectionTags": {"tier": "web"}}, {"serverSelectionTags": {"env": "prod"}})


@case("HOOK_WITHOUT_PLACE")
def a_hook_that_could_run_in_two_regions(world: World, broken: bool) -> Runbook:
    place = {} if broken else {"accountId": None, "region": REGION}
    hook = {"type": "lambda", "functionName": "f", **{key: value for key, value in place.items() if value}}
    groups = (
        {"sourceServerIds": [world.server()]},
        {"sourceServerIds": [world.server("there", region="eu-west-1")], "region": "eu-west-1"},
    )
    return world.resolve(*groups, wave={"preWave": [hook]})


@case("CHECK_NAMES_NO_SERVER")
def a_check_of_a_server_of_no_group(world: World, broken: bool) -> Runbook:
    check = {"type": "ec2Status", "servers": ["nobody" if broken else "web"]}
    return world.resolve(world.server(), wave={"healthChecks": [check]})


@case("CHECK_NOT_INSTALLED")
def a_check_whose_package_is_missing(world: World, broken: bool) -> Runbook:
    information = world.directory / "drs_preflight_checks-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: drs-preflight-checks\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[prefect_drs.checks]\nthere = os:getcwd\n")
    sys.path.insert(0, str(world.directory))
    try:
        check = {"type": "python", "entryPoint": "gone" if broken else "there"}
        return world.resolve(world.server(), wave={"healthChecks": [check]})
    finally:
        sys.path.remove(str(world.directory))


def newest(world: World, server: str) -> str:
    found = world.client("drs").describe_recovery_snapshots(sourceServerID=server, order="DESC")["items"]
    return str(found[0]["snapshotID"])


@case("SNAPSHOT_NAMES_NO_SERVER")
def a_snapshot_for_nobody(world: World, broken: bool) -> Runbook:
    server = world.server()
    points = Points.parse(snapshots={"nobody" if broken else "web": newest(world, server)})
    return world.resolve(server, points=points)


@case("SNAPSHOT_NOT_FOUND")
def a_snapshot_that_is_gone(world: World, broken: bool) -> Runbook:
    server = world.server()
    snapshot = "pit-" + "0" * 17 if broken else newest(world, server)
    return world.resolve(server, points=Points.parse(snapshots={"web": snapshot}))


# ---- what there is to launch from --------------------------------------------------------------------------------


@case("NOT_REPLICATING")
def a_server_that_stalls(world: World, broken: bool) -> Runbook:
    return world.resolve(world.server(replication_state="STALLED" if broken else "CONTINUOUS"))


@case("NO_SNAPSHOT")
def a_server_that_never_came_through(world: World, broken: bool) -> Runbook:
    state = "INITIAL_SYNC" if broken else "DISCONNECTED"
    return world.resolve(world.server(replication_state=state), waivers={"NOT_REPLICATING": "as a test"})


@case("SNAPSHOTS_NOT_LOOKED_AT")
def more_servers_than_are_asked_for(world: World, broken: bool) -> Runbook:
    servers = world.servers(26 if broken else 25, replication_state="DISCONNECTED")
    return world.resolve(servers, waivers={"NOT_REPLICATING": "as a test"})


@case("LAG_ABOVE_MAXIMUM")
def a_server_that_lags_behind(world: World, broken: bool) -> Runbook:
    return world.resolve(world.server(lag="PT15M1S" if broken else "PT15M"), plan={"maxLag": "PT15M"})


@case("LAG_UNKNOWN")
def a_server_whose_lag_is_not_told(world: World, broken: bool) -> Runbook:
    server = world.server(replication_state="DISCONNECTED")
    wave = {"maxLag": "P7D"} if broken else None
    return world.resolve(server, wave=wave, waivers={"NOT_REPLICATING": "as a test"})


@case("RPO_TARGET_EXCEEDED")
def a_server_whose_data_is_older_than_its_target(world: World, broken: bool) -> Runbook:
    return world.resolve(world.server(lag="PT15M1S" if broken else "PT15M"), wave={"rpoTarget": "PT15M"})


@case("RPO_TARGET_UNCHECKED")
def a_server_with_a_target_whose_lag_is_not_told(world: World, broken: bool) -> Runbook:
    server = world.server(replication_state="DISCONNECTED")
    plan = {"rpoTarget": "P7D"} if broken else None
    return world.resolve(server, plan=plan, waivers={"NOT_REPLICATING": "as a test"})


# ---- what else goes on -------------------------------------------------------------------------------------------


@case("SERVER_IN_ACTIVE_JOB")
def a_server_in_somebodys_job(world: World, broken: bool) -> Runbook:
    server = world.server()
    world.client("drs").start_recovery(sourceServers=[{"sourceServerID": server}], isDrill=True)
    if not broken:
        world.clock.advance(6 * 3600)
    return world.resolve(server)


@case("SERVER_IN_OTHER_EXECUTION")
def a_server_that_another_execution_holds(world: World, broken: bool) -> Runbook:
    server, stranger = world.server(), world.server("stranger")
    other = OtherExecution("exec-0", "another plan", frozenset({server if broken else stranger}))
    return world.resolve(server, others=[other])


@case("RECOVERY_INSTANCE_EXISTS")
def a_server_that_was_launched_before(world: World, broken: bool) -> Runbook:
    server, stranger = world.server(), world.server("stranger")
    launched = server if broken else stranger
    world.client("drs").start_recovery(sourceServers=[{"sourceServerID": launched}], isDrill=True)
    world.clock.advance(6 * 3600)
    return world.resolve(server)


@case("JOBS_MUST_WAIT")
def as_many_jobs_as_drs_takes(world: World, broken: bool) -> Runbook:
    for server in world.servers(20 if broken else 19):
        world.client("drs").start_recovery(sourceServers=[{"sourceServerID": server}], isDrill=True)
    return world.resolve(world.server())


@case("CAPACITY")
def an_account_that_is_nearly_full(world: World, broken: bool) -> Runbook:
    world.servers(239 if broken else 238)
    return world.resolve(world.server())


# ---- launch settings ---------------------------------------------------------------------------------------------


@case("TEMPLATE_NOT_FOUND")
def a_template_that_somebody_deleted(world: World, broken: bool) -> Runbook:
    server, stranger = world.server(), world.server("stranger")
    drs = world.client("drs")
    template = drs.get_launch_configuration(sourceServerID=server if broken else stranger)["ec2LaunchTemplateID"]
    world.client("ec2").delete_launch_template(LaunchTemplateId=template)
    return world.resolve(server)


@case("TEMPLATE_NOT_WRITABLE")
def a_template_that_brings_its_own_interface(world: World, broken: bool) -> Runbook:
    server = world.server()
    interface = world.client("ec2").create_network_interface(SubnetId=world.subnet)["NetworkInterface"]
    world.template(
        server,
        InstanceType="m6i.large",
        NetworkInterfaces=[{"DeviceIndex": 0, "NetworkInterfaceId": interface["NetworkInterfaceId"]}],
    )
    settings = {"subnetId": world.subnet} if broken else {"instanceType": "r6i.large"}
    return world.resolve({"sourceServerIds": [server], "launchConfig": settings})


@case("SUBNET_NOT_FOUND")
def a_subnet_of_nowhere(world: World, broken: bool) -> Runbook:
    return with_settings(world, subnetId="subnet-" + "0" * 17 if broken else world.subnet)


@case("SECURITY_GROUP_NOT_FOUND")
def a_security_group_of_nowhere(world: World, broken: bool) -> Runbook:
    group = "sg-" + "0" * 17 if broken else world.security_group(world.vpc)
    return with_settings(world, subnetId=world.subnet, securityGroupIds=[group])


@case("SECURITY_GROUP_IN_OTHER_VPC")
def a_security_group_of_the_neighbours(world: World, broken: bool) -> Runbook:
    group = world.security_group(world.other_vpc if broken else world.vpc)
    return with_settings(world, subnetId=world.subnet, securityGroupIds=[group])


@case("ADDRESS_WITHOUT_SUBNET")
def an_address_in_no_subnet(world: World, broken: bool) -> Runbook:
    subnet = {} if broken else {"subnetId": world.subnet}
    return with_settings(world, staticPrivateIp="10.9.1.20", **subnet)


@case("ADDRESS_OUTSIDE_SUBNET")
def an_address_beside_the_subnet(world: World, broken: bool) -> Runbook:
    address = "10.9.2.20" if broken else "10.9.1.20"
    return with_settings(world, staticPrivateIp=address, subnetId=world.subnet)


@case("ADDRESS_RESERVED")
def an_address_that_aws_keeps(world: World, broken: bool) -> Runbook:
    address = "10.9.1.3" if broken else "10.9.1.4"
    return with_settings(world, staticPrivateIp=address, subnetId=world.subnet)


@case("ADDRESS_IN_USE")
def an_address_that_somebody_has(world: World, broken: bool) -> Runbook:
    world.client("ec2").create_network_interface(SubnetId=world.subnet, PrivateIpAddress="10.9.1.20")
    address = "10.9.1.20" if broken else "10.9.1.21"
    return with_settings(world, staticPrivateIp=address, subnetId=world.subnet)


@case("DUPLICATE_ADDRESS")
def an_address_for_two_servers(world: World, broken: bool) -> Runbook:
    groups = []
    for name, address in (("one", "10.9.1.20"), ("two", "10.9.1.20" if broken else "10.9.1.21")):
        server = world.server(name)
        own = {"sourceServerId": server, "launchTemplate": {"staticPrivateIp": address}}
        groups.append({"sourceServerIds": [server], "launchConfig": {"subnetId": world.subnet}, "servers": [own]})
    return world.resolve(*groups)


@case("ADDRESS_AND_COPY")
def an_address_of_the_template_and_a_copy(world: World, broken: bool) -> Runbook:
    server = world.server()
    world.client("drs").update_launch_configuration(sourceServerID=server, copyPrivateIp=True)
    interface = {"DeviceIndex": 0, "SubnetId": world.subnet, "PrivateIpAddress": "10.9.1.20"}
    world.template(server, InstanceType="m6i.large", NetworkInterfaces=[interface])
    settings = {} if broken else {"copyPrivateIp": False}
    return world.resolve({"sourceServerIds": [server], "launchConfig": settings})


@case("INSTANCE_TYPE_NOT_OFFERED")
def an_instance_type_that_the_zone_has_not(world: World, broken: bool) -> Runbook:
    return with_settings(world, instanceType="x9.huge" if broken else "m6i.large", subnetId=world.subnet)


@case("INSTANCE_PROFILE_NOT_FOUND")
def an_instance_profile_that_is_not_there(world: World, broken: bool) -> Runbook:
    world.client("iam").create_instance_profile(InstanceProfileName="web")
    return with_settings(world, instanceProfileName="wbe" if broken else "web")


@case("RETRY_TYPE_NOT_OFFERED")
def a_retry_with_a_type_that_the_zone_has_not(world: World, broken: bool) -> Runbook:
    retry = {"attempts": 1, "instanceTypes": ["m6i.large", "x9.huge" if broken else "r6i.large"]}
    return with_settings(world, wave={"retry": retry}, subnetId=world.subnet)


@case("RETRY_SUBNET_UNUSABLE")
def a_retry_in_a_subnet_of_another_vpc(world: World, broken: bool) -> Runbook:
    group = world.security_group(world.vpc)
    other = world.make_subnet("10.8.1.0/24", world.other_vpc) if broken else world.make_subnet("10.9.2.0/24")
    retry = {"attempts": 1, "subnetIds": [other]}
    return with_settings(world, wave={"retry": retry}, subnetId=world.subnet, securityGroupIds=[group])


@case("INSTANCE_TYPE_INCOMPATIBLE")
def a_graviton_type_for_an_x86_server(world: World, broken: bool) -> Runbook:
    return with_settings(world, instanceType="m7g.large" if broken else "m7i.large")


@case("RETRY_TYPE_INCOMPATIBLE")
def a_retry_with_a_graviton_type(world: World, broken: bool) -> Runbook:
    return with_settings(
        world, wave={"retry": {"attempts": 1, "instanceTypes": ["c6g.large" if broken else "c6i.large"]}}
    )


# ---- what the account can hold -----------------------------------------------------------------------------------


@case("SUBNET_FREE_ADDRESSES")
def twelve_servers_for_eleven_addresses(world: World, broken: bool) -> Runbook:
    subnet = world.make_subnet("10.9.2.0/28")  # 16 addresses, of which AWS keeps five
    return world.resolve({"sourceServerIds": world.servers(12 if broken else 11), "launchConfig": {"subnetId": subnet}})


@case("VCPU_QUOTA")
def more_vcpus_than_the_quota_allows(world: World, broken: bool) -> Runbook:
    set_vcpu_quota(ACCOUNT, REGION, STANDARD, 9 if broken else 10)  # two for the replication server of DRS
    return world.resolve({"sourceServerIds": world.servers(4), "launchConfig": {"instanceType": "m6i.large"}})


@case("VCPU_QUOTA_UNCHECKED")
def a_role_that_may_not_read_quotas(world: World, broken: bool) -> Runbook:
    return in_target_account(world, *(["servicequotas:GetServiceQuota"] if broken else []))


@case("KMS_KEY_UNUSABLE")
def a_key_that_somebody_disabled(world: World, broken: bool) -> Runbook:
    server = world.server()
    kms = world.client("kms")
    key = kms.create_key()["KeyMetadata"]
    world.encrypt(server, "CUSTOM", key["Arn"])
    if broken:
        kms.disable_key(KeyId=key["KeyId"])
    return world.resolve(server)


@case("KMS_KEY_UNCHECKED")
def more_servers_than_are_asked_for_their_keys(world: World, broken: bool) -> Runbook:
    return world.resolve(world.servers(26 if broken else 25))


# ---- servers that are left out -----------------------------------------------------------------------------------


@case("EXCLUSION_AGAINST_POLICY")
def a_server_left_out_of_a_wave_that_demands_all(world: World, broken: bool) -> Runbook:
    server, gone = world.servers(2)
    wave = {} if broken else {"onServerFailure": "continue", "minHealthy": 1}
    return world.resolve([server, gone], wave=wave, exclude={gone: "its disk failed"})


@case("WAVE_EMPTY")
def a_wave_whose_only_server_is_left_out(world: World, broken: bool) -> Runbook:
    gone, more, other = world.servers(3)
    wave = {"onServerFailure": "continue", "minHealthy": 0}
    first = [gone] if broken else [gone, more]
    return world.resolve(first, other, wave=wave, exclude={gone: "its disk failed"})
