"""Notifications of drills, as they arrive: from SNS by way of an SQS queue, and what the report says of those that did
not.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from prefect_drs.notifications.text import CANCEL, RESUME
from tests.conftest import PrefectServer
from tests.e2e.mail import BARE_SHELL, as_it_stands, cut_out, inbox, milestone_of
from tests.e2e.rehearsal import ACCOUNT, HTTP, Rehearsal, plan, until


def test_the_command_of_a_pause_mail_resumes_as_it_stands(rehearsal: Rehearsal) -> None:
    region = "ap-east-1"
    box = inbox(rehearsal, region)
    manifest = plan(region, {"Database": ["n-db1"], "Web": ["n-web1", "n-web2"]}, gates=["Web"])
    manifest["recoveryPlans"][0]["notify"] = {"topics": [box.topic_arn]}
    drill = rehearsal.drill(*rehearsal.seeded(manifest))
    mail = box.awaited("wave.paused")
    execution_id = drill.execution_id()

    assert mail["Subject"] == f"[prefect-drs] drill of Plan {region}: wave 2 Web waits for your approval"
    assert "n-web1, s-" in mail["Message"]
    assert f"2 in {ACCOUNT}/{region}" in mail["Message"]
    assert rehearsal.environment["PREFECT_UI_URL"] + "/v2/runs/flow-run/" in mail["Message"]
    told = as_it_stands(cut_out(mail["Message"], RESUME))
    assert told.returncode == 0, told.stderr
    assert '"status":"ACCEPT"' in told.stdout
    assert '"waveName": "Web"' in told.stdout  # the look at the status
    assert drill.ended() == 0, drill.stderr
    web = drill.report()["waves"][1]
    assert web["approval"]["decision"] == "APPROVED"
    assert web["approval"]["by"] == subprocess.run(
        ["sh", "-c", 'echo "$(whoami)@$(uname -n)"'], env=BARE_SHELL, capture_output=True, text=True, check=True
    ).stdout.strip()  # fmt: skip

    box.awaited("execution.completed")
    assert [milestone_of(m) for m in box.arrived()] == [
        "execution.started", "wave.completed", "wave.paused", "wave.completed", "execution.completed",
    ]  # fmt: skip
    assert drill.report()["notifications"] == {"sent": 5, "failed": []}
    assert {m["MessageAttributes"]["executionId"]["Value"] for m in box.arrived()} == {execution_id}

    again = as_it_stands(cut_out(mail["Message"], RESUME))
    assert '"status":"ABORT"' in again.stdout
    assert "not paused" in again.stdout


def test_the_command_of_a_pause_mail_cancels_as_it_stands(rehearsal: Rehearsal) -> None:
    region = "ap-south-1"
    box = inbox(rehearsal, region)
    file, bindings = rehearsal.seeded(plan(region, {"Database": ["o-db1"], "Web": ["o-web1"]}, gates=["Web"]))
    drill = rehearsal.drill(file, bindings, PREFECT_DRS_NOTIFY_TOPICS=box.topic_arn)
    mail = box.awaited("wave.paused")
    told = as_it_stands(cut_out(mail["Message"], CANCEL))
    assert told.returncode == 0, told.stderr
    assert "cancel requested" in told.stdout
    drill.says(r"cancel requested by \S+@\S+: by mail")
    assert drill.ended() == 4, drill.stderr
    report = drill.report()
    assert report["status"] == "PARTIAL"
    assert report["waves"][1]["status"] == "CANCELLED"
    assert [wave["jobs"] != [] for wave in report["waves"]] == [True, False]
    box.awaited("execution.partial")
    assert '"status": "PARTIAL"' in told.stdout


def test_a_drill_whose_sns_refuses_every_call_completes_and_the_report_lists_what_was_not_sent(
    rehearsal: Rehearsal,
) -> None:
    region = "ap-northeast-3"
    box = inbox(rehearsal, region)
    fault = {
        "kind": "operation", "service": "sns", "operation": "Publish", "region": region, "effect": "error",
        "code": "AuthorizationError", "message": "not authorized to perform: SNS:Publish",
    }  # fmt: skip
    rehearsal.control("POST", "/faults", fault)
    file, bindings = rehearsal.seeded(plan(region, {"Database": ["q-db1"], "Web": ["q-web1"]}))
    drill = rehearsal.drill(file, bindings, PREFECT_DRS_NOTIFY_TOPICS=box.topic_arn)
    assert drill.ended() == 0, drill.stderr
    report = drill.report()
    assert report["status"] == "COMPLETED"
    assert box.arrived() == []
    assert report["notifications"]["sent"] == 0
    unsent = report["notifications"]["failed"]
    assert [(each["milestone"], each["waveNumber"]) for each in unsent] == [
        ("execution.started", None), ("wave.completed", 1), ("wave.completed", 2), ("execution.completed", None),
    ]  # fmt: skip
    assert {each["channel"] for each in unsent} == {box.topic_arn}
    assert all("AuthorizationError" in each["error"] and region in each["error"] for each in unsent)
    shown = rehearsal.cli("status", drill.execution_id()).stdout
    assert "not sent: execution.completed to arn:aws:sns" in shown


def test_a_drill_tells_blocks_automations_buses_and_owners(
    rehearsal: Rehearsal, prefect_server: PrefectServer, webhook: tuple[str, list[dict[str, str]]]
) -> None:
    from prefect_drs.notifications.payload import PAYLOADS
    from prefect_drs.plan.notify import Milestone

    region = "ap-southeast-3"
    url, called = webhook
    _save_webhooks(told=f"{url}/{{{{token}}}}", broken="http://127.0.0.1:9/{{token}}")
    sns, logs = rehearsal.client("sns", region), rehearsal.client("logs", region)
    topic = sns.create_topic(Name="owners")["TopicArn"]
    bus = _logged_bus(rehearsal, region)

    manifest = plan(region, {"Web": ["t-web1"]})
    manifest["recoveryPlans"][0]["notify"] = {
        "topics": [topic],
        "blocks": ["custom-webhook/broken"],
        "emails": ["owner@example.com"],
        "eventBuses": [bus],
        "milestones": ["execution.completed"],
    }
    drill = rehearsal.drill(*rehearsal.seeded(manifest), PREFECT_DRS_NOTIFY_BLOCKS="custom-webhook/told")
    assert drill.ended() == 0, drill.stderr
    execution_id = drill.execution_id()
    milestones = ["execution.started", "wave.completed", "execution.completed"]

    assert [call["subject"] for call in called] == [
        f"[prefect-drs] drill of Plan {region} started",
        f"[prefect-drs] drill of Plan {region}: wave 1 Web COMPLETED",
        f"[prefect-drs] drill of Plan {region} COMPLETED",
    ]
    (subscription,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "owner@example.com")
    logged = [json.loads(e["message"]) for e in logs.filter_log_events(logGroupName="/aws/events/dr")["events"]]
    assert [e["detail-type"] for e in logged] == milestones
    for event in logged:
        PAYLOADS[Milestone(event["detail-type"])].model_validate_json(json.dumps(event["detail"]))

    notifications = drill.report()["notifications"]
    assert notifications["sent"] == 3 + 3 + 1  # the block, the bus, the topic
    (unsent,) = notifications["failed"]
    assert (unsent["milestone"], unsent["channel"]) == ("execution.completed", "custom-webhook/broken")
    assert "a-secret" not in drill.stderr + drill.stdout

    told = until(lambda: _emitted(prefect_server, f"Plan {region}"), "Prefect has the events")
    assert [e["event"].removeprefix("prefect-drs.") for e in told] == milestones
    assert [e["resource"]["prefect.resource.id"] for e in told] == [
        f"prefect-drs.execution.{execution_id}",
        f"prefect-drs.wave.{execution_id}.1",
        f"prefect-drs.execution.{execution_id}",
    ]
    for event in told:
        related = {(r["prefect.resource.role"], r["prefect.resource.id"]) for r in event["related"]}
        assert ("flow-run", f"prefect.flow-run.{execution_id}") in related
        assert event["payload"]["executionId"] == execution_id


def _save_webhooks(**addresses: str) -> None:
    """Store a block for each address, under its name; the address and the secret are part of what it calls."""
    from prefect.blocks.notifications import CustomWebhookNotificationBlock

    for name, address in addresses.items():
        block = CustomWebhookNotificationBlock(
            name="told", url=address, json_data={"subject": "{{subject}}", "body": "{{body}}"},
            secrets={"token": "a-secret"},
        )  # fmt: skip
        block.save(name, overwrite=True, _sync=True)


def _logged_bus(rehearsal: Rehearsal, region: str) -> str:
    """The ARN of an event bus whose events of ours are in the log group /aws/events/dr."""
    rehearsal.client("logs", region).create_log_group(logGroupName="/aws/events/dr")
    events = rehearsal.client("events", region)
    bus = str(events.create_event_bus(Name="dr")["EventBusArn"])
    events.put_rule(Name="all", EventBusName="dr", EventPattern=json.dumps({"source": ["prefect-drs"]}))
    target = {"Id": "log", "Arn": f"arn:aws:logs:{region}:{ACCOUNT}:log-group:/aws/events/dr"}
    events.put_targets(Rule="all", EventBusName="dr", Targets=[target])
    return bus


def _emitted(server: PrefectServer, plan_name: str) -> list[dict[str, Any]] | None:
    """The events of a plan in Prefect, once there are three, oldest first."""
    asked = {"filter": {"event": {"prefix": ["prefect-drs."]}, "resource": {"labels": {
        "prefect-drs.plan": [plan_name]}}}, "limit": 50}  # fmt: skip
    found = HTTP.post(f"{server.api_url}/events/filter", json=asked, timeout=30).json()["events"]
    return sorted(found, key=lambda e: str(e["occurred"])) if len(found) >= 3 else None


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A webhook's address, and what was posted to it."""
    called: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/a-secret"
            called.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", called
    server.shutdown()
    server.server_close()
    thread.join()
