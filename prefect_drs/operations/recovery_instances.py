"""The operations on what executions launched: recovery instances, their termination, and the logs of DRS jobs.

In: an execution, or a plan. Out: its instances as DRS has them now, and what became of their termination. Only
`terminate_instances` changes anything: it terminates what the execution launched, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import AliasChoices, Field

from prefect_drs.aws.drs import RecoveryInstance, describe_recovery_instances
from prefect_drs.aws.fan_out import fan_out
from prefect_drs.aws.location import Location
from prefect_drs.core.errors import AwsError, UsageError
from prefect_drs.core.models import FrozenModel
from prefect_drs.operations import termination
from prefect_drs.operations.context import Context
from prefect_drs.operations.executions import ExecutionReference, execution_named
from prefect_drs.operations.job_logs import JobLog, read_job_log
from prefect_drs.operations.registry import OperationKind, operation
from prefect_drs.operations.scope import RegionState, region_state
from prefect_drs.operations.sources import PlanSource
from prefect_drs.operations.termination import TerminationStatus
from prefect_drs.orchestration.executions.reports import read_report
from prefect_drs.recovery.instances import Found
from prefect_drs.recovery.launch.job_tracker import EXECUTION_TAG
from prefect_drs.report.model import RecoveryReport
from prefect_drs.runbook.fetch.inventories import read_inventories
from prefect_drs.runbook.members import find_members
from prefect_drs.runbook.scope import scope_of

UNREAD = "UNREAD"
"""The state of an instance whose account and region could not be read."""


class NotConfirmedError(UsageError):
    """The termination of a recovery's instances was not confirmed; nothing was terminated."""

    code = "MISSING_PARAMETER"


class TerminateInstances(ExecutionReference):
    """An execution whose instances are terminated.

    Args:
        confirm_recovery: yes, terminate the instances of a recovery: production may run on them. A drill needs none.
            Also accepted as `confirm`.
        skip_failback: leave instances that replicate back alone, instead of refusing them all.
        include_prepared: terminate prepared instances too, which were there before the execution.
        by: who terminates; by default the caller.
    """

    confirm_recovery: Annotated[bool, Field(validation_alias=AliasChoices("confirmRecovery", "confirm"))] = False
    skip_failback: bool = False
    include_prepared: bool = False
    by: Annotated[str | None, Field(min_length=1)] = None


class InstanceView(FrozenModel):
    """A recovery instance. `recovery_instance_id` is the id of the EC2 instance too.

    `state`: its `EC2InstanceState` in DRS; TERMINATED where DRS no longer has it, UNREAD where its account and region
    could not be read. `wave_number`: None for an instance that is only found by its source server.
    """

    recovery_instance_id: str
    source_server_id: str
    name: str
    account_id: str
    region: str
    wave_number: int | None = None
    job_id: str | None = None
    state: str
    is_drill: bool | None = None
    failback_state: str | None = None
    point_in_time: datetime | None = None
    launched_by: str | None = None


class InstancesAnswer(FrozenModel):
    """The recovery instances that an execution launched, and how its account-regions answered."""

    execution_id: str
    recovery_instances: tuple[InstanceView, ...]
    count: int
    regions: tuple[RegionState, ...]


class ExistingInstancesAnswer(FrozenModel):
    """The recovery instances that the servers of a plan have now.

    A recovery replaces them, a drill leaves them alone. `launched_by` of an instance: the execution that launched it,
    where a job of the last 24 hours says so. `complete` is false where an account-region could not be read.
    """

    plan_name: str
    has_existing_instances: bool
    existing_instances: tuple[InstanceView, ...]
    servers: int
    complete: bool
    regions: tuple[RegionState, ...]


class JobLogsRequest(ExecutionReference):
    """An execution, or one of its DRS jobs."""

    job_id: str | None = None


class JobLogsAnswer(FrozenModel):
    """The logs of an execution's DRS jobs, in the order of its waves."""

    execution_id: str
    jobs: tuple[JobLog, ...]


@operation(kind=OperationKind.EXECUTION, permission="terminate_instances")
def terminate_instances(context: Context, request: TerminateInstances) -> dict[str, Any]:
    """Terminate the recovery instances that an execution launched, and no others.

    Returns when all are gone, or are known not to go; safe to repeat. `status` is TERMINATED or PARTIAL.

    Raises:
        UnknownExecutionError: this Prefect API knows no such execution.
        NotConfirmedError: it is a recovery, and confirmRecovery is not given.
        StillActiveError, TerminationRefusedError: it is not over, an instance replicates back, or it launched none.
        ExecutionBusyError: a process carries the execution.
        AwsError: DRS refused or could not be reached.
    """

    def confirm(found: Found) -> bool:
        if found.report.mode == "recovery" and not request.confirm_recovery:
            raise NotConfirmedError(
                f"this would terminate {len(found.standing)} recovery instance(s) of the recovery "
                f"{found.report.plan_name}; production may run on them: confirm with confirmRecovery",
                instances=len(found.standing),
            )
        return True

    result = termination.terminate_execution(
        execution_named(request.execution_id),
        by=request.by or context.caller,
        confirm=confirm,
        skip_failback=request.skip_failback,
        include_prepared=request.include_prepared,
    )
    return result.to_json() if result is not None else {}


@operation(kind=OperationKind.EXECUTION, permission="view_executions")
def get_termination_status(context: Context, request: ExecutionReference) -> TerminationStatus:
    """Return what became of the termination of an execution's instances, as DRS has them now.

    Raises:
        UnknownExecutionError: this Prefect API knows no such execution.
        AwsError: DRS refused or could not be reached.
    """
    return termination.termination_status(execution_named(request.execution_id), context.sessions)


