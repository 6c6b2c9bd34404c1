"""Gates that hold no process: a served deployment is suspended at them, and everything is stopped and started again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from prefect_drs.notifications.text import CANCEL, RESUME
from prefect_drs.orchestration.storage.artifacts import report_key
from tests.conftest import Programs, free_port
from tests.e2e.mail import as_it_stands, cut_out, inbox, milestone_of
from tests.e2e.program import Program
from tests.e2e.rehearsal import COMMAND_SECONDS, HTTP, Rehearsal, base_environment, plan, until
from tests.migrated_database import give_migrated_database

pytestmark = pytest.mark.prefect

SPEED = 300
SERVE = """
from prefect import serve
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.types.entrypoint import EntrypointType
from prefect_drs.flows import recover

def deployment(name, strategy=None):
    limit = None if strategy is None else ConcurrencyLimitConfig(limit=1, collision_strategy=strategy)
    return recover.to_deployment(name, concurrency_limit=limit, entrypoint_type=EntrypointType.MODULE_PATH)

serve(
    deployment("rehearsed"),
    deployment("queued", ConcurrencyLimitStrategy.ENQUEUE),
    deployment("cancelled", ConcurrencyLimitStrategy.CANCEL_NEW),
)
"""
SUSPENDED = ("PAUSED", "Suspended")


class Site:
    """A Prefect server that keeps its database, a served deployment, and a sandbox."""

    def __init__(self, folder: Path, programs: Programs, shared: Path) -> None:
        port = free_port()
        prefect = str(programs.folder / "prefect")
        give_migrated_database(folder, shared, programs.folder / "prefect", programs.environment)
        self.api = f"http://127.0.0.1:{port}/api"
        environment = (
            base_environment()
            | programs.environment
            | {
                "PREFECT_API_URL": self.api,
                "PREFECT_HOME": str(folder),
                "PREFECT_DRS_HOME": str(folder / "drs"),
                "PREFECT_PROFILES_PATH": str(folder / "profiles.toml"),
                "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
                "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
                "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",
                "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_LOOP_SECONDS": "1",
                "PREFECT_RUNNER_POLL_FREQUENCY": "1",
                "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "1",
                "PREFECT_DRS_SUSPEND_AFTER_SECONDS": "1",
                "DO_NOT_TRACK": "1",
            }
        )
        self.rehearsal = Rehearsal(environment, folder, programs.folder)
        self.rehearsal.start_sandbox(SPEED)
        server = [prefect, "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        self.server = Program(server, environment, folder / "server.log")
        self.worker = Program([str(programs.folder / "python"), "-c", SERVE], environment, folder / "worker.log")

    def start(self) -> None:
        self.server.start()
        until(self._healthy, "the Prefect server answers", 120)
        self.worker.start()

    def stop(self) -> None:
        self.worker.stop()
        self.server.stop()

    def _healthy(self) -> bool | None:
        try:
            return HTTP.get(f"{self.api}/health", timeout=5).status_code == 200 or None
        except httpx.TransportError:
            return None

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        def once() -> httpx.Response | None:
            try:
                answer = HTTP.request(method, f"{self.api}{path}", json=body, timeout=30)
            except httpx.TimeoutException:
                if method == "GET":
                    return None
                raise
            return None if answer.status_code == 503 else answer  # SQLite was busy; Prefect's own client asks again too

        answer = until(once, f"{method} {path} is answered")
        assert answer.status_code < 300, answer.text
        return answer.json()

    def begin(self, manifest: dict[str, Any], deployment_name: str = "rehearsed", **parameters: Any) -> str:
        """Run the deployment: the execution's id."""
        file, bindings = self.rehearsal.seeded(manifest)
        deployment = until(lambda: self._deployment(deployment_name), "the deployment is registered")
        run = self.ask(
            "POST",
            f"/deployments/{deployment}/create_flow_run",
            {"parameters": {"manifest": str(file), "bindings": str(bindings), "gates": "suspend", **parameters}},
        )
        return str(UUID(run["id"]))

    def _deployment(self, name: str) -> str | None:
        answer = HTTP.get(f"{self.api}/deployments/name/recover/{name}", timeout=30)
        return answer.json()["id"] if answer.status_code == 200 else None

    def state(self, run_id: str) -> tuple[str, str]:
        run = self.ask("GET", f"/flow_runs/{run_id}")
        return run["state_type"], run["state_name"]

    def comes_to(self, run_id: str, *states: tuple[str, str], seconds: float = 120) -> tuple[str, str]:
        def look() -> tuple[str, str] | None:
            state = self.state(run_id)
            if state[0] in {"FAILED", "CRASHED"} and state not in states:
                pytest.fail(f"{state}:\n{self.worker.log.read_text()[-5000:]}", pytrace=False)
            return state if state in states else None

        return until(look, f"flow run {run_id} is {states}", seconds)

    def runs(self, *tags: str) -> list[dict[str, Any]]:
        found = self.ask("POST", "/flow_runs/filter", {"flow_runs": {"tags": {"all_": list(tags)}}})
        assert isinstance(found, list)
        return found

    def gates(self, execution_id: str) -> dict[str, dict[str, Any]]:
        return {run["name"]: run for run in self.runs("prefect-drs:gate", f"prefect-drs:execution:{execution_id}")}

    def report(self, execution_id: str) -> dict[str, Any]:
        told = self.rehearsal.cli("status", execution_id, "--json")
        assert told.returncode == 0, told.stderr
        report = json.loads(told.stdout)
        assert isinstance(report, dict)
        return report

    def has_completed(self, execution_id: str, wave_number: int) -> None:
        """Wait until that wave is COMPLETED, by the published report first: a command costs much more."""

        def published() -> bool | None:
            artifact = self.ask("GET", f"/artifacts/{report_key(execution_id)}/latest")
            return wave_statuses(json.loads(artifact["data"]))[wave_number - 1] == "COMPLETED" or None

        def told() -> bool | None:
            return wave_statuses(self.report(execution_id))[wave_number - 1] == "COMPLETED" or None

        until(published, f"wave {wave_number} is published as COMPLETED")
        until(told, f"wave {wave_number} is COMPLETED", every=COMMAND_SECONDS)

    def launches_a_server(self, region: str) -> set[int]:
        jobs = self.rehearsal.jobs(region)
        return set(Counter(s["sourceServerID"] for job in jobs for s in job["participatingServers"]).values())


