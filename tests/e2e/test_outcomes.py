"""How drills end and what they leave in DRS: a failed server, a rejected gate, a wave of 230, what `status` tells."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.rehearsal import COMMAND_SECONDS, Rehearsal, plan, until

pytestmark = pytest.mark.prefect


def waves(report: dict[str, Any]) -> dict[str, str]:
    return {wave["waveName"]: wave["status"] for wave in report["waves"]}


def jobs_by_wave(rehearsal: Rehearsal, region: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for job in rehearsal.jobs(region):
        found.setdefault(job["tags"]["prefect-drs:wave"], []).append(job)
    return found


def test_a_server_that_fails_in_wave_2_of_3_fails_its_wave_and_wave_3_is_skipped(rehearsal: Rehearsal) -> None:
    region = "ca-central-1"
    manifest = plan(region, {"Database": ["f-db1"], "Application": ["f-app1", "f-app2"], "Web": ["f-web1"]})
    file, bindings = rehearsal.seeded(manifest)
    fault = {"kind": "server", "region": region, "server": "f-app2", "stage": "conversion", "message": "disk full"}
    rehearsal.control("POST", "/faults", fault)

    drill = rehearsal.drill(file, bindings)
    assert drill.ended() == 3
    report = drill.report()

    assert report["status"] == "FAILED"
    assert waves(report) == {"Database": "COMPLETED", "Application": "FAILED", "Web": "SKIPPED"}
    database, application, web = report["waves"]
    assert web["jobs"] == []
    assert [server["launchStatus"] for server in web["servers"]] == ["PENDING"]
    assert web["reason"] == "wave 2 'Application' FAILED"
    failed = next(server for server in application["servers"] if server["launchStatus"] == "FAILED")
    assert failed["name"] == "f-app2"
    assert "CONVERSION_FAIL: disk full" in failed["error"]
    assert application["jobs"][0]["jobId"] in failed["error"]
    assert failed["sourceServerId"] in application["reason"]
    assert "error" not in database["servers"][0]
    assert {wave: len(jobs) for wave, jobs in jobs_by_wave(rehearsal, region).items()} == {"1": 1, "2": 1}
    assert "wave 3 SKIPPED: wave 2 'Application' FAILED" in drill.stderr
    assert "Traceback" not in drill.stderr


def test_a_gate_rejected_from_another_process_cancels_its_branch_and_the_rest_goes_on(rehearsal: Rehearsal) -> None:
    region = "eu-west-3"
    names = {"Database": ["r-db1"], "Application": ["r-app1"], "Web": ["r-web1"], "Reports": ["r-rep1"]}
    manifest = plan(region, names, gates=["Application"], after={"Reports": ["Database"]})
    drill = rehearsal.drill(*rehearsal.seeded(manifest))
    execution_id = drill.execution_id()
    drill.says(f"prefect-drs approve {execution_id} --wave 2")

    wrong = rehearsal.cli("approve", execution_id, "--wave", "3")
    assert wrong.returncode == 2
    assert "pending there: wave 2 'Application'" in wrong.stderr
    said = rehearsal.cli(
        "reject", execution_id, "--wave", "2", "--by", "Grace Hopper", "--comment", "the window is over"
    )
    assert said.returncode == 0, said.stderr
    assert said.stdout == f"rejected by Grace Hopper: wave 2 'Application' of execution {execution_id}\n"
    assert drill.ended() == 4
    report = drill.report()

    assert report["status"] == "PARTIAL"
    assert waves(report) == {
        "Database": "COMPLETED", "Application": "CANCELLED", "Web": "CANCELLED", "Reports": "COMPLETED",
    }  # fmt: skip
    rejected = next(wave for wave in report["waves"] if wave["waveName"] == "Application")
    assert rejected["reason"] == "rejected by Grace Hopper: the window is over"
    assert {key: rejected["approval"][key] for key in ("decision", "by", "comment")} == {
        "decision": "REJECTED", "by": "Grace Hopper", "comment": "the window is over",
    }  # fmt: skip
    assert jobs_by_wave(rehearsal, region).keys() == {"1", "4"}
    assert "Traceback" not in drill.stderr

    # the same, from any machine that reaches the Prefect API
    told = json.loads(rehearsal.cli("status", execution_id, "--json").stdout)
    assert (told.pop("waitingFor"), told.pop("process")["alive"]) == ([], False)
    assert told == report
    table = rehearsal.cli("status", execution_id).stdout
    assert "REJECTED by Grace Hopper" in table
    assert report["waves"][0]["servers"][0]["recoveryInstanceId"] in table
    row = next(line for line in rehearsal.cli("status").stdout.splitlines() if line.startswith(execution_id))
    assert row.split()[1] == "PARTIAL"
    assert "2/4" in row
    listed = json.loads(rehearsal.cli("status", "--json").stdout)
    assert report in listed


def test_status_tells_an_execution_that_waits_and_names_what_is_known_where_there_is_none(rehearsal: Rehearsal) -> None:
    region = "eu-north-1"
    drill = rehearsal.drill(*rehearsal.seeded(plan(region, {"Web": ["s-web1"]}, gates=["Web"])))
    execution_id = drill.execution_id()
    drill.says("waits for approval")

    def paused() -> dict[str, Any] | None:
        told = rehearsal.cli("status", execution_id, "--json")
        report = json.loads(told.stdout) if told.returncode == 0 else {}
        return report if report.get("status") == "PAUSED" else None

    assert until(paused, "status tells PAUSED", every=COMMAND_SECONDS)["waves"][0]["status"] == "PENDING"
    unknown = rehearsal.cli("status", "no-such-execution")
    assert unknown.returncode == 2
    assert execution_id in unknown.stderr
    assert rehearsal.cli("approve", execution_id, "--wave", "1", "--by", "Ada").returncode == 0
    assert drill.ended() == 0
    assert drill.report()["waves"][0]["approval"]["by"] == "Ada"


def test_a_wave_of_230_servers_runs_as_three_jobs_and_a_static_address_is_on_the_instance(rehearsal: Rehearsal) -> None:
    region = "me-south-1"
    manifest = plan(region, {"All": [f"many-{number:03d}" for number in range(230)]})
    group = manifest["protectionGroups"][0]
    group["launchConfig"] = {"subnetId": "net-many", "securityGroupIds": ["sgroup-many"], "instanceType": "m6i.large"}
    group["servers"] = [{"sourceServerId": "many-117", "launchTemplate": {"staticPrivateIp": "10.77.1.17"}}]
    file, bindings = rehearsal.seeded(manifest)
    drill = rehearsal.drill(file, bindings)
    assert drill.ended() == 0, drill.stderr
    (wave,) = drill.report()["waves"]

    jobs = rehearsal.jobs(region)
    assert {job["jobID"] for job in jobs} == {job["jobId"] for job in wave["jobs"]}
    assert len(jobs) == 3
    sizes = [len(job["participatingServers"]) for job in jobs]
    assert max(sizes) <= 100
    assert sum(sizes) == 230
    launched = [server["sourceServerID"] for job in jobs for server in job["participatingServers"]]
    assert len(set(launched)) == 230
    assert {job["tags"]["prefect-drs:batch"] for job in jobs} == {"1.1", "1.2", "1.3"}

    server = next(server for server in wave["servers"] if server["name"] == "many-117")
    drs, ec2 = rehearsal.client("drs", region), rehearsal.client("ec2", region)
    template_id = drs.get_launch_configuration(sourceServerID=server["sourceServerId"])["ec2LaunchTemplateID"]
    versions = ec2.describe_launch_template_versions(LaunchTemplateId=template_id)["LaunchTemplateVersions"]
    (default,) = (version for version in versions if version["DefaultVersion"])
    (interface,) = default["LaunchTemplateData"]["NetworkInterfaces"]
    assert interface["PrivateIpAddress"] == "10.77.1.17"
    (reservation,) = ec2.describe_instances(InstanceIds=[server["recoveryInstanceId"]])["Reservations"]
    (instance,) = reservation["Instances"]
    assert instance["PrivateIpAddress"] == "10.77.1.17"
    assert instance["InstanceType"] == "m6i.large"
    assert instance["SubnetId"] == interface["SubnetId"]

    # it was the default before the job: the template was last written before the launch was asked for
    log = rehearsal.control("GET", f"/requests?region={region}&writes=true&limit=100000")["requests"]
    operations = [entry["operation"] for entry in log]
    assert operations.count("StartRecovery") == 3
    assert "ModifyLaunchTemplate" in operations
    assert len(operations) - operations[::-1].index("ModifyLaunchTemplate") - 1 < operations.index("StartRecovery")
