"""One disaster, told by the operations alone: whoever can call them can live through it.

In: a function that calls an operation, and one that follows an execution to its end and calls back at each gate. Out:
nothing; each step is checked. The estate is a hub account with web servers, and a second account with databases, which
is entered by a role with an ExternalId.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol
from uuid import UUID, uuid4

from prefect.client.orchestration import get_client

from prefect_drs.flows import recover
from prefect_drs.simulator.roles import plant_role
from tests.operations.accounts import SECRET, TARGET, forget_accounts
from tests.operations.estate import Stored, forget_estate
from tests.rig import ACCOUNT, REGION, simulated_aws

PLAN = "Whole site"
SERVERS = {ACCOUNT: ("web1", "web2"), TARGET: ("db1",)}


class Call(Protocol):
    """Calls an operation; raises where it is refused."""

    def __call__(self, operation: str, /, **parameters: Any) -> Any: ...


Follow = Callable[[str, Callable[[], None]], None]
"""Follows an execution until it has ended; calls back when it waits at a gate."""


@contextmanager
def struck_site() -> Iterator[tuple[Stored, str]]:
    """The simulated accounts, of which Prefect knows nothing, and a deployment that runs recoveries."""
    forget_accounts()
    forget_estate()
    name = f"site-{uuid4().hex[:8]}"
    deployment_id = recover.to_deployment(name=name, parameters={"manifest": "estate:"}).apply()
    with simulated_aws(speed=600) as rig:
        plant_role(TARGET, external_id=SECRET)
        stored = Stored(rig)
        stored.servers(*SERVERS[ACCOUNT], tags={"tier": "web"})
        stored.servers(*SERVERS[TARGET], account=TARGET, tags={"tier": "db"})
        yield stored, f"recover/{name}"
    with get_client(sync_client=True) as client:
        client.delete_deployment(UUID(str(deployment_id)))
    forget_estate()
    forget_accounts()


def live_through(call: Call, follow: Follow, deployment: str) -> None:
    """Accounts, groups by tag, plan, runbook, start, gate, report, termination."""
    prepare(call)
    started = call(
        "start_execution",
        planId=PLAN,
        executionType="RECOVERY",
        initiatedBy="ada",
        deployment=deployment,
        accountContext={"accountId": ACCOUNT},
    )
    execution_id = started["executionId"]
    assert (started["status"], started["planName"]) == ("PENDING", PLAN)
    approvals: list[str] = []

    def approve() -> None:
        (gate,) = call("list_gates", executionId=execution_id)["gates"]
        assert (gate["waveNumber"], gate["waveName"]) == (2, "web")
        answered = call(
            "approve_gate", executionId=execution_id, waveNumber=gate["waveNumber"], comment="databases are up"
        )
        assert (answered["decision"], answered["lost"]) == ("APPROVED", None)
        approvals.append(answered["by"])

    follow(execution_id, approve)
    assert len(approvals) == 1
    report(call, execution_id)
    clear_up(call, execution_id)


def prepare(call: Call) -> None:
    """Accounts, groups and a plan, and the runbook that a recovery would begin with."""
    saved = call("add_target_account", accountId=TARGET, accountName="data", regions=[REGION], externalId=SECRET)
    assert saved["usableRegions"] == [REGION]
    assert [each["accountId"] for each in call("get_target_accounts")["accounts"]] == [TARGET]
    for name, account in (("db", TARGET), ("web", ACCOUNT)):
        tags = {"tier": name}
        group = call("create_protection_group", name=name, region=REGION, accountId=account, serverSelectionTags=tags)
        assert group["serverCount"] == len(SERVERS[account])
    waves = [
        {"waveNumber": 1, "name": "db", "protectionGroupNames": ["db"]},
        {
            "waveNumber": 2,
            "name": "web",
            "protectionGroupNames": ["web"],
            "dependsOnWaves": [1],
            "pauseBeforeWave": True,
        },
    ]
    assert call("create_recovery_plan", name=PLAN, waves=waves)["version"] == 1
    assert call("check_existing_instances", planId=PLAN)["hasExistingInstances"] is False
    runbook = call("get_runbook", planId=PLAN, mode="recovery")
    names = [[server["name"] for server in wave["servers"]] for wave in runbook["waves"]]
    assert [sorted(wave) for wave in names] == [["db1"], ["web1", "web2"]]
    assert not [finding for finding in runbook["findings"] if finding["severity"] == "ERROR"]


def report(call: Call, execution_id: str) -> None:
    """What the execution did, as a status, a document, a list, instances and job logs."""
    shown = call("get_execution", executionId=execution_id)
    assert (shown["status"], shown["mode"], shown["initiatedBy"]) == ("COMPLETED", "recovery", "ada")
    assert [len(wave["servers"]) for wave in shown["waves"]] == [1, 2]
    assert shown["waves"][1]["approval"]["comment"] == "databases are up"
    document = call("get_execution_report", executionId=execution_id)
    assert PLAN in document["document"]
    listed = call("list_executions", planName=PLAN, limit=1)["executions"][0]
    assert (listed["executionId"], listed["status"]) == (execution_id, "COMPLETED")
    assert call("get_recovery_instances", executionId=execution_id)["count"] == 3
    assert len(call("get_job_logs", executionId=execution_id)["jobs"]) == 2


def clear_up(call: Call, execution_id: str) -> None:
    """The instances are terminated, and then what is known of the execution."""
    assert call("get_termination_status", executionId=execution_id)["status"] == "NOT_REQUESTED"
    gone = call("terminate_instances", executionId=execution_id, confirmRecovery=True)
    assert (gone["status"], len(gone["instances"])) == ("TERMINATED", 3)
    assert call("get_termination_status", executionId=execution_id)["status"] == "TERMINATED"
    assert call("delete_executions", executionIds=[execution_id])["deletedCount"] == 1
