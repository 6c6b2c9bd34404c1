"""Servers of several accounts, with prepared instances where they are recovered and where they came from."""

from __future__ import annotations

from typing import Any

from prefect_drs.plan.model import Manifest, RecoveryMode
from prefect_drs.recovery.journal import Journal, MemoryJournal
from prefect_drs.recovery.launch.polling import PollPolicy
from prefect_drs.report.model import RecoveryReport
from prefect_drs.runbook import Runbook, resolve
from prefect_drs.runbook.failback import resolve_failback
from prefect_drs.runbook.failback.candidates import Recovered
from prefect_drs.simulator.roles import plant_role
from tests.recovery.failback.scene import ORIGIN
from tests.rig import ACCOUNT, GIB, REGION, Rig

ALLOWED = {"Key": "AWSDRS", "Value": "AllowLaunchingIntoThisInstance"}
RARELY = PollPolicy(near=60.0, far=60.0)  # a run's time goes into readings
Identity = tuple[str, str]  # private address, network interface


class Home:
    """A plan whose servers are recovered into prepared instances in REGION and fail back into those they came from.

    Args:
        rig: the simulated AWS.
        servers: how many of each account.
        failback: the plan's `failback`.
    """

    def __init__(self, rig: Rig, servers: dict[str, int], **failback: Any) -> None:
        self.rig = rig
        self.servers: dict[str, dict[str, str]] = {}  # source server id by name, by account
        self.originals: dict[str, dict[str, str]] = {}  # instance by name, by account
        self.prepared: dict[str, dict[str, str]] = {}
        for number, (account, count) in enumerate(servers.items()):
            if account != ACCOUNT:
                plant_role(account)
            for region in (REGION, ORIGIN):
                rig.sandbox.backend(account, region).initialize_service()
            names = [f"app-{number}-{index:03d}" for index in range(count)]
            self.originals[account] = self._instances(account, ORIGIN, names)
            self.prepared[account] = self._instances(account, REGION, names)
            self.ec2(account, REGION).stop_instances(InstanceIds=list(self.prepared[account].values()))
            self.servers[account] = {
                name: rig.sandbox.backend(account, REGION)
                .seed_source_server(
                    hostname=name,
                    name_tag=name,
                    ram_bytes=4 * GIB,
                    cpus=2,
                    disks=[{"deviceName": "/dev/sda1", "bytes": GIB}],
                    ec2_instance_id=self.originals[account][name],
                    source_account=account,
                    source_region=ORIGIN,
                )
                .server_id
                for name in names
            }
        groups = [
            {
                "groupName": f"app {account}",
                "region": REGION,
                **({} if account == ACCOUNT else {"accountId": account}),
                "sourceServerIds": list(ids.values()),
                "launchConfig": {"launchIntoInstance": {"tag": "Name"}},
            }
            for account, ids in self.servers.items()
        ]
        wave = {"waveNumber": 1, "waveName": "app", "groups": [group["groupName"] for group in groups]}
        plan = {
            "planName": "home",
            "waves": [wave],
            "failback": {"launchIntoOriginal": True, "cleanUp": "disconnect", **failback},
        }
        self.manifest = Manifest.model_validate(
            {"schemaVersion": "1.1", "protectionGroups": groups, "recoveryPlans": [plan]}
        )

    def ec2(self, account: str, region: str) -> Any:
        return self.rig.sessions.client("ec2", account_id=account, region=region)

    def drs(self, account: str, region: str) -> Any:
        return self.rig.sessions.client("drs", account_id=account, region=region)

    def _instances(self, account: str, region: str, names: list[str]) -> dict[str, str]:
        """One for each name: its id."""
        ec2, count = self.ec2(account, region), len(names)
        made = ec2.run_instances(ImageId="ami-1", MinCount=count, MaxCount=count, InstanceType="m5.large")
        ids = {name: str(each["InstanceId"]) for name, each in zip(names, made["Instances"], strict=True)}
        ec2.create_tags(Resources=list(ids.values()), Tags=[ALLOWED])
        for name, instance in ids.items():
            ec2.create_tags(Resources=[instance], Tags=[{"Key": "Name", "Value": name}])
        return ids

    def recover(self, execution_id: str, mode: RecoveryMode = "recovery") -> RecoveryReport:
        """Recover, after the region of origin was lost."""
        for account, originals in self.originals.items():
            self.ec2(account, ORIGIN).stop_instances(InstanceIds=list(originals.values()))
        plan, rig = self.manifest.plan(), self.rig
        runbook = resolve(self.manifest, plan, mode=mode, sessions=rig.sessions, clock=rig.clock)
        return rig.run(rig.engine(runbook.require_accepted(), execution_id, policy=RARELY))

    def runbook(self, recovered: Recovered | None = None) -> Runbook:
        """The failback's runbook, whatever refuses it."""
        plan, rig = self.manifest.plan(), self.rig
        return resolve_failback(self.manifest, plan, sessions=rig.sessions, clock=rig.clock, recovered=recovered)

    def fail_back(self, execution_id: str, journal: Journal | None = None, **options: Any) -> RecoveryReport:
        runbook = self.runbook().require_accepted()
        engine = self.rig.engine(runbook, execution_id, journal or MemoryJournal(), **{"policy": RARELY, **options})
        return self.rig.run(engine)

    def release(self, region: str, *, disconnect: bool) -> None:
        """Take the instances that DRS launched into there out of DRS and stop them, as docs/failback.md says."""
        for account, instances in (self.prepared if region == REGION else self.originals).items():
            drs = self.drs(account, region)
            for instance in instances.values():
                if disconnect:
                    drs.disconnect_recovery_instance(recoveryInstanceID=instance)
                drs.delete_recovery_instance(recoveryInstanceID=instance)
            self.ec2(account, region).stop_instances(InstanceIds=list(instances.values()))

    def identities(self, region: str) -> dict[str, Identity]:
        """As plain boto3 reads them: private address and network interface of every tagged instance, by its id."""
        pages = (
            page
            for account in self.servers
            for page in self.ec2(account, region)
            .get_paginator("describe_instances")
            .paginate(Filters=[{"Name": "tag:AWSDRS", "Values": [ALLOWED["Value"]]}])
        )
        return {
            found["InstanceId"]: (found["PrivateIpAddress"], found["NetworkInterfaces"][0]["NetworkInterfaceId"])
            for page in pages
            for reservation in page["Reservations"]
            for found in reservation["Instances"]
        }
