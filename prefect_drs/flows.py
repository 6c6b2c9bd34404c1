"""The deployable flows, which `prefect.yaml` names as `prefect_drs.flows:recover`.

In: parameters from the Prefect UI, `prefect deployment run` or the API. Out: the RecoveryReport, or an error that lists
the faults, findings or failed waves.
"""

# No `from __future__ import annotations`: `flow.serve` pickles flows by value, and Prefect could then not resolve the
# names of their parameters' types.

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, cast

from prefect import Flow, flow
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Cancelled

from prefect_drs.estate.source import open_manifest
from prefect_drs.inventory import Inventory
from prefect_drs.orchestration.flow.compile import compile_plan, compile_resume, threads_for
from prefect_drs.orchestration.flow.execute import current_execution_id
from prefect_drs.orchestration.flow.failback import compile_failback
from prefect_drs.orchestration.flow.finalize import run_as_placeholder
from prefect_drs.orchestration.scheduled.deployments import apply_schedule
from prefect_drs.orchestration.scheduled.inventory import run_inventory
from prefect_drs.orchestration.scheduled.settings import load_settings
from prefect_drs.orchestration.scheduled.tag_sync import TagSyncBusyError, run_tag_sync
from prefect_drs.orchestration.storage.journal_storage import open_journal
from prefect_drs.plan.model import Manifest
from prefect_drs.report.model import RecoveryReport
from prefect_drs.runbook.points import LATEST_WORD
from prefect_drs.tag_sync import TagSyncResult

MAX_WAVES = 1000  # a waiting wave occupies a thread, if a plan runs in the deployment's own flow run


def _recover_name() -> str:
    """The name of the current run of `recover`."""
    return f"recover {_plan_or_file()} {flow_run.parameters['mode']}"


def _failback_name() -> str:
    """The name of the current run of `failback`."""
    return f"failback {_plan_or_file()}"


def _plan_or_file() -> str:
    """The plan that the current run is for; where it names none, the manifest's file: it is not read yet."""
    return str(flow_run.parameters.get("plan") or Path(flow_run.parameters["manifest"]).name)


