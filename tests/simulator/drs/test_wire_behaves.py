"""The wire: initialisation, validation, pages, tags, throttling."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from prefect_drs.simulator import Rate, Throttle, mock_drs

from .documented import API, GUIDE, MODEL, documented
from .rig import REGION, Rig, refused

LAX = Config(retries={"total_max_attempts": 1}, parameter_validation=False)


def lax(rig: Rig) -> Any:
    """A client that sends what botocore's own would not."""
    return boto3.client("drs", region_name=rig.region, config=LAX)


@documented(GUIDE + "getting-started-initializing.html")
def test_an_account_must_be_initialised_once_in_each_region(rig: Rig) -> None:
    other = Rig(rig.sandbox, region="eu-west-1")
    with refused("UninitializedAccountException"):
        other.drs.describe_jobs()
    other.drs.initialize_service()
    other.drs.initialize_service()
    assert other.drs.describe_jobs()["items"] == []


@documented(MODEL + "SourceServerID")
def test_an_id_that_does_not_fit_its_pattern_is_refused_with_its_field(rig: Rig) -> None:
    with pytest.raises(ClientError) as refusal:
        rig.drs.get_launch_configuration(sourceServerID="x-" + "a" * 17)
    assert refusal.value.response["Error"]["Code"] == "ValidationException"
    assert refusal.value.response["reason"] == "fieldValidationFailed"
    assert [field["name"] for field in refusal.value.response["fieldList"]] == ["sourceServerID"]


@documented(MODEL + "required members")
def test_a_missing_required_member_is_refused(rig: Rig) -> None:
    with refused("ValidationException"):
        lax(rig).start_recovery()


@documented(MODEL + "LaunchDisposition")
def test_a_value_outside_its_enum_is_refused(rig: Rig) -> None:
    (server,) = rig.seed()
    with refused("ValidationException"):
        rig.drs.update_launch_configuration(sourceServerID=server, launchDisposition="HIBERNATED")


@documented(MODEL + "SmallBoundedString")
def test_a_text_that_is_too_long_is_refused(rig: Rig) -> None:
    (server,) = rig.seed()
    with refused("ValidationException"):
        rig.drs.update_launch_configuration(sourceServerID=server, name="n" * 129)


@documented(MODEL + "StrictlyPositiveInteger")
def test_a_page_of_no_items_is_refused(rig: Rig) -> None:
    with refused("ValidationException"):
        lax(rig).describe_jobs(maxResults=0)


@documented(API + "CommonErrors.html")
def test_a_body_that_is_not_json_is_refused(rig: Rig) -> None:
    from prefect_drs.simulator.drs.responses import DRSResponse

    class Garbage(DRSResponse):
        def setup_class(self, *args: Any, **kwargs: Any) -> None:
            super().setup_class(*args, **kwargs)
            self.body = "{no json"

    from moto.core.request import Request

    request = Request.from_primitives("POST", f"https://drs.{REGION}.amazonaws.com/DescribeJobs", {}, b"{}")
    status, headers, body = Garbage()._dispatch(request, request.raw_url, request.headers)
    assert status == 400
    assert headers["x-amzn-errortype"] == "ValidationException"
    assert '"cannotParse"' in str(body)


@documented(MODEL + "PaginationToken")
def test_pages_follow_one_another_without_gap_or_overlap(rig: Rig) -> None:
    ids = rig.seed(25)
    pages = list(rig.drs.get_paginator("describe_source_servers").paginate(PaginationConfig={"PageSize": 10}))
    assert [len(page["items"]) for page in pages] == [10, 10, 5]
    assert [s["sourceServerID"] for page in pages for s in page["items"]] == ids


@documented(MODEL + "PaginationToken")
def test_pages_of_jobs_hold_where_new_jobs_come_in_between(rig: Rig) -> None:
    ids = rig.seed(7)
    jobs = [rig.start([server])["jobID"] for server in ids[:6]]
    first = rig.drs.describe_jobs(maxResults=3)
    rig.start([ids[6]])
    second = rig.drs.describe_jobs(maxResults=3, nextToken=first["nextToken"])
    told = [job["jobID"] for job in first["items"] + second["items"]]
    assert told == jobs[::-1]
    assert "nextToken" not in second


@documented(API + "API_DescribeSourceServers.html")
def test_a_token_that_was_not_issued_is_refused(rig: Rig) -> None:
    with refused("ValidationException"):
        rig.drs.describe_source_servers(nextToken="bm9uZQ==")


@documented(API + "API_DescribeSourceServers.html")
def test_a_token_of_another_query_is_refused(rig: Rig) -> None:
    rig.seed(5)
    token = rig.drs.describe_source_servers(maxResults=2)["nextToken"]
    with refused("ValidationException"):
        rig.drs.describe_source_servers(maxResults=2, nextToken=token, filters={"hardwareId": "x"})
    with refused("ValidationException"):
        rig.drs.describe_recovery_instances(nextToken=token)


