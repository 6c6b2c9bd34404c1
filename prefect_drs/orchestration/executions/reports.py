"""Executions as seen through the Prefect API: their reports and their flow runs.

In: an execution's id. Out: the RecoveryReport that its flow publishes as an artifact; its flow runs, and, when another
process resumes the execution, the end of the flow runs that a dead process left Running.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterKey,
    FlowRunFilter,
    FlowRunFilterName,
    FlowRunFilterStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import Artifact, FlowRun, State, StateType
from prefect.client.schemas.sorting import ArtifactSort, FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Crashed

from prefect_drs.aws.location import Location
from prefect_drs.core.errors import ExecutionStateError, UnknownExecutionError, UsageError
from prefect_drs.core.escaping import one_line
from prefect_drs.orchestration.approvals.suspended_gate import is_suspended
from prefect_drs.orchestration.client import prefect_client
from prefect_drs.orchestration.paging import PAGE, entries, pages
from prefect_drs.orchestration.storage.artifacts import REPORT_KEY, SUMMARY_KEY, report_key, summary_key
from prefect_drs.report.model import RecoveryReport
from prefect_drs.report.summary import ExecutionSummary
from prefect_drs.runbook import PendingLaunch

RESUME_FLOW = "resume"
UNSETTLED = [StateType.RUNNING, StateType.PENDING, StateType.PAUSED]
ACTIVE = [*UNSETTLED, StateType.SCHEDULED, StateType.CANCELLING]  # of runs that have begun; a Scheduled one will resume
SET_ASIDE = "Suspended at a gate"  # prefix of the state message of a replaced run
CANCELLED_BY = "the Prefect UI or API"
STILL_TO_LAUNCH = frozenset({"PENDING", "IN_PROGRESS"})
"""`launchStatus` of servers that have no instance yet (`LaunchStatus` in the DRS model)."""


def read_report(execution_id: str) -> RecoveryReport:
    """The report of an execution as last published.

    Raises:
        UnknownExecutionError: this Prefect API knows no such execution.
        ExecutionStateError: it has not started.
    """
    report = find_report(execution_id)
    if report is None:
        raise unknown_execution(execution_id)
    return report


def unknown_execution(execution_id: str) -> UsageError:
    """Why an execution has no report: it has not started yet, or this Prefect API does not know it."""
    with prefect_client() as client:
        runs = all_flow_runs_of(client, execution_id)
    if runs and (state := runs[0].state) is not None:
        waits = "; it waits for a worker of its work pool" if state.is_scheduled() else ""
        why = f": {one_line(state.message)}" if state.message and state.is_final() else ""
        return ExecutionStateError(
            f"execution {execution_id} has not started: its flow run is {state.name}{waits}{why}"
        )
    known = ", ".join(report.execution_id for report in list_reports(limit=5)) or "none"
    return UnknownExecutionError(f"this Prefect API knows no execution {execution_id}; the latest are: {known}")


def find_report(execution_id: str) -> RecoveryReport | None:
    """The report of an execution as last published; None where it has published none."""
    reports = _reports(ArtifactFilterKey(any_=[report_key(execution_id)]), limit=1)
    return reports[0] if reports else None


def find_published(execution_id: str) -> tuple[RecoveryReport | None, datetime | None]:
    """The report of an execution as last published, and when its process last said that it was there (UTC).

    One request; None where it has published none.
    """
    keys = [report_key(execution_id), summary_key(execution_id)]
    seen_at: datetime | None = None
    report: RecoveryReport | None = None
    for artifact in read_artifacts(ArtifactFilterKey(any_=keys), limit=2):  # each process publishes the two together
        if not isinstance(artifact.data, str):
            continue
        if artifact.key == keys[0]:
            report = report or RecoveryReport.model_validate_json(artifact.data)
        else:
            seen_at = seen_at or ExecutionSummary.model_validate_json(artifact.data).seen_at
    return report or find_report(execution_id), seen_at


def list_reports(limit: int = 50) -> list[RecoveryReport]:
    """The reports of the latest executions, the newest first."""
    return _reports(ArtifactFilterKey(like_=f"{REPORT_KEY}%"), limit=limit)


def list_summaries(limit: int = 50) -> list[ExecutionSummary]:
    """The summaries of the latest executions, the newest first.

    Executions of releases before 0.2 have no summary: where there may be such ones among the latest, all reports are
    read instead.
    """
    artifacts = read_artifacts(ArtifactFilterKey(like_=f"{SUMMARY_KEY}%"), limit)
    if len(artifacts) < limit and _count_artifacts(ArtifactFilterKey(like_=f"{REPORT_KEY}%")) > len(artifacts):
        return [ExecutionSummary.of(report) for report in list_reports(limit)]
    latest: dict[str, ExecutionSummary] = {}
    for artifact in artifacts:
        if isinstance(artifact.data, str):
            summary = ExecutionSummary.model_validate_json(artifact.data)
            latest.setdefault(summary.execution_id, summary)
    return list(latest.values())


def summary_pages() -> Iterator[list[ExecutionSummary]]:
    """The summaries of all executions, the newest first, a page when it is needed; one may come twice."""
    yield list_summaries(PAGE)
    key = ArtifactFilterKey(like_=f"{SUMMARY_KEY}%")
    for page in pages(lambda offset: read_artifacts(key, PAGE, offset=offset), offset=PAGE):
        yield [ExecutionSummary.model_validate_json(each.data) for each in page if isinstance(each.data, str)]


def published_among(execution_ids: Sequence[str]) -> set[str]:
    """Those of at most 200 executions that have published a summary."""
    keys = {summary_key(execution_id): execution_id for execution_id in execution_ids}
    found = read_artifacts(ArtifactFilterKey(any_=list(keys)), PAGE) if keys else []
    return {keys[artifact.key] for artifact in found if artifact.key in keys}


def _count_artifacts(key: ArtifactFilterKey) -> int:
    body = {"artifacts": ArtifactFilter(key=key).model_dump(mode="json", exclude_unset=True)}
    with prefect_client() as client:
        return int(client.request("POST", "/artifacts/count", json=body).json())


def read_artifacts(key: ArtifactFilterKey, limit: int = 200, *, offset: int = 0) -> list[Artifact]:
    """The artifacts of that key, the newest first.

    The API is asked directly: the client's own `read_artifacts` sends a null for each filter that is left out, which
    the server of Prefect 3.8 refuses, and an empty filter instead leaves out artifacts of flow runs.
    """
    with prefect_client() as client:
        answer = client.request(
            "POST",
            "/artifacts/filter",
            json={
                "artifacts": ArtifactFilter(key=key).model_dump(mode="json", exclude_unset=True),
                "sort": ArtifactSort.CREATED_DESC.value,
                "limit": limit,
                "offset": offset,
            },
        )
    return Artifact.model_validate_list(answer.json())


def pending_launches(report: RecoveryReport) -> Iterator[PendingLaunch]:
    """The servers that an execution still has to launch, where its report has their placement."""
    for wave in report.waves:
        for server in wave.servers if not wave.status.over and wave.action == "launch" else ():
            if server.launch_status in STILL_TO_LAUNCH and (place := server.placement) is not None:
                yield PendingLaunch(
                    server.source_server_id,
                    Location(place.account_id, place.region),
                    place.subnet_id,
                    place.instance_type or "",
                )


def _reports(key: ArtifactFilterKey, limit: int) -> list[RecoveryReport]:
    latest: dict[str, RecoveryReport] = {}
    for artifact in read_artifacts(key, limit):
        if isinstance(artifact.data, str):
            report = RecoveryReport.model_validate_json(artifact.data)
            latest.setdefault(report.execution_id, report)
    return list(latest.values())


def active_reports(client: SyncPrefectClient) -> list[RecoveryReport]:
    """The reports of executions that have not ended, as last published.

    This includes executions whose process died, since they can be resumed, until their flow run is finalized.
    """
    begun = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=ACTIVE)),
        start_time=FlowRunFilterStartTime(is_null_=False),
    )

    def read(offset: int) -> list[FlowRun]:
        sort = FlowRunSort.START_TIME_DESC
        return client.read_flow_runs(flow_run_filter=begun, sort=sort, limit=PAGE, offset=offset)

    runs = list(entries(read))
    resumes = f"{RESUME_FLOW} "  # a plan's name may have the same prefix: then the run's own id is the execution's
    executions = {str(run.id) for run in runs}
    executions |= {run.name.removeprefix(resumes) for run in runs if run.name.startswith(resumes)}
    found = (_reports(ArtifactFilterKey(any_=[report_key(execution)]), limit=1) for execution in sorted(executions))
    return [report for reports in found for report in reports if report.ended_at is None]


def flow_runs_of(client: SyncPrefectClient, execution_id: str) -> list[FlowRun]:
    """The outermost flow runs of an execution that have not ended."""
    return [
        run for run in all_flow_runs_of(client, execution_id) if run.state is not None and run.state.type in UNSETTLED
    ]


def current_request_id(flow_run_id: str) -> str:
    """ID of the run request that this flow run represents.

    Creating a flow run is a request, and so is a person's retry after its end, which moves it from a terminal state to
    Scheduled (`HandleFlowTerminalStateTransitions` in Prefect's core_policy). Automatic repetitions are not: a flow's
    own retries go from Running to AwaitingRetry (`RetryFailedFlows` rejects the Failed state), and a restarted
    container continues from Running or Crashed.
    """
    with prefect_client() as client:
        states = sorted(client.read_flow_run_states(UUID(flow_run_id)), key=lambda state: state.timestamp)
    retried = [str(after.id) for before, after in pairwise(states) if before.is_final() and after.is_scheduled()]
    return retried[-1] if retried else flow_run_id


def cancelling_states(client: SyncPrefectClient, run_id: UUID) -> list[State[Any]]:
    """The states by which a flow run was cancelled in Prefect's UI or API: one per cancel, the oldest first.

    A cancel goes through Cancelling and Cancelled, or to Cancelled at once where no worker holds the run
    (`BypassCancellingFlowRunsWithNoInfra` in Prefect's core_policy); the first of the two is returned. The states
    that this package sets on replaced runs are not cancels.
    """
    try:
        states = sorted(client.read_flow_run_states(run_id), key=lambda state: state.timestamp)
    except ObjectNotFound:
        return []
    found: list[State[Any]] = []
    before = False
    for state in states:
        cancels = state.is_cancelling() or state.is_cancelled()
        if cancels and not before and not is_set_aside(state):
            found.append(state)
        before = cancels
    return found


def is_set_aside(state: State[Any]) -> bool:
    """Whether this package cancelled a flow run because another one replaced it."""
    return (state.message or "").startswith(SET_ASIDE)


def all_flow_runs_of(client: SyncPrefectClient, execution_id: str) -> list[FlowRun]:
    """The outermost flow runs of an execution: its own, and those that resumed it."""
    runs = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(name=FlowRunFilterName(any_=[f"{RESUME_FLOW} {execution_id}"])),
        sort=FlowRunSort.START_TIME_DESC,
        limit=PAGE,
    )
    with suppress(ObjectNotFound, ValueError):  # the execution belongs to another Prefect API
        runs.append(client.read_flow_run(UUID(execution_id)))
    return runs


def home_run(client: SyncPrefectClient, execution_id: str) -> UUID | None:
    """The flow run that keeps what belongs to an execution: its requests and the servers that it claims.

    The execution's own; of one that was begun without Prefect the first flow run that carried it on. None where this
    Prefect API knows none.
    """
    with suppress(ObjectNotFound, ValueError):
        return client.read_flow_run(UUID(execution_id)).id
    runs = all_flow_runs_of(client, execution_id)
    return min(runs, key=lambda run: run.created.timestamp() if run.created else 0.0).id if runs else None


def settle_former_runs(execution_id: str, *current_run_ids: str | None, outcome: str) -> None:
    """End the former flow runs of this execution: Running ones, whose process is lost, and those Suspended at gates, so
    that no answer starts them beside this one.

    Call it while the execution's lease is held: no other process runs it then.

    Args:
        execution_id: the execution.
        current_run_ids: the flow runs of this process, the outermost first; they are not changed.
        outcome: the end of the state messages, such as `resumed by flow run …`.
    """
    with prefect_client() as client:
        for run in flow_runs_of(client, execution_id):
            if str(run.id) in current_run_ids:
                continue
            state: State[Any] = (
                Cancelled(message=f"{SET_ASIDE}, then {outcome}")
                if is_suspended(run)
                else Crashed(message=f"Process lost; {outcome}")
            )
            client.set_flow_run_state(run.id, state, force=True)
