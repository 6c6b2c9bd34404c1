"""The lowest botocore that the package may be installed with knows every operation of DRS that the package calls."""

from __future__ import annotations

import ast
import gzip
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import botocore
import pytest
from botocore import xform_name

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "prefect_drs"
USED = {
    "create_extended_source_server",
    "describe_job_log_items",
    "describe_jobs",
    "describe_launch_configuration_templates",
    "describe_recovery_instances",
    "describe_recovery_snapshots",
    "describe_replication_configuration_templates",
    "describe_source_servers",
    "disconnect_recovery_instance",
    "get_launch_configuration",
    "get_replication_configuration",
    "list_extensible_source_servers",
    "list_launch_actions",
    "list_staging_accounts",
    "reverse_replication",
    "start_failback_launch",
    "start_recovery",
    "stop_replication",
    "tag_resource",
    "terminate_recovery_instances",
    "untag_resource",
    "update_launch_configuration",
}
# Members of requests that the floor does not know: nothing here may send them.
UNKNOWN_TO_THE_FLOOR = {"recoveryMode"}


def drs_model(folder: Path) -> dict[str, Any]:
    service = folder / "botocore" / "data" / "drs" / "2020-02-26" / "service-2.json.gz"
    model = json.loads(gzip.decompress(service.read_bytes()))
    assert isinstance(model, dict)
    return model


def operations(model: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {xform_name(name): operation for name, operation in model["operations"].items()}


def names_in(path: Path) -> set[str]:
    """Attributes and strings: `client.describe_jobs` and `get_paginator("describe_jobs")`."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return attributes | {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def modules() -> list[Path]:
    """All of the package but the simulator and the faces: `op` has operations of its own, some named alike."""
    apart = {PACKAGE / each for each in ("simulator", "operations", "cli", "rest", "client")}
    return [path for path in sorted(PACKAGE.rglob("*.py")) if not apart & set(path.parents)]


@pytest.fixture(scope="module")
def newest() -> dict[str, Any]:
    return drs_model(Path(botocore.__file__).parents[1])


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The model of DRS in the lowest botocore that pyproject.toml allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (lowest,) = (re.sub(r"^botocore>=", "", need) for need in project["dependencies"] if need.startswith("botocore>="))
    target = tmp_path_factory.mktemp("botocore")
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--no-deps", "--target", str(target), f"botocore=={lowest}"],
        check=True,
    )
    return drs_model(target)


def test_the_list_of_operations_is_what_the_code_calls(newest: dict[str, Any]) -> None:
    called = set[str]().union(*map(names_in, modules()))
    assert called & operations(newest).keys() == USED


def test_the_floor_knows_every_operation_and_every_member_that_is_sent(
    floor: dict[str, Any], newest: dict[str, Any]
) -> None:
    assert operations(floor).keys() >= USED
    unknown = set()
    for name in USED:
        before, now = operations(floor)[name]["input"]["shape"], operations(newest)[name]["input"]["shape"]
        unknown |= newest["shapes"][now]["members"].keys() - floor["shapes"][before]["members"].keys()
    assert unknown == UNKNOWN_TO_THE_FLOOR