@flow(
    name="recover",
    flow_run_name=_recover_name,
    task_runner=threads_for(MAX_WAVES),
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
    """Recover the servers of a plan, wave by wave, with approvals in this UI.

    Args:
        manifest: the plan file, JSON or YAML, relative to the deployment's working directory; or `estate:`, the stored
            groups and plans as they are when the flow runs.
        plan: the plan's name; optional if the manifest has one plan.
        mode: `drill` launches drill instances; `recovery` launches for real and replaces earlier recovery instances.
        bindings: the file that maps the manifest's names to this environment's ids.
        approved_by: approves every gate in advance in this name. Leave empty to be asked.
        gate_timeout_seconds: how long a gate waits before it cancels its wave; by default
            PREFECT_DRS_GATE_TIMEOUT_SECONDS (a week).
        at: `latest`, or a time such as 2026-05-01T12:00:00Z: each server is launched from its newest snapshot that is
            not later.
        snapshots: snapshot ids of single servers, by source server id, name, hostname or instance id.
        waivers: preflight findings to ignore, by code, each with the reason; for example NOT_REPLICATING when the
            source region is down.
        exclude: servers not to launch, each with the reason: by source server id, Name tag, hostname or instance id,
            or by their name in the manifest.
        gates: `hold` keeps this process running while gates wait; `suspend` ends it once every remaining wave waits
            for approval, and a worker resumes when a gate is answered. Choose `suspend` if approvals may take days.
        strict: treat warnings about the manifest as faults. Otherwise they go to this run's log.

    Raises:
        FaultyInputError: the manifest or the bindings have faults.
        PreflightRefusedError: the state of the accounts does not allow the recovery.
        RecoveryNotCompletedError: it ended FAILED, PARTIAL or CANCELLED; has the report.
    """
    return _run_plan(
        lambda: compile_plan(_opened(manifest, bindings, plan, strict=strict), plan),
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
    name="failback",
    flow_run_name=_failback_name,
    task_runner=threads_for(MAX_WAVES),
    persist_result=False,
)
def failback(
    manifest: Path,
    plan: str | None = None,
    execution: str | None = None,
    bindings: Path | None = None,
    approved_by: str | None = None,
    gate_timeout_seconds: float | None = None,
    exclude: dict[str, str] | None = None,
    gates: Literal["hold", "suspend"] = "hold",
    strict: bool = False,
) -> RecoveryReport:
    """Fail the servers of a plan back to where they came from, with approvals in this UI.

    Args:
        manifest: as in `recover`.
        plan: the plan's name; optional if the manifest has one plan.
        execution: the execution that recovered the servers. If empty, each server's one running recovery instance fails
            back; a drill's instances only where the drill is named here.
        bindings: as in `recover`.
        approved_by: approves every gate in advance in this name. Leave empty to be asked.
        gate_timeout_seconds: how long a gate waits before it cancels its wave; by default
            PREFECT_DRS_GATE_TIMEOUT_SECONDS (a week).
        exclude: servers not to fail back, each with the reason.
        gates: as in `recover`.
        strict: treat warnings about the manifest as faults.

    Raises:
        FaultyInputError: the manifest or the bindings have faults.
        PreflightRefusedError: the state of the accounts does not allow the failback.
        RecoveryNotCompletedError: it ended FAILED, PARTIAL or CANCELLED; has the report.
    """
    return _run_plan(
        lambda: compile_failback(_opened(manifest, bindings, plan, strict=strict), plan),
        gates,
        execution=execution,
        approved_by=approved_by,
        gate_timeout_seconds=gate_timeout_seconds,
        exclude=exclude,
    )


@flow(
    name="resume-execution",
    flow_run_name="resume {execution_id}",
    task_runner=threads_for(MAX_WAVES),
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
    """Resume an interrupted execution from its journal and the state of AWS.

    Args:
        execution_id: the execution, as `prefect-drs status` lists it.
        take_over: do not wait for another process's lease. Use it if that process is known to be dead.
        despite_cancel: your name, to resume although the execution was cancelled. If empty, a cancelled execution is
            refused.
        approved_by: approves every gate in advance in this name. Leave empty to be asked.
        gate_timeout_seconds: how long a gate waits before it cancels its wave; by default
            PREFECT_DRS_GATE_TIMEOUT_SECONDS (a week).
        gates: as in `recover`.

    Raises:
        UsageError: the journal storage has no such execution, or it was cancelled.
        ExecutionBusyError: another process runs it.
        RecoveryNotCompletedError: it ended FAILED, PARTIAL or CANCELLED; has the report.
    """
    if (placeholder := run_as_placeholder()) is not None:
        return cast("RecoveryReport", placeholder)
    return _run(
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
    """Copy tags of EC2 instances to the DRS source servers that replicate them, by the saved settings.

    Args:
        accounts: only these accounts. Leave empty for those of the settings.
        regions: only these regions. Leave empty for those of the settings.
        dry_run: report what would change, and write nothing.

    If another synchronisation is running, this one ends Cancelled with that reason.

    Raises:
        TagSyncIncompleteError: account-regions or servers could not be synchronised; has the result.
    """
    try:
        return run_tag_sync(accounts=accounts or (), regions=regions or (), dry_run=dry_run)
    except TagSyncBusyError as busy:
        return cast("TagSyncResult", Cancelled(message=busy.message))  # Prefect takes a returned state as the run's own
    finally:
        if not dry_run:
            apply_schedule(load_settings())


@flow(name="inventory", persist_result=False)
def inventory(accounts: list[str] | None = None, regions: list[str] | None = None) -> Inventory:
    """Read the source servers and recovery instances of all accounts, for the dashboard and for
    `get_source_server_inventory`.

    Args:
        accounts: only these accounts. Leave empty for all TargetAccount blocks, or the caller's own account.
        regions: only these regions. Leave empty for all in which DRS is set up.

    Raises:
        InventoryIncompleteError: account-regions did not answer; has the inventory.
    """
    return run_inventory(accounts=accounts or (), regions=regions or ())


def _opened(manifest: Path, bindings: Path | None, plan: str | None, *, strict: bool) -> Manifest:
    """The manifest of a flow; its warnings go to the run's log."""
    return open_manifest(manifest, bindings, plan=plan, strict=strict, tell=get_run_logger().warning)


def _run_plan(
    compiled: Callable[[], Flow[..., RecoveryReport]],
    gates: Literal["hold", "suspend"],
    *,
    approved_by: str | None,
    gate_timeout_seconds: float | None,
    **parameters: Any,
) -> RecoveryReport:
    """Run a plan's flow; an execution that an earlier process started uses its runbook, not the files of today."""
    if (placeholder := run_as_placeholder()) is not None:
        return cast("RecoveryReport", placeholder)
    execution_id = current_execution_id()
    if open_journal(execution_id).read():
        plan_flow, parameters = compile_resume(execution_id, explicit=False), {}
    else:
        plan_flow = compiled()
    return _run(plan_flow, gates, approved_by=approved_by, gate_timeout_seconds=gate_timeout_seconds, **parameters)


def _run(compiled: Flow[..., RecoveryReport], gates: str, **parameters: object) -> RecoveryReport:
    """Run the plan's flow as a child run; with `gates: suspend`, in this run itself.

    Prefect suspends only outermost runs, and a resumed run would reuse the final state of its earlier child run.
    """
    if gates == "suspend":
        return compiled.fn(gates=gates, **parameters)
    return compiled(**parameters)
