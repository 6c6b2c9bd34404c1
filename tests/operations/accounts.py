"""What the tests of accounts share: a hub, a target account and its staging account, on a simulated AWS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.operations import Context, invoke
from prefect_drs.orchestration.storage.audit_log import AuditChange, AuditLog
from prefect_drs.simulator.roles import plant_role
from tests.rig import GIB, Rig, simulated_aws

HUB, TARGET, STAGING = "123456789012", "222222222222", "333333333333"
EU, US = "eu-west-1", "us-east-1"
SECRET = "correct-horse-battery"
TWO_REGIONS = {"accountId": TARGET, "regions": [EU, US], "externalId": SECRET}
PAIR = {"targetAccountId": TARGET, "stagingAccountId": STAGING}


@dataclass
class World:
    """A hub, a target account with a role, and no account saved."""

    rig: Rig

    def op(self, name: str, /, **body: Any) -> Any:
        return invoke(name, body, context=Context(caller="ada"))

    def changed(self, audit: AuditLog, name: str, /, **body: Any) -> AuditChange:
        """What the audit log holds of the change that an operation made."""
        invoke(name, body, context=Context(caller="ada", audit=audit))
        now = datetime.now(UTC)
        newest = next(audit.read(now - timedelta(hours=1), now + timedelta(minutes=1)))
        assert SECRET not in newest.model_dump_json()
        (change,) = newest.changes
        return change

    def refusal(self, name: str, /, **body: Any) -> PrefectDrsError:
        with pytest.raises(PrefectDrsError) as refused:
            self.op(name, **body)
        assert SECRET not in f"{refused.value.message} {refused.value.details}"
        return refused.value

    def initialise(self, account: str, *regions: str) -> None:
        for region in regions:
            self.rig.sandbox.backend(account, region).initialize_service()

    def seed(self, account: str, region: str, count: int) -> list[str]:
        backend = self.rig.sandbox.backend(account, region)
        return [
            backend.seed_source_server(
                hostname=f"{account}-{number}", ram_bytes=GIB, cpus=1, disks=[{"deviceName": "/dev/sda1", "bytes": GIB}]
            ).server_id
            for number in range(count)
        ]

    def statuses(self, answer: dict[str, Any]) -> dict[str, str]:
        return {region["region"]: region["status"] for region in answer["regions"]}


def forget_accounts() -> None:
    with get_client(sync_client=True) as client:
        try:
            client.delete_block_type(client.read_block_type_by_slug("drs-target-account").id)
        except ObjectNotFound:
            return


@contextmanager
def world_without_accounts() -> Iterator[World]:
    """A world, and no account saved before and after."""
    forget_accounts()
    with simulated_aws() as rig:
        plant_role(TARGET, external_id=SECRET)
        plant_role(STAGING, external_id=SECRET)
        yield World(rig)
    forget_accounts()