@operation(kind=OperationKind.EXECUTION, permission="view_executions")
def get_recovery_instances(context: Context, request: ExecutionReference) -> InstancesAnswer:
    """Return the recovery instances that an execution launched, as DRS has them now.

    Raises:
        UnknownExecutionError: this Prefect API knows no such execution.
        ExecutionStateError: it has not started.
    """
    report = read_report(execution_named(request.execution_id))
    launched = tuple(_launched(report))
    places = sorted({Location(view.account_id, view.region) for view in launched})

    def read(location: Location) -> Mapping[str, RecoveryInstance]:
        servers = sorted({v.source_server_id for v in launched if (v.account_id, v.region) == location})
        return {
            found.recovery_instance_id: found
            for found in describe_recovery_instances(context.sessions, location, servers)
        }

    answers = fan_out(places, read)
    views = tuple(_as_it_is(view, answers[Location(view.account_id, view.region)]) for view in launched)
    return InstancesAnswer(
        execution_id=report.execution_id,
        recovery_instances=views,
        count=len(views),
        regions=tuple(region_state(place, answer) for place, answer in answers.items()),
    )


@operation(kind=OperationKind.EXECUTION, permission="view_executions")
def get_job_logs(context: Context, request: JobLogsRequest) -> JobLogsAnswer:
    """Return the logs of an execution's DRS jobs, step by step.

    Raises:
        UnknownExecutionError: this Prefect API knows no such execution.
        ExecutionStateError: it has not started.
        UsageError: it has no such job.
    """
    report = read_report(execution_named(request.execution_id))
    jobs = {job.job_id: (wave, job) for wave in report.waves for job in wave.jobs}
    if request.job_id is not None and request.job_id not in jobs:
        there = ", ".join(jobs) or "none"
        raise UsageError(f"execution {report.execution_id} has no job {request.job_id}; it has: {there}")
    logs = []
    for job_id, (wave, job) in jobs.items():
        if request.job_id in {None, job_id}:
            logs.append(read_job_log(context.sessions, wave, job))
    return JobLogsAnswer(execution_id=report.execution_id, jobs=tuple(logs))


@operation(kind=OperationKind.EXECUTION, permission="view_recovery_plans")
def check_existing_instances(context: Context, request: PlanSource) -> ExistingInstancesAnswer:
    """List the recovery instances that a plan's servers have before it is started.

    Raises:
        FaultyInputError: the manifest has faults; all of them.
        NotStoredError, UsageError: there is no such plan.
        AwsError: the caller's own account could not be read.
    """
    manifest, plan, _ = request.read(context, "check_existing_instances")
    sessions = context.sessions
    scope = scope_of(manifest, plan, sessions)
    inventories = read_inventories(sessions, scope.planned_locations, context.clock.now())
    members = find_members(manifest, scope, inventories, {})
    sources = members.sources
    answers = fan_out(
        members.ids_by_location,
        lambda place: describe_recovery_instances(sessions, place, members.ids_by_location[place]),
    )
    launched_by = {
        job.job_id: job.tags.get(EXECUTION_TAG) for each in inventories.by_location.values() for job in each.jobs
    }
    found = tuple(
        _view(instance, place, sources[instance.source_server_id].name).model_copy(
            update={"launched_by": launched_by.get(instance.job_id or "")}
        )
        for place, answer in answers.items()
        if not isinstance(answer, AwsError)
        for instance in answer
    )
    states = [region_state(place, answer) for place, answer in answers.items()]
    states += [
        RegionState(
            account_id=unread.location.account_id, region=unread.location.region, status=UNREAD, message=unread.message
        )
        for unread in inventories.unread
    ]
    return ExistingInstancesAnswer(
        plan_name=plan.plan_name,
        has_existing_instances=bool(found),
        existing_instances=found,
        servers=sum(map(len, members.ids_by_location.values())),
        complete=not inventories.unread and all(state.status == "OK" for state in states),
        regions=tuple(states),
    )


def _launched(report: RecoveryReport) -> list[InstanceView]:
    """The instances of the report, each with the last job that its server was in."""
    views = []
    for wave in report.waves:
        jobs = {server_id: job for job in wave.jobs for server_id in job.server_ids}
        for server in wave.servers:
            job = jobs.get(server.source_server_id)
            if server.recovery_instance_id is None or job is None:
                continue
            views.append(
                InstanceView(
                    recovery_instance_id=server.recovery_instance_id,
                    source_server_id=server.source_server_id,
                    name=server.name,
                    account_id=job.account_id,
                    region=job.region,
                    wave_number=wave.wave_number,
                    job_id=job.job_id,
                    state=UNREAD,
                    is_drill=report.mode == "drill",
                    launched_by=report.execution_id,
                )
            )
    return views


def _as_it_is(view: InstanceView, answer: Mapping[str, RecoveryInstance] | AwsError) -> InstanceView:
    """The instance with its state in DRS."""
    if isinstance(answer, AwsError):
        return view
    found = answer.get(view.recovery_instance_id)
    if found is None:
        return view.model_copy(update={"state": "TERMINATED"})
    update = {
        "state": found.state,
        "is_drill": found.is_drill,
        "failback_state": found.failback_state or None,
        "point_in_time": found.point_in_time,
    }
    return view.model_copy(update=update)


def _view(instance: RecoveryInstance, place: Location, name: str) -> InstanceView:
    return InstanceView(
        recovery_instance_id=instance.recovery_instance_id,
        source_server_id=instance.source_server_id,
        name=name,
        account_id=place.account_id,
        region=place.region,
        job_id=instance.job_id,
        state=instance.state,
        is_drill=instance.is_drill,
        failback_state=instance.failback_state or None,
        point_in_time=instance.point_in_time,
    )
