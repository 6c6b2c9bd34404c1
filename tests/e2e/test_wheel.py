"""The wheel alone, in an empty environment and outside the checkout: set up, deploy, and drill by a worker."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from release.wheel import UV, InstalledWheel, build_wheel, install
from tests.e2e.rehearsal import ROOT, Rehearsal, plan

POOL = "of-the-wheel"


@pytest.fixture(scope="module")
def installed(rehearsal: Rehearsal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InstalledWheel]:
    folder = tmp_path_factory.mktemp("wheel")
    wheel = build_wheel(ROOT, folder)
    environment = rehearsal.environment | {"PREFECT_CLI_PROMPT": "false"}
    here = install(wheel, folder, constraints=pinned_as_here(folder), environment=environment)
    yield here
    subprocess.run(
        ["prefect", "block", "delete", "drs-target-account/sandbox"],
        cwd=here.folder,
        env=here.environment,
        capture_output=True,
        check=False,
    )


def pinned_as_here(folder: Path) -> Path:
    """The releases of this environment as constraints: the pinned ones, or those of the support window's other ends."""
    frozen = subprocess.run(
        [UV, "pip", "freeze", "--python", sys.executable, "--exclude-editable"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    constraints = folder / "constraints.txt"
    constraints.write_text("".join(f"{line}\n" for line in frozen.splitlines() if "==" in line), encoding="utf-8")
    return constraints


def test_setup_registers_everything_and_again_changes_nothing(installed: InstalledWheel) -> None:
    first = installed.run("prefect-drs", "setup", "--sample").splitlines()
    again = installed.run("prefect-drs", "setup", "--sample").splitlines()
    assert "block type drs-target-account is registered" in first
    assert first[-1] in {
        "block drs-target-account/sandbox was created",
        "block drs-target-account/sandbox was updated",
    }
    assert again == [*first[:-1], "block drs-target-account/sandbox is up to date"]
    where = installed.run("python", "-c", "import prefect_drs; print(prefect_drs.__file__)")
    assert "site-packages" in where
    assert str(ROOT) not in where


def test_a_drill_by_a_deployment_of_the_wheel(installed: InstalledWheel, rehearsal: Rehearsal) -> None:
    region = "sa-east-1"
    file, bindings = rehearsal.seeded(plan(region, {"Database": ["v-db1"], "Web": ["v-web1"]}, gates=["Web"]))
    before = {job["jobID"] for job in rehearsal.jobs(region)}
    installed.run("prefect", "work-pool", "create", POOL, "--type", "process")
    entrypoint = "prefect_drs.flows:recover"
    installed.run("prefect", "--no-prompt", "deploy", entrypoint, "--name", "wheel", "--pool", POOL)
    parameters = {"manifest": str(file), "bindings": str(bindings), "mode": "drill", "approved_by": "Ada Lovelace"}
    asked = [part for name, value in parameters.items() for part in ("--param", f"{name}={value}")]
    with subprocess.Popen(
        ["prefect", "worker", "start", "--pool", POOL],
        cwd=installed.folder,
        env=installed.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as worker:
        try:
            installed.run("prefect", "deployment", "run", "recover/wheel", *asked, "--watch")
        finally:
            worker.kill()
    jobs = [job for job in rehearsal.jobs(region) if job["jobID"] not in before]
    assert len({server["sourceServerID"] for job in jobs for server in job["participatingServers"]}) == 2
    assert installed.run("prefect-drs", "report", "latest", "--format", "html").startswith("<!doctype html>")
