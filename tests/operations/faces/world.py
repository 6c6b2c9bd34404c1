"""What the cases name: accounts, groups, plans and executions on the sandbox, in every state that an operation needs.

In: a rig and a Prefect server. Out: a `World`, made once. What is costly is shared: one execution that has ended for
each face that terminates its instances, and one that is suspended at nine gates.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.exceptions import Pause
from prefect.states import Cancelled

from prefect_drs.client import Client
from prefect_drs.estate.blocks import StoredProtectionGroup, StoredRecoveryPlan
from prefect_drs.flows import failback, recover, tag_sync
from prefect_drs.orchestration.blocks import TargetAccount
from prefect_drs.rest.options import RestOptions
from prefect_drs.simulator.roles import plant_role
from tests.operations.accounts import forget_accounts
from tests.operations.estate import Stored, forget_estate, forget_policies
from tests.operations.faces.callers import CALLER
from tests.operations.shop import work
from tests.rest.server import running_server
from tests.rig import ACCOUNT, REGION, simulated_aws
from tests.scheduled.conftest import forget as forget_scheduled

TARGET, STAGING = "222222222222", "333333333333"
FACES = ("py", "op", "fn", "rest")
LONG = 10**8


class World:
    """Makes things for a face, each with a name of its own.

    Args:
        stored: the estate and its servers.
        client: a client of the REST server over them.
        stack: ends what was begun.
    """

    def __init__(self, stored: Stored, client: Client, stack: ExitStack) -> None:
        self.stored = stored
        self.client = client
        self._stack = stack
        self._numbers = count(1)

    def forget_own(self) -> None:
        """Take away what the faces made of their own: most operations read all that is stored."""
        with get_client(sync_client=True) as client:
            for kind in (StoredProtectionGroup, StoredRecoveryPlan, TargetAccount):
                slug = kind.get_block_type_slug()
                for block in client.read_block_documents_by_type(slug, limit=200, include_secrets=False):
                    if (block.name or "").startswith(("own-", "account-4")):
                        client.delete_block_document(block.id)

    def op(self, name: str, body: dict[str, Any] | None = None) -> Any:
        """Carry out an operation."""
        return self.stored.op(name, body, by=CALLER)

    def name(self, face: str) -> str:
        """A new name; the comparison of answers takes it for that of another face."""
        return f"own-{face}-{next(self._numbers):03d}"

    def group(self, face: str) -> str:
        """A new group of a server of its own; its name."""
        name = self.name(face)
        self.stored.group(name)
        return name

    def server_of(self, group: str) -> str:
        server: str = self.op("get_protection_group", {"groupId": group})["sourceServerIds"][0]
        return server

    def plan(self, face: str) -> str:
        """A new plan of one wave over a group of its own; its name."""
        group = self.group(face)
        name = self.name(face)
        self.stored.plan(name, group)
        return name

    def account(self, face: str, *, saved: bool = True) -> str:
        """A new target account, which DRS answers in; its id."""
        number = f"4{FACES.index(face)}0000000{next(self._numbers):03d}"
        plant_role(number)
        self.stored.rig.sandbox.backend(number, REGION).initialize_service()
        if saved:
            self.op("add_target_account", {"accountId": number, "regions": [REGION]})
        return number

    @cached_property
    def deployment(self) -> str:
        """A deployment of the flow `recover`, whose runs wait: no worker is there."""
        return self._deployed(recover, f"faces-{uuid4().hex[:8]}", {"manifest": "estate:", "plan": "shop"})

    @cached_property
    def failback(self) -> str:
        """A deployment of the flow `failback`, whose runs wait."""
        return self._deployed(failback, f"faces-{uuid4().hex[:8]}", {"manifest": "estate:", "plan": "shop"})

    def _deployed(self, flow: Any, name: str, parameters: dict[str, Any]) -> str:
        deployment_id = flow.to_deployment(name=name, parameters=parameters).apply()
        self._stack.callback(_delete_deployment, UUID(str(deployment_id)))
        return f"{flow.name}/{name}"

    @cached_property
    def tag_sync(self) -> str:
        """Tag sync's deployment."""
        return self._deployed(tag_sync, "scheduled", {})

    def no_tag_sync_run(self) -> None:
        """Take away the runs of tag sync that wait for a worker."""
        with get_client(sync_client=True) as client:
            deployment = client.read_deployment_by_name(self.tag_sync)
            answer = client.request(
                "POST", "/flow_runs/filter", json={"deployments": {"id": {"any_": [str(deployment.id)]}}}
            )
            for run in answer.json():
                client.delete_flow_run(UUID(run["id"]))

    @cached_property
    def inventory(self) -> Any:
        """The inventory that was taken once."""
        return self.op("sync_source_server_inventory")

    def pending(self, face: str) -> str:
        """An execution that waits for a worker; its id."""
        body = {"planId": self.plan(face), "executionType": "DRILL", "deployment": self.deployment}
        started: str = self.op("start_execution", body)["executionId"]
        return started

    def over(self, face: str) -> str:
        """An execution that ended before it launched anything; its id."""
        execution = self.pending(face)
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(UUID(execution), Cancelled(message="nobody carries it"), force=True)
        return execution

    def drilled(self, face: str) -> str:
        """An execution that has ended, with its instances; its id."""
        body = {"planId": self.plan(face), "executionType": "DRILL", "foreground": True}
        ended: str = self.op("start_execution", body)["executionId"]
        return ended

    @cached_property
    def ended(self) -> str:
        """An execution that has ended, for those that only read."""
        return self.drilled("py")

    @cached_property
    def gated(self) -> str:
        """An execution that is suspended at its gates: one for each face and each answer, and one more; its id."""
        waves = []
        for number in range(1, 2 * len(FACES) + 2):  # the last one is never answered
            group = f"gated-{number}"
            self.stored.group(group)
            waves.append(
                {"waveNumber": number, "name": group, "protectionGroupNames": [group], "pauseBeforeWave": True}
            )
        self.op("create_recovery_plan", {"name": "gated", "waves": waves})
        body = {"planId": "gated", "executionType": "DRILL", "deployment": self.deployment, "gateTimeoutSeconds": LONG}
        execution: str = self.op("start_execution", {**body, "gates": "suspend"})["executionId"]
        with pytest.raises(Pause):
            work(execution)
        assert len(self.op("list_gates", {"executionId": execution})["gates"]) == len(waves)
        return execution

    def gate(self, face: str, answer: int) -> int:
        """The wave of a face's own gate: one for each answer."""
        assert self.gated
        return 1 + FACES.index(face) + answer * len(FACES)