@pytest.fixture(scope="module")
def site(programs: Programs, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("site"), programs, shared)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        made.rehearsal.cli("sandbox", "stop")


def wave_statuses(report: dict[str, Any]) -> list[str]:
    return [wave["status"] for wave in report["waves"]]


def test_a_gate_approved_after_worker_and_server_were_restarted_goes_on_and_nothing_is_launched_twice(
    site: Site,
) -> None:
    region = "eu-west-1"
    manifest = plan(
        region,
        {"Database": ["s-db1", "s-db2"], "Application": ["s-app1"], "Web": ["s-web1"]},
        gates=["Application", "Web"],
        after={"Application": ["Database"], "Web": ["Database"]},
    )
    execution_id = site.begin(manifest)
    site.comes_to(execution_id, SUSPENDED)
    report = site.report(execution_id)
    assert report["status"] == "PAUSED"
    assert wave_statuses(report) == ["COMPLETED", "PENDING", "PENDING"]
    gates = site.gates(execution_id)
    assert {name: run["state_name"] for name, run in gates.items()} == {
        "approve Application": "Suspended",
        "approve Web": "Suspended",
    }

    site.stop()
    site.start()
    # What the UI's form sends.
    site.ask(
        "POST",
        f"/flow_runs/{gates['approve Web']['id']}/resume",
        {"run_input": {"decision": "approve", "by": "Ada", "comment": "by the form"}},
    )
    until(lambda: len(site.rehearsal.jobs(region)) == 2 or None, "the approved wave is launched")
    site.has_completed(execution_id, 3)
    site.comes_to(execution_id, SUSPENDED)  # at the other gate, once more without a process
    assert wave_statuses(site.report(execution_id)) == ["COMPLETED", "PENDING", "COMPLETED"]

    approved = site.rehearsal.cli("approve", execution_id, "--wave", "2", "--by", "Grace")

    assert approved.returncode == 0, approved.stderr
    assert site.comes_to(execution_id, ("COMPLETED", "Completed"))
    report = site.report(execution_id)
    assert report["status"] == "COMPLETED"
    assert [wave.get("approval", {}).get("by") for wave in report["waves"]] == [None, "Grace", "Ada"]
    assert len(site.rehearsal.jobs(region)) == 3
    assert site.launches_a_server(region) == {1}
    ended = {name: run["state_name"] for name, run in site.gates(execution_id).items()}
    assert ended == {"approve Application": "Approved", "approve Web": "Approved"}
    assert site.runs("prefect-drs:alarm", f"prefect-drs:execution:{execution_id}") == []


