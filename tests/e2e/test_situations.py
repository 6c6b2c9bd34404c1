"""The situations that a person on call meets, each made on the sandbox: what `status`, the UI and the HTML report show.

The table in docs/operating.md says what each view has to show; `Onlooker.sees` looks for it. `PREFECT_DRS_SCREENSHOTS`
names the folder for the pictures of the UI's pages.
"""

from __future__ import annotations

import ast
import json
import os
import re
import signal
from collections.abc import Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from prefect_drs.core.escaping import artifact_key
from tests.e2e.program import Program
from tests.e2e.rehearsal import COMMAND_SECONDS, HTTP, Rehearsal, plan, until
from tests.e2e.situations import KINDS, Onlooker, table

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

REGION = "us-east-1"  # of this file alone
SERVE = """
from prefect.types.entrypoint import EntrypointType
from prefect_drs.flows import recover

recover.serve("situations", entrypoint_type=EntrypointType.MODULE_PATH)
"""
UTC_TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"


class Status:
    """What `status` says of an execution: as JSON, and as a person reads it at a terminal of 100 columns."""

    def __init__(self, rehearsal: Rehearsal, execution_id: str) -> None:
        data = rehearsal.cli("status", execution_id, "--json")
        assert data.returncode == 0, data.stderr
        self._rehearsal = rehearsal
        self.data: dict[str, Any] = json.loads(data.stdout)

    @cached_property
    def text(self) -> str:
        """As a person reads it, asked for when it is read first."""
        shown = self._rehearsal.cli("status", self.data["executionId"])
        assert shown.returncode == 0, shown.stderr
        return shown.stdout

    def page(self) -> str:
        """The text of the HTML report, without its markup."""
        made = self._rehearsal.cli("report", self.data["executionId"], "--format", "html")
        assert made.returncode == 0, made.stderr
        assert "http://" not in made.stdout.replace("http://www.w3.org/2000/svg", "")
        return squeezed(re.sub(r"<style>.*?</style>|<[^>]+>", " ", made.stdout, flags=re.DOTALL))

    @property
    def waits(self) -> list[tuple[str, int | None]]:
        """The kind and the wave of each thing that it waits for."""
        return [(wait["kind"], wait.get("waveNumber")) for wait in self.data["waitingFor"]]

    @property
    def commands(self) -> list[str]:
        """The commands that it offers."""
        return [wait["command"] for wait in self.data["waitingFor"]]


def comes_to(
    rehearsal: Rehearsal, execution_id: str, *waits: tuple[str, int | None], status: str | None = None
) -> Status:
    """Wait until it waits for just that, and has that status."""

    def look() -> Status | None:
        found = Status(rehearsal, execution_id)
        if found.waits != list(waits) or status not in {None, found.data["status"]}:
            return None
        assert found.text  # as it stands now
        return found

    return until(look, f"{execution_id} waits for {waits}", every=COMMAND_SECONDS)


@pytest.fixture(autouse=True)
def without_faults(rehearsal: Rehearsal) -> Iterator[None]:
    yield
    rehearsal.control("DELETE", "/faults")


@pytest.fixture
def onlooker(rehearsal: Rehearsal, browser_page: Page) -> Onlooker:
    folder = os.environ.get("PREFECT_DRS_SCREENSHOTS")
    return Onlooker(rehearsal, browser_page, Path(folder) if folder else None)


@pytest.fixture
def worker(rehearsal: Rehearsal, tmp_path: Path) -> Iterator[Program]:
    """A process that runs the deployment `recover/situations`, whose gates hold no process for long."""
    fast = {"PREFECT_DRS_SUSPEND_AFTER_SECONDS": "1", "PREFECT_RUNNER_POLL_FREQUENCY": "1"}
    program = Program(
        [str(rehearsal.programs / "python"), "-c", SERVE], rehearsal.environment | fast, tmp_path / "worker.log"
    )
    program.start()
    yield program
    program.stop()


def test_every_situation_of_the_table_is_made_here() -> None:
    calls = [node for node in ast.walk(ast.parse(Path(__file__).read_text("utf-8"))) if isinstance(node, ast.Call)]
    named = [call.args[0] for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "sees"]
    assert sorted(ast.literal_eval(name) for name in named) == sorted(table())
    assert len(table()) == 12


