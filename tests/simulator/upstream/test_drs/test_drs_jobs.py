"""Jobs: recoveries and drills, their log and their instances, terminations, quotas and conflicts."""

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from . import REGION, initialized_client, source_server, stepped_clock


def start(client, *server_ids, **more):
    servers = [{"sourceServerID": server_id} for server_id in server_ids]
    return client.start_recovery(sourceServers=servers, **more)["job"]


def launched(client, clock, *server_ids, **more):
    job = start(client, *server_ids, **more)
    clock.advance(hours=4)
    (ended,) = client.describe_jobs(filters={"jobIDs": [job["jobID"]]})["items"]
    return ended


@mock_aws
def test_start_recovery():
    client = initialized_client()
    server_id = source_server()
    job = start(client, server_id, isDrill=True, tags={"k": "v"})
    assert job["status"] == "PENDING"
    assert job["type"] == "LAUNCH"
    assert job["initiatedBy"] == "START_DRILL"
    assert job["tags"] == {"k": "v"}
    assert job["participatingServers"][0]["sourceServerID"] == server_id


@mock_aws
def test_start_recovery_of_a_server_in_an_active_job():
    client = initialized_client()
    server_id = source_server()
    start(client, server_id)
    with pytest.raises(ClientError) as exc:
        start(client, server_id)
    assert exc.value.response["Error"]["Code"] == "ConflictException"


@mock_aws
def test_start_recovery_of_more_than_100_servers():
    client = initialized_client()
    ids = [source_server(f"web{number:03}") for number in range(101)]
    with pytest.raises(ClientError) as exc:
        start(client, *ids)
    assert exc.value.response["Error"]["Code"] == "ServiceQuotaExceededException"


@mock_aws
def test_job_completes():
    with stepped_clock() as clock:
        client = initialized_client()
        job = launched(client, clock, source_server())
        assert job["status"] == "COMPLETED"
        assert job["participatingServers"][0]["launchStatus"] == "LAUNCHED"
        assert job["endDateTime"] > job["creationDateTime"]


@mock_aws
def test_describe_job_log_items():
    with stepped_clock() as clock:
        client = initialized_client()
        job = launched(client, clock, source_server())
        events = [item["event"] for item in client.describe_job_log_items(jobID=job["jobID"])["items"]]
        assert events[0] == "JOB_START"
        assert events[-1] == "JOB_END"
        assert events.index("SNAPSHOT_START") < events.index("CONVERSION_START") < events.index("LAUNCH_START")


@mock_aws
def test_recovery_instance_is_an_ec2_instance():
    with stepped_clock() as clock:
        client = initialized_client()
        launched(client, clock, source_server(tags={"Team": "shop"}), isDrill=True)
        (recovered,) = client.describe_recovery_instances()["items"]
        assert recovered["isDrill"] is True
        ec2 = boto3.client("ec2", region_name=REGION)
        found = ec2.describe_instances(InstanceIds=[recovered["ec2InstanceID"]])["Reservations"][0]["Instances"][0]
        assert found["State"]["Name"] == "running"
        assert len(found["BlockDeviceMappings"]) == 1


@mock_aws
def test_failed_launch_does_not_fail_the_job():
    with stepped_clock() as clock:
        client = initialized_client()
        good, bad = source_server("web1"), source_server("web2")
        template = client.get_launch_configuration(sourceServerID=bad)["ec2LaunchTemplateID"]
        boto3.client("ec2", region_name=REGION).delete_launch_template(LaunchTemplateId=template)
        job = launched(client, clock, good, bad)
        status = {each["sourceServerID"]: each["launchStatus"] for each in job["participatingServers"]}
        assert job["status"] == "COMPLETED"
        assert status == {good: "LAUNCHED", bad: "FAILED"}


@mock_aws
def test_terminate_recovery_instances():
    with stepped_clock() as clock:
        client = initialized_client()
        job = launched(client, clock, source_server())
        instance = job["participatingServers"][0]["recoveryInstanceID"]
        ended = client.terminate_recovery_instances(recoveryInstanceIDs=[instance])["job"]
        assert ended["type"] == "TERMINATE"
        clock.advance(hours=1)
        assert client.describe_recovery_instances()["items"] == []
        found = boto3.client("ec2", region_name=REGION).describe_instances(InstanceIds=[instance])
        assert found["Reservations"][0]["Instances"][0]["State"]["Name"] == "terminated"


@mock_aws
def test_delete_job():
    with stepped_clock() as clock:
        client = initialized_client()
        server_id = source_server()
        active = start(client, server_id)
        with pytest.raises(ClientError) as exc:
            client.delete_job(jobID=active["jobID"])
        assert exc.value.response["Error"]["Code"] == "ConflictException"
        clock.advance(hours=4)
        client.delete_job(jobID=active["jobID"])
        assert client.describe_jobs()["items"] == []