def _delete_deployment(deployment_id: UUID) -> None:
    with get_client(sync_client=True) as client:
        client.delete_deployment(deployment_id)


def _forget() -> None:
    forget_policies()
    forget_estate()
    forget_accounts()
    forget_scheduled()


@contextmanager
def opened_world() -> Iterator[World]:
    """The world: a hub, a target and a staging account in one region, a stored plan, a REST server."""
    _forget()
    with simulated_aws(speed=600) as rig, pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        stack.callback(_forget)
        patch.setenv("LOGNAME", CALLER)  # the command line's caller
        patch.setenv("PREFECT_DRS_SUSPEND_AFTER_SECONDS", "0")
        stored = Stored(rig)
        server = stack.enter_context(running_server(RestOptions(caller=CALLER)))
        client = stack.enter_context(Client(server.url, retries=0, timeout=120))
        world = World(stored, client, stack)
        for account in (TARGET, STAGING):
            plant_role(account)
            rig.sandbox.backend(account, REGION).initialize_service()
        stored.servers("alone", tags={"tier": "x"})
        for account in (ACCOUNT, TARGET):  # a saved account is read in its regions alone
            world.op("add_target_account", {"accountId": account, "regions": [REGION], "force": True})
        world.op("add_staging_account", {"targetAccountId": TARGET, "stagingAccountId": STAGING, "force": True})
        for name in ("db", "web"):
            stored.group(name)
        stored.plan("shop", "db", "web")
        yield world