def test_from_running_to_two_gates_a_pause_the_end_and_the_termination(
    rehearsal: Rehearsal, onlooker: Onlooker
) -> None:
    waves = {"Database": ["u-db1"], "Application": ["u-app1"], "Web": ["u-web1"]}
    manifest = plan(REGION, waves, gates=["Application", "Web"], after={"Web": ["Database"]})
    file, bindings = rehearsal.seeded(manifest)
    slow_jobs(rehearsal)
    drill = rehearsal.drill(file, bindings)
    execution_id = drill.execution_id()
    job = drill.says(r"job (drsjob-\w+) in")[1]
    running = until(
        lambda: found if job in (found := Status(rehearsal, execution_id)).text else None,
        "the job is in the report",
        every=COMMAND_SECONDS,
    )
    assert (running.data["status"], running.data["process"]["alive"], running.waits) == ("IN_PROGRESS", True, [])
    assert f"DRS runs 1 job(s): {job} (wave 1, 1 servers)." in running.text
    assert "RTO so far" in running.text
    assert "simulated time of the sandbox" in running.text
    assert job in running.page()
    onlooker.sees("it runs", execution_id)

    two = comes_to(rehearsal, execution_id, ("approval", 2), ("approval", 3), status="PAUSED")
    assert two.commands == [f"prefect-drs approve {execution_id} --wave {wave}" for wave in (2, 3)]
    for wait in two.data["waitingFor"]:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", wait["since"])
        assert wait["since"] < wait["until"]
        assert wait["link"] in two.text
    assert re.search(rf"approval of wave 2 Application, since {UTC_TIME} \(.*\), until {UTC_TIME}", squeezed(two.text))

    onlooker.sees("at two gates", execution_id)

    paused = rehearsal.cli("pause", execution_id[:8], "--by", "ada")
    assert paused.returncode == 0, paused.stderr
    stopped = comes_to(rehearsal, execution_id, ("approval", 2), ("approval", 3), ("pause", None))
    assert "the end of the pause by ada: nothing new is launched, since" in squeezed(stopped.text)
    onlooker.sees("paused", execution_id)
    assert stopped.commands[-1] == f"prefect-drs resume {execution_id}"
    resumed = rehearsal.cli("resume", "latest")
    assert resumed.returncode == 0, resumed.stderr

    approved = rehearsal.cli("approve", "latest", "--wave", "application")
    assert approved.returncode == 0, approved.stderr
    one = comes_to(rehearsal, execution_id, ("approval", 3))
    onlooker.sees("at a gate", execution_id)
    assert rehearsal.cli("approve", execution_id, "--wave", "3").returncode == 0
    assert drill.ended() == 0, drill.stderr
    assert one.data["executionId"] == execution_id

    ends_completed_and_is_terminated(rehearsal, execution_id, onlooker)


def ends_completed_and_is_terminated(rehearsal: Rehearsal, execution_id: str, onlooker: Onlooker) -> None:
    done = Status(rehearsal, execution_id)
    assert (done.data["status"], done.waits) == ("COMPLETED", [])
    assert done.data["atGatesSeconds"] > 0
    onlooker.sees("completed", execution_id)
    for wave in done.data["waves"][1:]:  # one clock: nobody approves before the execution began
        assert done.data["startedAt"] < wave["approval"]["at"] <= wave["startedAt"]

    assert rehearsal.cli("terminate", execution_id, "--yes", "--by", "bob").returncode == 0
    gone = Status(rehearsal, execution_id)
    assert {s["launchStatus"] for wave in gone.data["waves"] for s in wave["servers"]} == {"TERMINATED"}
    assert gone.data["terminated"]["by"] == "bob"
    onlooker.sees("terminated", execution_id)
    assert re.search(rf"bob terminated it at {UTC_TIME}: 3 instance\(s\) are gone", squeezed(gone.text))
    assert gone.data["status"] == "COMPLETED"


