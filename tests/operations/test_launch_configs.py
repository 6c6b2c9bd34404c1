"""Launch settings of stored groups: changed, checked against the account, brought to it, and their history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from prefect_drs.aws.call_count import writes_in
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.operations import Context, invoke
from prefect_drs.orchestration.storage.settings_history import history_key
from tests.operations.estate import REGION, Stored

HERE = Location("123456789012", REGION)


class Settings:
    """A stored group of three servers, and a subnet with a security group to launch into."""

    def __init__(self, stored: Stored) -> None:
        self.stored = stored
        self.sessions = Sessions()
        self.drs = self.sessions.client("drs", **HERE._asdict())
        self.ec2 = self.sessions.client("ec2", **HERE._asdict())
        vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.vpc = vpc
        self.subnet = self.ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
        self.group_id = self.ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
        self.servers = stored.servers("db01", "db02", "db03")
        stored.group("db", self.servers, launchConfiguration={"subnetId": self.subnet, "copyTags": True})

    def op(self, name: str, by: str = "ada", **body: Any) -> Any:
        return self.stored.op(name, {"groupId": "db", **body}, by=by)

    def refusal(self, name: str, **body: Any) -> PrefectDrsError:
        with pytest.raises(PrefectDrsError) as refused:
            self.op(name, **body)
        return refused.value

    def codes(self, error: PrefectDrsError) -> list[str]:
        return [fault["code"] for fault in error.details["faults"]]

    def update(self, server: int, **settings: Any) -> Any:
        return self.op("update_server_launch_config", serverId=self.servers[server], launchTemplate=settings)

    def shown(self, server: int) -> Any:
        return self.op("get_server_launch_config", serverId=self.servers[server])


@pytest.fixture
def settings(stored: Stored) -> Iterator[Settings]:
    yield Settings(stored)
    with get_client(sync_client=True) as client:
        chosen = ArtifactFilter(key=ArtifactFilterKey(any_=[history_key(HERE)]))
        for artifact in client.read_artifacts(artifact_filter=chosen, limit=200):
            client.delete_artifact(artifact.id)


# ---- shown -------------------------------------------------------------------------------------------------------


def test_effective_settings_are_shown_with_the_origin_of_each_value(settings: Settings) -> None:
    settings.update(0, staticPrivateIp="10.0.1.20")
    found = settings.shown(0)["effective"]
    assert found["staticPrivateIp"] == {"value": "10.0.1.20", "origin": "server"}
    assert found["subnetId"] == {"value": settings.subnet, "origin": "group"}
    assert found["copyPrivateIp"]["value"] is False
    assert found["launchDisposition"] == {"value": "STARTED", "origin": "account"}


def test_what_the_account_holds_otherwise_is_shown_beside_it(settings: Settings) -> None:
    shown = settings.shown(0)
    assert shown["inSync"] is False
    assert {one["field"]: (one["actual"], one["wanted"]) for one in shown["differences"]}["copyTags"] == (False, True)
    assert shown["template"]["version"] == 1


@pytest.mark.parametrize("operation", ["get_server_launch_config", "update_server_launch_config"])
def test_a_server_that_is_not_the_group_s_is_not_found(settings: Settings, operation: str) -> None:
    (other,) = settings.stored.servers("web01")
    body = {"launchTemplate": {"copyTags": True}} if operation.startswith("update") else {}
    error = settings.refusal(operation, serverId=other, **body)
    assert error.code == "NOT_FOUND"
    assert "does not belong to group 'db'" in error.message


# ---- changed -----------------------------------------------------------------------------------------------------


def test_an_update_lays_values_over_those_there_are_and_null_takes_one_away(settings: Settings) -> None:
    settings.update(0, staticPrivateIp="10.0.1.20", instanceType="m5.large")
    answer = settings.update(0, instanceType=None)
    assert answer["own"] == {
        "sourceServerId": settings.servers[0],
        "launchTemplate": {"staticPrivateIp": "10.0.1.20"},
    }
    assert answer["version"] == 3


def test_group_defaults_can_be_put_in_force_and_settings_deleted(settings: Settings) -> None:
    settings.update(0, instanceType="m5.large")
    answer = settings.op("update_server_launch_config", serverId=settings.servers[0], useGroupDefaults=True)
    assert answer["effective"]["instanceType"]["origin"] == "account"
    assert settings.op("delete_server_launch_config", serverId=settings.servers[0])["own"] is None
    assert settings.refusal("delete_server_launch_config", serverId=settings.servers[0]).code == "VALIDATION_ERROR"


def test_a_stale_version_is_refused(settings: Settings) -> None:
    error = settings.refusal(
        "update_server_launch_config",
        serverId=settings.servers[0],
        launchTemplate={"copyTags": False},
        version=7,
    )
    assert error.code == "VERSION_MISMATCH"


def test_faults_of_the_plan_and_of_the_account_are_told_together_and_nothing_is_stored(settings: Settings) -> None:
    error = settings.refusal(
        "bulk_update_server_configs",
        servers=[
            {"serverId": settings.servers[0], "launchTemplate": {"staticPrivateIp": "10.0.1.2"}},
            {"serverId": settings.servers[1], "launchTemplate": {"staticPrivateIp": "10.0.9.9"}},
            {"serverId": settings.servers[2], "launchTemplate": {"securityGroupIds": ["sg-0123456789abcdef0"]}},
            {"serverId": "s-00000000000000000", "launchTemplate": {"copyTags": True}},
        ],
    )
    assert error.code == "VALIDATION_ERROR"
    assert sorted(settings.codes(error)) == [
        "ADDRESS_OUTSIDE_SUBNET",
        "ADDRESS_RESERVED",
        "NOT_FOUND",
        "SECURITY_GROUP_NOT_FOUND",
    ]
    assert settings.stored.op("get_protection_group", {"groupId": "db"})["version"] == 1


def test_one_address_for_two_servers_is_refused_in_one_batch_and_across_groups(settings: Settings) -> None:
    twice = [
        {"serverId": server, "launchTemplate": {"staticPrivateIp": "10.0.1.20"}} for server in settings.servers[:2]
    ]
    assert settings.codes(settings.refusal("bulk_update_server_configs", servers=twice)) == ["DUPLICATE_ADDRESS"]
    settings.stored.group("web", launchConfiguration={"subnetId": settings.subnet})
    (other,) = settings.stored.op("get_protection_group", {"groupId": "web"})["sourceServerIds"]
    settings.update(0, staticPrivateIp="10.0.1.20")
    error = settings.refusal(
        "update_server_launch_config",
        groupId="web",
        serverId=other,
        launchTemplate={"staticPrivateIp": "10.0.1.20"},
    )
    assert settings.codes(error) == ["DUPLICATE_ADDRESS"]


def test_a_server_given_twice_in_one_batch_is_refused(settings: Settings) -> None:
    twice = [{"serverId": settings.servers[0], "launchTemplate": {"copyTags": copied}} for copied in (True, False)]
    assert "DUPLICATE_SERVER" in settings.codes(settings.refusal("bulk_update_server_configs", servers=twice))


def test_a_batch_without_faults_is_stored_as_one_change(settings: Settings) -> None:
    servers = [
        {"serverId": server, "launchTemplate": {"staticPrivateIp": f"10.0.1.{20 + number}"}}
        for number, server in enumerate(settings.servers)
    ]
    answer = settings.op("bulk_update_server_configs", servers=servers)
    assert answer["version"] == 2
    assert [one["effective"]["staticPrivateIp"]["value"] for one in answer["servers"]] == [
        "10.0.1.20",
        "10.0.1.21",
        "10.0.1.22",
    ]


def test_an_unknown_setting_names_the_one_that_may_be_meant(settings: Settings) -> None:
    error = settings.refusal(
        "update_server_launch_config", serverId=settings.servers[0], launchTemplate={"instanceTyp": "m5.large"}
    )
    assert "instanceType" in error.message


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("10.0.1.20", None),
        ("10.0.1.3", "ADDRESS_RESERVED"),
        ("10.0.1.255", "ADDRESS_RESERVED"),
        ("10.0.2.20", "ADDRESS_OUTSIDE_SUBNET"),
        ("8.8.8.8", "ADDRESS_NOT_PRIVATE"),
        ("ten", "INVALID_ADDRESS"),
        ("10.0.1.77", "ADDRESS_IN_USE"),
    ],
)
def test_an_address_is_tried_without_storing_it(settings: Settings, address: str, code: str | None) -> None:
    settings.ec2.create_network_interface(SubnetId=settings.subnet, PrivateIpAddress="10.0.1.77")
    answer = settings.op("validate_static_ip", serverId=settings.servers[0], staticPrivateIp=address)
    assert answer["valid"] is (code is None)
    assert (code is None) or code in [fault["code"] for fault in answer["faults"]]
    assert settings.shown(0)["own"] is None


def test_an_address_in_a_subnet_that_is_not_there_is_told(settings: Settings) -> None:
    answer = settings.op(
        "validate_static_ip",
        serverId=settings.servers[0],
        staticPrivateIp="10.0.1.20",
        subnetId="subnet-0123456789abcdef0",
    )
    assert [fault["code"] for fault in answer["faults"]] == ["SUBNET_NOT_FOUND"]


# ---- brought to the account --------------------------------------------------------------------------------------


def test_a_dry_run_writes_nothing_and_a_second_sync_neither(settings: Settings) -> None:
    calls = settings.stored.rig.sandbox.calls
    context = Context(caller="ada")
    assert invoke("sync_launch_configs", {"dryRun": True}, context=context)["status"] == "DRIFTED"
    assert writes_in(context.sessions.calls.snapshot()) == 0
    first = invoke("sync_launch_configs", {}, context=context)
    assert (first["status"], first["groups"][0]["counts"]["WRITTEN"]) == ("WRITTEN", 3)
    assert writes_in(context.sessions.calls.snapshot()) == 9
    again = Context(caller="ada")
    assert invoke("sync_launch_configs", {}, context=again)["status"] == "IN_SYNC"
    assert writes_in(again.sessions.calls.snapshot()) == 0
    assert calls


def test_only_the_servers_that_are_named_are_written(settings: Settings) -> None:
    answer = settings.op("apply_launch_configs", serverIds=[settings.servers[1]])
    assert [one["serverId"] for one in answer["servers"]] == [settings.servers[1]]
    assert settings.shown(1)["inSync"]
    assert not settings.shown(0)["inSync"]


def test_drift_is_told_from_what_to_what_and_since_which_version(settings: Settings) -> None:
    settings.op("apply_launch_configs")
    assert settings.op("get_launch_config_status")["status"] == "IN_SYNC"
    settings.drs.update_launch_configuration(sourceServerID=settings.servers[0], copyTags=False)
    status = settings.op("get_launch_config_status")
    drifted = next(one for one in status["servers"] if one["status"] == "DRIFTED")
    assert (status["status"], status["counts"]["IN_SYNC"]) == ("DRIFTED", 2)
    assert drifted["serverId"] == settings.servers[0]
    assert drifted["changes"] == [{"part": "drs", "field": "copyTags", "actual": False, "wanted": True}]
    assert drifted["template"]["version"] == 2
    assert drifted["template"]["createdAt"]


def test_settings_that_the_account_does_not_allow_are_not_written_and_hold_up_no_other(settings: Settings) -> None:
    settings.update(0, staticPrivateIp="10.0.1.20")
    settings.ec2.create_network_interface(SubnetId=settings.subnet, PrivateIpAddress="10.0.1.20")
    answer = settings.op("apply_launch_configs")
    by_server = {one["serverId"]: one for one in answer["servers"]}
    assert answer["counts"] == {"IN_SYNC": 0, "DRIFTED": 0, "WRITTEN": 2, "FAILED": 1}
    assert "staticPrivateIp 10.0.1.20" in by_server[settings.servers[0]]["message"]


def test_a_server_that_drs_no_longer_has_is_told_and_the_others_are_written(settings: Settings) -> None:
    del settings.stored.rig.sandbox.backend(*HERE).servers[settings.servers[2]]
    answer = settings.op("apply_launch_configs")
    gone = next(one for one in answer["servers"] if one["serverId"] == settings.servers[2])
    assert (gone["status"], gone["error"]) == ("FAILED", "NOT_FOUND")
    assert answer["counts"]["WRITTEN"] == 2


def test_an_account_that_cannot_be_read_fails_its_group_and_no_other(settings: Settings) -> None:
    backend = settings.stored.rig.sandbox.backend(HERE.account_id, "us-east-1")
    backend.initialize_service()
    settings.stored.op(
        "create_protection_group",
        {
            "name": "east",
            "region": "us-east-1",
            "sourceServerIds": settings.stored.servers("east01", region="us-east-1"),
            "launchConfiguration": {"copyTags": True},
        },
    )
    settings.stored.rig.sandbox.faults.add(
        {
            "kind": "operation",
            "operation": "DescribeSourceServers",
            "effect": "error",
            "code": "AccessDeniedException",
            "region": "us-east-1",
        }
    )
    answer = settings.stored.op("sync_launch_configs")
    assert {group["groupName"]: group["status"] for group in answer["groups"]} == {"db": "WRITTEN", "east": "FAILED"}
    assert next(group for group in answer["groups"] if group["groupName"] == "east")["error"] == "AUTHORIZATION_ERROR"


# ---- history -----------------------------------------------------------------------------------------------------


def test_the_history_has_updates_and_syncs_with_who_and_from_what_to_what(settings: Settings) -> None:
    settings.update(0, instanceType="m5.large")
    settings.op(
        "update_server_launch_config",
        by="grace",
        serverId=settings.servers[0],
        launchTemplate={"instanceType": "m5.xlarge"},
    )
    settings.op("apply_launch_configs", by="linus")
    sync, second, first = settings.op("get_server_config_history", serverId=settings.servers[0])["history"]
    assert [(one["user"], one["action"]) for one in (first, second, sync)] == [
        ("ada", "update_server_launch_config"),
        ("grace", "update_server_launch_config"),
        ("linus", "apply_launch_configs"),
    ]
    assert {"part": "plan", "field": "instanceType", "before": "m5.large", "after": "m5.xlarge"} in second["changes"]
    assert {"part": "drs", "field": "copyTags", "before": False, "after": True} in sync["changes"]
    assert settings.op("get_server_config_history", serverId=settings.servers[1])["history"][0]["user"] == "linus"
    assert len(settings.op("get_server_config_history", serverId=settings.servers[0], limit=1)["history"]) == 1


def test_a_changed_default_of_the_group_is_in_the_history_of_each_server(settings: Settings) -> None:
    version = settings.op("get_protection_group")["version"]
    answer = settings.op(
        "update_protection_group",
        by="grace",
        version=version,
        launchConfiguration={"subnetId": settings.subnet, "copyTags": False},
    )
    assert answer["historyError"] is None
    for server in settings.servers:
        (entry,) = settings.op("get_server_config_history", serverId=server)["history"]
        assert (entry["user"], entry["action"]) == ("grace", "update_protection_group")
        assert entry["changes"] == [{"part": "plan", "field": "copyTags", "before": True, "after": False}]


def test_an_import_over_a_group_is_in_the_history(settings: Settings) -> None:
    manifest = settings.stored.op("export_configuration", {})
    manifest["protectionGroups"][0]["launchConfig"]["copyTags"] = False
    settings.stored.op("import_configuration", {"manifest": manifest, "overwriteExisting": True})
    (entry,) = settings.op("get_server_config_history", serverId=settings.servers[0])["history"]
    assert entry["action"] == "import_configuration"


def test_a_dry_run_and_a_sync_without_drift_leave_no_trace(settings: Settings) -> None:
    settings.op("apply_launch_configs", dryRun=True)
    assert settings.op("get_server_config_history", serverId=settings.servers[0])["history"] == []
    settings.op("apply_launch_configs")
    settings.op("apply_launch_configs")
    assert len(settings.op("get_server_config_history", serverId=settings.servers[0])["history"]) == 1


# ---- what there is to launch into --------------------------------------------------------------------------------


def test_subnets_groups_types_and_profiles_are_listed_for_choosing(settings: Settings) -> None:
    op, here = settings.stored.op, {"region": REGION}
    (subnet,) = op("get_ec2_subnets", {**here, "vpcId": settings.vpc})["subnets"]
    assert (subnet["subnetId"], subnet["cidr"], subnet["availableAddresses"]) == (settings.subnet, "10.0.1.0/24", 251)
    groups = op("get_ec2_security_groups", {**here, "vpcId": settings.vpc})["securityGroups"]
    assert settings.group_id in [group["groupId"] for group in groups]
    zone = {**here, "availabilityZone": subnet["zone"]}
    types = {one["instanceType"]: one for one in op("get_ec2_instance_types", zone)["instanceTypes"]}
    assert (types["m5.large"]["vcpus"], types["m5.large"]["memoryMib"]) == (2, 8192)
    assert types["m5.large"]["zones"] == [subnet["zone"]]
    settings.sessions.client("iam", **HERE._asdict()).create_instance_profile(InstanceProfileName="web")
    profiles = [one["name"] for one in op("get_ec2_instance_profiles", here)["instanceProfiles"]]
    assert [name for name in profiles if not name.startswith("AWSElasticDisasterRecovery")] == ["web"]


def test_a_region_that_botocore_does_not_know_is_refused(stored: Stored) -> None:
    with pytest.raises(PrefectDrsError, match="mars-north-1"):
        stored.op("get_ec2_subnets", {"region": "mars-north-1"})


# ---- the page ----------------------------------------------------------------------------------------------------


def test_the_page_on_launch_settings_has_the_operations_and_statuses_of_the_code() -> None:
    from prefect_drs.aws.launch_sync import SyncState
    from prefect_drs.aws.launch_writing import KEPT_VERSIONS
    from prefect_drs.operations import OPERATIONS
    from prefect_drs.orchestration.storage.settings_history import MAX_RECORDS
    from tests.test_docs import ROOT, section

    text = (ROOT / "docs/launch-settings.md").read_text(encoding="utf-8")
    ours = {each.name for each in OPERATIONS if each.module.endswith((".launch_configs", ".launch_sync", ".ec2"))}
    assert [name for name in ours if f"`{name}`" not in text] == []
    assert [
        state
        for state in SyncState
        if f"| `{state}` |" not in section("docs/launch-settings.md", "## Writing to the account")
    ] == []
    assert f"the newest {MAX_RECORDS} of each account and region" in text
    assert f"the {KEPT_VERSIONS} newest versions are retained" in text
