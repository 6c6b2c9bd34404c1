"""The failbacks of the kill-point benchmark: plans whose servers run where they were recovered, drawn by seed.

In: a seed. Out: a `FailbackWorld` as data (1–4 waves on a random acyclic graph, 1–4 servers each, recovered in one or
two regions, from EC2 in one or two others, a few from outside AWS; gates, hooks, health checks, failing servers,
retries, `failbackWaves`, each kind of clean-up, rehearsals with a drill's instances, tight quotas and an AWS that
misbehaves in some). `FailbackWorld.raised` puts it up on the simulator in virtual time, its servers recovered. The same
seed gives the same world. Nothing here knows the engine's inside.

What misbehaves is confined to calls whose failure the engine promises to ride out: the launches, each call of a step,
the readings that they rest on, and jobs that DescribeJobs does not tell at first.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from benchmarks.kill_worlds import ACCOUNT, GIB, STAGES, TIGHT
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.clock import Clock
from prefect_drs.plan.failback_steps import CATCH_UP
from prefect_drs.plan.model import CleanUp, Manifest
from prefect_drs.recovery.launch.packing import Limits
from prefect_drs.recovery.ports import Decision
from prefect_drs.runbook import Runbook
from prefect_drs.runbook.failback import resolve_failback
from prefect_drs.runbook.failback.candidates import Recovered
from prefect_drs.simulator import DEFAULT_START, DRSBackend, Sandbox, StepClock, mock_drs

REGIONS = ("us-west-2", "eu-west-1")  # where servers are recovered
ORIGINS = ("us-east-1", "eu-central-1")
RECOVERED_AT = DEFAULT_START + timedelta(hours=3)
RECOVERY = "recovery"
_CALLS = (
    "ReverseReplication",
    "StartRecovery",
    "StartFailbackLaunch",
    "StopReplication",
    "DisconnectRecoveryInstance",
    "TerminateRecoveryInstances",
)
_READINGS = ("DescribeJobs", "DescribeSourceServers", "DescribeRecoveryInstances", "DescribeJobLogItems")
_HOOK = {"type": "ssmCommand", "documentName": "AWS-RunShellScript", "instanceIds": ["i-0123456789abcdef0"]}


@dataclass(frozen=True, slots=True)
class WaveBack:
    """A wave of the plan: for each server where it is recovered and where it came from (None: outside AWS)."""

    number: int
    after: tuple[int, ...]
    servers: tuple[tuple[str, str | None], ...]
    gate: bool
    policy: Mapping[str, Any] = field(default_factory=dict)

    def server_ids(self, region: str | None = None) -> tuple[str, ...]:
        """Its source server ids, or those recovered in one region."""
        every = [(f"s-{self.number:08d}{index:09d}", place[0]) for index, place in enumerate(self.servers)]
        return tuple(server_id for server_id, place in every if region in {None, place})


@dataclass(frozen=True, slots=True)
class FailbackWorld:
    """A plan whose servers were recovered, and an AWS, as data.

    Args:
        seed: what it was drawn from, and the simulator's own seed.
        waves: the plan.
        own: whether the plan has `failbackWaves`: its waves in their own order; else they fail back in reversed order.
        plan: further fields of the plan.
        clean_up, protect_forward: as `failback` of the plan has them.
        drill: the instances are a drill's.
        gates: how its gates are answered, by wave number of the failback.
        failing: the stage in which a server's launch fails, by source server id of the plan; `times`: how often.
        faults: what else goes wrong, in the simulator's words.
        limits: the quotas the engine is to keep.
        skew: how many seconds the clocks of processes may be off, ahead or behind.
    """

    seed: int
    waves: tuple[WaveBack, ...]
    own: bool
    plan: Mapping[str, Any]
    clean_up: CleanUp
    protect_forward: bool
    drill: bool
    gates: Mapping[int, Decision]
    failing: Mapping[str, str]
    times: Mapping[str, int]
    faults: tuple[Mapping[str, Any], ...]
    limits: Limits
    skew: float
    account: str = ACCOUNT

    @property
    def answers(self) -> Mapping[int, Decision]:
        """How its gates are answered, by wave number of the failback."""
        return self.gates

    @property
    def jobs_vary(self) -> bool:
        """Whether what shares a job depends on the moment, so that jobs are not compared.

        It always does: which servers are continuous, and so may be launched, depends on it.
        """
        return True

    def regions(self) -> tuple[str, ...]:
        """Where servers are recovered."""
        return tuple(region for region in REGIONS if any(wave.server_ids(region) for wave in self.waves))

    def origins(self) -> dict[str, str | None]:
        """Where each server came from, by source server id; None outside AWS."""
        return {
            server_id: origin
            for wave in self.waves
            for server_id, (_, origin) in zip(wave.server_ids(), wave.servers, strict=True)
        }

    def recovered_in(self) -> dict[str, str]:
        """Where each server is recovered, by source server id."""
        return {server_id: region for region in REGIONS for wave in self.waves for server_id in wave.server_ids(region)}

    def before(self, number: int) -> tuple[int, ...]:
        """The waves of the plan that a wave waits for in the failback."""
        if self.own:
            return next(wave.after for wave in self.waves if wave.number == number)
        return tuple(wave.number for wave in self.waves if number in wave.after)

    def manifest(self) -> Manifest:
        """The plan as a person would write it."""
        groups = [
            {"groupName": f"g{wave.number}-{region}", "region": region, "sourceServerIds": wave.server_ids(region)}
            for wave in self.waves
            for region in REGIONS
            if wave.server_ids(region)
        ]
        waves = [
            {
                "waveNumber": wave.number,
                "waveName": f"wave {wave.number}",
                "groups": [f"g{wave.number}-{region}" for region in REGIONS if wave.server_ids(region)],
                "dependsOnWaves": wave.after,
                "pauseBeforeWave": wave.gate,
                **wave.policy,
            }
            for wave in self.waves
        ]
        own = {"failbackWaves": waves} if self.own else {}
        plan = {"planName": f"world-{self.seed}", "waves": waves, **own, **self.plan}
        return Manifest.model_validate({"schemaVersion": "1.1", "protectionGroups": groups, "recoveryPlans": [plan]})

    def resolved(self, sessions: Sessions, clock: Clock) -> Runbook:
        """The runbook of its failback."""
        manifest, recovered = self.manifest(), None
        if self.drill:
            jobs: dict[str, frozenset[str]] = {}
            for region in self.regions():
                for job in sessions.client("drs", region=region).describe_jobs()["items"]:
                    jobs |= {each["sourceServerID"]: frozenset({job["jobID"]}) for each in job["participatingServers"]}
            recovered = Recovered(RECOVERY, jobs)
        return resolve_failback(manifest, manifest.plan(), sessions=sessions, clock=clock, recovered=recovered)

    @contextmanager
    def raised(self, clock: StepClock) -> Iterator[Sandbox]:
        """Its servers on a simulated AWS, recovered; nothing goes wrong before `plant_faults`."""
        with mock_drs(clock=clock, seed=self.seed, default_images=False) as sandbox:
            for region in (*REGIONS, *ORIGINS):
                sandbox.backend(self.account, region).initialize_service()
            for region in self.regions():
                self._recover(sandbox.backend(self.account, region), region)
            clock.advance((RECOVERED_AT - clock.now()).total_seconds())
            for region in self.regions():
                backend = sandbox.backend(self.account, region)
                backend.advance()
                for server_id, origin in self.origins().items():
                    if origin is None and server_id in backend.servers:
                        backend.pair_failback_client(str(backend.servers[server_id].recovery_instance_id))
            yield sandbox

    def _recover(self, backend: DRSBackend, region: str) -> None:
        origins = self.origins()
        ids = [server_id for wave in self.waves for server_id in wave.server_ids(region)]
        for server_id in ids:
            origin = origins[server_id]
            backend.seed_source_server(
                hostname=f"host-{server_id}",
                source_server_id=server_id,
                ram_bytes=4 * GIB,
                cpus=2,
                disks=[{"deviceName": "/dev/sda1", "bytes": GIB}],
                **({} if origin is None else {"source_account": self.account, "source_region": origin}),
            )
        servers = [{"sourceServerID": server_id} for server_id in ids]
        backend.call("StartRecovery", {"sourceServers": servers, "isDrill": self.drill, "tags": {"by": RECOVERY}})

    def plant_faults(self, sandbox: Sandbox) -> None:
        """From now on things go wrong as drawn."""
        for server_id, stage in self.failing.items():
            times = {"times": self.times[server_id]} if server_id in self.times else {}
            sandbox.faults.add({"kind": "server", "server": f"host-{server_id}", "stage": stage, **times})
        sandbox.faults.extend(dict(fault) for fault in self.faults)


def draw_failback_world(seed: int) -> FailbackWorld:
    """The world of that seed."""
    rng = random.Random(f"kill points/failback/{seed}")  # noqa: S311 - a benchmark, not a secret
    regions, origins = REGIONS[: rng.choice((1, 1, 2))], ORIGINS[: rng.choice((1, 1, 2))]
    outside, own, checked = rng.random() < 0.25, rng.random() < 0.4, rng.random() < 0.3
    failing_world = rng.random() < 0.35
    waves = tuple(
        WaveBack(
            number=number,
            after=tuple(sorted(rng.sample(range(1, number), min(rng.choice((0, 1, 1, 2)), number - 1)))),
            servers=tuple(
                (rng.choice(regions), None if outside and rng.random() < 0.4 else rng.choice(origins))
                for _ in range(rng.randint(1, 4))
            ),
            gate=own and rng.random() < 0.3,
            policy=_policy(rng, failing_world, checked),
        )
        for number in range(1, rng.randint(1, 4) + 1)
    )
    ids = [server_id for wave in waves for server_id in wave.server_ids()]
    failing = rng.sample(ids, min(len(ids), rng.randint(1, 2))) if failing_world else []
    clean_up: CleanUp = rng.choice(("keep", "disconnect", "terminate", "terminate"))
    # A machine outside AWS is protected forward by its own agent, which nothing here starts.
    forward = not any(origin is None for wave in waves for _, origin in wave.servers) and rng.random() < 0.8
    hooks = {name: [_HOOK | {"region": regions[0]}] for name in ("stopWrites", "handOver") if rng.random() < 0.25}
    plan = {"failback": {"cleanUp": clean_up, "protectForward": forward, **hooks}}
    return FailbackWorld(
        seed=seed,
        waves=waves,
        own=own,
        plan=plan | ({"maxLag": "PT10M"} if rng.random() < 0.5 else {}),
        clean_up=clean_up,
        protect_forward=forward,
        drill=rng.random() < 0.15,
        gates=_gates(rng, len(waves)),
        failing={server_id: rng.choice(STAGES) for server_id in failing},
        times={server_id: rng.randint(1, 2) for server_id in failing if rng.random() < 0.7},
        faults=_misbehaviour(rng),
        limits=TIGHT if rng.random() < 0.2 else Limits(),
        skew=rng.choice((0.0, 0.0, 0.0, 5.0, 120.0)),
    )


def _policy(rng: random.Random, failing: bool, checked: bool) -> dict[str, Any]:
    policy: dict[str, Any] = {}
    if failing and rng.random() < 0.7:
        policy["retry"] = {"attempts": rng.randint(1, 3)}
    if failing and rng.random() < 0.4:
        policy |= {"onServerFailure": "continue", "minHealthy": 1}
    if checked and rng.random() < 0.6:
        policy["healthChecks"] = [{"type": "ec2Status"}]
    return policy


def _gates(rng: random.Random, waves: int) -> dict[int, Decision]:
    """All approved in most worlds; in the others one gate is not."""
    if rng.random() < 0.85:
        return {}
    refused = rng.choice((CATCH_UP, *range(CATCH_UP + 1, CATCH_UP + waves + 3)))
    return {refused: rng.choice((Decision.REJECTED, Decision.TIMED_OUT))}


def _misbehaviour(rng: random.Random) -> tuple[Mapping[str, Any], ...]:
    """Nothing in half of the worlds; in the others one to three kinds of trouble."""
    if rng.random() < 0.5:
        return ()
    faults: list[Mapping[str, Any]] = []
    for kind in rng.sample(("late", "calling", "calling", "reading", "outage"), rng.randint(1, 3)):
        if kind == "late":
            faults.append({"kind": "job", "invisibleSeconds": rng.uniform(5, 100), "times": rng.choice((1, 3, 1000))})
        elif kind == "calling":
            effect = rng.choice(("throttle", "error", "time-out", "lose-answer"))
            faults.append(_fault(rng.choice(_CALLS), effect, times=rng.randint(1, 3)))
        elif kind == "reading":
            faults.append(_fault(rng.choice(_READINGS), "error", times=rng.randint(1, 5)))
        else:
            operation, effect = rng.choice((*_CALLS, *_READINGS)), rng.choice(("error", "time-out"))
            after, seconds = rng.uniform(60, 5400), rng.uniform(30, 300)
            faults.append(_fault(operation, effect, afterSeconds=after, forSeconds=seconds))
    return tuple(faults)


def _fault(operation: str, effect: str, **when: Any) -> Mapping[str, Any]:
    return {"kind": "operation", "operation": operation, "effect": effect, **when}
