"""The situations that a person on call meets, each made on the sandbox: what `status` and the HTML report say of it."""

from __future__ import annotations

import json
import re
import signal
from typing import Any

from tests.e2e.rehearsal import Rehearsal, plan, until

REGION = "us-east-1"  # of this file alone
UTC_TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"


class Status:
    """What `status` says of an execution: as JSON, and as a person reads it at a terminal of 100 columns."""

    def __init__(self, rehearsal: Rehearsal, execution_id: str) -> None:
        data = rehearsal.cli("status", execution_id, "--json")
        shown = rehearsal.cli("status", execution_id)
        assert (shown.returncode, data.returncode) == (0, 0), shown.stderr + data.stderr
        self._rehearsal = rehearsal
        self.text: str = shown.stdout
        self.data: dict[str, Any] = json.loads(data.stdout)

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
        return found if found.waits == list(waits) and status in {None, found.data["status"]} else None

    return until(look, f"{execution_id} waits for {waits}")


def test_from_running_to_two_gates_a_pause_the_end_and_the_termination(rehearsal: Rehearsal) -> None:
    waves = {"Database": ["u-db1"], "Application": ["u-app1"], "Web": ["u-web1"]}
    manifest = plan(REGION, waves, gates=["Application", "Web"], after={"Web": ["Database"]})
    file, bindings = rehearsal.seeded(manifest)
    slow_jobs(rehearsal)
    drill = rehearsal.drill(file, bindings)
    execution_id = drill.execution_id()
    job = drill.says(r"job (drsjob-\w+) in")[1]
    running = until(
        lambda: found if job in (found := Status(rehearsal, execution_id)).text else None, "the job is in the report"
    )
    assert running.data["status"] == "IN_PROGRESS"
    assert running.data["process"]["alive"]
    assert running.waits == []
    assert f"DRS runs 1 job(s): {job} (wave 1, 1 servers)." in running.text
    assert "RTO so far" in running.text
    assert "simulated time of the sandbox" in running.text
    page = running.page()
    assert "IN_PROGRESS" in page
    assert job in page

    two = comes_to(rehearsal, execution_id, ("approval", 2), ("approval", 3), status="PAUSED")
    assert two.commands == [f"prefect-drs approve {execution_id} --wave {wave}" for wave in (2, 3)]
    for wait in two.data["waitingFor"]:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", wait["since"])
        assert wait["since"] < wait["until"]
        assert wait["link"] in two.text
    assert re.search(rf"approval of wave 2 Application, since {UTC_TIME} \(.*\), until {UTC_TIME}", squeezed(two.text))

    assert two.page().count("WAITING") == 2

    paused = rehearsal.cli("pause", execution_id[:8], "--by", "ada")
    assert paused.returncode == 0, paused.stderr
    stopped = comes_to(rehearsal, execution_id, ("approval", 2), ("approval", 3), ("pause", None))
    assert "the end of the pause by ada: nothing new is launched, since" in squeezed(stopped.text)
    assert "Paused by ada" in stopped.page()
    assert stopped.commands[-1] == f"prefect-drs resume {execution_id}"
    resumed = rehearsal.cli("resume", "latest")
    assert resumed.returncode == 0, resumed.stderr

    approved = rehearsal.cli("approve", "latest", "--wave", "application")
    assert approved.returncode == 0, approved.stderr
    one = comes_to(rehearsal, execution_id, ("approval", 3))
    assert rehearsal.cli("approve", execution_id, "--wave", "3").returncode == 0
    assert drill.ended() == 0, drill.stderr
    assert one.data["executionId"] == execution_id

    done = Status(rehearsal, execution_id)
    assert (done.data["status"], done.waits) == ("COMPLETED", [])
    assert done.data["atGatesSeconds"] > 0
    assert "COMPLETED" in done.page()
    for wave in done.data["waves"][1:]:  # one clock: nobody approves before the execution began
        assert done.data["startedAt"] < wave["approval"]["at"] <= wave["startedAt"]

    assert rehearsal.cli("terminate", execution_id, "--yes", "--by", "bob").returncode == 0
    gone = Status(rehearsal, execution_id)
    assert {s["launchStatus"] for wave in gone.data["waves"] for s in wave["servers"]} == {"TERMINATED"}
    assert gone.data["terminated"]["by"] == "bob"
    assert "Terminated by bob" in gone.page()
    assert re.search(rf"bob terminated it at {UTC_TIME}: 3 instance\(s\) are gone", squeezed(gone.text))
    assert gone.data["status"] == "COMPLETED"


def test_a_process_that_stopped_is_named_by_status_approve_and_reject(rehearsal: Rehearsal) -> None:
    manifest = plan(REGION, {"Database": ["v-db1"], "Web": ["v-web1"]}, gates=["Web"])
    drill = rehearsal.drill(*rehearsal.seeded(manifest), own_process=True)
    execution_id = drill.execution_id()
    comes_to(rehearsal, execution_id, ("approval", 2))
    drill.process.send_signal(signal.SIGTERM)  # after SIGKILL, its lease holds for 75 s more
    assert drill.process.wait(30) == 143

    lost = comes_to(rehearsal, execution_id, ("process", None))  # its gate ended with it
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


def test_cancelled_while_a_job_runs_names_who_and_the_job(rehearsal: Rehearsal) -> None:
    file, bindings = rehearsal.seeded(plan(REGION, {"Database": ["w-db1"], "Web": ["w-web1"]}))
    slow_jobs(rehearsal)
    drill = rehearsal.drill(file, bindings)
    execution_id = drill.execution_id()
    job = drill.says(r"job (drsjob-\w+) in")[1]
    cancelled = rehearsal.cli("cancel", execution_id, "--by", "ada", "--reason", "wrong region")
    assert cancelled.returncode == 0, cancelled.stderr
    status = until(
        lambda: found if (found := Status(rehearsal, execution_id)).data["cancelled"] else None, "the cancel is told"
    )
    assert re.search(rf"Cancelled by ada at {UTC_TIME}: wrong region: nothing more is launched", squeezed(status.text))
    assert job in status.text
    assert "Cancelled by ada" in status.page()
    assert drill.ended() in {3, 4}


def test_a_wave_that_waits_for_the_quota_of_jobs_says_so(rehearsal: Rehearsal) -> None:
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
    slow_jobs(rehearsal)
    for name in others:
        drs.start_recovery(isDrill=True, sourceServers=[{"sourceServerID": servers[name]}])
    drill = rehearsal.drill(file, bindings, "--plan", "Ours")
    status = comes_to(rehearsal, drill.execution_id(), ("quota", 1))
    assert "DRS launches at most 500 servers in 20 jobs at once" in squeezed(status.text)
    drill.end()


def slow_jobs(rehearsal: Rehearsal) -> None:
    """Let the jobs of the region take ten times as long, so that there is time to look."""
    rehearsal.control("POST", "/faults", {"kind": "job", "region": REGION, "slow": 10})


def squeezed(text: str) -> str:
    """The text in one line: a terminal breaks lines anywhere."""
    return " ".join(text.split())
