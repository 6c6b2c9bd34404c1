"""The service itself: initialisation, tags, errors on the wire, accounts and regions beside each other."""

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from . import ACCOUNT_ID, REGION, initialized_client, source_server


@mock_aws
def test_describe_jobs_before_initialize_service():
    client = boto3.client("drs", region_name=REGION)
    with pytest.raises(ClientError) as exc:
        client.describe_jobs()
    assert exc.value.response["Error"]["Code"] == "UninitializedAccountException"
    assert exc.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@mock_aws
def test_initialize_service_creates_instance_profiles():
    initialized_client()
    names = {p["InstanceProfileName"] for p in boto3.client("iam").list_instance_profiles()["InstanceProfiles"]}
    assert "AWSElasticDisasterRecoveryRecoveryInstanceRole" in names
    assert len(names) == 4


@mock_aws
def test_initialize_service_twice():
    initialized_client()
    assert initialized_client().describe_source_servers()["items"] == []


@mock_aws
def test_tag_resource_and_untag_resource():
    client = initialized_client()
    arn = f"arn:aws:drs:{REGION}:{ACCOUNT_ID}:source-server/{source_server()}"
    client.tag_resource(resourceArn=arn, tags={"k1": "v1", "k2": "v2"})
    client.untag_resource(resourceArn=arn, tagKeys=["k1"])
    tags = client.list_tags_for_resource(resourceArn=arn)["tags"]
    assert tags["k2"] == "v2"
    assert "k1" not in tags


@mock_aws
def test_unknown_resource():
    client = initialized_client()
    with pytest.raises(ClientError) as exc:
        client.get_launch_configuration(sourceServerID="s-" + "0" * 17)
    err = exc.value.response["Error"]
    assert err["Code"] == "ResourceNotFoundException"
    assert exc.value.response["resourceType"] == "SourceServer"


@mock_aws
def test_regions_are_separate():
    initialized_client()
    source_server()
    other = initialized_client("eu-west-1")
    assert other.describe_source_servers()["items"] == []
