"""A password in an address, such as PREFECT_API_URL's, is in no message and in no traceback."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Programs, free_port
from tests.snippets import clean_environment

PASSWORD = "planted-password"


@pytest.mark.parametrize("command", [["status"], ["status", "--debug"], ["cancel", "x", "--debug"]])
def test_a_password_in_an_address_is_not_printed(tmp_path: Path, programs: Programs, command: list[str]) -> None:
    address = f"http://user:{PASSWORD}@127.0.0.1:{free_port()}/api"
    homes = {"PREFECT_API_URL": address, "PREFECT_HOME": str(tmp_path), "PREFECT_DRS_HOME": str(tmp_path / "drs")}
    environment = {**programs.environment, **homes, "PATH": os.environ["PATH"], "PREFECT_CLIENT_MAX_RETRIES": "0"}
    done = subprocess.run(
        [programs.folder / "prefect-drs", *command],
        capture_output=True,
        text=True,
        check=False,
        env=clean_environment(environment),
    )
    assert done.returncode != 0
    assert "prefect-drs: " in done.stderr
    assert PASSWORD not in done.stdout + done.stderr
