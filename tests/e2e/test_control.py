"""Cancel and resume from another shell: what was acknowledged holds, whatever became of the process meanwhile."""

from __future__ import annotations

import json
import signal
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
from prefect.exceptions import ObjectNotFound

from prefect_drs.orchestration.executions.lease import limit_name
from tests.e2e.rehearsal import Drill, Rehearsal, plan, until


def started_run(name: str) -> str:
    """The id of the flow run of that name, once there is one."""

    def look() -> str | None:
        with get_client(sync_client=True) as client:
            runs = client.read_flow_runs(flow_run_filter=FlowRunFilter(name=FlowRunFilterName(any_=[name])))
        return str(runs[0].id) if runs else None

    return until(look, f"a flow run {name!r}")


def jobs_of(rehearsal: Rehearsal, region: str, execution_id: str) -> list[dict[str, Any]]:
    jobs = rehearsal.jobs(region)
    return [job for job in jobs if job["tags"].get("prefect-drs:execution") == execution_id]


def killed_at_its_gate(rehearsal: Rehearsal, region: str) -> str:
    """An execution whose process was killed after wave 1, at the gate of wave 2."""
    manifest = plan(region, {"Database": ["b-1"], "Application": ["b-2"]}, gates=["Application"])
    drill = rehearsal.drill(*rehearsal.seeded(manifest), own_process=True)
    execution_id = drill.execution_id()
    drill.says(f"prefect-drs approve {execution_id} --wave 2")
    drill.process.kill()
    drill.process.wait()
    return execution_id


def let_the_lease_lapse(execution_id: str) -> None:
    """What the Prefect server does 60 to 75 s after the process died."""
    with get_client(sync_client=True) as client:
        try:
            client.delete_global_concurrency_limit_by_name(limit_name(execution_id))
        except ObjectNotFound:
            return


def events(rehearsal: Rehearsal, execution_id: str) -> str:
    return json.dumps(
        [json.loads(each.read_text()) for each in rehearsal.folder.glob(f"home/journal/{execution_id}/*.json")]
    )


def stopped_while_it_reads(rehearsal: Rehearsal, region: str) -> tuple[Drill, str]:
    file, bindings = rehearsal.seeded(plan(region, {"Database": ["a-1"], "Application": ["a-2"]}))
    drill = rehearsal.drill(file, bindings, own_process=True)
    execution_id = started_run(f"Plan {region} drill")
    drill.process.send_signal(signal.SIGSTOP)
    return drill, execution_id


def test_a_cancel_while_the_accounts_are_read_is_honoured(rehearsal: Rehearsal) -> None:
    region = "ap-east-2"
    drill, execution_id = stopped_while_it_reads(rehearsal, region)

    cancelled = rehearsal.cli("cancel", execution_id, "--by", "Eva", "--reason", "wrong region")
    drill.process.send_signal(signal.SIGCONT)

    assert cancelled.returncode == 0, cancelled.stderr
    assert drill.ended() == 4, drill.stderr
    assert jobs_of(rehearsal, region, execution_id) == []
    assert "cancelled by Eva: wrong region" in json.dumps(drill.report())


def test_after_sigkill_and_cancel_a_resume_refuses_and_names_who_cancelled(rehearsal: Rehearsal) -> None:
    region = "ap-southeast-6"
    execution_id = killed_at_its_gate(rehearsal, region)

    stored = rehearsal.cli("cancel", execution_id, "--by", "Eva")
    refused = rehearsal.cli("resume", execution_id, "--take-over", "--yes")

    assert stored.returncode == 0, stored.stderr
    assert "is stored, but its process has not confirmed it" in stored.stdout
    assert refused.returncode == 2
    assert f"execution {execution_id} was cancelled by Eva at 20" in refused.stderr
    assert len(jobs_of(rehearsal, region, execution_id)) == 1

    resumed = rehearsal.cli("resume", execution_id, "--take-over", "--yes", "--json", "--despite-cancel")
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["status"] == "COMPLETED"
    assert "CancelOverridden" in events(rehearsal, execution_id)
    assert len(jobs_of(rehearsal, region, execution_id)) == 2


