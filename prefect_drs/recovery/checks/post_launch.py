"""`postLaunchActions`: the actions that DRS itself runs on a recovery instance succeeded.

One `DescribeJobs` an account-region tells how they went. DRS adds a run when an action begins, so what is expected is
read from the server's own list, once: all active actions that are not optional, or those that the check names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prefect_drs.aws.drs import JOB_IDS_A_FILTER, batches
from prefect_drs.aws.errors import aws_call
from prefect_drs.aws.location import Location
from prefect_drs.core.errors import AwsError
from prefect_drs.plan.checks import PostLaunchActionsCheck
from prefect_drs.recovery.checks.base import BaseProbe, Surroundings, refused
from prefect_drs.recovery.checks.probe import CheckTarget, ProbeOutcome, Subject
from prefect_drs.report.checks import CheckPhase


class PostLaunchActionsProbe(BaseProbe[PostLaunchActionsCheck]):
    """Looks at all its servers, which are of one account-region, together."""

    def __init__(
        self,
        check: PostLaunchActionsCheck,
        phase: CheckPhase,
        name: str,
        targets: Sequence[CheckTarget],
        around: Surroundings,
    ) -> None:
        super().__init__(check, phase, name, targets, around)
        self._actions: dict[str, tuple[Mapping[str, Any], ...]] = {}  # by source server id

    def look(self, attempts: Mapping[Subject, int]) -> Mapping[Subject, ProbeOutcome]:
        """One look at each; see `Probe.look`."""
        targets = [target for subject in attempts if (target := self.target(subject)) is not None]
        try:
            statuses = self._statuses(targets[0].server.location, targets)
        except AwsError as error:
            return dict.fromkeys(attempts, refused(error))
        return {target.server.source_server_id: self._judge_safely(target, statuses) for target in targets}

    def _statuses(self, location: Location, targets: Sequence[CheckTarget]) -> dict[tuple[str, str], Mapping[str, Any]]:
        """`launchActionsStatus` by job and source server; those without have an SSM agent that was not found yet."""
        found: dict[tuple[str, str], Mapping[str, Any]] = {}
        with aws_call("DescribeJobs", location.account_id, location.region):
            paginator = self.around.sessions.client("drs", **location._asdict()).get_paginator("describe_jobs")
            for batch in batches(sorted({target.job_id for target in targets}), JOB_IDS_A_FILTER):
                for page in paginator.paginate(filters={"jobIDs": batch}):
                    for job in page["items"]:
                        for server in job.get("participatingServers", []):
                            if status := server.get("launchActionsStatus"):
                                found[job["jobID"], server.get("sourceServerID", "")] = status
        return found

    def _judge_safely(self, target: CheckTarget, statuses: Mapping[tuple[str, str], Mapping[str, Any]]) -> ProbeOutcome:
        server_id = target.server.source_server_id
        try:
            if server_id not in self._actions:
                self._actions[server_id] = self._list(target)
        except AwsError as error:
            return refused(error)
        return self._judge(self._actions[server_id], statuses.get((target.job_id, server_id)))

    def _list(self, target: CheckTarget) -> tuple[Mapping[str, Any], ...]:
        location = target.server.location
        with aws_call("ListLaunchActions", location.account_id, location.region):
            paginator = self.around.sessions.client("drs", **location._asdict()).get_paginator("list_launch_actions")
            pages = paginator.paginate(resourceId=target.server.source_server_id)
            return tuple(action for page in pages for action in page["items"])

    def _judge(self, actions: Sequence[Mapping[str, Any]], status: Mapping[str, Any] | None) -> ProbeOutcome:
        wanted = self.spec.actions
        active = [action for action in actions if action.get("active")]
        named = {name for action in active for name in (action.get("name"), action["actionId"])}
        if missing := [name for name in wanted if name not in named]:
            return ProbeOutcome.failed(f"the server has no active post-launch action {', '.join(missing)}")
        expected = [
            action
            for action in active
            if (action["actionId"] in wanted or action.get("name") in wanted if wanted else not action.get("optional"))
        ]
        if not expected:
            return ProbeOutcome.failed(
                "the server has no active post-launch action that is required; nothing was checked"
            )
        if status is None or not (status.get("runs") or status.get("ssmAgentDiscoveryDatetime")):
            return ProbeOutcome.pending("DRS has not found the SSM agent on the recovery instance yet")
        return _outcome_of(expected, status)


def _outcome_of(expected: Sequence[Mapping[str, Any]], status: Mapping[str, Any]) -> ProbeOutcome:
    """Whether all expected actions succeeded."""
    runs = {run["action"]["actionId"]: run for run in status.get("runs", [])}
    statuses = [runs.get(action["actionId"], {}).get("status", "not begun") for action in expected]
    names = [action.get("name") or action["actionId"] for action in expected]
    line = ", ".join(f"{name} {each}" for name, each in zip(names, statuses, strict=True))
    if "FAILED" in statuses:
        return ProbeOutcome.failed(line)
    return ProbeOutcome.passed(line) if set(statuses) == {"SUCCEEDED"} else ProbeOutcome.pending(line)
