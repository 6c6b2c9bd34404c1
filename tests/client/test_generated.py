"""The client's methods are the operations: generated from the OpenAPI document, one of each name, light to import."""

from __future__ import annotations

import json
import subprocess
import sys

from prefect_drs.client import Client
from prefect_drs.operations import OPERATIONS
from tests.client.generator import FOLDER, sources


def test_the_generated_files_are_those_of_the_openapi_document():
    for name, text in sources().items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, "run `python -m tests.client.generator`"


def test_each_operation_is_a_method_with_its_help():
    for operation in OPERATIONS:
        assert getattr(Client, operation.name).__doc__ == operation.help


def test_the_client_loads_neither_prefect_nor_boto3():
    code = "import json, sys\nfrom prefect_drs import Client\nClient()\nprint(json.dumps(sorted(sys.modules)))\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert not {"prefect", "boto3", "botocore", "fastapi", "starlette", "pydantic"} & set(json.loads(done.stdout))
