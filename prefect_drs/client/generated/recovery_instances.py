"""The operations of `prefect_drs.operations.recovery_instances` as methods. Written by `python -m tests.client.generator`; do not edit it."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypedDict

from prefect_drs.client.caller import UNSET, Caller, Unset
from prefect_drs.client.generated.shared_types import JobLog, RegionState, RunningRequest

TerminationState = Literal["NOT_OVER", "NOTHING_LAUNCHED", "NOT_REQUESTED", "IN_PROGRESS", "PARTIAL", "TERMINATED"]


class ExistingInstancesAnswer(TypedDict):
    """The recovery instances that the servers of a plan have now."""

    planName: str
    hasExistingInstances: bool
    existingInstances: list[InstanceView]
    servers: int
    complete: bool
    regions: list[RegionState]


class GetRecoveryInstancesPage(TypedDict):
    """The recovery instances that an execution launched, and how its account-regions answered."""

    executionId: str
    recoveryInstances: list[InstanceView]
    count: int
    regions: list[RegionState]
    totalCount: int
    nextToken: str | None


class InstanceView(TypedDict):
    """A recovery instance. `recovery_instance_id` is the id of the EC2 instance too."""

    recoveryInstanceId: str
    sourceServerId: str
    name: str
    accountId: str
    region: str
    waveNumber: int | None
    jobId: str | None
    state: str
    isDrill: bool | None
    failbackState: str | None
    pointInTime: str | None
    launchedBy: str | None


class JobLogsAnswer(TypedDict):
    """The logs of an execution's DRS jobs, in the order of its waves."""

    executionId: str
    jobs: list[JobLog]


class TerminatedInstance(TypedDict):
    """An instance of the execution. PREPARED: it was there before, and is terminated only where that is asked for."""

    recoveryInstanceId: str
    sourceServerId: str
    name: str
    accountId: str
    region: str
    state: Literal["STANDING", "FAILING_BACK", "PREPARED", "GONE"]
    jobId: str | None


class TerminationStatus(TypedDict):
    """What became of the termination of an execution's instances. `requested_by` is as claimed."""

    executionId: str
    status: TerminationState
    note: str
    requestedBy: str | None
    requestedAt: str | None
    instances: list[TerminatedInstance]


class RecoveryInstancesOperations(Caller):
    """Calls the operations."""

    def check_existing_instances(self, plan_id: str) -> ExistingInstancesAnswer:
        """List the recovery instances that a plan's servers have before it is started."""
        return self.call("check_existing_instances", {"planId": plan_id})

    def get_job_logs(self, execution_id: str, *, job_id: str | Unset = UNSET) -> JobLogsAnswer:
        """Return the logs of an execution's DRS jobs, step by step."""
        return self.call("get_job_logs", {"executionId": execution_id, "jobId": job_id})

    def get_recovery_instances(
        self,
        execution_id: str,
        *,
        limit: int | Unset = UNSET,
        next_token: str | Unset = UNSET,
        sort: Literal[
            "name", "-name", "waveNumber", "-waveNumber", "state", "-state", "recoveryInstanceId", "-recoveryInstanceId"
        ]
        | Unset = UNSET,
    ) -> GetRecoveryInstancesPage:
        """Return the recovery instances that an execution launched, as DRS has them now."""
        return self.call(
            "get_recovery_instances",
            {"executionId": execution_id, "limit": limit, "nextToken": next_token, "sort": sort},
        )

    def iterate_recovery_instances(
        self,
        execution_id: str,
        *,
        limit: int | Unset = UNSET,
        sort: Literal[
            "name", "-name", "waveNumber", "-waveNumber", "state", "-state", "recoveryInstanceId", "-recoveryInstanceId"
        ]
        | Unset = UNSET,
    ) -> Iterator[InstanceView]:
        """Iterate over all that `get_recovery_instances` lists; a page of `limit` is read when it is needed."""
        return self._items(
            "get_recovery_instances", "recoveryInstances", {"executionId": execution_id, "limit": limit, "sort": sort}
        )

    def get_termination_status(self, execution_id: str) -> TerminationStatus:
        """Return what became of the termination of an execution's instances, as DRS has them now."""
        return self.call("get_termination_status", {"executionId": execution_id})

    def terminate_instances(
        self,
        execution_id: str,
        *,
        confirm_recovery: bool | Unset = UNSET,
        skip_failback: bool | Unset = UNSET,
        include_prepared: bool | Unset = UNSET,
        by: str | Unset | None = UNSET,
        idempotency_key: str | None = None,
    ) -> dict[str, Any] | RunningRequest:
        """Terminate the recovery instances that an execution launched, and no others."""
        return self.call(
            "terminate_instances",
            {
                "executionId": execution_id,
                "confirmRecovery": confirm_recovery,
                "skipFailback": skip_failback,
                "includePrepared": include_prepared,
                "by": by,
            },
            idempotency_key=idempotency_key,
        )
