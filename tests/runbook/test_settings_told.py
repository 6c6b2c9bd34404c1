"""What a finding on a launch setting tells, all of them at once, and where each value of a runbook comes from."""

from __future__ import annotations

import io
from datetime import timedelta

from rich.console import Console

from prefect_drs.report.dry_run import dry_run_view
from prefect_drs.runbook import Runbook, runbook_json
from prefect_drs.runbook.points import Points
from tests.rig import ACCOUNT, REGION
from tests.runbook.world import World, codes


def test_all_that_is_wrong_with_a_server_is_told_at_once_each_with_its_place_and_remedy(world: World) -> None:
    server = world.server("db")
    group = {
        "sourceServerIds": [server],
        "launchConfig": {
            "subnetId": world.subnet,
            "securityGroupIds": [world.security_group(world.other_vpc), "sg-" + "0" * 17],
            "instanceProfileName": "nobody",
        },
        "servers": [
            {"sourceServerId": server, "launchTemplate": {"staticPrivateIp": "10.9.1.1", "instanceType": "x9.huge"}}
        ],
    }
    runbook = world.resolve(group)
    assert codes(runbook) == [
        "SECURITY_GROUP_NOT_FOUND",
        "SECURITY_GROUP_IN_OTHER_VPC",
        "ADDRESS_RESERVED",
        "INSTANCE_TYPE_NOT_OFFERED",
        "INSTANCE_PROFILE_NOT_FOUND",
    ]
    for finding in runbook.findings:
        assert finding.message.startswith(f"db ({server}) in {ACCOUNT}/{REGION}: ")
    address = next(finding for finding in runbook.findings if finding.code == "ADDRESS_RESERVED")
    assert "staticPrivateIp 10.9.1.1 (from the server)" in address.message
    assert "use one from 10.9.1.4 to 10.9.1.254" in address.message
    profile = next(finding for finding in runbook.findings if finding.code == "INSTANCE_PROFILE_NOT_FOUND")
    assert "instanceProfileName nobody (from the group)" in profile.message


def test_what_the_launch_template_brings_is_checked_as_well(world: World) -> None:
    server = world.server()
    interface = {"DeviceIndex": 0, "SubnetId": world.subnet, "Groups": [world.security_group(world.other_vpc)]}
    world.template(server, InstanceType="m6i.large", NetworkInterfaces=[interface])
    (finding,) = world.resolve(server).refusals
    assert finding.code == "SECURITY_GROUP_IN_OTHER_VPC"
    assert "(from the account)" in finding.message


def test_the_same_address_in_two_vpcs_is_two_addresses(world: World) -> None:
    groups = []
    for name, subnet in (("one", world.subnet), ("two", world.make_subnet("10.9.1.0/24", world.twin_vpc))):
        server = world.server(name)
        own = {"sourceServerId": server, "launchTemplate": {"staticPrivateIp": "10.9.1.20", "subnetId": subnet}}
        groups.append({"sourceServerIds": [server], "servers": [own]})
    assert world.resolve(*groups).findings == ()


def test_a_server_for_which_a_point_in_time_was_chosen_is_not_asked_for_its_lag(world: World) -> None:
    server = world.server(lag="PT3H")
    assert codes(world.resolve(server, plan={"maxLag": "PT15M"})) == ["LAG_ABOVE_MAXIMUM"]
    chosen = Points.parse(f"{world.clock.now():%Y-%m-%dT%H:%M:%SZ}")
    assert codes(world.resolve(server, plan={"maxLag": "PT15M"}, points=chosen)) == []


def test_a_wave_may_allow_more_lag_than_its_plan(world: World) -> None:
    server = world.server(lag="PT3H")
    runbook = world.resolve(server, plan={"maxLag": "PT15M"}, wave={"maxLag": "PT4H"})
    assert codes(runbook) == []
    assert runbook.wave(1).max_lag == "PT4H"


def test_the_shortest_target_of_a_server_counts_and_neither_refuses(world: World) -> None:
    late, soon = world.server("late", lag="PT20M"), world.server("soon", lag="PT1M")
    runbook = world.resolve(late, soon, plan={"rpoTarget": "PT15M", "rtoTarget": "PT4H"}, wave={"rpoTarget": "PT10M"})
    (finding,) = runbook.findings
    assert finding.source_server_id == late
    assert f"late ({late})" in finding.message
    assert "the rpoTarget PT10M of wave 1 (wave 1)" in finding.message
    assert "PT20M" in finding.message
    assert runbook.refusals == ()
    assert (runbook.rto_target, runbook.rpo_target, runbook.wave(2).rpo_target) == ("PT4H", "PT15M", "PT10M")


def test_a_chosen_snapshot_is_compared_with_the_target_by_its_own_age(world: World) -> None:
    server = world.server(lag="PT3H")
    chosen = Points.parse(f"{world.clock.now() - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}")
    (finding,) = world.resolve(server, plan={"rpoTarget": "PT30M"}, points=chosen).findings
    assert finding.code == "RPO_TARGET_EXCEEDED"
    assert "its snapshot is of" in finding.message
    assert codes(world.resolve(server, plan={"rpoTarget": "P30D"}, points=chosen)) == []


def settled(world: World) -> Runbook:
    server = world.server()
    group = {
        "sourceServerIds": [server],
        "launchConfig": {"subnetId": world.subnet, "copyTags": True},
        "servers": [{"sourceServerId": server, "launchTemplate": {"staticPrivateIp": "10.9.1.20"}}],
    }
    return world.resolve(group)


def test_the_json_has_each_value_with_its_origin(world: World) -> None:
    (server,) = runbook_json(settled(world))["waves"][0]["servers"]
    found = {word: (value["value"], value["origin"]) for word, value in server["effective"].items()}
    assert found["subnetId"] == (world.subnet, "group")
    assert found["staticPrivateIp"] == ("10.9.1.20", "server")
    assert found["launchDisposition"] == ("STARTED", "account")
    assert found["copyPrivateIp"][0] is False


def test_the_terminal_has_a_line_for_each_origin(world: World) -> None:
    console = Console(file=io.StringIO(), width=200)
    console.print(dry_run_view(settled(world)))
    assert isinstance(console.file, io.StringIO)
    lines = [line.strip() for line in console.file.getvalue().splitlines()]
    assert "server: staticPrivateIp=10.9.1.20" in lines
    assert any(line.startswith("group: ") and f"subnetId={world.subnet}" in line for line in lines)
    assert any(line.startswith("account: ") and "launchDisposition=STARTED" in line for line in lines)
