"""The worlds that the kill-point benchmark runs in: small recovery plans and a simulated AWS, drawn by seed.

In: a seed. Out: a `World` as data (2–8 waves on a random acyclic graph, 1–6 servers each in one to three regions;
gates, RTO targets, launch settings, hooks and health checks, failing servers, retries by a ladder, an earlier point in
time, another account, tight quotas and an AWS that misbehaves in some), and `World.raised`, which puts it up on the
simulator in virtual time. The same seed gives the same world. Nothing here knows the engine's inside.

What misbehaves is confined to calls whose failure the engine promises to ride out: StartRecovery (throttled, failed
with 500, lost on the way there or back), the readings it rests on, jobs that DescribeJobs does not tell at first, the
calls that read and write launch settings, AssumeRole (throttled or failed with 500) and sessions that expire.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.iam.models import iam_backends

from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.clock import Clock
from prefect_drs.plan.model import Manifest, RecoveryMode
from prefect_drs.recovery.launch.packing import Limits
from prefect_drs.recovery.ports import Decision, GateAnswer, GateRequest
from prefect_drs.runbook import Runbook, resolve
from prefect_drs.runbook.points import LATEST_WORD, Points
from prefect_drs.simulator import DEFAULT_START, Sandbox, StepClock, mock_drs

ACCOUNT = "123456789012"  # moto's own
ELSEWHERE = "222222222222"  # entered by the conventional role
ROLE = "DRSOrchestrationRole"
REGIONS = ("us-west-2", "eu-west-1", "ap-southeast-2")
GIB = 2**30
MODES: tuple[RecoveryMode, ...] = ("drill", "recovery")
STAGES = ("snapshot", "conversion", "launch")
SETTINGS: tuple[Mapping[str, Any], ...] = (
    {"instanceType": "r6a.large"},
    {"copyTags": True},
    {"launchDisposition": "STOPPED", "instanceType": "m5.large"},
)
TIGHT = Limits(servers_per_job=3, concurrent_jobs=2, servers_in_jobs=5)
LONGEST_INVISIBLE = 100.0  # seconds; the engine allows two minutes
_LAUNCHING = ("throttle", "error", "time-out", "lose-answer")
_READINGS = ("DescribeJobs", "DescribeJobLogItems", "DescribeSourceServers")
_SETTINGS = (
    ("drs", "GetLaunchConfiguration"),
    ("drs", "UpdateLaunchConfiguration"),
    ("ec2", "DescribeLaunchTemplateVersions"),
    ("ec2", "CreateLaunchTemplateVersion"),
    ("ec2", "ModifyLaunchTemplate"),
)
_LACKING = ("r6a.large", "m5.large")  # of what the ladder may climb to, c5.xlarge is never lacking
# A midnight whose snapshot, a daily one, outlives a run with outages of hours.
_EARLIER = datetime(DEFAULT_START.year, DEFAULT_START.month, DEFAULT_START.day, tzinfo=UTC) - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DrawnWave:
    """A wave: how many servers in which region, after which waves, behind a gate that is answered so.

    `policy`: its retries, what a failed server does to it, its checks and hooks, as a manifest has them.
    """

    number: int
    after: tuple[int, ...]
    servers: Mapping[str, int]
    settings: Mapping[str, Any]
    gate: Decision | None
    policy: Mapping[str, Any] = field(default_factory=dict)

    def server_ids(self, region: str) -> tuple[str, ...]:
        """The source server ids of its group there."""
        return tuple(f"s-{self.number:08d}{REGIONS.index(region):d}{i:08d}" for i in range(self.servers[region]))


@dataclass(frozen=True, slots=True)
class World:
    """A plan and an AWS, as data.

    Args:
        seed: what it was drawn from, and the simulator's own seed.
        mode: drill or recovery.
        waves: the plan.
        failing: the stage in which a server fails, by source server id.
        times: how often those fail that do not fail at every attempt.
        lacking: instance types that EC2 has no room for.
        at: from which point in time it is launched.
        account: where it all is.
        rto: the RTO targets in seconds, by wave number; None is the plan's. Some are missed, others are not.
        faults: what else goes wrong, in the simulator's words.
        limits: the quotas the engine is to keep.
        skew: how many seconds the clocks of processes may be off, ahead or behind.
    """

    seed: int
    mode: RecoveryMode
    waves: tuple[DrawnWave, ...]
    failing: Mapping[str, str]
    faults: tuple[Mapping[str, Any], ...]
    limits: Limits
    skew: float
    times: Mapping[str, int] = field(default_factory=dict)
    lacking: tuple[str, ...] = ()
    at: str = LATEST_WORD
    account: str = ACCOUNT
    rto: Mapping[int | None, int] = field(default_factory=dict)

    @property
    def tight(self) -> bool:
        """Whether quotas bind, so that what shares a job depends on the moment."""
        return self.limits == TIGHT

    @property
    def retries(self) -> bool:
        """Whether a server may be launched again, likewise."""
        return any("retry" in wave.policy for wave in self.waves)

    def manifest(self) -> Manifest:
        """The plan as a person would write it."""
        groups = [
            {
                "groupName": f"g{wave.number}-{region}",
                "region": region,
                **({} if self.account == ACCOUNT else {"accountId": self.account}),
                "sourceServerIds": wave.server_ids(region),
                "launchConfig": dict(wave.settings),
            }
            for wave in self.waves
            for region in wave.servers
        ]
        waves = [
            {
                "waveNumber": wave.number,
                "waveName": f"wave {wave.number}",
                "groups": [f"g{wave.number}-{region}" for region in wave.servers],
                "dependsOnWaves": wave.after,
                "pauseBeforeWave": wave.gate is not None,
                **self._target(wave.number),
                **wave.policy,
            }
            for wave in self.waves
        ]
        plan = {"planName": f"world-{self.seed}", "waves": waves, **self._target(None)}
        return Manifest.model_validate({"schemaVersion": "1.1", "protectionGroups": groups, "recoveryPlans": [plan]})

    @property
    def answers(self) -> dict[int, Decision | None]:
        """How its gates are answered, by wave number."""
        return {wave.number: wave.gate for wave in self.waves}

    @property
    def jobs_vary(self) -> bool:
        """Whether what shares a job depends on the moment, so that jobs are not compared."""
        return self.tight or self.retries

    def resolved(self, sessions: Sessions, clock: Clock) -> Runbook:
        """The runbook of its plan."""
        manifest, points = self.manifest(), Points.parse(self.at)
        return resolve(manifest, manifest.plan(None), mode=self.mode, sessions=sessions, clock=clock, points=points)

    @contextmanager
    def raised(self, clock: StepClock) -> Iterator[Sandbox]:
        """The world's servers on a simulated AWS; nothing goes wrong before `plant_faults`."""
        with mock_drs(clock=clock, seed=self.seed, default_images=False) as sandbox:
            if self.account != ACCOUNT:
                caller = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
                trust = [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": caller}]
                document = json.dumps({"Version": "2012-10-17", "Statement": trust})
                iam = iam_backends[self.account]["aws"]
                iam.create_role(ROLE, document, "/", None, "", [], "3600")
                everything = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
                iam.put_role_policy(ROLE, "all", json.dumps({"Version": "2012-10-17", "Statement": everything}))
            for region in {region: None for wave in self.waves for region in wave.servers}:
                sandbox.backend(self.account, region).initialize_service()
            for wave in self.waves:
                for region in wave.servers:
                    for server_id in wave.server_ids(region):
                        sandbox.backend(self.account, region).seed_source_server(
                            hostname=f"host-{server_id}",
                            source_server_id=server_id,
                            ram_bytes=4 * GIB,
                            cpus=2,
                            disks=[{"deviceName": "/dev/sda1", "bytes": 40 * GIB}],
                            protected_for=timedelta(days=4),
                        )
            yield sandbox

    def plant_faults(self, sandbox: Sandbox) -> None:
        """From now on things go wrong as drawn."""
        for server, stage in self.failing.items():
            times = {"times": self.times[server]} if server in self.times else {}
            sandbox.faults.add({"kind": "server", "server": server, "stage": stage, **times})
        for instance_type in self.lacking:
            sandbox.faults.add({"kind": "capacity", "instanceType": instance_type})
        sandbox.faults.extend(dict(fault) for fault in self.faults)

    def _target(self, wave_number: int | None) -> dict[str, str]:
        return {"rtoTarget": f"PT{self.rto[wave_number]}S"} if wave_number in self.rto else {}


def draw_world(seed: int) -> World:
    """The world of that seed."""
    rng = random.Random(f"kill points/{seed}")  # noqa: S311 - a benchmark, not a secret
    regions = REGIONS[: rng.choice((1, 1, 1, 2, 2, 3))]
    gated, configured = rng.random() < 0.4, rng.random() < 0.4
    laddered, checked = rng.random() < 0.3, rng.random() < 0.25
    waves: list[DrawnWave] = []
    for number in range(1, rng.randint(2, 8) + 1):
        earlier = range(1, number)
        count = rng.choice((0, 1, 1, 1, 2, 2, 3))
        places = rng.sample(regions, rng.randint(1, len(regions)))
        settings = rng.choice(SETTINGS) if configured and rng.random() < 0.5 else {}
        spread = [rng.choice(places) for _ in range(rng.randint(1, 3 if settings else 6))]
        waves.append(
            DrawnWave(
                number=number,
                after=tuple(sorted(rng.sample(earlier, min(count, len(earlier))))),
                servers={region: spread.count(region) for region in regions if region in spread},
                settings=settings,
                gate=_answer(rng) if gated and rng.random() < 0.4 else None,
                policy=_ladder(rng, laddered) | _checks(rng, checked, places[0]),
            )
        )
    ids = [server for wave in waves for region in wave.servers for server in wave.server_ids(region)]
    failing = rng.sample(ids, min(len(ids), rng.randint(1, 2))) if rng.random() < (0.8 if laddered else 0.3) else []
    elsewhere = rng.random() < 0.15
    world = World(
        seed=seed,
        mode=rng.choice(MODES),
        waves=tuple(waves),
        failing={server: rng.choice(STAGES) for server in failing},
        faults=_misbehaviour(rng, configured, elsewhere),
        limits=TIGHT if rng.random() < 0.2 else Limits(),
        skew=rng.choice((0.0, 0.0, 0.0, 5.0, 120.0)),
        times={server: rng.randint(1, 2) for server in failing if laddered and rng.random() < 0.7},
        lacking=_LACKING[: rng.choice((0, 0, 1, 2))] if laddered and configured else (),
        at=f"{_EARLIER:%Y-%m-%dT%H:%M:%SZ}" if rng.random() < 0.15 else LATEST_WORD,
        account=ELSEWHERE if elsewhere else ACCOUNT,
        rto=_targets(seed, waves),
    )
    if (
        world.at == LATEST_WORD
    ):  # the point before the latest one is gone after an outage of an hour, a daily one is not
        for wave in waves:
            if "retry" in wave.policy:
                wave.policy["retry"]["snapshot"] = "latest"
    return world


def _targets(seed: int, waves: list[DrawnWave]) -> dict[int | None, int]:
    """RTO targets of half of the plans and of some waves, drawn apart, so that the rest of a world stays as it was."""
    rng = random.Random(f"kill points/{seed}/targets")  # noqa: S311 - a benchmark, not a secret
    if rng.random() < 0.5:
        return {}
    found: dict[int | None, int] = {None: rng.randint(300, 2400 * len(waves))}
    return found | {wave.number: rng.randint(300, 7200) for wave in waves if rng.random() < 0.3}


def _answer(rng: random.Random) -> Decision:
    return rng.choice((Decision.APPROVED,) * 4 + (Decision.REJECTED, Decision.TIMED_OUT))


def _ladder(rng: random.Random, laddered: bool) -> dict[str, Any]:
    """What is tried for a server that did not come up, and what its failure does to its wave."""
    if not laddered or rng.random() < 0.3:
        return {}
    retry = {"attempts": rng.randint(1, 3), "snapshot": rng.choice(("latest", "previous"))}
    if rng.random() < 0.5:
        retry["instanceTypes"] = rng.choice((["m5.large", "c5.xlarge"], ["c5.xlarge"]))
    going_on = rng.random() < 0.4
    return {"retry": retry} | ({"onServerFailure": "continue", "minHealthy": 1} if going_on else {})


def _checks(rng: random.Random, checked: bool, region: str) -> dict[str, Any]:
    """Health checks, and hooks that run once."""
    if not checked or rng.random() < 0.4:
        return {}
    command = {"type": "ssmCommand", "documentName": "AWS-RunShellScript"}
    hook = command | {"instanceIds": ["i-0123456789abcdef0"], "region": region}
    return {
        "healthChecks": rng.choice(([{"type": "ec2Status"}], [command], [{"type": "ec2Status"}, command])),
        **({"preWave": [hook]} if rng.random() < 0.5 else {}),
        **({"postWave": [hook]} if rng.random() < 0.5 else {}),
    }


def _misbehaviour(rng: random.Random, configured: bool, elsewhere: bool) -> tuple[Mapping[str, Any], ...]:
    """Nothing in half of the worlds; in the others one to three kinds of trouble."""
    if rng.random() < 0.5:
        return ()
    faults: list[Mapping[str, Any]] = []
    kinds = ("late", "launching", "reading", "outage", *["settings"] * configured, *["role"] * elsewhere)
    for kind in rng.sample(kinds, rng.randint(1, 3)):
        if kind == "late":
            seconds = rng.uniform(5, LONGEST_INVISIBLE)
            times = rng.choice((1, 3, 1000))
            faults.append({"kind": "job", "invisibleSeconds": seconds, "times": times})
        elif kind == "launching":
            effect = rng.choice(_LAUNCHING)
            faults.append(
                {"kind": "operation", "operation": "StartRecovery", "effect": effect, "times": rng.randint(1, 3)}
            )
        elif kind == "reading":
            operation, times = rng.choice(_READINGS), rng.randint(1, 5)
            faults.append({"kind": "operation", "operation": operation, "effect": "error", "times": times})
        elif kind == "settings":
            service, operation = rng.choice(_SETTINGS)
            effect = rng.choice(("throttle", "lose-answer", "time-out", *["error"] * (service == "drs")))
            times = rng.randint(1, 4)
            faults.append(
                {"kind": "operation", "service": service, "operation": operation, "effect": effect, "times": times}
            )
        elif kind == "role":
            if rng.random() < 0.5:
                faults.append({"kind": "credentials", "account": ELSEWHERE, "every": rng.randint(3, 9), "times": 5})
            effect, times = rng.choice(("throttle", "error", "time-out")), rng.randint(1, 4)
            faults.append(
                {"kind": "operation", "service": "sts", "operation": "AssumeRole", "effect": effect, "times": times}
            )
        else:
            after, seconds = rng.uniform(60, 900), rng.uniform(30, 300)
            faults.append(
                {
                    "kind": "operation",
                    "operation": rng.choice(("DescribeJobs", "StartRecovery")),
                    "effect": rng.choice(("error", "time-out")),
                    "afterSeconds": after,
                    "forSeconds": seconds,
                }
            )
    return tuple(faults)


class Gatekeeper:
    """Answers every gate at once as the world says, whoever asks and however often."""

    def __init__(self, answers: Mapping[int, Decision | None], clock: Clock) -> None:
        self._answers = answers
        self._clock = clock

    def ask(self, request: GateRequest) -> GateAnswer:
        """The answer that was drawn."""
        decision = self._answers.get(request.wave_number) or Decision.APPROVED
        return GateAnswer(decision, "gatekeeper", self._clock.now(), f"wave {request.wave_number}")