def test_a_deadline_that_passes_while_no_process_waits_is_a_time_out_at_once(site: Site) -> None:
    region = "eu-west-2"
    manifest = plan(region, {"Database": ["t-db1"], "Web": ["t-web1"]}, gates=["Web"])
    execution_id = site.begin(manifest, gate_timeout_seconds=20)
    site.comes_to(execution_id, SUSPENDED)
    deadline = site.runs("prefect-drs:alarm", f"prefect-drs:execution:{execution_id}")
    assert [run["state_name"] for run in deadline] == ["Scheduled"]
    assert datetime.fromisoformat(deadline[0]["expected_start_time"]) > datetime.now(UTC)

    site.comes_to(execution_id, ("FAILED", "Failed"))

    report = site.report(execution_id)
    assert report["status"] == "PARTIAL"
    assert wave_statuses(report) == ["COMPLETED", "CANCELLED"]
    assert report["waves"][1]["approval"]["decision"] == "TIMED_OUT"
    assert site.launches_a_server(region) == {1}


def test_a_cancel_reaches_an_execution_that_has_no_process(site: Site) -> None:
    region = "eu-west-3"
    manifest = plan(region, {"Database": ["c-db1"], "Web": ["c-web1"]}, gates=["Web"])
    execution_id = site.begin(manifest)
    site.comes_to(execution_id, SUSPENDED)

    cancelled = site.rehearsal.cli("cancel", execution_id, "--by", "Eva")

    assert cancelled.returncode == 0, cancelled.stderr
    site.comes_to(execution_id, ("FAILED", "Failed"))
    report = site.report(execution_id)
    assert report["status"] == "PARTIAL"
    assert wave_statuses(report) == ["COMPLETED", "CANCELLED"]
    assert "cancelled by Eva" in report["waves"][1]["reason"]
    assert [run["state_name"] for run in site.gates(execution_id).values()] == ["Cancelled"]
    assert len(site.rehearsal.jobs(region)) == 1


def test_the_commands_of_pause_mails_reach_an_execution_that_has_no_process_and_nothing_is_told_twice(
    site: Site,
) -> None:
    region = "eu-north-1"
    box = inbox(site.rehearsal, region)
    manifest = plan(
        region, {"Database": ["m-db1"], "Application": ["m-app1"], "Web": ["m-web1"]}, gates=["Application", "Web"]
    )
    manifest["recoveryPlans"][0]["notify"] = {"topics": [box.topic_arn]}
    execution_id = site.begin(manifest)
    site.comes_to(execution_id, SUSPENDED)

    answered = as_it_stands(cut_out(box.awaited("wave.paused")["Message"], RESUME))
    assert answered.returncode == 0, answered.stderr
    assert '"status":"ACCEPT"' in answered.stdout
    site.has_completed(execution_id, 2)
    site.comes_to(execution_id, SUSPENDED)
    mails = [mail for mail in box.arrived() if milestone_of(mail) == "wave.paused"]
    assert [mail["MessageAttributes"]["waveNumber"]["Value"] for mail in mails] == ["2", "3"]

    cancelled = as_it_stands(cut_out(mails[1]["Message"], CANCEL))
    assert cancelled.returncode == 0, cancelled.stderr
    site.comes_to(execution_id, ("FAILED", "Failed"))
    report = site.report(execution_id)
    assert wave_statuses(report) == ["COMPLETED", "COMPLETED", "CANCELLED"]
    assert report["notifications"] == {"sent": 6, "failed": []}
    assert [milestone_of(mail) for mail in box.arrived()] == [
        "execution.started", "wave.completed", "wave.paused", "wave.completed", "wave.paused", "execution.partial",
    ]  # fmt: skip


