"""Which data the launched servers hold: the RPO that an execution reached, as DRS reports it.

In: the servers that are LAUNCHED. Out: their points in time. One paginated reading for each account-region, after
everything else is done; what cannot be read is left out, and the report shows no RPO.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from prefect_drs.aws.drs import describe_recovery_instances
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import AwsError
from prefect_drs.execution.state import ServerRun


def points_reached(sessions: Sessions, launched: Iterable[ServerRun]) -> dict[str, datetime]:
    """The point in time of each server's data, by source server id.

    From DRS's recovery instance where it names one; else the runbook's snapshot, where the launch used that.
    """
    runs: dict[Location, list[ServerRun]] = defaultdict(list)
    for run in launched:
        runs[run.server.location].append(run)
    points: dict[str, datetime] = {}
    for location, there in sorted(runs.items()):
        reported = _reported(sessions, location, [run.server.source_server_id for run in there])
        for run in there:
            chosen = run.server.snapshot_at if run.snapshot_id == run.server.snapshot_id else None
            point = reported.get(run.server.source_server_id, chosen)
            if point is not None:
                points[run.server.source_server_id] = point
    return points


def _reported(sessions: Sessions, location: Location, source_server_ids: list[str]) -> dict[str, datetime]:
    try:
        instances = describe_recovery_instances(sessions, location, source_server_ids)
    except AwsError:  # the recovery is done; its report shows that the points are not known
        return {}
    return {
        instance.source_server_id: instance.point_in_time
        for instance in instances
        if instance.point_in_time is not None
    }
