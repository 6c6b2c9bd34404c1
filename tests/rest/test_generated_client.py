"""A client that openapi-python-client generates from the OpenAPI document lists executions.

The generator runs in an environment of its own, which uv keeps: its dependencies contradict Prefect's.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from prefect_drs.rest.openapi import document
from prefect_drs.rest.options import RestOptions
from prefect_drs.rest.service import served_routes
from tests.conftest import PrefectServer
from tests.rest.server import running_server

GENERATOR = "openapi-python-client==0.29.1"
CODE = """
import sys
from generated.api.executions import list_executions
from generated.client import Client
from generated.models import ListExecutionsSort

answer = list_executions.sync(client=Client(sys.argv[1]), limit=5, sort=ListExecutionsSort("planName"))
print(type(answer).__name__, len(answer.executions))
"""


def generate(folder: Path) -> str:
    """Generate the package `generated`; what the generator said. Skips the test where it cannot be had."""
    described = folder / "openapi.json"
    described.write_text(json.dumps(document(served_routes())), encoding="utf-8")
    command = [sys.executable, "-m", "uv", "tool", "run", "--from", GENERATOR, "openapi-python-client"]
    if subprocess.run([*command, "--version"], capture_output=True, timeout=300, check=False).returncode:
        pytest.skip(f"{GENERATOR} is neither in uv's cache nor to be downloaded")
    options = ["generate", "--path", str(described), "--meta", "none", "--output-path", str(folder / "generated")]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.e2e
def test_a_generated_client_lists_executions(prefect_server: PrefectServer, tmp_path: Path):
    said = generate(tmp_path)
    assert "WARNING" not in said
    assert "Unable to process" not in said
    with running_server(RestOptions(caller="ada")) as server:
        done = subprocess.run(
            [sys.executable, "-c", CODE, server.url],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.stdout.startswith("ExecutionsAnswer "), done.stderr