def test_a_cancel_in_the_ui_of_an_execution_that_has_no_process_is_concluded_by_whoever_looks(site: Site) -> None:
    region = "eu-central-1"
    manifest = plan(region, {"Database": ["u-db1"], "Web": ["u-web1"]}, gates=["Web"])
    execution_id = site.begin(manifest)
    site.comes_to(execution_id, SUSPENDED)
    # What the UI's Cancel sends.
    site.ask("POST", f"/flow_runs/{execution_id}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}})
    assert site.state(execution_id) == ("CANCELLED", "Cancelled")

    report = site.report(execution_id)

    assert report["status"] == "PARTIAL"
    assert report["endedAt"] is not None
    assert wave_statuses(report) == ["COMPLETED", "CANCELLED"]
    assert "cancelled by the Prefect UI or API" in report["waves"][1]["reason"]
    assert [run["state_name"] for run in site.gates(execution_id).values()] == ["Cancelled"]
    assert site.runs("prefect-drs:alarm", f"prefect-drs:execution:{execution_id}") == []
    assert {**site.report(execution_id), "process": None} == {**report, "process": None}
    assert len(site.rehearsal.jobs(region)) == 1


def test_a_cancel_in_the_ui_that_nobody_looks_at_is_concluded_at_the_gates_deadline(site: Site) -> None:
    region = "eu-north-1"
    manifest = plan(region, {"Database": ["n-db1"], "Web": ["n-web1"]}, gates=["Web"])
    execution_id = site.begin(manifest, gate_timeout_seconds=20)
    site.comes_to(execution_id, SUSPENDED)
    site.ask("POST", f"/flow_runs/{execution_id}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}})
    (alarm,) = site.runs("prefect-drs:alarm", f"prefect-drs:execution:{execution_id}")

    site.comes_to(alarm["id"], ("COMPLETED", "Completed"))

    journal = site.rehearsal.folder / "drs" / "journal" / execution_id
    kinds = [
        event["kind"] for file in sorted(journal.glob("0*.json")) for event in json.loads(file.read_text())["events"]
    ]
    assert kinds[-1] == "ExecutionEnded"


def test_under_a_concurrency_limit_of_one_an_answered_gate_and_its_execution_queue_for_the_slot(site: Site) -> None:
    region = "ap-southeast-3"
    manifest = plan(region, {"Database": ["q-db1"], "Web": ["q-web1"]}, gates=["Web"])
    execution_id = site.begin(manifest, "queued")
    site.comes_to(execution_id, SUSPENDED)
    gate = site.gates(execution_id)["approve Web"]
    answer = {"run_input": {"decision": "approve", "by": "Ada Lovelace", "comment": ""}}
    assert site.ask("POST", f"/flow_runs/{gate['id']}/resume", answer)["status"] == "ACCEPT"
    site.comes_to(execution_id, ("COMPLETED", "Completed"))
    assert site.report(execution_id)["status"] == "COMPLETED"
    assert site.launches_a_server(region) == {1}


def test_a_concurrency_limit_that_cancels_new_runs_is_refused_before_anything_is_launched(site: Site) -> None:
    region = "ap-southeast-4"
    execution_id = site.begin(plan(region, {"Database": ["c-db1"]}, gates=["Database"]), "cancelled")
    site.comes_to(execution_id, ("FAILED", "Failed"))
    message = site.ask("GET", f"/flow_runs/{execution_id}")["state"]["message"]
    assert "collision strategy is CANCEL_NEW" in message
    assert "set the strategy to ENQUEUE, remove the limit, or run it with gates: hold" in message
    assert site.rehearsal.jobs(region) == []
