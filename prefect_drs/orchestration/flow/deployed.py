"""Executions that a deployment's worker carries: started, resumed, and found before they publish a report.

In: a deployment and the parameters of its flow. Out: a flow run, whose id is the execution's. The flow run is created
and nothing waits for it; what becomes of it is in its state until the execution publishes a report.

Must never: create a second flow run for a plan while one that was started here has not ended.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentTaskRunId, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.responses import DeploymentResponse, SetStateStatus
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed, Scheduled

from prefect_drs.core.errors import ExecutionStateError, KeyReusedError, PrefectDrsError, UsageError
from prefect_drs.core.escaping import prefect_key
from prefect_drs.orchestration.client import prefect_client
from prefect_drs.orchestration.executions.lease import PATIENCE, hold
from prefect_drs.orchestration.executions.reports import RESUME_FLOW, all_flow_runs_of, is_set_aside
from prefect_drs.orchestration.paging import PAGE, pages
from prefect_drs.plan.model import ExecutionMode
from prefect_drs.recovery.resume import Starter

START_TAG = "prefect-drs:started"
PLAN_TAG = "prefect-drs:plan:"
KEY_TAG = "prefect-drs:key:"
REQUEST_TAG = "prefect-drs:request:"
PLAN_LABEL = "prefect-drs.plan"
MODE_LABEL = "prefect-drs.mode"
BY_LABEL = "prefect-drs.initiated-by"
PROVEN_LABEL = "prefect-drs.initiator-proven"

_starts: dict[str, threading.Lock] = {}  # of this process, by plan
_starts_lock = threading.Lock()


class NoDeploymentError(UsageError):
    """No deployment is named, or this Prefect API has none of that name."""


class PlanActiveError(PrefectDrsError):
    """An execution of the plan has not ended."""

    code = "ACTIVE_EXECUTION"


@dataclass(frozen=True, slots=True)
class StartKey:
    """What a repeated start is recognised by: one key starts one execution.

    Args:
        key: as the caller gave it; only its hash is stored.
        request: what is started; the same key with another request is refused.
    """

    key: str
    request: Mapping[str, Any]

    @property
    def hashed(self) -> str:
        """The idempotency key of the flow run."""
        return hashlib.sha256(self.key.encode()).hexdigest()

    @property
    def tags(self) -> list[str]:
        """Tags of the flow run: of the key, and of the request."""
        text = json.dumps(self.request, sort_keys=True, default=str)
        return [f"{KEY_TAG}{self.hashed}", f"{REQUEST_TAG}{hashlib.sha256(text.encode()).hexdigest()}"]

    def find(self, client: SyncPrefectClient) -> FlowRun | None:
        """The flow run that this key started.

        Raises:
            KeyReusedError: the key started something else.
        """
        found = _runs_tagged(client, [START_TAG, self.tags[0]], 1)
        return self.checked(found[0]) if found else None

    def checked(self, run: FlowRun) -> FlowRun:
        """The flow run, if it is the one of this request.

        Raises:
            KeyReusedError: it is of another one.
        """
        if self.tags[1] not in run.tags:
            raise KeyReusedError("this idempotency key started another execution; make a new key for a new start")
        return run


@dataclass(frozen=True, slots=True)
class StartedRun:
    """An execution that was started by a deployment, as its flow run tells of it.

    Args:
        execution_id: the id of the flow run.
        plan_name: its plan, as it was named.
        mode: drill, recovery or failback.
        initiated_by: who started it, as claimed.
        created_at: when (UTC).
        ended_at: when the flow run ended; None while it has not.
        state: the name of the flow run's state.
        state_type: its type, such as SCHEDULED or FAILED.
        message: the state's message.
    """

    execution_id: str
    plan_name: str
    mode: ExecutionMode
    initiated_by: str
    created_at: datetime
    ended_at: datetime | None
    state: str
    state_type: str
    message: str


def find_deployment(name: str, parameters: Collection[str]) -> DeploymentResponse:
    """The deployment of that name.

    Args:
        name: FLOW/NAME.
        parameters: those that its flow must have.

    Raises:
        NoDeploymentError: there is none, and the message lists those of the flow; or it is one of another flow.
    """
    flow, _, own = name.partition("/")
    with prefect_client() as client:
        found = _deployments(client, flow, deployments={"name": {"any_": [own]}})  # by its path, "?" would end the name
        if not found:
            there = ", ".join(deployment_names(client, flow)) or "none"
            raise NoDeploymentError(
                f"this Prefect API has no deployment {name!r}; of that flow it has: {there}; name it as FLOW/NAME",
                name=name,
            )
    known = (found[0].parameter_openapi_schema or {}).get("properties", {})
    if lacks := sorted(set(parameters) - set(known)):
        raise NoDeploymentError(
            f"the flow of deployment {name!r} has no parameter {', '.join(lacks)}: name one of the right flow",
            name=name,
        )
    return found[0]


def deployment_names(client: SyncPrefectClient, flow: str) -> list[str]:
    """The deployments of a flow, as FLOW/NAME."""
    return sorted(f"{flow}/{each.name}" for each in _deployments(client, flow))


def _deployments(client: SyncPrefectClient, flow: str, **more: Any) -> list[DeploymentResponse]:
    body = {"flows": {"name": {"any_": [flow]}}, "limit": PAGE, **more}
    answer = client.request("POST", "/deployments/filter", json=body)
    return [DeploymentResponse.model_validate(each) for each in answer.json()]


def start_by_deployment(
    deployment: DeploymentResponse,
    parameters: Mapping[str, Any],
    *,
    plan_name: str,
    mode: ExecutionMode,
    by: str,
    proven: bool = False,
    alone: bool = True,
    key: StartKey | None = None,
) -> FlowRun:
    """Create the flow run of a new execution; a worker of the deployment's pool carries it.

    Args:
        deployment: of the flow `recover`.
        parameters: of the flow; they go over those of the deployment.
        plan_name: the plan.
        mode: drill, recovery or failback.
        by: who starts it.
        proven: whether that is a proven identity.
        alone: refuse a plan of which an execution that was started here has not ended.
        key: with a key that started an execution before, that one's flow run is returned, and none is created.

    Raises:
        PlanActiveError: one has not ended.
        KeyReusedError: the key started another execution.
    """
    busy = PlanActiveError(f"other processes are starting executions of {plan_name}; try again")
    limit = f"prefect-drs-start-{prefect_key(plan_name.casefold())}"
    with _one_start_here(limit, busy), prefect_client() as client:
        # Whoever comes late is told so here: in the queue for the limit, Prefect lets a caller wait for up to 39 s.
        if (earlier := _earlier(client, plan_name, key, alone=alone)) is not None:
            return earlier
        with hold(limit, PATIENCE, busy):
            if (earlier := _earlier(client, plan_name, key, alone=alone)) is not None:
                return earlier
            created = client.create_flow_run_from_deployment(
                deployment.id,
                parameters=dict(parameters),
                tags=["prefect-drs", START_TAG, _plan_tag(plan_name), *(key.tags if key is not None else ())],
                labels={PLAN_LABEL: plan_name, MODE_LABEL: mode, BY_LABEL: by, PROVEN_LABEL: proven},
                idempotency_key=key.hashed if key is not None else _once(),
            )
        # Prefect returns the run that the key created before: under another plan's lock, say.
        return created if key is None else key.checked(created)


def _plan_tag(plan_name: str) -> str:
    return f"{PLAN_TAG}{prefect_key(plan_name.casefold())}"


def _earlier(client: SyncPrefectClient, plan_name: str, key: StartKey | None, *, alone: bool) -> FlowRun | None:
    """The flow run that the key started.

    Raises:
        PlanActiveError: with `alone`: another execution of the plan has not ended.
        KeyReusedError: the key started another execution.
    """
    if key is not None and (earlier := key.find(client)) is not None:
        return earlier
    for run in _runs_tagged(client, [START_TAG, _plan_tag(plan_name)], PAGE) if alone else ():
        if is_active(client, run):
            raise PlanActiveError(
                f"execution {run.id} of {plan_name} has not ended; wait for it or cancel it: "
                f"prefect-drs cancel {run.id}",
                execution_id=str(run.id),
            )
    return None


@contextmanager
def _one_start_here(name: str, busy: PrefectDrsError) -> Iterator[None]:
    """One thread of this process at a time; the others wait here and not for Prefect."""
    with _starts_lock:
        lock = _starts.setdefault(name, threading.Lock())
    if not lock.acquire(timeout=PATIENCE.total_seconds()):
        raise busy
    try:
        yield
    finally:
        lock.release()


def is_active(client: SyncPrefectClient, run: FlowRun) -> bool:
    """Whether an execution that this flow run started has a flow run that has not ended."""
    if run.state is None or not run.state.is_final():
        return True
    if run.state.is_completed() or not (run.state.is_crashed() or is_set_aside(run.state)):
        return False  # a failed one may have been resumed; its servers are claimed then
    return any(each.state is None or not each.state.is_final() for each in all_flow_runs_of(client, str(run.id)))


def resume_by_deployment(deployment: DeploymentResponse, parameters: Mapping[str, Any]) -> FlowRun:
    """Create a flow run of the deployment of `resume-execution`; a worker carries the execution on."""
    with prefect_client() as client:
        return client.create_flow_run_from_deployment(
            deployment.id,
            parameters=dict(parameters),
            tags=["prefect-drs", START_TAG],
            name=f"{RESUME_FLOW} {parameters['execution_id']}",  # by which it is found before it runs
            idempotency_key=_once(),
        )


def _once() -> str:
    """A key of this one request: Prefect's client repeats a request whose answer was lost, and it counts once."""
    return uuid4().hex


