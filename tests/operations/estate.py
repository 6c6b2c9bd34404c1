"""What the tests of the stored estate share: an empty estate on a real Prefect server, servers on a simulated AWS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from prefect_drs.operations import Context, invoke
from prefect_drs.orchestration.storage.access_policy import POLICIES
from tests.rig import ACCOUNT, GIB, REGION, Rig, simulated_aws


@dataclass
class Stored:
    """An estate that was empty, and the servers it may name."""

    rig: Rig

    def op(self, name: str, body: Mapping[str, Any] | None = None, *, by: str = "ada") -> Any:
        """Carry out an operation."""
        return invoke(name, body, context=Context(caller=by))

    def servers(
        self, *names: str, region: str = REGION, account: str = ACCOUNT, tags: Mapping[str, str] | None = None
    ) -> list[str]:
        """Seed source servers: their ids."""
        backend = self.rig.sandbox.backend(account, region)
        if not backend.initialized:
            backend.initialize_service()
        return [
            backend.seed_source_server(
                hostname=name,
                ram_bytes=4 * GIB,
                cpus=2,
                disks=[{"deviceName": "/dev/sda1", "bytes": 40 * GIB}],
                tags=dict(tags or {}),
            ).server_id
            for name in names
        ]

    def group(self, name: str, servers: list[str] | None = None, **fields: Any) -> Any:
        """Create a group of these servers, or of one of its own."""
        selection = {} if "serverSelectionTags" in fields else {"sourceServerIds": servers or self.servers(name)}
        return self.op("create_protection_group", {"name": name, "region": REGION, **selection, **fields})

    def plan(self, name: str, *groups: str, **fields: Any) -> Any:
        """Create a plan: a wave a group, one after the other."""
        waves = [
            {
                "name": group,
                "waveNumber": number,
                "protectionGroupNames": [group],
                "dependsOnWaves": list(range(number)[-1:]),
            }
            for number, group in enumerate(groups)
        ]
        return self.op("create_recovery_plan", {"name": name, "waves": waves, **fields})


def forget_estate() -> None:
    """Delete all that is stored; the block types stay registered, which takes 20 requests each time."""
    from prefect_drs.estate.blocks import EstateState
    from prefect_drs.estate.store import BLOCKS

    with get_client(sync_client=True) as client:
        for kind in (*BLOCKS.values(), EstateState):
            with suppress(ObjectNotFound):
                slug = client.read_block_type_by_slug(kind.get_block_type_slug()).slug
                while found := client.read_block_documents_by_type(slug, offset=0, limit=200, include_secrets=False):
                    for document in found:
                        client.delete_block_document(document.id)


@contextmanager
def stored_estate() -> Iterator[Stored]:
    """An empty estate, empty again afterwards."""
    forget_estate()
    with simulated_aws() as rig:
        yield Stored(rig)
    forget_estate()


def forget_policies(_: object = None) -> None:
    """Delete all versions of the access policy; without one, everybody may do everything."""
    with get_client(sync_client=True) as client, suppress(ObjectNotFound):
        client.delete_block_type(client.read_block_type_by_slug("drs-access-policy").id)
    POLICIES.forget()