def test_a_process_that_stopped_is_named_by_status_approve_and_reject(rehearsal: Rehearsal, onlooker: Onlooker) -> None:
    manifest = plan(REGION, {"Database": ["v-db1"], "Web": ["v-web1"]}, gates=["Web"])
    drill = rehearsal.drill(*rehearsal.seeded(manifest), own_process=True)
    execution_id = drill.execution_id()
    waiting = comes_to(rehearsal, execution_id, ("approval", 2))
    gate_run = waiting.data["waitingFor"][0]["link"].rpartition("/")[2]
    drill.process.send_signal(signal.SIGTERM)  # after SIGKILL, its lease holds for 75 s more
    assert drill.process.wait(30) == 143

    lost = comes_to(rehearsal, execution_id, ("process", None))  # its gate ended with it
    onlooker.sees("its process is lost", execution_id)
    gate = onlooker.run_page(gate_run)
    (card,) = gate.artifacts().values()
    assert f"Its process has ended: run prefect-drs resume {execution_id}" in card.text
    onlooker.keep(gate, "gate-lost")
    assert not lost.data["process"]["alive"]
    assert lost.data["process"]["lastSeenAt"] == lost.data["waitingFor"][0]["since"]
    assert lost.commands == [f"prefect-drs resume {execution_id}"]
    assert re.search(rf"no process carries it: .*, since {UTC_TIME}", squeezed(lost.text))
    for command in ("approve", "reject"):
        refused = rehearsal.cli(command, execution_id, "--wave", "2")
        assert refused.returncode == 2
        assert f"no process carries execution {execution_id} since" in refused.stderr
        assert f"go on with prefect-drs resume {execution_id}" in refused.stderr
    resumed = rehearsal.resume(execution_id, "--yes")
    assert resumed.ended() == 0, resumed.stderr
    assert "-- until here from the journal; resumed at" in resumed.stderr


def test_cancelled_while_a_job_runs_names_who_and_the_job(rehearsal: Rehearsal, onlooker: Onlooker) -> None:
    file, bindings = rehearsal.seeded(plan(REGION, {"Database": ["w-db1"], "Web": ["w-web1"]}))
    slow_jobs(rehearsal, 100)  # the pages are written every 15 s
    drill = rehearsal.drill(file, bindings)
    execution_id = drill.execution_id()
    job = drill.says(r"job (drsjob-\w+) in")[1]
    cancelled = rehearsal.cli("cancel", execution_id, "--by", "ada", "--reason", "wrong region")
    assert cancelled.returncode == 0, cancelled.stderr
    status = until(
        lambda: found if (found := Status(rehearsal, execution_id)).data["cancelled"] else None,
        "the cancel is told",
        every=COMMAND_SECONDS,
    )
    assert re.search(rf"Cancelled by ada at {UTC_TIME}: wrong region: nothing more is launched", squeezed(status.text))
    assert job in status.text
    assert "Cancelled by ada" in status.page()
    onlooker.sees("cancelled while a job runs", execution_id)
    drill.end()


@pytest.mark.parametrize("ui", ["v2", "v1"])
def test_the_page_of_a_gate_and_of_its_execution_are_readable_in_both_uis(
    ui: str, rehearsal: Rehearsal, onlooker: Onlooker
) -> None:
    manifest = plan(REGION, {"Web": [f"{ui}-web1", f"{ui}-web2"]}, gates=["Web"])
    manifest["recoveryPlans"][0]["planName"] = name = f"Three tiers of the web shop in {ui}"
    drill = rehearsal.drill(*rehearsal.seeded(manifest))
    execution_id = drill.execution_id()
    (gate,) = comes_to(rehearsal, execution_id, ("approval", 1)).data["waitingFor"]

    page = onlooker.run_page(gate["link"].rpartition("/")[2], ui)
    cards = page.artifacts()
    onlooker.keep(page, f"gate-page-{ui}")
    assert list(cards) == [artifact_key(name, "gate-1")]
    assert "Press Resume to answer, or run prefect-drs approve" in cards[artifact_key(name, "gate-1")].text
    text = page.artifact_text(artifact_key(name, "gate-1"))
    assert f"Approving launches 2 drill instances in 1 job, 123456789012/{REGION}: {ui}-web1, {ui}-web2." in text
    assert f"prefect-drs resume {execution_id}" in text
    onlooker.keep(page, f"gate-artifact-{ui}")

    run = onlooker.run_page(execution_id, ui)
    kinds = KINDS if ui == "v2" else KINDS - {"PROGRESS"}  # V1 has the waves' progress on the pages of their tasks only
    shown = 3 + len(kinds - {"MARKDOWN"})
    cards = until(lambda: found if len(found := run.artifacts()) == shown else None, "all artifacts")
    onlooker.keep(run, f"run-page-{ui}")
    assert {card.kind.upper() for card in cards.values()} == kinds
    assert all(card.fits for card in cards.values())
    picture = run.open_artifact(artifact_key(name, "waves")).locator("img")
    assert picture.evaluate("img => img.decode().then(() => img.naturalWidth)") > 200
    onlooker.keep(run, f"waves-{ui}")
    drill.end()


