"""What is stored of an execution, and its deletion: flow runs, artifacts, the journal.

In: the id of an execution that has ended. Out: counts of what was deleted. Nothing in AWS changes. The flow runs go
last, so that a deletion which failed in between can be repeated.

Must never: delete anything of an execution that a process may still carry; its caller has looked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound

from prefect_drs.core.models import FrozenModel
from prefect_drs.orchestration.approvals.answers import gate_runs
from prefect_drs.orchestration.approvals.suspended_gate import delete_deadline_runs
from prefect_drs.orchestration.client import prefect_client, shared_client
from prefect_drs.orchestration.executions.claims import release_servers
from prefect_drs.orchestration.executions.lease import forget_lease
from prefect_drs.orchestration.executions.reports import all_flow_runs_of
from prefect_drs.orchestration.paging import PAGE, entries
from prefect_drs.orchestration.storage.artifacts import report_key, summary_key
from prefect_drs.orchestration.storage.journal_storage import journal_storage


class DeletedExecution(FrozenModel):
    """What was deleted of an execution.

    `journal_objects`: of its journal; 0 where that is on another machine, null where its storage cannot delete: then
    delete the folder of that name in the storage.
    """

    execution_id: str
    flow_runs: int
    artifacts: int
    journal_objects: int | None


def delete_execution(execution_id: str) -> DeletedExecution:
    """Delete what is stored of an execution.

    Raises:
        JournalUnavailableError: its journal could not be deleted; the rest is still there.
        PrefectUnreachableError: the Prefect API cannot be reached.
    """
    with shared_client(), prefect_client() as client:
        runs = _runs_of(client, execution_id)
        journal = journal_storage().delete(execution_id)
        artifacts = sum(
            _delete_artifact(client, artifact_id) for artifact_id in _artifacts_of(client, execution_id, runs)
        )
        delete_deadline_runs(execution_id)
        release_servers(execution_id)
        forget_lease(execution_id)
        deleted = sum(_delete_run(client, run.id) for run in sorted(runs, key=lambda run: str(run.id) == execution_id))
    return DeletedExecution(execution_id=execution_id, flow_runs=deleted, artifacts=artifacts, journal_objects=journal)


def _runs_of(client: SyncPrefectClient, execution_id: str) -> list[FlowRun]:
    """Every flow run of the execution: its own, those that resumed it, their children, its gates."""
    found: dict[UUID, FlowRun] = {}
    waiting = [*all_flow_runs_of(client, execution_id), *gate_runs(client, execution_id)]
    while waiting:
        new = [run for run in waiting if run.id not in found]
        found |= {run.id: run for run in new}
        waiting = list(_children(client, [run.id for run in new])) if new else []
    return list(found.values())


def _children(client: SyncPrefectClient, run_ids: list[UUID]) -> Iterator[FlowRun]:
    children = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=run_ids))
    return entries(lambda offset: client.read_flow_runs(flow_run_filter=children, limit=PAGE, offset=offset))


def _artifacts_of(client: SyncPrefectClient, execution_id: str, runs: list[FlowRun]) -> list[UUID]:
    found: dict[UUID, None] = {}
    keys = [report_key(execution_id), summary_key(execution_id)]
    for chosen in ({"key": {"any_": keys}}, {"flow_run_id": {"any_": [str(run.id) for run in runs]}}):
        found |= dict.fromkeys(UUID(each["id"]) for each in entries(_artifact_reader(client, chosen)))
    return list(found)


def _artifact_reader(client: SyncPrefectClient, chosen: dict[str, Any]) -> Callable[[int], list[dict[str, Any]]]:
    def read(offset: int) -> list[dict[str, Any]]:
        body = {"artifacts": chosen, "limit": PAGE, "offset": offset}
        page: list[dict[str, Any]] = client.request("POST", "/artifacts/filter", json=body).json()
        return page

    return read


def _delete_artifact(client: SyncPrefectClient, artifact_id: UUID) -> bool:
    try:
        client.delete_artifact(artifact_id)
    except ObjectNotFound:
        return False
    return True


def _delete_run(client: SyncPrefectClient, run_id: UUID) -> bool:
    try:
        client.delete_flow_run(run_id)
    except ObjectNotFound:
        return False
    return True
