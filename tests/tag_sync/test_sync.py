"""A synchronisation on the simulator, by boto3 as on AWS."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from prefect_drs.aws.sessions import AccountAccess, Sessions
from prefect_drs.core.errors import UsageError
from prefect_drs.tag_sync import CopyTagsCache, TagRules, TagSyncResult
from tests.rig import ACCOUNT, REGION
from tests.tag_sync.conftest import ORIGIN, Estate

OTHER = "222222222222"


def test_tags_of_the_instance_come_onto_its_source_server_and_the_servers_own_stay(estate: Estate) -> None:
    server = estate.pair({"Name": "db01", "Environment": "prod"}, {"Owner": "ada", "Name": "old"})
    result = estate.sync(TagRules(mappings={"Environment": "DR-Environment"}))
    assert estate.tags(server) == {"Name": "db01", "DR-Environment": "prod", "Owner": "ada"}
    assert result.exit_code == 0
    assert (result.servers_processed, result.servers_changed, result.tags_synchronized) == (1, 1, 2)
    told = {(change.key, change.before, change.after) for change in result.changes if change.kind == "tag"}
    assert told == {("Name", "old", "db01"), ("DR-Environment", None, "prod")}


def test_copy_tags_is_switched_on_where_it_is_off_and_left_alone_otherwise(estate: Estate) -> None:
    off = estate.pair({"a": "1"}, {"a": "1"})
    on = estate.pair({"a": "1"}, {"a": "1"}, copy_tags=True)
    result = estate.sync()
    assert estate.copies_tags(off)
    assert estate.copies_tags(on)
    assert [(change.source_server_id, change.kind) for change in result.changes] == [(off, "copyTags")]
    assert result.writes == 1


def test_copy_tags_may_be_left_alone(estate: Estate) -> None:
    server = estate.pair({"a": "1"})
    result = estate.sync(TagRules(copy_tags=False))
    assert not estate.copies_tags(server)
    assert "drs:GetLaunchConfiguration" not in result.calls


def test_a_second_sync_with_nothing_changed_writes_nothing_and_asks_for_no_server_alone(estate: Estate) -> None:
    for number in range(5):
        estate.pair({"Name": f"app{number}"})
    cache = CopyTagsCache()
    estate.sync(cache=cache)
    before = len(estate.writes())
    second = estate.sync(cache=cache)
    assert estate.writes()[before:] == []
    assert second.writes == 0
    assert second.changes == ()
    assert second.calls == {"drs:DescribeSourceServers": 1, "ec2:DescribeInstances": 1}


def test_without_a_cache_every_launch_configuration_is_read_and_none_written(estate: Estate) -> None:
    estate.pair({"Name": "app"})
    estate.sync()
    second = estate.sync()
    assert second.calls["drs:GetLaunchConfiguration"] == 1
    assert second.writes == 0


def test_copy_tags_switched_off_by_somebody_is_found_within_a_day(estate: Estate) -> None:
    server = estate.pair({"Name": "app"})
    cache = CopyTagsCache()
    estate.sync(cache=cache)
    estate.client("drs", REGION).update_launch_configuration(sourceServerID=server, copyTags=False)
    estate.sandbox.clock.advance(timedelta(hours=25).total_seconds())
    assert estate.sync(cache=cache).copy_tags_switched_on == 1
    assert estate.copies_tags(server)


def test_one_call_writes_all_tags_of_a_server(estate: Estate) -> None:
    estate.pair({f"key-{number}": "x" for number in range(30)})
    result = estate.sync(TagRules(copy_tags=False))
    assert estate.writes() == ["TagResource"]
    assert result.tags_synchronized == 30


def test_200_instances_are_read_by_one_call(estate: Estate) -> None:
    answer = estate.client("ec2", ORIGIN).run_instances(ImageId="ami-12345678", MinCount=201, MaxCount=201)
    for instance in answer["Instances"]:
        estate.server(instance["InstanceId"])
    result = estate.sync(TagRules(copy_tags=False))
    assert result.servers_processed == 201
    assert result.calls == {"drs:DescribeSourceServers": 2, "ec2:DescribeInstances": 2}


def test_a_dry_run_tells_the_same_and_writes_nothing(estate: Estate) -> None:
    estate.pair({"Name": "a"}, {"DR-Old": "x"})
    estate.pair({"Name": "b"}, {"Name": "c"})
    rules = TagRules(mappings={"Old": "DR-Old"}, remove=True)
    cache = CopyTagsCache()
    planned = estate.sync(rules, dry_run=True, cache=cache)
    assert estate.writes() == []
    assert cache.to_json() == {}
    done = estate.sync(rules, cache=cache)
    assert planned.changes == done.changes
    assert (planned.dry_run, planned.writes, done.dry_run) == (True, 0, False)


def test_a_key_that_a_mapping_gives_is_taken_away_once_the_instance_has_no_such_tag(estate: Estate) -> None:
    instance = estate.instance({"Environment": "prod"})
    server = estate.server(instance, {"Owner": "ada"})
    rules = TagRules(mappings={"Environment": "DR-Environment"}, remove=True)
    estate.sync(rules)
    estate.client("ec2", ORIGIN).delete_tags(Resources=[instance], Tags=[{"Key": "Environment"}])
    result = estate.sync(rules)
    assert estate.tags(server) == {"Owner": "ada"}
    assert result.tags_removed == 1


def test_without_removal_and_of_keys_that_no_mapping_names_nothing_is_ever_taken_away(estate: Estate) -> None:
    server = estate.pair({}, {"Environment": "prod", "DR-Environment": "prod"})
    estate.sync(TagRules(mappings={"Environment": "DR-Environment"}))
    estate.sync(TagRules(remove=True))
    assert estate.tags(server) == {"Environment": "prod", "DR-Environment": "prod"}
    assert "UntagResource" not in estate.writes()


def test_nothing_is_taken_away_from_a_server_whose_instance_is_gone(estate: Estate) -> None:
    instance = estate.instance({"Environment": "prod"})
    server = estate.server(instance, {"DR-Environment": "prod"})
    estate.client("ec2", ORIGIN).terminate_instances(InstanceIds=[instance])
    result = estate.sync(TagRules(mappings={"Environment": "DR-Environment"}, remove=True))
    assert estate.tags(server) == {"DR-Environment": "prod"}
    assert [(skip.code, skip.servers) for skip in result.skipped] == [("INSTANCE_NOT_FOUND", 1)]
    assert result.exit_code == 0


def test_a_server_that_is_no_instance_is_passed_by_and_said(estate: Estate) -> None:
    server = estate.server(None, {"Owner": "ada"})
    result = estate.sync()
    assert estate.tags(server) == {"Owner": "ada"}
    assert [(skip.code, skip.servers) for skip in result.skipped] == [("NOT_AN_EC2_INSTANCE", 1)]


def test_an_instance_is_read_in_the_account_and_region_it_runs_in(estate: Estate) -> None:
    estate.role(OTHER)
    instance = estate.instance({"Name": "far"}, region="eu-west-1", account=OTHER)
    server = estate.server(instance, origin=(OTHER, "eu-west-1"))
    assert estate.sync().errors == ()
    assert estate.tags(server) == {"Name": "far"}


def test_regions_are_found_out_and_those_without_drs_are_no_failure(estate: Estate) -> None:
    estate.pair({"Name": "a"}, region="us-west-2")
    estate.pair({"Name": "b"}, region="eu-central-1")
    result = estate.sync(regions=())
    assert result.regions == ("eu-central-1", "us-west-2")
    assert result.servers_changed == 2
    assert {skip.code for skip in result.skipped} == {"DRS_NOT_INITIALIZED"}
    assert result.exit_code == 0


def test_an_account_is_asked_in_the_regions_that_its_block_names_only(estate: Estate) -> None:
    there, elsewhere = estate.pair({"Name": "a"}, region="us-west-2"), estate.pair({"Name": "b"}, region="eu-west-1")
    estate.sync(regions=(), accounts=[AccountAccess(ACCOUNT, regions=("us-west-2",))])
    assert estate.tags(there) == {"Name": "a"}
    assert estate.tags(elsewhere, "eu-west-1") == {}


def test_a_region_that_drs_is_not_in_is_refused(estate: Estate) -> None:
    with pytest.raises(UsageError, match="no region mars-east-1"):
        estate.sync(regions=("mars-east-1",))


def test_two_dead_regions_and_an_account_without_its_role_leave_the_rest_synchronised(estate: Estate) -> None:
    regions = ("us-west-2", "eu-west-1", "eu-central-1", "ap-south-1")
    servers = {region: estate.pair({"Name": region}, region=region) for region in regions}
    estate.pair({"Name": "closed"}, account=OTHER)  # and no role
    for region in ("eu-west-1", "ap-south-1"):
        estate.sandbox.faults.add({"kind": "region", "region": region})
    accounts = [AccountAccess(ACCOUNT), AccountAccess(OTHER)]
    result = estate.sync(regions=regions, accounts=accounts)
    estate.sandbox.faults.clear()
    assert {region: estate.tags(server, region) for region, server in servers.items()} == {
        "us-west-2": {"Name": "us-west-2"},
        "eu-central-1": {"Name": "eu-central-1"},
        "eu-west-1": {},
        "ap-south-1": {},
    }
    assert result.exit_code == 3
    assert [(failure.account_id, failure.region, failure.code) for failure in result.failures] == [
        (ACCOUNT, "ap-south-1", "AWS_UNREACHABLE"),
        (ACCOUNT, "eu-west-1", "AWS_UNREACHABLE"),
        (OTHER, None, "ROLE_ASSUMPTION_FAILED"),
    ]
    assert all(failure.remedy for failure in result.failures)


def test_with_the_callers_own_region_dead_the_others_are_synchronised(estate: Estate) -> None:
    server = estate.pair({"Name": "a"}, region="eu-west-1")
    estate.sandbox.faults.add({"kind": "region", "region": REGION})
    result = estate.sync(regions=(REGION, "eu-west-1"))
    assert estate.tags(server, "eu-west-1") == {"Name": "a"}
    assert [failure.place for failure in result.failures] == [f"{ACCOUNT}/{REGION}"]


def test_an_account_whose_role_is_denied_is_not_asked_in_every_region(estate: Estate) -> None:
    result = estate.sync(regions=(), accounts=[AccountAccess(OTHER)], workers=1)
    assert len(result.failures) == 1
    assert result.calls == {}


def test_the_origins_failure_is_told_where_it_happened_and_the_servers_are_left_alone(estate: Estate) -> None:
    estate.role(OTHER, missing_actions=["ec2:DescribeInstances"])
    instance = estate.instance({"Name": "far"}, region="eu-west-1", account=OTHER)
    server = estate.server(instance, origin=(OTHER, "eu-west-1"))
    result = estate.sync()
    assert estate.tags(server) == {}
    assert [(failure.place, failure.code) for failure in result.failures] == [
        (f"{OTHER}/eu-west-1", "AUTHORIZATION_ERROR")
    ]
    assert [(skip.region, skip.code, skip.servers) for skip in result.skipped] == [(REGION, "INSTANCES_NOT_READ", 1)]


def test_a_region_that_is_not_enabled_is_passed_by_and_said(estate: Estate) -> None:
    estate.pair({"Name": "a"})
    estate.sandbox.faults.add({"kind": "opt-in", "region": "ap-east-1"})
    result = estate.sync(regions=(REGION, "ap-east-1"))
    assert result.exit_code == 0
    assert [(skip.region, skip.code) for skip in result.skipped] == [("ap-east-1", "REGION_NOT_ENABLED")]


def test_a_server_that_is_refused_is_named_and_the_others_go_on(estate: Estate) -> None:
    full = estate.pair({"Name": "full"}, {f"own-{number}": "x" for number in range(50)})
    other = estate.pair({"Name": "other"})
    result = estate.sync()
    assert estate.tags(other) == {"Name": "other"}
    assert [(fault.source_server_id, fault.code) for fault in result.faults] == [(full, "TAG_LIMIT_EXCEEDED")]
    assert result.exit_code == 3
    assert full in result.errors[0]


def test_a_server_of_an_active_change_is_a_fault_of_its_own(estate: Estate) -> None:
    server = estate.pair({"Name": "a"})
    estate.sandbox.faults.add(
        {
            "kind": "operation",
            "operation": "UpdateLaunchConfiguration",
            "effect": "error",
            "code": "ConflictException",
            "message": "A job runs.",
            "times": 1,
        }
    )
    result = estate.sync()
    assert estate.tags(server) == {"Name": "a"}
    assert [fault.code for fault in result.faults] == ["CONFLICT_ERROR"]
    assert estate.sync().copy_tags_switched_on == 1


def test_a_permission_that_lacks_stops_that_step_in_that_place_and_tags_go_on(estate: Estate) -> None:
    servers = [estate.pair({"Name": f"app{number}"}) for number in range(10)]
    estate.sandbox.faults.add(
        {
            "kind": "operation",
            "operation": "GetLaunchConfiguration",
            "effect": "error",
            "code": "AccessDeniedException",
            "message": "not allowed",
        }
    )
    result = estate.sync(workers=1)
    estate.sandbox.faults.clear()
    assert [estate.tags(server)["Name"] for server in servers] == [f"app{number}" for number in range(10)]
    assert [failure.code for failure in result.failures] == ["AUTHORIZATION_ERROR"]
    assert result.calls["drs:GetLaunchConfiguration"] == 1
    assert [(skip.code, skip.servers) for skip in result.skipped] == [("NOT_WRITTEN", 10)]


def test_a_region_that_dies_while_it_is_written_to_ends_its_own_work_only(estate: Estate) -> None:
    for number in range(8):
        estate.pair({"Name": f"dying{number}"}, region="us-west-2")
    living = estate.pair({"Name": "living"}, region="eu-west-1")
    estate.sandbox.faults.add(
        {"kind": "operation", "operation": "TagResource", "region": "us-west-2", "effect": "time-out"}
    )
    result = estate.sync(regions=("us-west-2", "eu-west-1"), workers=1)
    assert estate.tags(living, "eu-west-1") == {"Name": "living"}
    assert [(failure.region, failure.code) for failure in result.failures] == [("us-west-2", "AWS_UNREACHABLE")]
    assert {(skip.reason, skip.servers) for skip in result.skipped} == {
        ("tags not written: AWS_UNREACHABLE", 8),
        ("copyTags not written: AWS_UNREACHABLE", 8),
    }
    assert result.calls["drs:TagResource"] == 1


def test_throttling_is_waited_out(estate: Estate) -> None:
    server = estate.pair({"Name": "a"})
    estate.sandbox.faults.add({"kind": "operation", "operation": "TagResource", "effect": "throttle", "times": 1})
    result = estate.sync(sessions=Sessions())
    assert result.exit_code == 0
    assert result.calls["drs:TagResource"] == 2  # the one that was refused is counted too
    assert estate.tags(server) == {"Name": "a"}


def test_the_result_is_json_and_comes_back(estate: Estate) -> None:
    estate.pair({"Name": "a"})
    result = estate.sync()
    told = json.loads(result.to_json())
    assert {"startedAt", "serversProcessed", "tagsSynchronized", "dryRun", "changes", "failures"} <= told.keys()
    assert TagSyncResult.model_validate_json(result.to_json()) == result


def test_the_order_of_the_result_does_not_depend_on_the_threads(estate: Estate) -> None:
    for number in range(12):
        estate.pair({"Name": f"app{number}", "b": "1"}, region=("us-west-2", "eu-west-1")[number % 2])
    first = estate.sync(dry_run=True, workers=8, regions=("us-west-2", "eu-west-1"))
    again = estate.sync(dry_run=True, workers=1, regions=("us-west-2", "eu-west-1"))
    assert first.changes == again.changes
