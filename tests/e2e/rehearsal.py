"""The sandbox and the command line as processes of their own, and AWS as plain boto3 sees it.

In: manifests as data. Out: what `prefect-drs` printed, its exit code, and what DRS holds afterwards. Nothing here calls
into the package but by its command line.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import boto3
import httpx
import pytest

ROOT = Path(__file__).parents[2]
ACCOUNT = "123456789012"
PATIENCE_SECONDS = 90.0
OWN_PROCESS = [sys.executable, "-m", "prefect_drs.cli"]
T = TypeVar("T")
# One for all requests: httpx reads all certificates for each client, 30 ms also where it asks by plain HTTP.
HTTP = httpx.Client(timeout=60, verify=False, limits=httpx.Limits(max_keepalive_connections=0))


COMMAND_SECONDS = 0.5  # between looks that run a command, each of which takes some tenths of a second of CPU


def until(look: Callable[[], T | None], what: str, seconds: float = PATIENCE_SECONDS, *, every: float = 0.1) -> T:
    """Look again and again until there is something; fail the test after a while."""
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {seconds:.0f} seconds", pytrace=False)
        time.sleep(every)
    return found


def plan(
    region: str,
    waves: Mapping[str, Sequence[str]],
    *,
    gates: Sequence[str] = (),
    after: Mapping[str, Sequence[str]] = {},
) -> dict[str, Any]:
    """A manifest of one plan: waves by name with their servers, one after the other unless `after` says otherwise."""
    names = list(waves)
    former = {name: names[:position][-1:] for position, name in enumerate(names)}
    return {
        "schemaVersion": "1.1",
        "protectionGroups": [
            {"groupName": name, "region": region, "sourceServerIds": list(servers)} for name, servers in waves.items()
        ],
        "recoveryPlans": [
            {
                "planName": f"Plan {region}",
                "waves": [
                    {
                        "waveName": name,
                        "waveNumber": number,
                        "protectionGroupName": name,
                        "pauseBeforeWave": name in gates,
                        "dependsOnWaves": [names.index(other) + 1 for other in after.get(name, former[name])],
                    }
                    for number, name in enumerate(names, 1)
                ],
            }
        ],
    }


@dataclass
class Rehearsal:
    """A sandbox that runs, a Prefect API, and the environment that leads a process to both."""

    environment: dict[str, str]
    folder: Path
    programs: Path
    started: list[Drill] = field(default_factory=list)
    _began: datetime = datetime(1, 1, 1, tzinfo=UTC)

    def begin_file(self) -> None:
        """Another file of tests begins: what was launched before in a region is not what it launches there."""
        self._began = datetime.fromisoformat(self.control("GET", "/clock")["now"]).replace(microsecond=0)

    def start_sandbox(self, speed: float) -> None:
        """A sandbox in a process of its own, `speed` simulated seconds a real one; `environment` leads to it."""
        started = self.cli("sandbox", "start", "--speed", str(speed))
        assert started.returncode == 0, started.stderr
        for name, value in re.findall(r"^export (\w+)=(.*)$", self.cli("sandbox", "env").stdout, re.MULTILINE):
            self.environment[name] = shlex.split(value)[0]

    def cli(
        self,
        *arguments: str | Path,
        prefix: Sequence[str] = (),
        seconds: float = PATIENCE_SECONDS,
        **environment: str | None,
    ) -> subprocess.CompletedProcess[str]:
        """Carry out one command, with `prefix` in a process of its own; a variable of value None is taken away."""
        program = [*prefix, *OWN_PROCESS] if prefix else [str(self.programs / "prefect-drs")]
        return subprocess.run(
            [*program, *map(str, arguments)],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            env=self._environment(environment),
            timeout=seconds,
            check=False,
        )

    def prefect(self, *arguments: str, **environment: str | None) -> subprocess.CompletedProcess[str]:
        """Carry out a command of Prefect's own, in the project's folder."""
        return subprocess.run(
            [str(self.programs / "prefect"), *arguments],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            env=self._environment({"PREFECT_CLI_PROMPT": "false", **environment}),
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    def seeded(self, manifest: dict[str, Any] | Path) -> tuple[Path, Path]:
        """Seed the estate that a manifest asks for: its file, and the bindings'."""
        if isinstance(manifest, Path):
            file = manifest
        else:
            file = self.folder / f"{manifest['recoveryPlans'][0]['planName'].replace(' ', '-')}.json"
            file.write_text(json.dumps(manifest, indent=2), encoding="utf-8")
        bindings = self.folder / f"{file.stem}.bindings.yaml"
        done = self.cli("sandbox", "seed", file, "--bindings", bindings)
        assert done.returncode == 0, done.stderr
        return file, bindings

    def drill(
        self,
        file: Path,
        bindings: Path,
        *arguments: str,
        command: str = "drill",
        own_process: bool = False,
        **environment: str | None,
    ) -> Drill:
        """Begin `prefect-drs drill … --json` (or `recover`); where it is killed or stopped, in a process of its own."""
        command_line = [command, str(file), "--bindings", str(bindings), "--json", *arguments]
        return self._begin(command_line, environment, own_process=own_process)

    def resume(self, execution_id: str, *arguments: str, own_process: bool = False, **environment: str | None) -> Drill:
        """Begin `prefect-drs resume … --json`, in a process of its own as in `drill`."""
        return self._begin(["resume", execution_id, "--json", *arguments], environment, own_process=own_process)

    def _begin(self, arguments: Sequence[str], environment: Mapping[str, str | None], *, own_process: bool) -> Drill:
        program = OWN_PROCESS if own_process else [str(self.programs / "prefect-drs")]
        drill = Drill(
            [*program, *arguments],
            self._environment(environment),
            self.folder / f"drill-{len(self.started)}",
        )
        self.started.append(drill)
        return drill

    def client(self, service: str, region: str) -> Any:
        """Plain boto3."""
        keys = self.environment["AWS_ACCESS_KEY_ID"], self.environment["AWS_SECRET_ACCESS_KEY"]
        return _client(service, region, self.environment["AWS_ENDPOINT_URL"], *keys)

    def jobs(self, region: str) -> list[dict[str, Any]]:
        """The jobs there that began since the file of tests did, as plain boto3 reads them."""
        pages = self.client("drs", region).get_paginator("describe_jobs").paginate()
        jobs = (job for page in pages for job in page["items"])
        return [job for job in jobs if datetime.fromisoformat(job["creationDateTime"]) >= self._began]

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the sandbox's own endpoint."""
        request = urllib.request.Request(
            f"{self.environment['AWS_ENDPOINT_URL']}/_sandbox{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def _environment(self, changes: Mapping[str, str | None]) -> dict[str, str]:
        wanted = self.environment | changes
        return {name: value for name, value in wanted.items() if value is not None}


class Drill:
    """A `prefect-drs drill` that runs in a process of its own, and what it has said so far."""

    def __init__(self, command: list[str], environment: dict[str, str], files: Path) -> None:
        self._out, self._err = files.with_suffix(".out"), files.with_suffix(".err")
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background shell ignores it
            )

    @property
    def stdout(self) -> str:
        """All of its standard output so far."""
        return self._out.read_text(encoding="utf-8")

    @property
    def stderr(self) -> str:
        """All of its standard error so far."""
        return self._err.read_text(encoding="utf-8")

    def ended(self) -> int:
        """Wait for its end: the exit code."""
        try:
            return self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the drill does not end:\n{self.stderr[-3000:]}", pytrace=False)

    def report(self) -> dict[str, Any]:
        """What it printed last on standard output."""
        self.ended()
        report = json.loads(self.stdout)
        assert isinstance(report, dict)
        return report

    def says(self, pattern: str) -> re.Match[str]:
        """Wait until standard error matches."""

        def look() -> re.Match[str] | None:
            found = re.search(pattern, self.stderr)
            if found is None and self.process.poll() is not None:
                pytest.fail(f"the drill ended without a word of {pattern!r}:\n{self.stderr[-3000:]}", pytrace=False)
            return found

        return until(look, f"{pattern!r} on standard error")

    def execution_id(self) -> str:
        """The id of its execution, once it has begun."""
        return self.says(r"execution ([0-9a-f-]{36})")[1]

    def end(self) -> None:
        """Interrupt it, if it still runs."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@cache
def _client(service: str, region: str, endpoint_url: str, key: str, secret: str) -> Any:
    """A client to share: a session of its own reads the service's model and all endpoints, half a second each time."""
    return boto3.Session(key, secret).client(service, region, endpoint_url=endpoint_url)  # type: ignore[call-overload]


class Witness:
    """Reads a region's jobs again and again while something runs, as anybody with boto3 could.

    `answers` holds every answer of DescribeJobs that differed from the one before.
    """

    def __init__(self, rehearsal: Rehearsal, region: str) -> None:
        self.answers: list[list[dict[str, Any]]] = []
        self._rehearsal, self._region = rehearsal, region
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        drs = self._rehearsal.client("drs", self._region)
        while not self._done.wait(0.1):
            answer = drs.describe_jobs()["items"]
            if not self.answers or answer != self.answers[-1]:
                self.answers.append(answer)


def base_environment() -> dict[str, str]:
    """This process's environment without a word of AWS or of another sandbox."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PREFECT_DRS_", "MOTO_"))}
