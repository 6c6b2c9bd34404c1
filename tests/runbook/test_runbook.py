"""Resolving a plan on the simulator: who is in it, what would change, what refuses it; and nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from prefect_drs.aws.location import Location
from prefect_drs.core.errors import PreflightRefusedError
from prefect_drs.plan.model import Manifest
from prefect_drs.runbook import FindingSeverity, Runbook, resolve, runbook_json
from tests.rig import ACCOUNT, GIB, REGION, Rig, WaveSpec, simulated_aws

OTHER_ACCOUNT = "222222222222"


@pytest.fixture
def rig() -> Iterator[Rig]:
    with simulated_aws() as rig:
        yield rig


def seed(rig: Rig, hostname: str, **more: Any) -> str:
    """One source server in the rig's own region."""
    backend = rig.sandbox.backend(ACCOUNT, more.pop("region", REGION))
    if not backend.initialized:
        backend.initialize_service()
    disks = [{"deviceName": "/dev/sda1", "bytes": 40 * GIB}]
    server = backend.seed_source_server(hostname=hostname, ram_bytes=4 * GIB, cpus=2, disks=disks, **more)
    return str(server.server_id)


def manifest(*groups: dict[str, Any]) -> Manifest:
    """A group a wave, one after the other."""
    named = [{"groupName": f"group {number}", "region": REGION, **group} for number, group in enumerate(groups, 1)]
    waves = [
        {
            "waveNumber": number,
            "waveName": f"wave {number}",
            "groups": [group["groupName"]],
            "dependsOnWaves": [number - 1] if number > 1 else [],
        }
        for number, group in enumerate(named, 1)
    ]
    return Manifest.model_validate(
        {
            "schemaVersion": "1.1",
            "protectionGroups": named,
            "recoveryPlans": [{"planName": "plan", "waves": waves}],
        }
    )


def resolved(rig: Rig, *groups: dict[str, Any]) -> Runbook:
    read = manifest(*groups)
    return resolve(read, read.plan(), mode="drill", sessions=rig.sessions, clock=rig.clock)


def names(runbook: Runbook, wave: int = 1) -> list[str]:
    return [server.name for server in runbook.wave(wave).servers]


def changes(runbook: Runbook, name: str) -> dict[str, tuple[Any, Any]]:
    (server,) = (server for wave in runbook.waves for server in wave.servers if server.name == name)
    return {change.field: (change.before, change.after) for change in server.changes}


# Who is in it


def test_named_servers_are_taken_in_the_order_of_the_manifest(rig: Rig) -> None:
    ids = [seed(rig, name) for name in ("one", "two", "three")]
    runbook = resolved(rig, {"sourceServerIds": [ids[2], ids[0]]})
    assert names(runbook) == ["three", "one"]
    assert runbook.findings == ()
    assert runbook.locations == (Location(ACCOUNT, REGION),)


def test_tags_select_every_server_that_carries_all_of_them(rig: Rig) -> None:
    seed(rig, "both", tags={"tier": "web", "env": "prod"})
    seed(rig, "more", tags={"tier": "web", "env": "prod", "owner": "x"})
    seed(rig, "one", tags={"tier": "web"})
    seed(rig, "other", tags={"tier": "web", "env": "test"})
    runbook = resolved(rig, {"serverSelectionTags": {"tier": "web", "env": "prod"}})
    assert set(names(runbook)) == {"both", "more"}
    assert runbook.refusals == ()


def test_tags_that_select_nobody_refuse(rig: Rig) -> None:
    seed(rig, "web", tags={"tier": "web"})
    runbook = resolved(rig, {"serverSelectionTags": {"tier": "wbe"}})
    (finding,) = runbook.refusals
    assert finding.code == "NO_SERVER_MATCHES"
    assert "tier=wbe" in finding.message
    assert f"{ACCOUNT}/{REGION}" in finding.message


def test_waves_come_in_topological_order_with_the_jobs_they_need(rig: Rig) -> None:
    runbook = rig.runbook({1: WaveSpec(1, after=(3,)), 2: WaveSpec(120, after=(1,), gate=True), 3: WaveSpec(2)})
    assert [wave.wave_number for wave in runbook.waves] == [3, 1, 2]
    here = Location(ACCOUNT, REGION)
    assert runbook.wave(2).jobs == ((here, 100), (here, 20))
    assert [wave.gate for wave in runbook.waves] == [False, False, True]
    with pytest.raises(KeyError):
        runbook.wave(9)


