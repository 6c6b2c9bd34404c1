"""Post-launch actions: SSM documents that DRS runs on an instance after its launch.

Actions belong to a source server, or to a launch configuration template for new servers. They run if
`postLaunchEnabled` is set: the SSM agent is found shortly after the launch, then the active actions run in their order.
In the simulator each takes a minute and succeeds.
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from datetime import datetime, timedelta

from .configuration_templates import ConfigurationTemplate
from .exceptions import ConflictException, ResourceNotFoundException
from .job_runs import JobRuns
from .jobs import Job, LaunchStatus, Participant
from .paging import answer_page
from .scope import Scope
from .source_servers import SourceServer
from .store import Store
from .wire import Params, Wire

ACTION_FIELDS = (
    "actionId", "actionCode", "name", "active", "order", "actionVersion", "optional", "parameters", "description",
    "category",
)  # fmt: skip
AGENT_FOUND_AFTER = timedelta(seconds=30)
ACTION_TAKES = timedelta(seconds=60)


@dataclass(slots=True)
class LaunchActions:
    """The operations on launch actions, and their runs."""

    _scope: Scope
    _actions: dict[str, dict[str, Wire]]
    _servers: Store[SourceServer]
    _templates: Store[ConfigurationTemplate]
    _jobs: Store[Job]
    _runs: InitVar[JobRuns]

    def __post_init__(self, runs: JobRuns) -> None:
        runs.on_settled.append(self._find_agent)
        self._scope.handle(agent_found=self._schedule_runs, action_begun=self._begin_run, action_ended=self._end_run)

    def _actions_of(self, resource_id: str) -> dict[str, Wire]:
        if resource_id not in self._servers and resource_id not in self._templates:
            raise ResourceNotFoundException("LaunchActionResource", resource_id)
        return self._actions.setdefault(resource_id, {})

    def put_launch_action(self, params: Params) -> Wire:
        """PutLaunchAction: creates or replaces an action; the order is unique per resource."""
        actions = self._actions_of(params["resourceId"])
        for action_id, other in actions.items():
            if other["order"] == params["order"] and action_id != params["actionId"]:
                raise ConflictException(
                    f"The action {action_id} of {params['resourceId']} has the order {params['order']} already.",
                    "LaunchAction",
                    action_id,
                )
        action = {key: params[key] for key in ACTION_FIELDS if key in params}
        action["type"] = "SSM_AUTOMATION" if "Automation" in action["actionCode"] else "SSM_COMMAND"
        actions[params["actionId"]] = action
        return {"resourceId": params["resourceId"], **action}

    def list_launch_actions(self, params: Params) -> Wire:
        """ListLaunchActions, by order."""
        actions = self._actions_of(params["resourceId"])
        wanted = (params.get("filters") or {}).get("actionIds")
        found = [a for a in actions.values() if not wanted or a["actionId"] in wanted]
        return answer_page("ListLaunchActions", params, sorted(found, key=_order), dict)

    def delete_launch_action(self, params: Params) -> Wire:
        """DeleteLaunchAction."""
        actions = self._actions_of(params["resourceId"])
        if params["actionId"] not in actions:
            raise ResourceNotFoundException("LaunchAction", params["actionId"])
        del actions[params["actionId"]]
        return {}

    def _find_agent(self, at: datetime, job: Job, participant: Participant) -> None:
        """Start the actions after a launch."""
        server = self._servers.get(participant.server_id)
        if participant.status is not LaunchStatus.LAUNCHED or server is None:
            return
        if server.launch.settings.get("postLaunchEnabled"):
            self._scope.schedule(at + AGENT_FOUND_AFTER, "agent_found", job.job_id, participant.server_id)

    def _schedule_runs(self, at: datetime, job_id: str, server_id: str) -> None:
        """Run the first action: the SSM agent is available."""
        job = self._jobs.get(job_id)
        if job is None or server_id not in self._servers:
            return
        job.participants[server_id].agent_found_at = at
        actions = sorted(self._actions.get(server_id, {}).values(), key=_order)
        for number, action in enumerate(a for a in actions if a["active"]):
            begins = at + number * ACTION_TAKES
            self._scope.schedule(begins, "action_begun", job_id, server_id, action)
            self._scope.schedule(begins + ACTION_TAKES, "action_ended", job_id, server_id, action["actionId"])

    def _begin_run(self, at: datetime, job_id: str, server_id: str, action: Wire) -> None:
        job = self._jobs.get(job_id)
        if job is not None:
            run_id = self._scope.uuid("run", job_id, server_id, action["actionId"])
            run = {"action": action, "runId": run_id, "status": "IN_PROGRESS"}
            job.participants[server_id].action_runs.append(run)

    def _end_run(self, at: datetime, job_id: str, server_id: str, action_id: str) -> None:
        job = self._jobs.get(job_id)
        for run in job.participants[server_id].action_runs if job else ():
            if run["action"]["actionId"] == action_id:
                run["status"] = "SUCCEEDED"


def _order(action: Wire) -> int:
    return int(action["order"])
