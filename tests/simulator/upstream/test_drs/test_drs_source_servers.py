"""Source servers: what they show, pages and filters, replication, snapshots, settings, the end of their life."""

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from . import ACCOUNT_ID, REGION, initialized_client, source_server


@mock_aws
def test_describe_source_servers():
    client = initialized_client()
    server_id = source_server("db01")
    (server,) = client.describe_source_servers()["items"]
    assert server["sourceServerID"] == server_id
    assert server["arn"] == f"arn:aws:drs:{REGION}:{ACCOUNT_ID}:source-server/{server_id}"
    assert server["sourceProperties"]["identificationHints"]["hostname"] == "db01"
    assert server["dataReplicationInfo"]["dataReplicationState"] == "CONTINUOUS"


@mock_aws
def test_describe_source_servers_paginated():
    client = initialized_client()
    ids = [source_server(f"web{number}") for number in range(5)]
    pages = list(client.get_paginator("describe_source_servers").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["items"]) for page in pages] == [2, 2, 1]
    assert {server["sourceServerID"] for page in pages for server in page["items"]} == set(ids)


@mock_aws
def test_describe_source_servers_filtered():
    client = initialized_client()
    source_server("web1")
    wanted = source_server("web2")
    found = client.describe_source_servers(filters={"sourceServerIDs": [wanted]})["items"]
    assert [server["sourceServerID"] for server in found] == [wanted]


@mock_aws
def test_describe_recovery_snapshots():
    client = initialized_client()
    snapshots = client.describe_recovery_snapshots(sourceServerID=source_server(), order="DESC")["items"]
    assert snapshots[0]["timestamp"] > snapshots[-1]["timestamp"]
    assert len(snapshots[0]["ebsSnapshots"]) == 1


@mock_aws
def test_stop_and_start_replication():
    client = initialized_client()
    server_id = source_server()
    stopped = client.stop_replication(sourceServerID=server_id)["sourceServer"]
    assert stopped["dataReplicationInfo"]["dataReplicationState"] == "STOPPED"
    started = client.start_replication(sourceServerID=server_id)["sourceServer"]
    assert started["dataReplicationInfo"]["dataReplicationState"] != "STOPPED"


@mock_aws
def test_delete_source_server_has_to_be_disconnected():
    client = initialized_client()
    server_id = source_server()
    with pytest.raises(ClientError) as exc:
        client.delete_source_server(sourceServerID=server_id)
    assert exc.value.response["Error"]["Code"] == "ConflictException"
    client.disconnect_source_server(sourceServerID=server_id)
    client.delete_source_server(sourceServerID=server_id)
    assert client.describe_source_servers()["items"] == []


@mock_aws
def test_update_launch_configuration():
    client = initialized_client()
    server_id = source_server()
    client.update_launch_configuration(sourceServerID=server_id, launchDisposition="STOPPED")
    settings = client.get_launch_configuration(sourceServerID=server_id)
    assert settings["launchDisposition"] == "STOPPED"
    templates = boto3.client("ec2", region_name=REGION).describe_launch_templates()["LaunchTemplates"]
    assert [template["LaunchTemplateId"] for template in templates] == [settings["ec2LaunchTemplateID"]]


@mock_aws
def test_update_launch_configuration_invalid_value():
    client = initialized_client()
    with pytest.raises(ClientError) as exc:
        client.update_launch_configuration(sourceServerID=source_server(), launchDisposition="ASLEEP")
    assert exc.value.response["Error"]["Code"] == "ValidationException"
    assert exc.value.response["fieldList"][0]["name"] == "launchDisposition"


@mock_aws
def test_create_launch_configuration_template_once():
    client = initialized_client()
    client.create_launch_configuration_template(copyTags=True)
    assert len(client.describe_launch_configuration_templates()["items"]) == 1
    with pytest.raises(ClientError) as exc:
        client.create_launch_configuration_template()
    assert exc.value.response["Error"]["Code"] == "ServiceQuotaExceededException"
