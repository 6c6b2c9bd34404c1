"""Tag sync as a person has it: the command line with parts of AWS down, and the deployment of `prefect.yaml` run by a
real worker on its schedule and at a change of settings.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.schedules import IntervalSchedule

from prefect_drs.orchestration.executions.lease import hold, limit_name
from prefect_drs.orchestration.scheduled.deployments import get_tag_sync_status, update_tag_sync_settings
from prefect_drs.orchestration.scheduled.tag_sync import LOCK, TagSyncBusyError
from prefect_drs.simulator.estate_model import SandboxEstate
from prefect_drs.simulator.fleet import fleet
from tests.e2e.rehearsal import ACCOUNT, ROOT, Rehearsal, until
from tests.scheduled.conftest import artifacts, forget

LIVING, DEAD = ("il-central-1", "mx-central-1"), ("me-south-1", "af-south-1")
pytestmark = pytest.mark.prefect

SCHEDULED = ("me-central-1", "ap-south-2")
OTHER, CLOSED = "222222222222", "444444444444"
POOL = "drs-sandbox"


def seed(rehearsal: Rehearsal, estate: SandboxEstate) -> None:
    rehearsal.control("POST", "/seed", {"estate": estate.model_dump(mode="json", by_alias=True)})


def tags_in(rehearsal: Rehearsal, region: str) -> list[dict[str, str]]:
    """The tags of the caller's source servers there that `fleet` made, as plain boto3 reads them."""
    pages = rehearsal.client("drs", region).get_paginator("describe_source_servers").paginate()
    found = [server["tags"] for page in pages for server in page["items"]]
    return [tags for tags in found if tags.get("Name", "").startswith("srv-")]  # other tests' servers stay there


@pytest.fixture
def clean(rehearsal: Rehearsal) -> Iterator[Rehearsal]:
    forget()
    yield rehearsal
    rehearsal.control("DELETE", "/faults")
    forget()


def test_with_two_regions_dead_and_an_account_without_its_role_the_rest_is_synchronised_and_the_failed_are_named(
    clean: Rehearsal,
) -> None:
    seed(clean, fleet(16, accounts=[ACCOUNT, OTHER], regions=LIVING))
    seed(clean, fleet(4, accounts=[ACCOUNT], regions=DEAD))
    for region in DEAD:
        clean.control("POST", "/faults", {"kind": "region", "region": region})
    asked = [word for region in (*LIVING, *DEAD) for word in ("--region", region)]
    asked += [word for account in (ACCOUNT, OTHER, CLOSED) for word in ("--account", account)]
    done = clean.cli("tag-sync", *asked, "--json")
    assert done.returncode == 3, done.stderr
    result = json.loads(done.stdout)
    assert result["serversChanged"] == 16
    failed = {(failure["accountId"], failure["region"], failure["code"]) for failure in result["failures"]}
    assert failed == {
        *((account, region, "AWS_UNREACHABLE") for account in (ACCOUNT, OTHER) for region in DEAD),
        (CLOSED, None, "ROLE_ASSUMPTION_FAILED"),
    }
    for region in LIVING:
        assert all("Environment" in tags for tags in tags_in(clean, region))
    (page,) = artifacts("tag-sync-status")
    for named in (*(f"{ACCOUNT}/{region}" for region in DEAD), f"{CLOSED}/all regions"):
        assert f"**{named}**" in page["data"]
        assert named.replace("/all regions", "") in done.stderr
    assert "Traceback" not in done.stderr


def test_beside_another_sync_the_command_does_nothing_and_says_so(clean: Rehearsal) -> None:
    with hold(limit_name(LOCK), timedelta(seconds=30), TagSyncBusyError("")):
        done = clean.cli("tag-sync", "--region", LIVING[0])
    assert done.returncode == 4
    assert done.stdout == ""
    assert re.search(r"^prefect-drs: another tag sync is running, .*did nothing", done.stderr, re.MULTILINE)


