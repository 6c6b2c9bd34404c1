"""The examples' automations on a real Prefect server: events start flow runs, which do what they are for."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from ruamel.yaml import YAML

from tests.conftest import PrefectServer
from tests.e2e.rehearsal import ACCOUNT, HTTP, ROOT, Rehearsal, plan, until

EXAMPLES = ROOT / "examples/automations"
REGION = "us-west-1"
STALLED = {  # as EventBridge delivers it
    "version": "0",
    "id": "9da9af57-9253-4406-87cb-7cc400e43465",
    "detail-type": "DRS Source Server Data Replication Stalled Change",
    "source": "aws.drs",
    "account": ACCOUNT,
    "time": "2026-11-25T01:02:03Z",
    "region": "us-west-2",
    "resources": [f"arn:aws:drs:us-west-2:{ACCOUNT}:source-server/s-12345678901234567"],
    "detail": {"state": "STALLED"},
}


class Automated:
    """The deployments of the examples, on a Prefect server."""

    def __init__(self, rehearsal: Rehearsal, api: str, manifest: Path, bindings: Path) -> None:
        self.rehearsal, self.api = rehearsal, api
        self.estate = {"manifest": str(manifest), "bindings": str(bindings)}
        self.deployments: dict[str, dict[str, Any]] = {}

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        def once() -> httpx.Response | None:
            answer = HTTP.request(method, f"{self.api}{path}", json=body, timeout=60)
            return None if answer.status_code == 503 else answer  # SQLite was busy

        answer = until(once, f"{method} {path} is answered")
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def prefect(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.rehearsal.prefect(*arguments, **environment)

    def emit(self, event: str, resource: dict[str, str], payload: dict[str, Any]) -> None:
        self.ask(
            "POST",
            "/events",
            [
                {
                    "id": str(uuid4()), "occurred": datetime.now(UTC).isoformat(), "event": event,
                    "resource": resource, "payload": payload,
                }
            ],
        )  # fmt: skip

    def runs(self, deployment: str) -> list[dict[str, Any]]:
        """The runs of a deployment that an automation created."""
        found = self.ask(
            "POST",
            "/flow_runs/filter",
            {"flow_runs": {"deployment_id": {"any_": [self.deployments[deployment]["id"]]}}},
        )
        return [run for run in found if not run["auto_scheduled"]]

    def started(self, deployment: str) -> dict[str, Any]:
        """Wait for the first run that an automation creates."""

        def look() -> dict[str, Any] | None:
            return next(iter(self.runs(deployment)), None)

        return until(look, f"an automation runs {deployment}")

    def carried_out(self, run: dict[str, Any], **environment: str) -> dict[str, Any]:
        """Let the run be carried out as a worker does: how it ended."""
        done = self.prefect("flow-run", "execute", run["id"], **environment)
        ended = self.ask("GET", f"/flow_runs/{run['id']}")
        assert ended["state_type"] == "COMPLETED", done.stdout + done.stderr
        return dict(ended)


@pytest.fixture(scope="module")
def automated(rehearsal: Rehearsal, prefect_server: PrefectServer) -> Iterator[Automated]:
    estate = plan(REGION, {"Database": ["night-db1"], "Web": ["night-web1"]}, gates=["Web"])
    estate["recoveryPlans"][0]["planName"] = "3TierFullStackRecoveryPlan"  # the automations look for it
    made = Automated(rehearsal, prefect_server.api_url, *rehearsal.seeded(estate))
    pool = made.prefect("work-pool", "create", "drs-sandbox", "--type", "process", "--overwrite")
    assert pool.returncode == 0, pool.stderr
    deployed = made.prefect("--no-prompt", "deploy", "--all", "--prefect-file", "examples/automations/prefect.yaml")
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    for each in YAML(typ="safe").load(EXAMPLES / "prefect.yaml")["deployments"]:
        flow = {"nightly": "recover", "on-request": "recover", "tidy-up": "tidy-up", "stalled": "open-ops-item"}
        made.deployments[each["name"]] = made.ask("GET", f"/deployments/name/{flow[each['name']]}/{each['name']}")
    try:
        yield made
    finally:
        for deployment in made.deployments.values():
            made.ask("DELETE", f"/deployments/{deployment['id']}")
        made.ask("DELETE", "/work_pools/drs-sandbox")


def test_the_nightly_drill_is_scheduled_and_its_instances_are_taken_away(automated: Automated) -> None:
    nightly = automated.deployments["nightly"]
    (schedule,) = nightly["schedules"]
    assert schedule["active"]
    assert schedule["schedule"]["cron"] == "0 2 * * *"
    assert nightly["parameters"]["mode"] == "drill"

    night = automated.ask(
        "POST",
        f"/deployments/{nightly['id']}/create_flow_run",
        {"parameters": automated.estate},
    )
    automated.carried_out(night)
    tidying = automated.started("tidy-up")
    assert tidying["parameters"] == {"execution_id": night["id"]}
    automated.carried_out(tidying)
    drs = automated.rehearsal.client("drs", REGION)
    launched = json.loads(automated.rehearsal.cli("status", night["id"], "--json").stdout)
    ids = {s["sourceServerId"] for wave in launched["waves"] for s in wave["servers"]}
    assert launched["status"] == "COMPLETED"
    assert not [i for i in drs.describe_recovery_instances()["items"] if i["sourceServerID"] in ids]


def test_a_night_without_a_completed_drill_is_made_up_for(automated: Automated) -> None:
    owned = automated.ask("POST", "/automations/filter", {})
    (missed,) = [each for each in owned if each["name"] == "no drill has completed for 26 hours"]
    assert missed["trigger"]["within"] == 26 * 3600
    before = {run["id"] for run in automated.runs("nightly")}
    soon = {key: missed[key] for key in ("name", "description", "enabled", "trigger", "actions")}
    soon["trigger"] = {**missed["trigger"], "within": 10}  # the least that Prefect takes
    automated.ask("PUT", f"/automations/{missed['id']}", soon)

    def made_up() -> dict[str, Any] | None:
        return next((run for run in automated.runs("nightly") if run["id"] not in before), None)

    run = until(made_up, "the drill is started again")
    automated.ask("DELETE", f"/automations/{missed['id']}")
    assert run["parameters"]["plan"] == "3TierFullStackRecoveryPlan"
    assert run["parameters"]["mode"] == "drill"


def test_a_recovery_is_started_by_an_event_that_names_plan_and_mode(automated: Automated) -> None:
    automated.emit(
        "recovery.requested",
        {"prefect.resource.id": "monitoring.us-east-1"},
        {"plan": "3TierFullStackRecoveryPlan", "mode": "recovery"},
    )
    run = automated.started("on-request")
    assert run["parameters"]["plan"] == "3TierFullStackRecoveryPlan"
    assert run["parameters"]["mode"] == "recovery"
    assert run["parameters"]["manifest"] == "examples/three-tier.json"
    assert run["parameters"].get("approved_by") is None


def transformed(event: dict[str, Any]) -> Any:
    """What EventBridge sends to its target: the paths looked up, and put into the template."""
    rule = json.loads((EXAMPLES / "stalled-rule.json").read_text())
    pattern, transformer = rule["EventPattern"], rule["InputTransformer"]
    assert event["source"] in pattern["source"]
    assert event["detail-type"] in pattern["detail-type"]
    assert event["detail"]["state"] in pattern["detail"]["state"]
    text = transformer["InputTemplate"]
    for name, path in transformer["InputPathsMap"].items():
        value: Any = event
        for step in re.findall(r"[a-z-]+|\d+", path):
            value = value[int(step)] if step.isdigit() else value[step]
        text = text.replace(f"<{name}>", value)
    return json.loads(text)


def test_a_stalled_source_server_opens_an_ops_item(automated: Automated) -> None:
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    automated.ask("POST", "/events", transformed({**STALLED, "time": now}))
    run = automated.started("stalled")
    assert run["parameters"]["server_arn"] == STALLED["resources"][0]
    automated.carried_out(run)
    ssm = automated.rehearsal.client("ssm", STALLED["region"])
    (summary,) = ssm.describe_ops_items()["OpsItemSummaries"]
    assert summary["Status"] == "Open"
    item = ssm.get_ops_item(OpsItemId=summary["OpsItemId"])["OpsItem"]
    assert item["Title"] == "Source server s-12345678901234567 has stalled"
    assert f"DRS reported at {now[:10]}" in item["Description"]
    assert f"{ACCOUNT}/us-west-2" in item["Description"]
    assert json.loads(item["OperationalData"]["/aws/dedup"]["Value"]) == {"dedupString": STALLED["resources"][0]}