# What would change


@pytest.mark.parametrize("reference", ["sourceServerId", "instanceId", "name"])
def test_a_servers_own_settings_are_found_by_each_of_its_names(reference: str, rig: Rig) -> None:
    instance = "i-0123456789abcdef0"
    server = seed(rig, "db", tags={"Name": "database-1"}, ec2_instance_id=instance)
    seed(rig, "db2")
    named = {"sourceServerId": server, "instanceId": instance, "name": "database-1"}[reference]
    runbook = resolved(
        rig,
        {
            "sourceServerIds": [server],
            "launchConfig": {"instanceType": "m6i.large"},
            "servers": [{reference: named, "launchTemplate": {"instanceType": "r6i.large"}}],
        },
    )
    (found,) = runbook.wave(1).servers
    assert found.settings.instance_type == "r6i.large"


def test_changes_are_told_from_what_the_account_holds_to_what_the_plan_wants(rig: Rig) -> None:
    server = seed(rig, "web")
    drs = rig.sessions.client("drs", region=REGION)
    drs.update_launch_configuration(sourceServerID=server, launchDisposition="STOPPED", copyTags=True)
    wanted = {"launchDisposition": "STARTED", "copyTags": True, "instanceType": "m6i.large"}
    runbook = resolved(rig, {"sourceServerIds": [server], "launchConfig": wanted})
    told = changes(runbook, "web")
    assert told["launchDisposition"] == ("STOPPED", "STARTED")
    assert told["instanceType"][1] == "m6i.large"
    assert told["instanceType"][0] != "m6i.large"
    assert "copyTags" not in told  # it is so already


def test_what_a_drill_has_set_is_no_change_any_more(rig: Rig) -> None:
    group = {
        "sourceServerIds": [seed(rig, "web")],
        "launchConfig": {"instanceType": "m6i.large", "copyTags": True, "tags": {"tier": "web"}},
    }
    assert changes(resolved(rig, group), "web").keys() >= {"instanceType", "copyTags", "tags"}
    rig.run(rig.engine(resolved(rig, group)))
    after = resolved(rig, group)
    assert changes(after, "web") == {}
    (finding,) = after.findings
    assert (finding.code, finding.severity) == ("RECOVERY_INSTANCE_EXISTS", FindingSeverity.INFO)
    assert after.require_accepted() is after


def test_resolving_changes_nothing(rig: Rig) -> None:
    server = seed(rig, "web")
    group = {"sourceServerIds": [server], "launchConfig": {"instanceType": "m6i.large", "copyTags": True}}
    drs = rig.sessions.client("drs", region=REGION)
    before = drs.get_launch_configuration(sourceServerID=server), drs.describe_source_servers()["items"]
    first, second = resolved(rig, group), resolved(rig, group)
    after = drs.get_launch_configuration(sourceServerID=server), drs.describe_source_servers()["items"]
    assert before[1] == after[1]
    for answer in (before[0], after[0]):
        answer.pop("ResponseMetadata")  # type: ignore[misc]
    assert before[0] == after[0]
    assert first == second


# What stands in the way


def test_servers_that_are_not_there_are_each_named(rig: Rig) -> None:
    missing = ["s-" + digit * 17 for digit in "01"]
    runbook = resolved(rig, {"sourceServerIds": [seed(rig, "web"), *missing]})
    assert [(finding.code, finding.source_server_id) for finding in runbook.refusals] == [
        ("SERVER_NOT_FOUND", server) for server in missing
    ]
    assert names(runbook) == ["web"]


@pytest.mark.parametrize(
    ("state", "codes"),
    [
        ("STALLED", ["NOT_REPLICATING"]),
        ("DISCONNECTED", ["NOT_REPLICATING"]),
        ("STOPPED", ["NOT_REPLICATING", "NO_SNAPSHOT"]),  # as seeded, nothing was ever replicated
        ("INITIAL_SYNC", ["NOT_REPLICATING", "NO_SNAPSHOT"]),
    ],
)
def test_a_server_that_is_not_ready_refuses(state: str, codes: list[str], rig: Rig) -> None:
    runbook = resolved(rig, {"sourceServerIds": [seed(rig, "web", replication_state=state)]})
    assert [finding.code for finding in runbook.refusals] == codes
    assert all(state in finding.message for finding in runbook.refusals)
    with pytest.raises(PreflightRefusedError, match="NOT_REPLICATING") as refused:
        runbook.require_accepted()
    assert refused.value.exit_code == 5
    assert refused.value.details["findings"][0]["code"] == "NOT_REPLICATING"


