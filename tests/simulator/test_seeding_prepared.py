"""Prepared instances of a plan are seeded with it: with the bindings, a recovery of the plan is refused by nothing."""

from __future__ import annotations

from typing import Any

import pytest

from prefect_drs.aws.sessions import Sessions
from prefect_drs.plan import check_values
from prefect_drs.runbook import Runbook, resolve
from prefect_drs.simulator import Sandbox, mock_drs
from prefect_drs.simulator.estate import estate_for
from prefect_drs.simulator.seeding import Seeded, seed_estate
from tests.rig import aws_environment

REGION = "us-east-1"
WAVE = {"waveName": "all", "waveNumber": 1}


def plan(**group: Any) -> dict[str, Any]:
    return {
        "schemaVersion": "1.1",
        "protectionGroups": [{"groupName": "web", "region": REGION, **group}],
        "recoveryPlans": [{"planName": "plan", "waves": [{**WAVE, "protectionGroupNames": ["web"]}]}],
    }


def entry(server: str, choice: Any) -> dict[str, Any]:
    return {"sourceServerId": server, "launchTemplate": {"launchIntoInstance": choice}}


SPELLINGS: dict[str, dict[str, Any]] = {
    "an id": plan(sourceServerIds=["one"], servers=[entry("one", "i-0123456789abcdef0")]),
    "a name": plan(sourceServerIds=["one"], servers=[entry("one", "one-prepared")]),
    "a tag and its value": plan(sourceServerIds=["one"], servers=[entry("one", {"tag": "role", "value": "db"})]),
    "the same Name, of listed servers": plan(
        sourceServerIds=["one", "two"], launchConfig={"launchIntoInstance": {"tag": "Name"}, "subnetId": "net-a"}
    ),
    "the same Name, of servers with a tag": plan(
        serverSelectionTags={"tier": "web"}, launchConfig={"launchIntoInstance": {"tag": "Name"}}
    ),
    "a table": plan(
        sourceServerIds=["one", "two"], launchConfig={"launchIntoInstance": {"table": {"one": "a", "two": "b"}}}
    ),
    "the bindings": plan(sourceServerIds=["one", "two"], launchConfig={"launchIntoInstance": {"fromBindings": True}}),
    "the bindings, of servers with a tag": plan(
        serverSelectionTags={"tier": "web"}, launchConfig={"launchIntoInstance": {"fromBindings": True}}
    ),
}


def seeded(values: dict[str, Any]) -> Seeded:
    reading = check_values(values, rehearsal=True)
    assert reading.errors == ()
    assert reading.manifest is not None
    return seed_estate(estate_for(reading.manifest))


def runbook(values: dict[str, Any], made: Seeded, sandbox: Sandbox) -> Runbook:
    bound = check_values(values, made.bindings)
    assert bound.errors == ()
    assert bound.manifest is not None
    return resolve(bound.manifest, bound.manifest.plan(), mode="recovery", sessions=Sessions(), clock=sandbox.clock)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_each_spelling_of_a_prepared_instance_is_seeded(spelling: str) -> None:
    with aws_environment(), mock_drs(default_images=False) as sandbox:
        made = seeded(SPELLINGS[spelling])
        assert made.remarks == ()
        book = runbook(SPELLINGS[spelling], made, sandbox)
        assert book.refusals == ()
        servers = book.waves[0].servers
        instances = {server.prepared.instance_id for server in servers if server.prepared}
        assert len(instances) == len(servers) > 0
        assert all(server.prepared and server.prepared.private_ip for server in servers)
        assert [region.new for region in seeded(SPELLINGS[spelling]).regions] == [0]
