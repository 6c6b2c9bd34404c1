"""Accounts with EC2 instances, and source servers that replicate them into other regions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from prefect_drs.aws.assume_role import caller_session
from prefect_drs.aws.sessions import Sessions
from prefect_drs.simulator import Sandbox, mock_drs
from prefect_drs.simulator.roles import plant_role
from prefect_drs.tag_sync import CopyTagsCache, TagRules, TagSyncResult, synchronise
from tests.rig import ACCOUNT, GIB, REGION, aws_environment

ORIGIN = "us-east-1"


@dataclass
class Estate:
    """A simulated AWS. What it holds is read back by plain boto3, never by the code under test."""

    sandbox: Sandbox
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def instance(self, tags: Mapping[str, str], *, region: str = ORIGIN, account: str = ACCOUNT) -> str:
        """Run an instance with these tags: its id."""
        wanted = [{"Key": key, "Value": value} for key, value in tags.items()]
        specifications = [{"ResourceType": "instance", "Tags": wanted}] if wanted else []
        answer = self.client("ec2", region, account).run_instances(
            ImageId="ami-12345678", MinCount=1, MaxCount=1, TagSpecifications=specifications
        )
        return str(answer["Instances"][0]["InstanceId"])

    def server(
        self,
        instance_id: str | None,
        tags: Mapping[str, str] | None = None,
        *,
        region: str = REGION,
        account: str = ACCOUNT,
        origin: tuple[str, str] | None = None,
        copy_tags: bool = False,
    ) -> str:
        """A source server that replicates the instance: its id."""
        backend = self.sandbox.backend(account, region)
        backend.initialize_service()
        origin_account, origin_region = origin or (account, ORIGIN)
        return backend.seed_source_server(
            hostname=f"host-{next(self.numbers)}",
            ram_bytes=4 * GIB,
            cpus=2,
            disks=[{"deviceName": "/dev/sda1", "bytes": 8 * GIB}],
            tags=tags or {},
            ec2_instance_id=instance_id,
            source_account=origin_account if instance_id else None,
            source_region=origin_region if instance_id else None,
            launch_settings={"copyTags": copy_tags},
        ).server_id

    def pair(self, tags: Mapping[str, str], server_tags: Mapping[str, str] | None = None, **places: Any) -> str:
        """An instance and the source server that replicates it, in one account: the server's id."""
        account = places.get("account", ACCOUNT)
        return self.server(self.instance(tags, account=account), server_tags, **places)

    def role(self, account: str, missing_actions: Sequence[str] = ()) -> None:
        """The role by convention, that the caller may assume."""
        plant_role(account, missing_actions=missing_actions)

    def client(self, service: str, region: str, account: str = ACCOUNT) -> Any:
        """Plain boto3, in another account by a role of the test's own."""
        keys: dict[str, str] = {}
        if account != ACCOUNT:
            arn = plant_role(account, "Tester")
            taken = caller_session().client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
            keys = {
                "aws_access_key_id": taken["AccessKeyId"],
                "aws_secret_access_key": taken["SecretAccessKey"],
                "aws_session_token": taken["SessionToken"],
            }
        return caller_session(**keys).client(service, region_name=region)  # type: ignore[call-overload]

    def described(self, server_id: str, region: str = REGION, account: str = ACCOUNT) -> dict[str, Any]:
        drs = self.client("drs", region, account)
        answer = drs.describe_source_servers(filters={"sourceServerIDs": [server_id]})
        return dict(answer["items"][0])

    def tags(self, server_id: str, region: str = REGION, account: str = ACCOUNT) -> dict[str, str]:
        return dict(self.described(server_id, region, account)["tags"])

    def copies_tags(self, server_id: str, region: str = REGION) -> bool:
        return bool(self.client("drs", region).get_launch_configuration(sourceServerID=server_id)["copyTags"])

    def sync(
        self,
        rules: TagRules | None = None,
        *,
        cache: CopyTagsCache | None = None,
        regions: Sequence[str] = (REGION,),
        sessions: Sessions | None = None,
        **options: Any,
    ) -> TagSyncResult:
        return synchronise(
            sessions or Sessions(attempts=1),
            rules or TagRules(),
            clock=self.sandbox.clock,
            regions=regions,
            cache=cache,
            **options,
        )

    def writes(self) -> list[str]:
        """The writing calls that DRS has seen."""
        reading = ("Describe", "Get", "List", "Initialize")
        return [call.operation for call in self.sandbox.calls if not call.operation.startswith(reading)]


@pytest.fixture
def estate() -> Iterator[Estate]:
    with aws_environment(), mock_drs(default_images=False) as sandbox:
        yield Estate(sandbox)
