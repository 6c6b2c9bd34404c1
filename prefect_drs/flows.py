"""The deployable flows: what `prefect.yaml` names, as `prefect_drs.flows:recover`.

In: parameters that the Prefect UI, `prefect deployment run` and the API can give. Out: the RecoveryReport, or an error
that says which faults, findings or waves stood in the way.
"""

# No `from __future__ import annotations`: `flow.serve` pickles flows by value, and Prefect then looks in vain for what
# their parameters' types are called.

from pathlib import Path
from typing import Literal, cast

from prefect import Flow, flow
from prefect.logging import get_run_logger
from prefect.states import Cancelled

from prefect_drs.estate.source import open_manifest
from prefect_drs.inventory import Inventory
from prefect_drs.orchestration.flow.compile import compile_plan, compile_resume, threads_for
from prefect_drs.orchestration.flow.execute import current_execution_id
from prefect_drs.orchestration.flow.finalize import run_as_placeholder
from prefect_drs.orchestration.scheduled.deployments import apply_schedule
from prefect_drs.orchestration.scheduled.inventory import run_inventory
from prefect_drs.orchestration.scheduled.settings import load_settings
from prefect_drs.orchestration.scheduled.tag_sync import TagSyncBusyError, run_tag_sync
from prefect_drs.orchestration.storage.journal_storage import open_journal
from prefect_drs.report.model import RecoveryReport
from prefect_drs.runbook.points import LATEST_WORD
from prefect_drs.tag_sync import TagSyncResult

MOST_WAVES = 1000  # a wave that waits holds a thread, where a plan runs in the deployment's own flow run


@flow(
    name="recover",
    flow_run_name="recover {plan} {mode}",
    task_runner=threads_for(MOST_WAVES),
    persist_result=False,
)
def recover(
    manifest: Path,
    plan: str | None = None,
    mode: Literal["drill", "recovery"] = "drill",
    bindings: Path | None = None,
    approved_by: str | None = None,
    gate_timeout_seconds: float | None = None,
    at: str = LATEST_WORD,
    snapshots: dict[str, str] | None = None,
    waivers: dict[str, str] | None = None,
    exclude: dict[str, str] | None = None,
    gates: Literal["hold", "suspend"] = "hold",
    strict: bool = False,
) -> RecoveryReport:
    """Recover servers by a plan, wave by wave, with approvals in this UI.

    Args:
        manifest: the plan file, JSON or YAML, relative to the deployment's working directory; or `estate:`, the stored
            groups and plans as they are when the flow runs.
        plan: the plan's name in it; may be left out where it has one.
        mode: `drill` launches drill instances; `recovery` launches for real and replaces former recovery instances.
        bindings: the file that maps the manifest's names to this environment's ids.
        approved_by: approves every gate in advance, in this name. Leave empty to be asked.
        gate_timeout_seconds: how long a gate waits before it cancels its wave; PREFECT_DRS_GATE_TIMEOUT_SECONDS
            (a week) where left out.
        at: `latest`, or a time such as 2026-05-01T12:00:00Z: each server is launched from its newest snapshot that is
            not after it.
        snapshots: the snapshot ids of single servers, by source server id, name, hostname or instance id.
        waivers: findings of the preflight that are let pass, by code, each with the reason: NOT_REPLICATING where the
            source region is down.
        exclude: servers that are left out, each with the reason: by source server id, Name tag, hostname or instance
            id, or by what the manifest calls them.
        gates: `hold` keeps this process while somebody is asked; `suspend` ends it once all that is left waits for
            people, and a worker goes on when a gate is answered. Choose that where approvals may take days.
        strict: warnings about the manifest are faults. Without it they are in this run's log.

    Raises:
        FaultyInputError: the manifest or the bindings have faults.
        PreflightRefusedError: what the accounts hold does not allow it.
        RecoveryNotCompletedError: it ended FAILED, PARTIAL or CANCELLED; carries the report.
    """
    if (other := run_as_placeholder()) is not None:
        return cast("RecoveryReport", other)
    execution_id = current_execution_id()
    if open_journal(execution_id).read():  # begun by a former process: its runbook holds, whatever became of the files
        compiled = compile_resume(execution_id, explicit=False)
        return _carried_out(compiled, gates, approved_by=approved_by, gate_timeout_seconds=gate_timeout_seconds)
    read = open_manifest(manifest, bindings, plan=plan, strict=strict, tell=get_run_logger().warning)
    compiled = compile_plan(read, plan)
    return _carried_out(
        compiled,
        gates,
        mode=mode,
        approved_by=approved_by,
        gate_timeout_seconds=gate_timeout_seconds,
        at=at,
        snapshots=snapshots,
        waivers=waivers,
        exclude=exclude,
    )


