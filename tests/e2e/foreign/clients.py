"""The foreign clients as processes that answer one command a line, and the sandbox that they are run against."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import jmespath
import pytest

from prefect_drs.simulator import StepClock, drs_backends
from prefect_drs.simulator.server import SandboxServer

ROOT = Path(__file__).parents[3]
CLIENTS = ROOT / ".venv-foreign"
MISSING = "the foreign clients are not installed: make foreign-clients (it needs npm)"
ACCOUNT = "123456789012"
REGION = "us-west-2"
SERVERS = tuple(f"s-{number:017x}" for number in range(1, 5))
GIB = 1024**3


@dataclass(frozen=True)
class Expected:
    """What the answer to a call holds.

    Args:
        error: the code of AWS's error; empty: the call succeeds.
        fields: value by JMESPath; a compiled pattern matches the whole text.
        keep: name by JMESPath: stored for later calls, which write `$name`.
        after: simulated seconds that pass before the call.
    """

    error: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    keep: Mapping[str, str] = field(default_factory=dict)
    after: float = 0.0

    def check(self, answer: Any) -> None:
        """Compare an answer with the fields."""
        for path, expected in self.fields.items():
            found = jmespath.search(path, answer)
            if isinstance(expected, re.Pattern):
                assert expected.fullmatch(str(found)), f"{path} is {found!r}"
            else:
                assert found == expected, f"{path} is {found!r}"


class Client:
    """A client's process; every line that it is given, it answers by one."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.kept: dict[str, Any] = {}

    def ask(self, **line: Any) -> dict[str, Any]:
        """Send a command, with what was kept in the place of `$name`; its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(self._filled(json.dumps(line)) + "\n")
        self._process.stdin.flush()
        said = self._process.stdout.readline()
        assert said, "the client has ended"
        answer: dict[str, Any] = json.loads(said)
        return answer

    def keep(self, expected: Expected, answer: Any) -> None:
        """Store what later calls name."""
        self.kept |= {name: jmespath.search(path, answer) for name, path in expected.keep.items()}

    def _filled(self, line: str) -> str:
        values = {
            name: json.dumps(value)[1:-1] if isinstance(value, str) else value for name, value in self.kept.items()
        }
        return Template(line).substitute(values)


def skip_if_missing(program: Path | str | None) -> None:
    """Skip the test, or under CI let it fail, where a client is not installed."""
    if (CLIENTS / ".installed").exists() and program is not None and Path(program).exists():
        return
    if "CI" in os.environ:
        pytest.fail(MISSING, pytrace=False)
    pytest.skip(MISSING)


@contextmanager
def running(*command: str, sandbox: SandboxServer, home: Path) -> Iterator[Client]:
    """A client's process with the sandbox as its AWS, and no file of the user's."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AWS_ENDPOINT_URL": sandbox.endpoint_url,
        "AWS_ACCESS_KEY_ID": "AKIASANDBOX000000000",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
        "PYTHONUNBUFFERED": "1",
        "FOREIGN_CLIENTS": str(CLIENTS),
    }
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=home
    ) as process:
        yield Client(process)
        assert process.stdin is not None
        process.stdin.close()
    assert process.returncode == 0


@contextmanager
def estate() -> Iterator[SandboxServer]:
    """A sandbox in which DRS is not initialised, with four servers that already replicate."""
    with SandboxServer(clock=StepClock(), seed=18) as sandbox:
        backend = drs_backends[ACCOUNT][REGION]
        for number, server_id in enumerate(SERVERS, 1):
            backend.seed_source_server(
                hostname=f"shop{number}.example.com",
                source_server_id=server_id,
                name_tag=f"shop{number}",
                tags={"Environment": "production" if number == 1 else "test"},
                ram_bytes=8 * GIB,
                cpus=2,
                disks=[{"deviceName": "/dev/sda1", "bytes": 40 * GIB}, {"deviceName": "/dev/sdb", "bytes": 100 * GIB}],
            )
        yield sandbox


def node() -> str | None:
    """The path of Node, if it is installed."""
    return shutil.which("node")