def test_a_suspended_execution_says_that_it_needs_no_process(
    rehearsal: Rehearsal, onlooker: Onlooker, worker: Program
) -> None:
    file, bindings = rehearsal.seeded(plan(REGION, {"Web": ["s-web1"]}, gates=["Web"]))
    api = rehearsal.environment["PREFECT_API_URL"]

    def deployment() -> str | None:
        answer = HTTP.get(f"{api}/deployments/name/recover/situations", timeout=30)
        return str(answer.json()["id"]) if answer.status_code == 200 else None

    served = until(deployment, "the deployment is registered")
    parameters = {"manifest": str(file), "bindings": str(bindings), "gates": "suspend"}
    run = HTTP.post(f"{api}/deployments/{served}/create_flow_run", json={"parameters": parameters}, timeout=30)
    execution_id = run.raise_for_status().json()["id"]
    until(
        lambda: HTTP.get(f"{api}/flow_runs/{execution_id}", timeout=30).json()["state_name"] == "Suspended" or None,
        "it is suspended",
    )
    onlooker.sees("suspended", execution_id)
    cancelled = rehearsal.cli("cancel", execution_id)
    assert cancelled.returncode == 0, cancelled.stderr


def test_a_refused_preflight_and_a_failed_execution_say_what_to_do(rehearsal: Rehearsal, onlooker: Onlooker) -> None:
    manifest = plan(REGION, {"Web": ["y-web1"]})
    manifest["recoveryPlans"][0]["planName"] = "Refused"
    file, bindings = rehearsal.seeded(manifest)
    drs = rehearsal.client("drs", REGION)
    servers = {server["tags"].get("Name"): server for server in drs.describe_source_servers()["items"]}
    drs.stop_replication(sourceServerID=servers["y-web1"]["sourceServerID"])
    assert rehearsal.drill(file, bindings).ended() == 5
    asked = {"flow_runs": {"name": {"any_": ["Refused drill"]}}}
    runs = HTTP.post(f"{rehearsal.environment['PREFECT_API_URL']}/flow_runs/filter", json=asked, timeout=30)
    onlooker.sees("refused by the preflight", runs.raise_for_status().json()[0]["id"])

    file, bindings = rehearsal.seeded(plan(REGION, {"Database": ["z-db1"], "Web": ["z-web1"]}))
    fault = {"kind": "server", "region": REGION, "server": "z-db1", "stage": "conversion", "message": "disk full"}
    rehearsal.control("POST", "/faults", fault)
    drill = rehearsal.drill(file, bindings)
    assert drill.ended() == 3
    onlooker.sees("failed", drill.execution_id())


def test_a_wave_that_waits_for_the_quota_of_jobs_says_so(rehearsal: Rehearsal, onlooker: Onlooker) -> None:
    others = [f"x-other{number}" for number in range(20)]
    manifest = plan(REGION, {"Ours": ["x-1"], "Others": others})
    (one,) = manifest["recoveryPlans"]
    manifest["recoveryPlans"] = [
        {"planName": "Ours", "waves": one["waves"][:1]},
        {"planName": "Others", "waves": [{**one["waves"][1], "waveNumber": 1, "dependsOnWaves": []}]},
    ]
    file, bindings = rehearsal.seeded(manifest)
    drs = rehearsal.client("drs", REGION)
    servers = {s["tags"].get("Name"): s["sourceServerID"] for s in drs.describe_source_servers()["items"]}
    slow_jobs(rehearsal, 100)

    def started(name: str) -> bool | None:
        try:
            drs.start_recovery(isDrill=True, sourceServers=[{"sourceServerID": servers[name]}])
        except drs.exceptions.ServiceQuotaExceededException:  # a job of the test before ends soon, and frees its slot
            return None
        return True

    for name in others:
        until(partial(started, name), "a slot is free", every=COMMAND_SECONDS)
    drill = rehearsal.drill(file, bindings, "--plan", "Ours")
    status = comes_to(rehearsal, drill.execution_id(), ("quota", 1))
    assert "DRS launches at most 500 servers in 20 jobs at once" in squeezed(status.text)
    onlooker.sees("it waits for a quota", drill.execution_id())
    drill.end()


def slow_jobs(rehearsal: Rehearsal, times: int = 10) -> None:
    """Let the jobs of the region take so many times as long, so that there is time to look."""
    rehearsal.control("POST", "/faults", {"kind": "job", "region": REGION, "slow": times})


def squeezed(text: str) -> str:
    """The text in one line: a terminal breaks lines anywhere."""
    return " ".join(text.split())
