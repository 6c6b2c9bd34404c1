"""The six kinds of events that DRS sends to EventBridge, and who they are of."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from moto.ec2.models import ec2_backends

from prefect_drs.simulator import DEFAULT_START

from .documented import EVENTS, documented
from .rig import ACCOUNT, REGION, Rig, hearing_drs

FAILBACK = "DRS Recovery Instance Failback State Change"
NETWORK = "DRS Source Network Protection Status Change"
RESULT = "DRS Source Network Recovery Result"
POINT = "DRS PIT Snapshot Taken"
LAUNCH = "DRS Source Server Launch Result"


def states(events: list[dict[str, Any]]) -> list[str]:
    return [event["detail"]["state"] for event in events]


@documented(EVENTS)
def test_every_event_names_its_account_its_region_and_its_resource(rig: Rig) -> None:
    heard = hearing_drs(rig, LAUNCH)
    (server,) = rig.seed()
    rig.launch([server])
    (event,) = heard()
    assert (event["account"], event["region"], event["source"]) == (ACCOUNT, REGION, "aws.drs")
    assert event["resources"] == [rig.server(server)["arn"]]


@documented(EVENTS)
def test_eventbridge_gets_an_event_for_each_point_in_time(rig: Rig) -> None:
    (continuous,) = rig.seed()
    (stopped,) = rig.seed(replication_state="STOPPED")
    heard = hearing_drs(rig, POINT)
    rig.drs.describe_source_servers()
    rig.advance(1_300)
    points = rig.drs.describe_recovery_snapshots(sourceServerID=continuous, order="DESC")["items"][:2]
    told = heard()
    assert stopped != continuous
    assert {event["resources"][0] for event in told} == {rig.server(continuous)["arn"]}
    assert [event["detail"]["snapshot-id"] for event in told] == [point["snapshotID"] for point in reversed(points)]
    times = [datetime.fromisoformat(event["time"]) for event in told]
    assert times == [DEFAULT_START + timedelta(seconds=600), DEFAULT_START + timedelta(seconds=1200)]


@documented(EVENTS)
def test_eventbridge_gets_an_event_with_each_failback_state(rig: Rig) -> None:
    heard = hearing_drs(rig, FAILBACK)
    (server,) = rig.seed()  # from outside AWS
    instance = rig.launch([server], drill=False)["participatingServers"][0]["recoveryInstanceID"]
    rig.backend.pair_failback_client(instance)
    rig.drs.start_failback_launch(recoveryInstanceIDs=[instance])
    rig.advance(3600)
    rig.drs.describe_jobs()
    told = heard()
    assert states(told) == [
        "FAILBACK_IN_PROGRESS",
        "FAILBACK_READY_FOR_LAUNCH",
        "FAILBACK_IN_PROGRESS",
        "FAILBACK_COMPLETED",
    ]
    assert {event["resources"][0].rsplit("/", 1)[-1] for event in told} == {instance}


def network(rig: Rig) -> str:
    """A protected source network."""
    vpc = rig.network()[0]
    made: str = rig.drs.create_source_network(originAccountID=ACCOUNT, originRegion=REGION, vpcID=vpc)[
        "sourceNetworkID"
    ]
    rig.drs.start_source_network_replication(sourceNetworkID=made)
    rig.advance(300)
    return made


@documented(EVENTS)
def test_eventbridge_gets_an_event_with_the_protection_status_of_a_source_network(rig: Rig) -> None:
    heard = hearing_drs(rig, NETWORK)
    rig.drs.stop_source_network_replication(sourceNetworkID=network(rig))
    assert states(heard()) == ["IN_PROGRESS", "PROTECTED", "STOPPED"]


@documented(EVENTS)
def test_eventbridge_gets_an_event_with_the_result_of_a_network_recovery(rig: Rig) -> None:
    heard = hearing_drs(rig, RESULT)
    made = network(rig)
    job = rig.drs.start_source_network_recovery(sourceNetworks=[{"sourceNetworkID": made}])["job"]["jobID"]
    rig.advance(3600)
    assert rig.job(job)["participatingResources"][0]["launchStatus"] == "LAUNCHED"
    (event,) = heard()
    assert event["detail"] == {"state": "SUCCESS", "job-id": job}


def test_a_network_that_ec2_refuses_fails_and_its_job_ends(rig: Rig) -> None:
    heard = hearing_drs(rig, RESULT)
    made = network(rig)
    (source,) = rig.drs.describe_source_networks()["items"]
    ec2_backends[ACCOUNT][REGION].vpcs[source["sourceVpcID"]].cidr_block = "no block"
    job = rig.drs.start_source_network_recovery(sourceNetworks=[{"sourceNetworkID": made}])["job"]["jobID"]
    rig.advance(3600)
    told = rig.job(job)
    assert (told["status"], told["participatingResources"][0]["launchStatus"]) == ("COMPLETED", "FAILED")
    assert "NETWORK_RECOVERY_FAIL" in rig.events(job)
    assert states(heard()) == ["FAIL"]


def test_a_target_that_moto_cannot_reach_never_fails_a_launch(rig: Rig) -> None:
    rig.client("events").put_rule(Name="drs", EventPattern=json.dumps({"source": ["aws.drs"]}))
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:none"
    rig.client("events").put_targets(Rule="drs", Targets=[{"Id": "function", "Arn": arn}])
    job = rig.launch(rig.seed())
    assert (job["status"], job["participatingServers"][0]["launchStatus"]) == ("COMPLETED", "LAUNCHED")
