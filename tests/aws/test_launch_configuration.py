"""Launch settings read from and written to an account: boto3 against the simulated DRS and moto's EC2."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from prefect_drs.aws.errors import NotFoundError, PermissionDeniedError
from prefect_drs.aws.launch_configuration import (
    LaunchState,
    SettingChange,
    changes,
    read_launch_states,
)
from prefect_drs.aws.launch_template_versions import BY_ID_UP_TO
from prefect_drs.aws.launch_writing import apply_changes
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import AwsError, UsageError
from prefect_drs.plan.model import LaunchSettings, Licensing
from prefect_drs.simulator import Sandbox, mock_drs
from tests.aws.conftest import CallLog

ACCOUNT = "123456789012"
REGION = "eu-west-1"
GIB = 2**30
SUBNET, OTHER_SUBNET = "subnet-0123456789abcdef0", "subnet-0123456789abcdef1"
EVERYTHING = LaunchSettings(
    launch_disposition="STOPPED",
    target_instance_type_right_sizing_method="NONE",
    copy_private_ip=False,
    copy_tags=True,
    licensing=Licensing(os_byol=True),
    subnet_id=SUBNET,
    security_group_ids=("sg-a", "sg-b"),
    static_private_ip="10.0.0.9",
    instance_type="r6i.large",
    instance_profile_name="web",
    associate_public_ip=True,
    monitoring=True,
    ebs_optimized=False,
    disable_api_termination=True,
    tags={"team": "dr"},
    credit_specification="standard",
)


class Estate:
    """Source servers in one account and region, and the way to their launch settings."""

    def __init__(self, sandbox: Sandbox, calls: CallLog) -> None:
        self.sandbox = sandbox
        self.calls = calls
        self.sessions = Sessions(session=calls.session)
        self.backend = sandbox.backend(ACCOUNT, REGION)
        self.backend.initialize_service()
        self.drs = calls.session.client("drs", region_name=REGION)
        self.ec2 = calls.session.client("ec2", region_name=REGION)

    def servers(self, count: int) -> list[str]:
        return [
            self.backend.seed_source_server(
                hostname=f"db{index:03d}", ram_bytes=8 * GIB, cpus=2, disks=[{"deviceName": "/dev/sda1", "bytes": GIB}]
            ).server_id
            for index in range(count)
        ]

    def read(self, servers: list[str], workers: int = 4) -> dict[str, LaunchState]:
        return read_launch_states(self.sessions, ACCOUNT, REGION, servers, workers=workers)

    def state(self, server: str) -> LaunchState:
        return self.read([server])[server]

    def apply(self, state: LaunchState, settings: LaunchSettings, **more: Any) -> LaunchState:
        return apply_changes(self.sessions, ACCOUNT, REGION, state, settings, **more)

    def default_data(self, state: LaunchState) -> dict[str, Any]:
        answer = self.ec2.describe_launch_template_versions(LaunchTemplateId=state.template_id, Versions=["$Default"])
        return dict(answer["LaunchTemplateVersions"][0]["LaunchTemplateData"])

    def someone_changes(self, state: LaunchState, *, make_default: bool = True, **data: Any) -> int:
        """Somebody else writes a version of the template, from its present default."""
        number = self.ec2.create_launch_template_version(
            LaunchTemplateId=state.template_id, LaunchTemplateData={**self.default_data(state), **data}
        )["LaunchTemplateVersion"]["VersionNumber"]
        if make_default:
            self.ec2.modify_launch_template(LaunchTemplateId=state.template_id, DefaultVersion=str(number))
        return int(number)


@pytest.fixture
def estate(calls: CallLog) -> Iterator[Estate]:
    with mock_drs() as sandbox:
        yield Estate(sandbox, calls)


# ---- reading -----------------------------------------------------------------------------------------------------


def test_a_state_has_both_halves_of_how_a_server_is_launched(estate: Estate) -> None:
    (server,) = estate.servers(1)
    state = estate.state(server)
    assert state.configuration.target_instance_type_right_sizing_method == "BASIC"
    assert state.configuration.launch_disposition == "STARTED"
    assert state.template_exists
    assert state.default_version == 1
    assert state.template_data == estate.default_data(state)


@pytest.mark.parametrize("workers", [1, 8])
def test_many_templates_are_read_in_pages_and_not_one_by_one(estate: Estate, workers: int) -> None:
    servers = estate.servers(60)
    estate.calls.operations.clear()
    states = estate.read(servers, workers)
    assert sorted(states) == sorted(servers)
    assert len({state.template_id for state in states.values()}) == 60
    assert estate.calls.operations.count("GetLaunchConfiguration") == 60
    assert estate.calls.operations.count("DescribeLaunchTemplateVersions") == 1
    assert estate.calls.writes == []


def test_few_templates_are_read_by_id_however_many_others_there_are(estate: Estate) -> None:
    servers = estate.servers(BY_ID_UP_TO + 30)
    estate.calls.operations.clear()
    estate.read(servers[:3])
    assert estate.calls.operations.count("DescribeLaunchTemplateVersions") == 3


def test_a_server_that_drs_does_not_know_is_left_out(estate: Estate) -> None:
    (server,) = estate.servers(1)
    assert list(estate.read([server, "s-00000000000000000"])) == [server]


def test_a_template_that_is_gone_leaves_a_state_that_says_so_and_cannot_be_written(estate: Estate) -> None:
    (server,) = estate.servers(1)
    estate.ec2.delete_launch_template(LaunchTemplateId=estate.state(server).template_id)
    state = estate.state(server)
    assert not state.template_exists
    wanted = LaunchSettings(instance_type="r6i.large", copy_tags=True)
    assert [change.part for change in changes(state, wanted)] == ["drs", "drs", "ec2"]
    with pytest.raises(NotFoundError, match=server):
        estate.apply(state, wanted)


def test_a_reading_that_is_refused_ends_all_readings_with_where_and_why(estate: Estate) -> None:
    servers = estate.servers(30)
    estate.sandbox.faults.add(
        {
            "kind": "operation",
            "operation": "GetLaunchConfiguration",
            "service": "drs",
            "effect": "error",
            "code": "AccessDeniedException",
        }
    )
    with pytest.raises(PermissionDeniedError, match=f"GetLaunchConfiguration failed in {ACCOUNT}/{REGION}"):
        estate.read(servers)


# ---- comparing ---------------------------------------------------------------------------------------------------


def test_no_settings_change_nothing(estate: Estate) -> None:
    (server,) = estate.servers(1)
    assert changes(estate.state(server), LaunchSettings()) == ()


def test_an_instance_type_brings_right_sizing_none_with_it_whatever_the_settings_say(estate: Estate) -> None:
    (server,) = estate.servers(1)
    state = estate.state(server)
    sizing = SettingChange("drs", "targetInstanceTypeRightSizingMethod", "BASIC", "NONE")
    assert changes(state, LaunchSettings(instance_type="r6i.large")) == (
        sizing,
        SettingChange("ec2", "instanceType", "m5.large", "r6i.large"),
    )
    same = LaunchSettings(instance_type="m5.large", target_instance_type_right_sizing_method="BASIC")
    assert changes(state, same) == (sizing,)


def test_a_static_address_brings_copy_private_ip_false_with_it(estate: Estate) -> None:
    (server,) = estate.servers(1)
    estate.drs.update_launch_configuration(sourceServerID=server, copyPrivateIp=True)
    wanted = LaunchSettings(static_private_ip="10.0.0.9", copy_private_ip=True)
    assert changes(estate.state(server), wanted) == (
        SettingChange("drs", "copyPrivateIp", True, False),
        SettingChange("ec2", "staticPrivateIp", None, "10.0.0.9"),
    )


def test_the_licence_is_told_by_its_path_in_the_manifest(estate: Estate) -> None:
    (server,) = estate.servers(1)
    wanted = LaunchSettings(licensing=Licensing(os_byol=True))
    assert changes(estate.state(server), wanted) == (SettingChange("drs", "licensing.osByol", False, True),)
    assert changes(estate.apply(estate.state(server), wanted), wanted) == ()


# ---- writing -----------------------------------------------------------------------------------------------------


def test_everything_at_once_takes_three_writing_calls_and_is_what_the_account_then_holds(estate: Estate) -> None:
    (server,) = estate.servers(1)
    before = estate.state(server)
    estate.calls.operations.clear()
    after = estate.apply(before, EVERYTHING)
    assert estate.calls.writes == ["UpdateLaunchConfiguration", "CreateLaunchTemplateVersion", "ModifyLaunchTemplate"]
    assert estate.state(server) == after
    assert changes(after, EVERYTHING) == ()
    assert after.default_version == 2
    (interface,) = after.template_data["NetworkInterfaces"]
    assert interface["PrivateIpAddress"] == "10.0.0.9"


def test_a_second_apply_writes_nothing(estate: Estate) -> None:
    servers = estate.servers(5)
    for state in estate.read(servers).values():
        estate.apply(state, EVERYTHING)
    estate.calls.operations.clear()
    for state in estate.read(servers).values():
        assert changes(state, EVERYTHING) == ()
        assert estate.apply(state, EVERYTHING) == state
    assert estate.calls.writes == []


def test_only_the_half_that_differs_is_written(estate: Estate) -> None:
    (server,) = estate.servers(1)
    state = estate.state(server)
    estate.calls.operations.clear()
    state = estate.apply(state, LaunchSettings(copy_tags=True))
    assert estate.calls.writes == ["UpdateLaunchConfiguration"]
    estate.calls.operations.clear()
    estate.apply(state, LaunchSettings(copy_tags=True, monitoring=True))
    assert estate.calls.writes == ["CreateLaunchTemplateVersion", "ModifyLaunchTemplate"]


def test_settings_of_drs_that_the_plan_does_not_name_stay(estate: Estate) -> None:
    (server,) = estate.servers(1)
    estate.drs.update_launch_configuration(sourceServerID=server, postLaunchEnabled=True, licensing={"osByol": True})
    estate.apply(estate.state(server), LaunchSettings(copy_tags=True))
    now = estate.drs.get_launch_configuration(sourceServerID=server)
    assert (now["copyTags"], now["postLaunchEnabled"], now["licensing"]) == (True, True, {"osByol": True})


def test_what_drs_owns_in_the_template_comes_through_unchanged(estate: Estate) -> None:
    (server,) = estate.servers(1)
    state = estate.state(server)
    owned = {
        "ImageId": "ami-0123456789abcdef0",
        "UserData": "IyEvYmluL3No",
        "KeyName": "key",
        "Placement": {"AvailabilityZone": "eu-west-1a", "Tenancy": "default"},
        "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 8, "VolumeType": "gp3"}}],
        "MetadataOptions": {"HttpTokens": "required"},
    }
    estate.someone_changes(state, **owned)
    estate.apply(estate.state(server), EVERYTHING)
    held = estate.default_data(state)
    assert {key: held[key] for key in owned} == owned


# ---- others who write at the same time ---------------------------------------------------------------------------


def test_a_template_that_moved_on_since_it_was_read_is_worked_from_as_it_is_now(
    estate: Estate, caplog: pytest.LogCaptureFixture
) -> None:
    (server,) = estate.servers(1)
    read = estate.state(server)
    estate.someone_changes(read, KeyName="theirs")
    with caplog.at_level(logging.INFO, "prefect_drs"):
        after = estate.apply(read, LaunchSettings(monitoring=True))
    assert after.default_version == 3
    assert estate.default_data(read)["KeyName"] == "theirs"
    assert estate.default_data(read)["Monitoring"] == {"Enabled": True}
    assert "moved from version 1 to 2" in caplog.text


def test_a_change_that_somebody_made_already_is_not_made_again(estate: Estate) -> None:
    (server,) = estate.servers(1)
    read = estate.state(server)
    estate.someone_changes(read, Monitoring={"Enabled": True})
    estate.calls.operations.clear()
    assert estate.apply(read, LaunchSettings(monitoring=True)).default_version == 2
    assert estate.calls.writes == []


def test_a_default_that_moves_while_a_version_is_written_is_not_overwritten(
    estate: Estate, caplog: pytest.LogCaptureFixture
) -> None:
    (server,) = estate.servers(1)
    read = estate.state(server)
    estate.calls.before("CreateLaunchTemplateVersion", lambda: estate.someone_changes(read, KeyName="theirs"))
    with caplog.at_level(logging.WARNING, "prefect_drs"):
        after = estate.apply(read, LaunchSettings(monitoring=True))
    held = estate.default_data(read)
    assert (held["KeyName"], held["Monitoring"]) == ("theirs", {"Enabled": True})
    assert estate.state(server) == after
    assert "starting over" in caplog.text


def test_a_version_that_somebody_adds_without_making_it_the_default_does_no_harm(estate: Estate) -> None:
    (server,) = estate.servers(1)
    read = estate.state(server)
    estate.calls.before(
        "CreateLaunchTemplateVersion", lambda: estate.someone_changes(read, make_default=False, KeyName="theirs")
    )
    after = estate.apply(read, LaunchSettings(monitoring=True))
    assert after.default_version == 3
    assert "KeyName" not in estate.default_data(read)


def test_a_template_that_others_never_stop_changing_is_given_up_and_said(estate: Estate) -> None:
    (server,) = estate.servers(1)
    read = estate.state(server)

    def interfere() -> None:
        estate.someone_changes(read, KeyName="theirs")
        estate.calls.before("CreateLaunchTemplateVersion", interfere)

    estate.calls.before("CreateLaunchTemplateVersion", interfere)
    with pytest.raises(AwsError, match=f"{read.template_id}.*changed by others 3 times"):
        estate.apply(read, LaunchSettings(monitoring=True))
    assert "Monitoring" not in estate.default_data(read)


def test_an_attached_network_interface_is_refused_before_anything_of_the_template_is_written(estate: Estate) -> None:
    (server,) = estate.servers(1)
    state = estate.state(server)
    estate.someone_changes(state, NetworkInterfaces=[{"DeviceIndex": 0, "NetworkInterfaceId": "eni-1"}])
    estate.calls.operations.clear()
    with pytest.raises(UsageError, match="eni-1"):
        estate.apply(estate.state(server), LaunchSettings(subnet_id=OTHER_SUBNET))
    assert estate.calls.writes == []
