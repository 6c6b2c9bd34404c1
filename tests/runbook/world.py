"""A small estate on the simulator to break the preflight's rules on: networks and servers as a case asks for them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from prefect_drs.aws.sessions import Sessions
from prefect_drs.plan.model import Manifest, RecoveryMode
from prefect_drs.runbook import OtherExecution, Runbook, resolve
from prefect_drs.runbook.journal_place import JournalPlace
from prefect_drs.runbook.points import Points
from prefect_drs.simulator import Sandbox, mock_drs
from tests.rig import ACCOUNT, GIB, REGION, aws_environment

CIDR = "10.9.1.0/24"
TARGET = "222222222222"
"""An account that is entered by a role."""


class World:
    """The simulated AWS, what a case puts into it, and a plan of one group a wave."""

    def __init__(self, sandbox: Sandbox, directory: Path) -> None:
        self.sandbox = sandbox
        self.clock = sandbox.clock
        self.sessions = Sessions()
        self.directory = directory

    def client(self, service: str, region: str = REGION) -> Any:
        return self.sessions.client(service, region=region)

    def server(self, name: str = "web", *, account: str = ACCOUNT, region: str = REGION, **more: Any) -> str:
        """A source server; its id."""
        backend = self.sandbox.backend(account, region)
        if not backend.initialized:
            backend.initialize_service()
        disks = [{"deviceName": "/dev/sda1", "bytes": 40 * GIB}]
        seeded = backend.seed_source_server(hostname=name, ram_bytes=4 * GIB, cpus=2, disks=disks, **more)
        return str(seeded.server_id)

    def servers(self, count: int, **more: Any) -> list[str]:
        return [self.server(f"web-{number:03d}", **more) for number in range(count)]

    @cached_property
    def vpc(self) -> str:
        return str(self.client("ec2").create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"])

    @cached_property
    def subnet(self) -> str:
        return self.make_subnet(CIDR)

    def make_subnet(self, cidr: str, vpc: str | None = None) -> str:
        made = self.client("ec2").create_subnet(VpcId=vpc or self.vpc, CidrBlock=cidr, AvailabilityZone=f"{REGION}a")
        return str(made["Subnet"]["SubnetId"])

    @cached_property
    def other_vpc(self) -> str:
        return str(self.client("ec2").create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"])

    @cached_property
    def twin_vpc(self) -> str:
        """Another VPC with the same block."""
        return str(self.client("ec2").create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"])

    def security_group(self, vpc: str) -> str:
        made = self.client("ec2").create_security_group(GroupName=f"of {vpc}", Description="x", VpcId=vpc)
        return str(made["GroupId"])

    def template(self, server: str, **data: Any) -> None:
        """Make this the launch template of a server, as somebody else would."""
        template = self.client("drs").get_launch_configuration(sourceServerID=server)["ec2LaunchTemplateID"]
        ec2 = self.client("ec2")
        made = ec2.create_launch_template_version(LaunchTemplateId=template, LaunchTemplateData=data)
        number = made["LaunchTemplateVersion"]["VersionNumber"]
        ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion=str(number))

    def encrypt(self, server: str, encryption: str, key: str = "") -> None:
        """Have the replication of a server encrypt its volumes: DEFAULT, NONE, or CUSTOM with a key."""
        named = {"ebsEncryptionKeyArn": key} if key else {}
        self.client("drs").update_replication_configuration(sourceServerID=server, ebsEncryption=encryption, **named)

    def manifest(self, *groups: Mapping[str, Any], wave: Mapping[str, Any], plan: Mapping[str, Any]) -> Manifest:
        named = [{"groupName": f"group {number}", "region": REGION, **group} for number, group in enumerate(groups, 1)]
        together = [[group["groupName"] for group in named]] if "healthChecks" in wave or "preWave" in wave else None
        waves = [
            {"waveNumber": number, "waveName": f"wave {number}", "groups": names, **wave}
            for number, names in enumerate(together or [[group["groupName"]] for group in named], 1)
        ]
        return Manifest.model_validate(
            {
                "schemaVersion": "1.1",
                "protectionGroups": named,
                "recoveryPlans": [{"planName": "plan", "waves": waves, **plan}],
            }
        )

    def resolve(
        self,
        *groups: Mapping[str, Any] | Sequence[str] | str,
        mode: RecoveryMode = "drill",
        wave: Mapping[str, Any] | None = None,
        plan: Mapping[str, Any] | None = None,
        points: Points | None = None,
        waivers: Mapping[str, str] | None = None,
        exclude: Mapping[str, str] | None = None,
        others: Collection[OtherExecution] = (),
        journals: Sequence[JournalPlace] = (),
    ) -> Runbook:
        """The runbook of a plan with those groups: a mapping, or server ids alone."""
        written = [_group(group) for group in groups]
        manifest = self.manifest(*written, wave=wave or {}, plan=plan or {})
        return resolve(
            manifest,
            manifest.plan(),
            mode=mode,
            sessions=self.sessions,
            clock=self.clock,
            points=points or Points(),
            waivers=waivers,
            exclude=exclude,
            others=others,
            journals=journals,
        )


def _group(group: Mapping[str, Any] | Sequence[str] | str) -> Mapping[str, Any]:
    if isinstance(group, Mapping):
        return group
    return {"sourceServerIds": [group] if isinstance(group, str) else list(group)}


def codes(runbook: Runbook) -> list[str]:
    return [finding.code for finding in runbook.findings]


@contextmanager
def small_world(directory: Path) -> Iterator[World]:
    with aws_environment(), mock_drs(default_images=False) as sandbox:
        yield World(sandbox, directory)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with small_world(tmp_path) as made:
        yield made