def retry_own_run(execution_id: str, by: str) -> bool:
    """Let a worker run the execution's own flow run again, as a person's retry in the UI does.

    Call it where no process carries the execution: a run that is still Running is one whose process died.

    Returns:
        False where the flow run is of no deployment, so that no worker can run it.

    Raises:
        ExecutionStateError: Prefect refuses the retry.
    """
    with prefect_client() as client:
        run = client.read_flow_run(UUID(execution_id))
        if run.deployment_id is None:
            return False
        if run.state is not None and not run.state.is_final():
            lost: State[Any] = Crashed(message=f"Process lost; resumed by {by}")
            client.set_flow_run_state(run.id, lost, force=True)
        retried: State[Any] = Scheduled(name="AwaitingRetry", message=f"Resumed by {by}")
        result = client.set_flow_run_state(run.id, retried)
        if result.status is not SetStateStatus.ACCEPT:
            reason = getattr(result.details, "reason", None) or "Prefect does not retry its flow run"
            raise ExecutionStateError(f"execution {execution_id} cannot be resumed by its deployment: {reason}")
    return True


def find_started(execution_id: str) -> StartedRun | None:
    """An execution of a deployment, also before it has a report; None where there is no such flow run of the package.

    One that was started by other means than `start_by_deployment` has no labels: its plan and mode come from the run's
    parameters.
    """
    with prefect_client() as client:
        try:
            run = client.read_flow_run(UUID(execution_id))
        except (ObjectNotFound, ValueError):
            return None
    ours = PLAN_LABEL in run.labels or {"manifest", "mode"} <= run.parameters.keys()
    return _started(run) if ours and run.parent_task_run_id is None else None