def test_a_server_in_two_groups_refuses(rig: Rig) -> None:
    server = seed(rig, "web")
    runbook = resolved(rig, {"sourceServerIds": [server]}, {"sourceServerIds": [server]})
    (finding,) = runbook.refusals
    assert finding.code == "SERVER_IN_TWO_GROUPS"
    assert "groups group 1 and group 2 (in wave 1 and in wave 2)" in finding.message


def test_tags_of_two_groups_that_select_one_server_refuse(rig: Rig) -> None:
    seed(rig, "both", tags={"tier": "web", "env": "prod"})
    runbook = resolved(rig, {"serverSelectionTags": {"tier": "web"}}, {"serverSelectionTags": {"env": "prod"}})
    (finding,) = runbook.refusals
    assert finding.code == "SERVER_IN_TWO_GROUPS"
    assert "both" in finding.message


def test_a_server_in_somebody_elses_job_refuses_until_that_is_over(rig: Rig) -> None:
    server = seed(rig, "web")
    drs = rig.sessions.client("drs", region=REGION)
    job = drs.start_recovery(sourceServers=[{"sourceServerID": server}], isDrill=True)["job"]["jobID"]
    runbook = resolved(rig, {"sourceServerIds": [server]})
    (finding,) = runbook.refusals
    assert finding.code == "SERVER_IN_ACTIVE_JOB"
    assert job in finding.message
    rig.clock.advance(6 * 3600)
    assert resolved(rig, {"sourceServerIds": [server]}).refusals == ()


def test_a_region_where_drs_was_never_initialised_is_unchecked_and_refuses(rig: Rig) -> None:
    runbook = resolved(
        rig, {"sourceServerIds": [seed(rig, "web")]}, {"region": "eu-west-1", "sourceServerIds": ["s-" + "0" * 17]}
    )
    (finding,) = runbook.refusals
    assert (finding.code, finding.region) == ("UNCHECKED", "eu-west-1")
    assert "initialise DRS" in finding.message
    assert names(runbook) == ["web"]  # what could be read is told all the same


@pytest.mark.parametrize("operation", ["DescribeSourceServers", "DescribeJobs", "GetLaunchConfiguration"])
def test_what_may_not_be_read_is_unchecked_and_refuses(operation: str, rig: Rig) -> None:
    server = seed(rig, "web")
    denied = {"effect": "error", "code": "AccessDeniedException", "message": f"not authorized to perform: {operation}"}
    rig.sandbox.faults.add({"kind": "operation", "operation": operation, **denied})
    runbook = resolved(rig, {"sourceServerIds": [server], "launchConfig": {"copyTags": True}})
    (finding,) = runbook.refusals
    assert finding.code == "UNCHECKED"
    assert f"{operation} failed in {ACCOUNT}/{REGION}" in finding.message


def test_an_account_that_lets_nobody_in_is_unchecked_and_refuses(rig: Rig) -> None:
    runbook = resolved(rig, {"accountId": OTHER_ACCOUNT, "sourceServerIds": ["s-" + "0" * 17]})
    (finding,) = runbook.refusals
    assert finding.code == "UNCHECKED"
    assert finding.account_id == OTHER_ACCOUNT
    assert "DRSOrchestrationRole" in finding.message


# Plain data


def test_it_serialises_and_reads_back_as_it_was(rig: Rig) -> None:
    runbook = resolved(
        rig,
        {"sourceServerIds": [seed(rig, "web")], "launchConfig": {"instanceType": "m6i.large", "tags": {"a": "b"}}},
        {"sourceServerIds": ["s-" + "0" * 17]},
    )
    assert Runbook.model_validate_json(runbook.model_dump_json(by_alias=True)) == runbook


def test_its_json_leaves_out_what_is_not_set_and_tells_the_jobs(rig: Rig) -> None:
    runbook = resolved(rig, {"sourceServerIds": [seed(rig, "web")], "launchConfig": {"instanceType": "m6i.large"}})
    data = runbook_json(runbook)
    (wave,) = data["waves"]
    assert wave["servers"][0]["settings"] == {"instanceType": "m6i.large"}
    assert wave["jobs"] == [{"accountId": ACCOUNT, "region": REGION, "servers": 1}]
    assert data["planName"] == "plan"
