"""Servers that were recovered from another region, on the simulator in virtual time, and failbacks of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefect_drs.plan.model import Manifest
from prefect_drs.recovery.journal import Journal, MemoryJournal
from prefect_drs.report.model import RecoveryReport
from prefect_drs.runbook import Runbook, resolve
from prefect_drs.runbook.failback import resolve_failback
from prefect_drs.runbook.failback.candidates import Recovered
from tests.rig import ACCOUNT, GIB, REGION, Rig, WaveSpec

ORIGIN = "us-east-1"


class Scene:
    """A plan whose servers came from ORIGIN and are recovered in REGION.

    Args:
        rig: the simulated AWS.
        waves: the plan's waves.
        outside_aws: the servers of these waves came from outside AWS.
        plan: further fields of the plan.
    """

    def __init__(
        self, rig: Rig, waves: Mapping[int, WaveSpec], *, outside_aws: tuple[int, ...] = (), **plan: Any
    ) -> None:
        self.rig = rig
        for region in (REGION, ORIGIN):
            backend = rig.sandbox.backend(ACCOUNT, region)
            if not backend.initialized:
                backend.initialize_service()
        self.ids: dict[int, list[str]] = {}
        groups = []
        for number, wave in waves.items():
            origin = {} if number in outside_aws else {"source_account": ACCOUNT, "source_region": ORIGIN}
            self.ids[number] = [
                rig.sandbox.backend(ACCOUNT, REGION)
                .seed_source_server(
                    hostname=f"w{number}-{index:03d}",
                    ram_bytes=4 * GIB,
                    cpus=2,
                    disks=[{"deviceName": "/dev/sda1", "bytes": 4 * GIB}],
                    **origin,
                )
                .server_id
                for index in range(wave.servers)
            ]
            groups.append({"groupName": f"g{number}", "region": REGION, "sourceServerIds": self.ids[number]})
        self.manifest = Manifest.model_validate(
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
                                "groups": [f"g{number}"],
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
        self.journal: Journal = MemoryJournal()

    @property
    def drs(self) -> Any:
        """boto3 where the servers are recovered."""
        return self.rig.sessions.client("drs", region=REGION)

    @property
    def origin(self) -> Any:
        """boto3 where they came from."""
        return self.rig.sessions.client("drs", region=ORIGIN)

    def recover(self, mode: str = "recovery", execution_id: str = "recovery-1") -> RecoveryReport:

        runbook = resolve(
            self.manifest, self.manifest.plan(), mode=mode, sessions=self.rig.sessions, clock=self.rig.clock
        )  # type: ignore[arg-type]
        report = self.rig.run(self.rig.engine(runbook.require_accepted(), execution_id))
        assert report.status == "COMPLETED", report
        return report

    def runbook(self, **options: Any) -> Runbook:
        """The failback's runbook, whatever refuses it."""
        return resolve_failback(
            self.manifest, self.manifest.plan(), sessions=self.rig.sessions, clock=self.rig.clock, **options
        )

    def fail_back(
        self, execution_id: str = "failback-1", runbook: Runbook | None = None, **options: Any
    ) -> RecoveryReport:
        """Carry a failback out; its journal is `journal`."""
        self.journal = MemoryJournal()
        return self.rig.run(
            self.rig.engine((runbook or self.runbook()).require_accepted(), execution_id, self.journal, **options)
        )

    def resume(self, execution_id: str = "failback-1", **options: Any) -> RecoveryReport:
        return self.rig.run(self.rig.engine(None, execution_id, self.journal, **options))

    def jobs(self, client: Any) -> list[dict[str, Any]]:
        return [job for page in client.get_paginator("describe_jobs").paginate() for job in page["items"]]

    def instances(self, client: Any) -> dict[str, dict[str, Any]]:
        """Recovery instances by source server id; the last one counts."""
        pages = client.get_paginator("describe_recovery_instances").paginate()
        return {item["sourceServerID"]: item for page in pages for item in page["items"]}

    def servers(self, client: Any) -> dict[str, dict[str, Any]]:
        pages = client.get_paginator("describe_source_servers").paginate()
        return {item["sourceServerID"]: item for page in pages for item in page["items"]}


def recovered_of(report: RecoveryReport) -> Recovered:
    """What that execution launched."""
    jobs: dict[str, set[str]] = {}
    for job in (job for wave in report.waves for job in wave.jobs):
        for server_id in job.server_ids:
            jobs.setdefault(server_id, set()).add(job.job_id)
    return Recovered(report.execution_id, {server_id: frozenset(ids) for server_id, ids in jobs.items()})
