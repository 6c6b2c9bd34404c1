"""An estate of any shape on the simulator, in virtual time: hours pass at once, every run is the same."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any

import pytest

from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.clock import SANDBOX_CLOCK_VARIABLE
from prefect_drs.plan.model import Manifest
from prefect_drs.recovery.drivers import InlineExecutor, run_plainly
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.journal import Journal, MemoryJournal
from prefect_drs.recovery.options import EngineOptions, EnginePorts
from prefect_drs.recovery.ports import Decision, GateAnswer, GateRequest
from prefect_drs.recovery.resume import Start
from prefect_drs.report.model import RecoveryReport
from prefect_drs.runbook import Runbook, resolve
from prefect_drs.simulator import Sandbox, SpeedClock, mock_drs

ACCOUNT = "123456789012"
REGION = "us-west-2"
GIB = 2**30


@dataclass(frozen=True)
class WaveSpec:
    """A wave of a test's plan: how many servers, after which waves, behind a gate or not, in which regions.

    `settings` are its groups' launch settings, `policy` further fields of the wave, as a manifest has them.
    """

    servers: int = 2
    after: tuple[int, ...] = ()
    gate: bool = False
    regions: tuple[str, ...] = (REGION,)
    settings: Mapping[str, Any] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)


class Answers:
    """A gate that answers at once as it was told to, and remembers what it was asked."""

    def __init__(self, answers: Mapping[int, Decision], clock: Any) -> None:
        self.answers = dict(answers)
        self.asked: list[GateRequest] = []
        self._clock = clock

    def ask(self, request: GateRequest) -> GateAnswer:
        self.asked.append(request)
        decision = self.answers.get(request.wave_number, Decision.APPROVED)
        return GateAnswer(decision, "tester", self._clock.now(), "as told")


class Rig:
    """A simulated AWS, a plan on it, and engines that carry it out."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.clock = sandbox.clock
        self.sessions = Sessions()
        self.answers = Answers({}, self.clock)
        self.engines = 0

    def manifest(self, waves: Mapping[int, WaveSpec], **plan: Any) -> Manifest:
        """Seed the servers that the waves ask for; the manifest that names them. `plan`: further fields of the plan."""
        groups: list[dict[str, Any]] = []
        for number, wave in waves.items():
            for region in wave.regions:
                backend = self.sandbox.backend(ACCOUNT, region)
                if not backend.initialized:
                    backend.initialize_service()
                ids = [
                    backend.seed_source_server(
                        hostname=f"w{number}-{index:03d}",
                        ram_bytes=4 * GIB,
                        cpus=2,
                        disks=[{"deviceName": "/dev/sda1", "bytes": 40 * GIB}],
                    ).server_id
                    for index in range(wave.servers)
                ]
                groups.append(
                    {
                        "groupName": f"g{number}-{region}",
                        "region": region,
                        "sourceServerIds": ids,
                        "launchConfig": dict(wave.settings),
                    }
                )
        return Manifest.model_validate(
            {
                "schemaVersion": "1.1",
                "protectionGroups": groups,
                "recoveryPlans": [
                    {
                        "planName": "plan",
                        "waves": [
                            {
                                "waveNumber": number,
                                "waveName": f"wave {number}",
                                "groups": [f"g{number}-{region}" for region in wave.regions],
                                "dependsOnWaves": list(wave.after),
                                "pauseBeforeWave": wave.gate,
                                **wave.policy,
                            }
                            for number, wave in waves.items()
                        ],
                        **plan,
                    }
                ],
            }
        )

    def runbook(self, waves: Mapping[int, WaveSpec], mode: str = "drill", **plan: Any) -> Runbook:
        manifest = self.manifest(waves, **plan)
        return resolve(manifest, manifest.plan(None), mode=mode, sessions=self.sessions, clock=self.clock)  # type: ignore[arg-type]

    def engine(
        self,
        runbook: Runbook | None,
        execution_id: str = "exec-1",
        journal: Journal | None = None,
        **options: Any,
    ) -> Engine:
        """An engine in virtual time. `options` are fields of EnginePorts, EngineOptions and Start, by name."""

        def of(part: type) -> dict[str, Any]:
            return {each.name: options.pop(each.name) for each in fields(part) if each.name in options}

        ports = {"executor": InlineExecutor(), **of(EnginePorts)}
        engine_options = EngineOptions(**{"workers": 1, "seed": 1, **of(EngineOptions)})
        start = Start(**of(Start))
        assert not options, f"no engine has these: {options}"
        journal = journal or MemoryJournal()
        return Engine(
            execution_id, runbook, EnginePorts(self.sessions, self.clock, journal, **ports), engine_options, start
        )

    def run(self, engine: Engine) -> RecoveryReport:
        return run_plainly(engine, self.answers, self.clock, timeout=timedelta(hours=1))

    def drill(self, waves: Mapping[int, WaveSpec]) -> RecoveryReport:
        return self.run(self.engine(self.runbook(waves)))

    def jobs(self, region: str = REGION) -> list[dict[str, Any]]:
        """All jobs as plain boto3 reads them."""
        drs = self.sessions.client("drs", region=region)
        return [job for page in drs.get_paginator("describe_jobs").paginate() for job in page["items"]]  # type: ignore[misc]


@contextmanager
def aws_environment() -> Iterator[None]:
    """Credentials for the simulator, and nothing of this machine's own AWS configuration."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": REGION,
        }.items():
            patch.setenv(name, value)
        for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        yield


@contextmanager
def simulated_aws(speed: float | None = None) -> Iterator[Rig]:
    """A rig in virtual time, or in `speed` simulated seconds a real one where Prefect's real server takes part."""
    clock = None if speed is None else SpeedClock(speed)
    with aws_environment(), mock_drs(clock=clock) as sandbox, pytest.MonkeyPatch.context() as patch:
        if clock is not None:
            patch.setenv(SANDBOX_CLOCK_VARIABLE, f"{time.time()},{clock.now().timestamp()},{speed}")
        yield Rig(sandbox)
