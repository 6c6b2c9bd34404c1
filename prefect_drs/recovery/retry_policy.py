"""The retry policy: what is tried for a server that did not come up.

In: a server with what was tried for it, and its wave's policy. Out: the next step, or none. Pure: the caller reads
older points in time and writes other settings. A step is tried only where the former attempt certainly failed: DRS said
so of that server in that job.
"""

from __future__ import annotations

from dataclasses import dataclass

from prefect_drs.execution.state import ServerRun, ServerState
from prefect_drs.plan.model import LaunchSettings, Retry

NO_CAPACITY = ("InsufficientInstanceCapacity", "InsufficientHostCapacity", "Unsupported")


@dataclass(frozen=True, slots=True)
class RetryStep:
    """One more attempt.

    Args:
        settings: what the server is launched with this time.
        older_snapshot: from the point in time before the one that was tried last, instead of the latest.
        how: what is different, for the journal and the report.
    """

    settings: LaunchSettings
    older_snapshot: bool
    how: str


def next_step(run: ServerRun, retry: Retry) -> RetryStep | None:
    """What to try next for a server that failed; None where nothing is left."""
    if run.state is not ServerState.FAILED or run.job_id is None or run.attempts > retry.attempts:
        return None
    again = f"attempt {run.attempts + 1} of {retry.attempts + 1}"
    if any(code in run.error for code in NO_CAPACITY) and (other := _elsewhere(run, retry)) is not None:
        settings, what = other
        return RetryStep(settings, older_snapshot=False, how=f"{again}: {what}, for lack of capacity")
    if retry.snapshot == "previous":
        return RetryStep(run.settings, older_snapshot=True, how=f"{again}: from an older point in time")
    return RetryStep(run.settings, older_snapshot=False, how=again)


def _elsewhere(run: ServerRun, retry: Retry) -> tuple[LaunchSettings, str] | None:
    """Another instance type, or else another subnet, than were tried; a static address stays in its subnet."""
    for instance_type in retry.instance_types:
        if instance_type not in run.tried and instance_type != run.settings.instance_type:
            return run.settings.model_copy(update={"instance_type": instance_type}), f"as {instance_type}"
    if run.settings.static_private_ip is not None:
        return None
    for subnet_id in retry.subnet_ids:
        if subnet_id not in run.tried and subnet_id != run.settings.subnet_id:
            return run.settings.model_copy(update={"subnet_id": subnet_id}), f"in {subnet_id}"
    return None