@documented(API + "API_TagResource.html")
def test_tags_are_added_overwritten_and_taken_away(rig: Rig) -> None:
    (server,) = rig.seed(tags={"a": "1", "b": "1"})
    arn = rig.server(server)["arn"]
    rig.drs.tag_resource(resourceArn=arn, tags={"b": "2", "c": "3"})
    rig.drs.untag_resource(resourceArn=arn, tagKeys=["a", "none"])
    assert rig.drs.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2", "c": "3"}
    assert rig.server(server)["tags"] == {"b": "2", "c": "3"}


@documented(API + "API_TagResource.html")
def test_a_resource_has_at_most_50_tags(rig: Rig) -> None:
    (server,) = rig.seed(tags={f"k{n}": "v" for n in range(50)})
    arn = rig.server(server)["arn"]
    rig.drs.tag_resource(resourceArn=arn, tags={"k1": "other"})
    with refused("ValidationException"):
        rig.drs.tag_resource(resourceArn=arn, tags={"k50": "v"})


@documented("https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html")
def test_tag_keys_that_begin_with_aws_are_reserved(rig: Rig) -> None:
    (server,) = rig.seed()
    with refused("ValidationException"):
        rig.drs.tag_resource(resourceArn=rig.server(server)["arn"], tags={"aws:owner": "x"})


@documented(API + "API_TagResource.html")
def test_a_tag_key_has_1_to_128_characters_and_a_value_up_to_256(rig: Rig) -> None:
    (server,) = rig.seed()
    arn = rig.server(server)["arn"]
    rig.drs.tag_resource(resourceArn=arn, tags={"k" * 128: "v" * 256, "empty": ""})
    for tags in ({"k" * 129: "v"}, {"": "v"}, {"k": "v" * 257}):
        with refused("ValidationException"):
            rig.drs.tag_resource(resourceArn=arn, tags=tags)
    assert set(rig.drs.list_tags_for_resource(resourceArn=arn)["tags"]) == {"k" * 128, "empty"}


@documented("https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html")
def test_tags_of_aws_do_not_count_against_the_50(rig: Rig) -> None:
    (server,) = rig.seed(tags={f"k{n}": "v" for n in range(49)} | {"aws:owner": "aws"})
    rig.drs.tag_resource(resourceArn=rig.server(server)["arn"], tags={"k49": "v"})


@documented(API + "API_TagResource.html")
def test_tags_of_a_missing_resource_are_not_found(rig: Rig) -> None:
    arn = f"arn:aws:drs:{REGION}:123456789012:source-server/s-{'a' * 17}"
    with refused("ResourceNotFoundException"):
        rig.drs.tag_resource(resourceArn=arn, tags={"a": "b"})


@documented(MODEL + "ThrottlingException")
def test_too_many_calls_are_throttled_with_a_time_to_retry() -> None:
    with mock_drs(throttle=Throttle(rates={"DescribeJobs": Rate(per_second=1, burst=3)})) as sandbox:
        rig = Rig(sandbox)
        rig.backend.initialize_service()
        for _ in range(3):
            rig.drs.describe_jobs()
        with pytest.raises(ClientError) as refusal:
            rig.drs.describe_jobs()
        assert refusal.value.response["Error"]["Code"] == "ThrottlingException"
        assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
        assert refusal.value.response["retryAfterSeconds"] == "1"
        rig.advance(2)
        rig.drs.describe_jobs()
        rig.drs.describe_source_servers()


@documented(MODEL + "LaunchConfigurationTemplateIDs")
def test_an_account_has_one_launch_configuration_template_in_a_region(rig: Rig) -> None:
    rig.drs.create_launch_configuration_template()
    with refused("ServiceQuotaExceededException"):
        rig.drs.create_launch_configuration_template()


@documented(GUIDE + "default-launch-settings.html")
def test_a_template_settles_the_launch_configuration_of_later_servers_only(rig: Rig) -> None:
    (before,) = rig.seed()
    rig.drs.create_launch_configuration_template(launchDisposition="STOPPED", copyPrivateIp=True)
    (after,) = rig.seed()
    told = [rig.drs.get_launch_configuration(sourceServerID=s)["launchDisposition"] for s in (before, after)]
    assert told == ["STARTED", "STOPPED"]


@documented(MODEL + "PITPolicy")
def test_a_point_in_time_policy_has_three_rules(rig: Rig) -> None:
    (server,) = rig.seed()
    rule = {"units": "DAY", "interval": 1, "retentionDuration": 1}
    with refused("ValidationException"):
        lax(rig).update_replication_configuration(sourceServerID=server, pitPolicy=[rule])


@documented(API + "API_PutLaunchAction.html")
def test_two_launch_actions_of_a_resource_do_not_share_an_order(rig: Rig) -> None:
    (server,) = rig.seed()
    action = {
        "resourceId": server, "actionCode": "AWS-RunShellScript", "order": 2, "optional": True, "active": True,
        "name": "a", "actionVersion": "1", "category": "OTHER", "description": "a",
    }  # fmt: skip
    rig.drs.put_launch_action(**action, actionId="11111111-1111-4111-8111-111111111111")
    with refused("ConflictException"):
        rig.drs.put_launch_action(**action, actionId="22222222-2222-4222-8222-222222222222")
