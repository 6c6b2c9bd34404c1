"""Ids, times and members in the form that recordings of AWS's answers hold."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from .documented import API, documented
from .rig import Rig

RECORDED = "recording of DRS, "
ID = re.compile(r"[a-z]+-[0-9a-zA-Z]{17}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")


def texts(value: Any) -> list[str]:
    """All texts of an answer."""
    if isinstance(value, dict):
        return [text for each in value.values() for text in texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in texts(each)]
    return [value] if isinstance(value, str) else []


def answers(rig: Rig) -> list[dict[str, Any]]:
    """What DRS answers about a server and its launch."""
    (server,) = rig.seed(source_account=rig.account, source_region="us-west-2", private_ips=["10.0.0.5"])
    started = rig.start([server])
    rig.advance(3600)
    return [
        started,
        rig.job(started["jobID"]),
        rig.server(server),
        *rig.drs.describe_job_log_items(jobID=started["jobID"])["items"],
        *rig.drs.describe_recovery_snapshots(sourceServerID=server)["items"],
        *rig.drs.describe_recovery_instances()["items"],
    ]


@documented(RECORDED + "ids of source servers, jobs, points in time and snapshots")
def test_ids_are_lower_case_hexadecimal(rig: Rig) -> None:
    found = {text for answer in answers(rig) for text in texts(answer) if ID.fullmatch(text)}
    assert {one.partition("-")[0] for one in found} >= {"s", "drsjob", "pit", "snap", "i", "vol"}
    assert [one for one in found if not re.fullmatch(r"[a-z]+-[0-9a-f]{17}", one)] == []


@documented(RECORDED + "creationDateTime, timestamp, logDateTime")
def test_times_end_in_an_offset_and_have_microseconds(rig: Rig) -> None:
    found = {text for answer in answers(rig) for text in texts(answer) if re.match(r"\d{4}-\d\d-\d\dT", text)}
    assert found
    assert [one for one in found if not TIME.fullmatch(one)] == []


@documented(API + "API_DescribeJobs.html")
def test_a_time_that_drs_sent_can_be_used_in_a_filter(rig: Rig) -> None:
    job = rig.start(rig.seed())
    at = job["creationDateTime"]
    for text in (at, datetime.fromisoformat(at).strftime("%Y-%m-%dT%H:%M:%SZ")):
        found = rig.drs.describe_jobs(filters={"fromDate": text, "toDate": text})["items"]
        assert [one["jobID"] for one in found] == [job["jobID"]]


@documented(RECORDED + "StartRecovery")
def test_a_new_job_has_empty_lists_of_resources_and_of_action_runs(rig: Rig) -> None:
    job = rig.start(rig.seed())
    assert job["participatingResources"] == []
    assert job["participatingServers"][0]["launchActionsStatus"] == {"runs": []}


@documented(RECORDED + "DescribeSourceServers")
def test_a_source_server_tells_its_network_card_its_processor_and_its_zone(rig: Rig) -> None:
    (server,) = rig.seed(source_account=rig.account, source_region="us-west-2", private_ips=["10.0.0.5"])
    told = rig.server(server)
    assert re.fullmatch(
        r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", told["sourceProperties"]["networkInterfaces"][0]["macAddress"]
    )
    assert told["sourceProperties"]["cpus"][0]["modelName"].startswith("Intel")
    assert told["sourceCloudProperties"]["originAvailabilityZone"] == "us-west-2a"


@documented(RECORDED + "DescribeRecoveryInstances")
def test_a_recovery_instance_tells_its_network_card_and_its_processor(rig: Rig) -> None:
    (server,) = rig.seed()
    instance = rig.launch([server])["participatingServers"][0]["recoveryInstanceID"]
    properties = rig.drs.describe_recovery_instances()["items"][0]["recoveryInstanceProperties"]
    nic = rig.instance(instance)["NetworkInterfaces"][0]
    assert properties["networkInterfaces"] == [
        {"macAddress": nic["MacAddress"], "ips": [nic["PrivateIpAddress"]], "isPrimary": True}
    ]
    assert properties["cpus"][0]["modelName"].startswith("Intel")
