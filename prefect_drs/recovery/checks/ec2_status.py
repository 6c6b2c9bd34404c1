"""`ec2Status`: EC2's system and instance checks of the recovery instances are both `ok`.

One `DescribeInstanceStatus` a hundred servers of an account-region. An instance that is gone fails; one that is not
running, or whose checks still initialise or are impaired, is looked at again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefect_drs.aws.drs import batches
from prefect_drs.aws.errors import NotFoundError, aws_call
from prefect_drs.aws.location import Location
from prefect_drs.core.errors import AwsError
from prefect_drs.plan.checks import Ec2StatusCheck
from prefect_drs.recovery.checks.addresses import describe_addresses
from prefect_drs.recovery.checks.base import BaseProbe, refused
from prefect_drs.recovery.checks.probe import ProbeOutcome, Subject

IDS_A_CALL = 100  # EC2 API reference, DescribeInstanceStatus: at most 100 explicitly specified instance ids
GONE = frozenset({"shutting-down", "terminated"})


class Ec2StatusProbe(BaseProbe[Ec2StatusCheck]):
    """Looks at all its servers, which are of one account-region, together."""

    def look(self, attempts: Mapping[Subject, int]) -> Mapping[Subject, ProbeOutcome]:
        """One look at each; see `Probe.look`."""
        targets = [target for subject in attempts if (target := self.target(subject)) is not None]
        location = targets[0].server.location
        try:
            seen = self._statuses(location, [target.recovery_instance_id for target in targets])
        except AwsError as error:
            return dict.fromkeys(attempts, refused(error))
        return {
            target.server.source_server_id: _judged(target.recovery_instance_id, seen.get(target.recovery_instance_id))
            for target in targets
        }

    def _statuses(self, location: Location, instance_ids: list[str]) -> dict[str, Any]:
        try:
            return self._describe(location, instance_ids)
        except NotFoundError:  # one unknown id fails the whole call: ask for those that EC2 knows
            return self._describe(location, list(describe_addresses(self.around.sessions, location, instance_ids)))

    def _describe(self, location: Location, instance_ids: list[str]) -> dict[str, Any]:
        with aws_call("DescribeInstanceStatus", location.account_id, location.region):
            client = self.around.sessions.client("ec2", **location._asdict())
            return {
                status["InstanceId"]: status
                for batch in batches(instance_ids, IDS_A_CALL)
                for status in client.describe_instance_status(InstanceIds=batch, IncludeAllInstances=True)[
                    "InstanceStatuses"
                ]
            }


def _judged(instance_id: str, status: Any) -> ProbeOutcome:
    if status is None:
        return ProbeOutcome.pending(f"EC2 does not know {instance_id} (yet)")
    state = status.get("InstanceState", {}).get("Name", "in a state that EC2 does not report")
    if state in GONE:
        return ProbeOutcome.failed(f"{instance_id} is {state}")
    if state != "running":
        return ProbeOutcome.pending(f"{instance_id} is {state}, not running")
    checks = {
        "system": status.get("SystemStatus", {}).get("Status", "not reported"),
        "instance": status.get("InstanceStatus", {}).get("Status", "not reported"),
    }
    summary = ", ".join(f"{what} check {how}" for what, how in checks.items())
    verdict = ProbeOutcome.passed if set(checks.values()) == {"ok"} else ProbeOutcome.pending
    return verdict(f"{instance_id}: {summary}")
