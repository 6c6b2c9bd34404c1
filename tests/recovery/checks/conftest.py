"""Launched servers on the simulator, and probes of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import TypeAdapter

from prefect_drs.plan.checks import Check
from prefect_drs.recovery.checks import CheckTarget, Probe, ProbeOutcome, WaveContext, probes_for
from prefect_drs.recovery.checks.runner import CheckRunner
from prefect_drs.recovery.drivers import InlineExecutor
from prefect_drs.report.checks import CheckPhase
from tests.recovery.checks.aws_endpoint import AwsEndpoint, aws_endpoint
from tests.rig import ACCOUNT, REGION, Rig, WaveSpec

CHECK: TypeAdapter[Check] = TypeAdapter(Check)


class Launched:
    """A wave whose servers DRS has launched."""

    def __init__(self, rig: Rig, servers: int = 2, actions: tuple[dict[str, Any], ...] = ()) -> None:
        self.rig = rig
        self.runbook = rig.runbook({1: WaveSpec(servers)})
        self.drs = rig.sessions.client("drs", region=REGION)
        self.ec2 = rig.sessions.client("ec2", region=REGION)
        self.ssm = rig.sessions.client("ssm", region=REGION)
        planned = self.runbook.wave(1).servers
        for server in planned if actions else ():
            self.drs.update_launch_configuration(sourceServerID=server.source_server_id, postLaunchEnabled=True)
            for number, action in enumerate(actions, start=1):
                self.drs.put_launch_action(
                    **{
                        "resourceId": server.source_server_id,
                        "actionId": f"00000000-0000-0000-0000-{number:012d}",
                        "actionCode": "AWS-RunShellScript",
                        "actionVersion": "1",
                        "description": "",
                        "category": "VALIDATION",
                        "parameters": {},
                        "order": 1000 + number,
                        "active": True,
                        "optional": False,
                        **action,
                    }  # type: ignore[arg-type]
                )
        job = self.drs.start_recovery(
            sourceServers=[{"sourceServerID": server.source_server_id} for server in planned], isDrill=True
        )["job"]
        while not all(s["launchStatus"] == "LAUNCHED" for s in self.participants(job["jobID"])):
            rig.clock.advance(5)
        launched = {s["sourceServerID"]: s for s in self.participants(job["jobID"])}
        self.targets = [
            CheckTarget(server, launched[server.source_server_id]["recoveryInstanceID"], job["jobID"])
            for server in planned
        ]

    def participants(self, job_id: str) -> list[Any]:
        return list(self.drs.describe_jobs(filters={"jobIDs": [job_id]})["items"][0]["participatingServers"])

    @property
    def wave(self) -> WaveContext:
        return WaveContext("exec-1", "plan", "drill", 1, "wave 1", self.rig.clock.now())

    def probes(self, *checks: dict[str, Any], phase: CheckPhase = CheckPhase.HEALTH) -> tuple[Probe, ...]:
        place = {} if phase is CheckPhase.HEALTH else {"accountId": ACCOUNT, "region": REGION}
        placed = [{**(place if c["type"] not in {"http", "python"} else {}), **c} for c in checks]
        return probes_for(
            [CHECK.validate_python(check) for check in placed],
            phase,
            self.wave,
            self.targets,
            sessions=self.rig.sessions,
            clock=self.rig.clock,
        )

    def look(
        self, check: dict[str, Any], attempt: int = 1, phase: CheckPhase = CheckPhase.HEALTH
    ) -> list[ProbeOutcome]:
        """What fresh probes see in one look at that attempt, in the order of the servers."""
        outcomes: list[ProbeOutcome] = []
        for probe in self.probes(check, phase=phase):
            outcomes += probe.look(dict.fromkeys(probe.subjects, attempt)).values()
        return outcomes

    def checking(self, *checks: dict[str, Any], phase: CheckPhase = CheckPhase.HEALTH) -> CheckRunner:
        """All checks made to their end, in virtual time."""
        checking = CheckRunner(
            self.probes(*checks, phase=phase),
            self.rig.clock,
            InlineExecutor(),
            in_order=phase is not CheckPhase.HEALTH,
        )
        while (wait := checking.step()) is not None:
            self.rig.clock.advance(wait)
        return checking


@pytest.fixture
def launched(rig: Rig) -> Launched:
    return Launched(rig)


@pytest.fixture
def aws() -> Iterator[AwsEndpoint]:
    with aws_endpoint() as endpoint:
        yield endpoint
