"""Which data the launched servers hold: the RPO that an execution reached, as DRS itself tells it.

In: the servers that are LAUNCHED. Out: their points in time. One paginated reading an account-region, after everything
else is done; what cannot be read is left out and the report says that it is not known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from prefect_drs.aws.drs import describe_recovery_instances
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import AwsError
from prefect_drs.recovery.waves import ServerRun


def points_reached(sessions: Sessions, launched: Iterable[ServerRun]) -> dict[str, datetime]:
    """The point in time of each server's data, by source server id.

    DRS's word is taken where it names the instance's; else the runbook's snapshot, where that was used.
    """
    runs: dict[Location, list[ServerRun]] = defaultdict(list)
    for run in launched:
        runs[run.server.location].append(run)
    points: dict[str, datetime] = {}
    for location, there in sorted(runs.items()):
        told = _told(sessions, location, [run.server.source_server_id for run in there])
        for run in there:
            chosen = run.server.snapshot_at if run.snapshot_id == run.server.snapshot_id else None
            point = told.get(run.server.source_server_id, chosen)
            if point is not None:
                points[run.server.source_server_id] = point
    return points


def _told(sessions: Sessions, location: Location, source_server_ids: list[str]) -> dict[str, datetime]:
    try:
        instances = describe_recovery_instances(sessions, location, source_server_ids)
    except AwsError:  # the recovery is done, and its report says that this is not known
        return {}
    return {
        instance.source_server_id: instance.point_in_time
        for instance in instances
        if instance.point_in_time is not None
    }