@flow(
    name="resume-execution",
    flow_run_name="resume {execution_id}",
    task_runner=threads_for(MOST_WAVES),
    persist_result=False,
)
def resume(
    execution_id: str,
    take_over: bool = False,
    despite_cancel: str | None = None,
    approved_by: str | None = None,
    gate_timeout_seconds: float | None = None,
    gates: Literal["hold", "suspend"] = "hold",
) -> RecoveryReport:
    """Go on with an execution that was interrupted, from where AWS and its journal stand.

    Args:
        execution_id: the execution, as `prefect-drs status` lists it.
        take_over: do not wait for another process's lease. Use it where that process is known to be dead.
        despite_cancel: your name, to go on although somebody cancelled the execution. Leave empty to have one that was
            cancelled refused.
        approved_by: approves every gate in advance, in this name. Leave empty to be asked.
        gate_timeout_seconds: how long a gate waits before it cancels its wave; PREFECT_DRS_GATE_TIMEOUT_SECONDS
            (a week) where left out.
        gates: as in `recover`.

    Raises:
        UsageError: there is no journal of that execution here, or it was cancelled.
        ExecutionBusyError: another process carries it out.
        RecoveryNotCompletedError: it ended FAILED, PARTIAL or CANCELLED; carries the report.
    """
    if (other := run_as_placeholder()) is not None:
        return cast("RecoveryReport", other)
    return _carried_out(
        compile_resume(execution_id),
        gates,
        approved_by=approved_by,
        gate_timeout_seconds=gate_timeout_seconds,
        take_over=take_over,
        despite_cancel=despite_cancel,
    )


@flow(name="tag-sync", persist_result=False)
def tag_sync(
    accounts: list[str] | None = None, regions: list[str] | None = None, dry_run: bool = False
) -> TagSyncResult:
    """Carry tags of EC2 instances over to the DRS source servers that replicate them, by the saved settings.

    Args:
        accounts: keep to these accounts. Leave empty for those of the settings.
        regions: keep to these regions. Leave empty for those of the settings.
        dry_run: tell what would change, and write nothing.

    Another synchronisation that is running makes this one end Cancelled, with the reason.

    Raises:
        TagSyncIncompleteError: account-regions or servers are not synchronised; carries the result.
    """
    try:
        return run_tag_sync(accounts=accounts or (), regions=regions or (), dry_run=dry_run)
    except TagSyncBusyError as busy:
        return cast("TagSyncResult", Cancelled(message=busy.message))  # a state that is returned is how the run ends
    finally:
        if not dry_run:
            apply_schedule(load_settings())


@flow(name="inventory", persist_result=False)
def inventory(accounts: list[str] | None = None, regions: list[str] | None = None) -> Inventory:
    """Read what all accounts hold in DRS, for the dashboard and for `get_source_server_inventory`.

    Args:
        accounts: keep to these accounts. Leave empty for all TargetAccount blocks, or the caller's own account.
        regions: keep to these regions. Leave empty for all in which DRS is set up.

    Raises:
        InventoryIncompleteError: account-regions did not answer; carries the inventory.
    """
    return run_inventory(accounts=accounts or (), regions=regions or ())


def _carried_out(compiled: Flow[..., RecoveryReport], gates: str, **parameters: object) -> RecoveryReport:
    """Run the plan's flow as a child, or, where this run is to be suspended, in this run itself.

    Prefect suspends outermost runs only, and a resumed run would take its former child's end for the answer.
    """
    if gates == "suspend":
        return compiled.fn(gates=gates, **parameters)
    return compiled(**parameters)