def started_by(root_id: str) -> Starter:
    """Who started an execution by `start_by_deployment`, as its outermost flow run says; empty where it does not.

    Whoever creates flow runs by other means can write these labels: see the threat model in docs/access.md.
    """
    with prefect_client() as client:
        labels = client.read_flow_run(UUID(root_id)).labels
    return Starter(str(labels.get(BY_LABEL) or ""), labels.get(PROVEN_LABEL) is True)


def started_pages() -> Iterator[list[StartedRun]]:
    """The executions that were started by `start_by_deployment`, the newest first, a page when it is needed."""

    def read(offset: int) -> list[FlowRun]:
        with prefect_client() as client:
            return _runs_tagged(client, [START_TAG], PAGE, offset=offset)

    for page in pages(read):
        yield [_started(run) for run in page if PLAN_LABEL in run.labels]


def _runs_tagged(client: SyncPrefectClient, tags: list[str], limit: int, *, offset: int = 0) -> list[FlowRun]:
    """The outermost flow runs with all of those tags, the newest first; child runs have the tags of their parents."""
    return client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            tags=FlowRunFilterTags(all_=tags), parent_task_run_id=FlowRunFilterParentTaskRunId(is_null_=True)
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=limit,
        offset=offset,
    )


def _mode_of(text: str) -> ExecutionMode:
    """The mode that a run's label or parameter names; `drill` where it names none."""
    return "recovery" if text == "recovery" else "failback" if text == "failback" else "drill"


def _started(run: FlowRun) -> StartedRun:
    mode = str(run.labels.get(MODE_LABEL) or run.parameters.get("mode") or "drill")
    state = run.state
    return StartedRun(
        execution_id=str(run.id),
        plan_name=str(run.labels.get(PLAN_LABEL) or run.parameters.get("plan") or run.name),
        mode=_mode_of(mode),
        initiated_by=str(run.labels.get(BY_LABEL) or ""),
        created_at=run.created or run.expected_start_time or datetime.min,
        ended_at=state.timestamp if state is not None and state.is_final() else None,
        state=str(state.name) if state is not None else "Scheduled",
        state_type=state.type.value if state is not None else "SCHEDULED",
        message=(state.message or "") if state is not None else "",
    )