def test_a_process_that_slept_through_a_take_over_launches_nothing_once_it_wakes(rehearsal: Rehearsal) -> None:
    region = "ap-southeast-7"
    manifest = plan(region, {"Database": ["z-1"], "Application": ["z-2"], "Web": ["z-3"]}, gates=["Web"])
    drill = rehearsal.drill(*rehearsal.seeded(manifest), own_process=True)
    execution_id = drill.execution_id()
    drill.says(r"wave 1 job drsjob-\w+ in")
    drill.process.send_signal(signal.SIGSTOP)

    resumed = rehearsal.cli("resume", execution_id, "--take-over", "--yes", "--json")
    drill.process.send_signal(signal.SIGCONT)

    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["status"] == "COMPLETED"
    assert drill.ended() == 3, drill.stderr
    assert "was taken over by another process" in drill.stderr
    assert len(jobs_of(rehearsal, region, execution_id)) == 3


def test_of_two_that_resume_at_once_one_carries_the_execution_on(rehearsal: Rehearsal) -> None:
    region = "ap-southeast-7"
    execution_id = killed_at_its_gate(rehearsal, region)
    let_the_lease_lapse(execution_id)

    both = [rehearsal.resume(execution_id, "--yes") for _ in range(2)]

    assert sorted(each.ended() for each in both)[0] == 0, both[0].stderr + both[1].stderr
    for each in both:
        assert each.process.returncode == 0 or "another process runs execution" in each.stderr, each.stderr
        assert "Traceback" not in each.stderr
    assert len(jobs_of(rehearsal, region, execution_id)) == 2


def test_a_cancel_of_an_execution_that_no_process_carries_brings_it_to_its_end(rehearsal: Rehearsal) -> None:
    region = "ap-east-2"
    execution_id = killed_at_its_gate(rehearsal, region)
    let_the_lease_lapse(execution_id)

    cancelled = rehearsal.cli("cancel", execution_id, "--by", "Eva")

    assert cancelled.returncode == 0, cancelled.stderr
    assert f"no process carried execution {execution_id}; it was finalized here: PARTIAL" in cancelled.stdout
    status = json.loads(rehearsal.cli("status", execution_id, "--json").stdout)
    assert [wave["status"] for wave in status["waves"]] == ["COMPLETED", "CANCELLED"]
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(UUID(execution_id)).state
    assert state is not None
    assert (state.name, state.message) == (
        "Crashed",
        "Process lost; the execution was cancelled by Eva and ended PARTIAL",
    )
    for command in ("cancel", "pause"):
        again = rehearsal.cli(command, execution_id)
        assert again.returncode == 2
        assert f"execution {execution_id} has ended: PARTIAL" in again.stderr


def test_a_request_that_cannot_be_read_stops_no_steering(rehearsal: Rehearsal) -> None:
    region = "ap-southeast-6"
    manifest = plan(region, {"Database": ["u-1"], "Application": ["u-2"]}, gates=["Application"])
    drill = rehearsal.drill(*rehearsal.seeded(manifest), own_process=True)
    execution_id = drill.execution_id()
    drill.says(f"prefect-drs approve {execution_id} --wave 2")
    with get_client(sync_client=True) as client:
        for number, value in enumerate(['{"wish": "PAUSE", "by": "CORP\\tom"}'.replace("\\t", "\t"), "[]", "{}"]):
            client.create_flow_run_input(UUID(execution_id), f"prefect-drs-wish-20260101-00000{number}", value)
    drill.says("skipped, it cannot be read")

    cancelled = rehearsal.cli("cancel", execution_id)

    assert "is cancelled: nothing more is launched" in cancelled.stdout
    assert drill.ended() == 4