@pytest.fixture
def worker(clean: Rehearsal, tmp_path: Path) -> Iterator[None]:
    """The deployment as `prefect.yaml` has it, and a worker that runs it."""
    environment = clean.environment | {"PREFECT_WORKER_QUERY_SECONDS": "1", "PREFECT_CLI_PROMPT": "false"}

    for arguments in (
        ("work-pool", "create", POOL, "--type", "process", "--overwrite"),
        ("deploy", "-n", "tag-sync/scheduled"),
    ):
        done = clean.prefect(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    log = tmp_path / "worker.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(clean.programs / "prefect"), "worker", "start", "--pool", POOL],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        with get_client(sync_client=True) as client:
            client.delete_work_pool(POOL)


def runs(client: Any, deployment: Any) -> list[FlowRun]:
    answer = client.request("POST", "/flow_runs/filter", json={"deployments": {"id": {"any_": [str(deployment)]}}})
    return FlowRun.model_validate_list(answer.json())


def due_soon(client: Any, deployment: Any) -> FlowRun:
    """Move the schedule so that its next run is due within seconds, and wait until Prefect has planned that run.

    Prefect plans the runs of a deployment that was just updated within seconds, on a busy machine too late for so near
    a time: then it is moved again.
    """

    def moved() -> FlowRun | None:
        (schedule,) = client.read_deployment_schedules(deployment)
        due = datetime.now(UTC) + timedelta(seconds=20)
        interval = IntervalSchedule(interval=timedelta(hours=2), anchor_date=due - timedelta(hours=2))
        client.update_deployment_schedule(deployment, schedule.id, schedule=interval)
        client.update_deployment(deployment, DeploymentUpdate(paused=False))
        while datetime.now(UTC) < due:
            planned = [run for run in runs(client, deployment) if run.expected_start_time is not None]
            if found := [run for run in planned if abs(run.expected_start_time - due) < timedelta(seconds=1)]:
                return found[0]
            time.sleep(0.5)
        return None

    return until(moved, "a run of the schedule is planned", 180)


def test_a_change_of_settings_runs_the_deployment_once_at_once_and_then_it_runs_on_its_schedule(
    clean: Rehearsal, worker: None
) -> None:
    seed(clean, fleet(6, accounts=[ACCOUNT], regions=SCHEDULED))
    update = update_tag_sync_settings(
        regions=list(SCHEDULED), accounts=[ACCOUNT], mappings={"Environment": "DR-Environment"}, schedule_hours=2
    )
    assert update.run is not None
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("tag-sync/scheduled").id

        def ended(*, scheduled: bool) -> FlowRun | None:
            over = [run for run in runs(client, deployment) if run.auto_scheduled is scheduled and run.end_time]
            return next(iter(over), None)

        first = until(lambda: ended(scheduled=False), "the run that the change of settings asked for ends", 180)
        assert (first.id, first.state_name) == (update.run.flow_run_id, "Completed")
        assert all("DR-Environment" in tags for region in SCHEDULED for tags in tags_in(clean, region))

        ec2 = clean.client("ec2", SCHEDULED[0])
        of_fleet = {"Name": "tag:Name", "Values": ["srv-*"]}  # other tests' instances are there too
        instance = ec2.describe_instances(Filters=[of_fleet])["Reservations"][0]["Instances"][0]["InstanceId"]
        ec2.create_tags(Resources=[instance], Tags=[{"Key": "Environment", "Value": "moved"}])
        planned = due_soon(client, deployment)
        second = until(lambda: ended(scheduled=True), "the run of the schedule ends", 180)
        assert (second.id, second.state_name) == (planned.id, "Completed")
        assert [run.id for run in runs(client, deployment) if not run.auto_scheduled] == [first.id]
    moved = [tags for region in SCHEDULED for tags in tags_in(clean, region) if tags["DR-Environment"] == "moved"]
    assert len(moved) == 1
    status = get_tag_sync_status()
    assert (status.status, status.servers_processed, status.tags_synchronized) == ("COMPLETED", 6, 1)
    assert status.next_scheduled_sync is not None
    assert status.next_scheduled_sync > datetime.now(UTC) + timedelta(hours=1)
