"""Where workers run: the files in deployments/, by the checkers of their formats, and as far as they can be run here.

python -m tests.examples.test_workers        writes deployments/ecs/base-job-template.json, from that of prefect-aws

No container is started: there is no Docker daemon here. The scripts of the image are run as they are; the ECS worker of
prefect-aws starts its tasks in the simulated AWS.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import PREFECT_API_KEY, temporary_settings
from prefect_aws.workers import ECSWorker
from prefect_aws.workers.ecs_worker import ECSJobConfiguration
from ruamel.yaml import YAML

from prefect_drs.orchestration.settings import PrefectDrsSettings
from tests.conftest import PrefectServer, free_port
from tests.examples.places import TOOLS, checked
from tests.operations.shop import until
from tests.rig import simulated_aws
from tests.snippets import ROOT

DEPLOYMENTS = ROOT / "deployments"
DOCKER = DEPLOYMENTS / "docker"
JOB_TEMPLATE = DEPLOYMENTS / "ecs/base-job-template.json"
VALUES = DEPLOYMENTS / "kubernetes/values.yaml"
UNIT = DEPLOYMENTS / "process/prefect-drs-worker.service"
SCHEMA = Path(__file__).with_name("prefect-worker.values.schema.json")
"""Of the chart prefect-worker (PrefectHQ/prefect-helm, Apache-2.0) of August 2026; the chart itself is not here."""
ACCOUNT = "111111111111"
DEFAULTS: dict[str, Any] = {
    "image": "registry.example/prefect-drs:0.1.0",
    "cluster": "prefect-drs",
    "family": "prefect-drs-execution",
    "cpu": 1024,
    "memory": 2048,
    "launch_type": "FARGATE",
    "task_role_arn": f"arn:aws:iam::{ACCOUNT}:role/prefect-drs-orchestrator",
    "execution_role_arn": f"arn:aws:iam::{ACCOUNT}:role/prefect-drs-execution",
    "configure_cloudwatch_logs": True,
    "cloudwatch_logs_options": {"awslogs-group": "/prefect-drs/tasks", "awslogs-create-group": "false"},
    "auto_deregister_task_definition": False,
    "env": {"PREFECT_DRS_JOURNAL": "s3-bucket/drs-journal"},
}
"""The defaults that differ from those of prefect-aws."""
KEY_SECRET = f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:prefect-api-key-AbCdEf"


def job_template() -> dict[str, Any]:
    """The base job template of prefect-aws with these defaults."""
    template: dict[str, Any] = ECSWorker.get_default_base_job_template()
    for name, value in DEFAULTS.items():
        template["variables"]["properties"][name]["default"] = value
    return template


def written(template: dict[str, Any]) -> str:
    return json.dumps(template, indent=2) + "\n"


# ---- Docker ------------------------------------------------------------------------------------------------------


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    checked(TOOLS / "hadolint", DOCKER / "Dockerfile")


@pytest.mark.parametrize("script", ["drs-worker", "drs-worker-health"])
def test_shellcheck_finds_nothing_in_the_image_s_scripts(script: str) -> None:
    checked(TOOLS / "shellcheck", DOCKER / script)
    assert os.access(DOCKER / script, os.X_OK)


def test_the_final_stage_is_slim_and_has_no_build_tools_no_root_and_a_health_check() -> None:
    *_, final = re.split(r"^FROM ", (DOCKER / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert final.startswith("python:${PYTHON}-slim\n")
    assert re.search(r"^USER 1001$", final, re.MULTILINE)
    assert "HEALTHCHECK" in final
    assert "pip install" not in final
    assert "pip uninstall" in final
    assert not re.search(r"apt-get|gcc|build-essential|KEY=|SECRET=", final)


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    copied = [
        name
        for words in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)
        for name in words.split()[:-1]
        if not name.startswith("--")
    ]
    kept = (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8").split("\n")
    assert all((ROOT / name).exists() for name in copied)
    assert all(any(name.startswith(line[1:]) for line in kept if line.startswith("!")) for name in copied)


def test_the_image_s_scripts_start_a_worker_and_tell_whether_it_is_well(prefect_server: PrefectServer) -> None:
    pool, port = f"image-{uuid4().hex[:8]}", str(free_port())
    environment = {
        **os.environ,
        **prefect_server.environment,
        "PATH": f"{TOOLS}:{os.environ['PATH']}",
        "PREFECT_WORKER_WEBSERVER_PORT": port,
    }
    health = [str(DOCKER / "drs-worker-health")]
    assert subprocess.run(health, env=environment, capture_output=True, check=False).returncode != 0
    refused = subprocess.run([DOCKER / "drs-worker"], env=environment, capture_output=True, text=True, check=False)
    assert "DRS_WORK_POOL: name the work pool" in refused.stderr
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
        worker = subprocess.Popen([DOCKER / "drs-worker"], env={**environment, "DRS_WORK_POOL": pool})
        try:
            until(lambda: client.read_workers_for_work_pool(pool), "the worker has told Prefect that it lives")
            until(
                lambda: subprocess.run(health, env=environment, capture_output=True, check=False).returncode == 0,
                "the health check answers",
            )
        finally:
            worker.terminate()
            worker.wait(timeout=300)
        client.delete_work_pool(pool)
    assert subprocess.run(health, env=environment, capture_output=True, check=False).returncode != 0


# ---- ECS ---------------------------------------------------------------------------------------------------------


def test_the_job_template_is_that_of_prefect_aws_but_for_our_defaults() -> None:
    assert JOB_TEMPLATE.read_text(encoding="utf-8") == written(job_template())


@flow(name="of-a-task")
def of_a_task() -> None:
    """Never run here: the simulated ECS runs no containers."""


def test_the_ecs_worker_starts_a_task_with_the_role_and_the_secret(prefect_server: PrefectServer) -> None:
    """The worker has the key too: without it, prefect-aws 0.7.12 fails where the variable names the secret."""
    template = json.loads(JOB_TEMPLATE.read_text(encoding="utf-8"))
    pool = f"ecs-{uuid4().hex[:8]}"
    (container,) = template["job_configuration"]["task_definition"]["containerDefinitions"]
    container["memory"] = DEFAULTS["memory"]  # moto 5.2.5 asks each container for it; Fargate does not
    with temporary_settings({PREFECT_API_KEY: "a-key"}), get_client(sync_client=True) as client, simulated_aws():
        client.create_work_pool(WorkPoolCreate(name=pool, type="ecs", base_job_template=template))
        ecs = boto3.client("ecs")
        ecs.create_cluster(clusterName="prefect-drs")
        run = client.create_flow_run(of_a_task)
        definition = asyncio.run(_started_by_a_worker(pool, template, run, ecs))
        client.delete_work_pool(pool)
    (container,) = definition["containerDefinitions"]
    assert container["image"] == DEFAULTS["image"]
    assert {"name": "PREFECT_API_KEY", "valueFrom": KEY_SECRET} in container["secrets"]
    assert "PREFECT_API_KEY" not in {each["name"] for each in container["environment"]}
    assert definition["executionRoleArn"] == DEFAULTS["execution_role_arn"]
    assert container["logConfiguration"]["options"]["awslogs-group"] == "/prefect-drs/tasks"


async def _started_by_a_worker(pool: str, template: dict[str, Any], run: Any, ecs: Any) -> Any:
    """What prefect-aws makes of the template: the task definition of the task that it starts."""
    configuration = await ECSJobConfiguration.from_template_and_values(
        template, {"prefect_api_key_secret_arn": KEY_SECRET}
    )
    configuration.prepare_for_flow_run(run)
    overrides = configuration.task_run_request["overrides"]
    assert overrides["taskRoleArn"] == DEFAULTS["task_role_arn"]
    worker = ECSWorker(work_pool_name=pool)
    await worker.setup()  # not `async with`, which starts the observer: aiobotocore cannot talk to moto in this process
    await worker.run(flow_run=run, configuration=configuration)
    await worker.teardown(None, None, None)
    (task,) = ecs.list_tasks(cluster="prefect-drs")["taskArns"]
    (found,) = ecs.describe_tasks(cluster="prefect-drs", tasks=[task])["tasks"]
    return ecs.describe_task_definition(taskDefinition=found["taskDefinitionArn"])["taskDefinition"]


# ---- Kubernetes --------------------------------------------------------------------------------------------------


def test_the_values_follow_the_schema_of_prefect_s_chart() -> None:
    checked(TOOLS / "check-jsonschema", "--schemafile", SCHEMA, VALUES)


def test_the_schema_refuses_values_that_the_chart_does_not_know(tmp_path: Path) -> None:
    wrong = tmp_path / "values.yaml"
    wrong.write_text(VALUES.read_text(encoding="utf-8").replace("replicaCount:", "replicas:"), encoding="utf-8")
    command = [TOOLS / "check-jsonschema", "--schemafile", SCHEMA, wrong]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "replicas" in done.stdout) == (1, True)


def test_a_pod_is_not_root_writes_nowhere_and_holds_no_secret() -> None:
    worker = YAML(typ="safe").load(VALUES)["worker"]
    security = worker["containerSecurityContext"]
    assert (security["runAsUser"], security["runAsNonRoot"], security["readOnlyRootFilesystem"]) == (1001, True, True)
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert worker["selfHostedServerApiConfig"]["basicAuth"].keys() == {"enabled", "existingSecret"}


# ---- all of them -------------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze")
def test_systemd_finds_nothing_in_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text(encoding="utf-8").replace("/opt/prefect-drs/bin/prefect", sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, timeout=60, check=False
    )
    assert [line for line in done.stderr.splitlines() if unit.name in line] == []


def test_each_setting_of_prefect_drs_in_these_files_exists() -> None:
    known = {f"PREFECT_DRS_{name.upper()}" for name in PrefectDrsSettings.model_fields}
    files = [
        *DEPLOYMENTS.rglob("*"),
        *(ROOT / "examples/cloudformation").rglob("*"),
        *(ROOT / "examples").rglob("*.tf"),
    ]
    named = {
        name
        for file in files
        if file.is_file() and file.suffix in {".yaml", ".json", ".tf", ".service", ""}
        for name in re.findall(r"PREFECT_DRS_[A-Z_]+", file.read_text(encoding="utf-8"))
    }
    assert {"PREFECT_DRS_JOURNAL"} <= named <= known


if __name__ == "__main__":
    JOB_TEMPLATE.write_text(written(job_template()), encoding="utf-8")
