"""What happens when the answer of StartRecovery is lost.

In: the launches of one account-region that were requested and not answered, and a reading of all jobs there. Out: those
that certainly started no job, so that their servers may be put in another one. StartRecovery takes no idempotency
token, and a new job may be missing from DescribeJobs for a while: until it is found by its tags, or is certainly not
there, its servers are launched by nobody.

Must never: give up a request whose job may still appear.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta

from prefect_drs.aws.drs import Job, SourceServer
from prefect_drs.core.clock import Clock
from prefect_drs.execution.records import LaunchRequest
from prefect_drs.recovery.launch.launches import Launches

VISIBILITY = timedelta(minutes=2)  # how long a job may be missing from DescribeJobs after a lost answer
SKEW = timedelta(minutes=10)  # the greatest difference between this machine's clock and AWS's
UNSEEN = timedelta(minutes=10)  # how long a job may be missing from DescribeJobs before it counts as deleted


class LostAnswers:
    """The unanswered launch requests of one account-region, and since when their jobs are missing.

    Args:
        launches: how servers are launched there.
        clock: the time.
        former: the unanswered requests of former processes.
    """

    def __init__(self, launches: Launches, clock: Clock, former: Sequence[LaunchRequest]) -> None:
        self._launches = launches
        self._clock = clock
        now = clock.now()
        self._missed_since = {request.batch: counted_from(request.asked_at, now) for request in former}

    def without_a_job(
        self, requests: Sequence[LaunchRequest], jobs: Sequence[Job], unassigned: Collection[str] = ()
    ) -> Iterator[tuple[LaunchRequest, str]]:
        """The requests that certainly started no job, each with the reason.

        Args:
            requests: the requests that are still unanswered after `jobs` was matched with them.
            jobs: a reading of all jobs there.
            unassigned: the ids of jobs of this execution, not in `jobs`, in which DRS names no server: any request may
                have started one of them.

        Raises:
            AwsError: the source servers could not be read.
        """
        now = self._clock.now()
        self._missed_since = {each.batch: self._missed_since.get(each.batch, each.asked_at) for each in requests}
        overdue = [request for request in requests if now - self._missed_since[request.batch] >= VISIBILITY]
        if not overdue:
            return
        visible = {job.job_id for job in jobs}
        ids = [server_id for request in overdue for server_id in request.server_ids]
        servers = {each.source_server_id: each for each in self._launches.source_servers(ids)}
        for request in overdue:
            of_request = [servers[server_id] for server_id in request.server_ids if server_id in servers]
            hidden = next((each.last_launch_job_id for each in of_request if _is_hidden(each, request, visible)), None)
            doubtful = [*unassigned, *(job.job_id for job in jobs if _may_answer(job, request))]
            # After `UNSEEN`, whoever started a job: each launch compares the server's last launch first.
            late = now - self._missed_since[request.batch] >= UNSEEN
            if hidden is None and not doubtful:
                yield request, f"no answer came, and no job was there {VISIBILITY} later"
            elif late and hidden is not None:
                yield request, f"no answer came, and job {hidden} is not in DRS any more"
            elif late:
                yield request, f"no answer came, and job {min(doubtful)} does not say that it is this execution's"


def counted_from(asked_at: datetime, now: datetime) -> datetime:
    """Since when the effect of a former process's call may be waited for.

    That process's clock may be off: unless the call is old by any clock, the wait begins now.

    Args:
        asked_at: when the call was sent, by that process's clock.
        now: by this process's clock.
    """
    return asked_at if now - asked_at > SKEW + VISIBILITY else now


def _may_answer(job: Job, request: LaunchRequest) -> bool:
    """Whether a job that was matched with no request may be this one's all the same: of its servers, or of none."""
    named = {server.source_server_id for server in job.servers}
    return job.started_at >= request.asked_at - SKEW and (not named or not named.isdisjoint(request.server_ids))


def _is_hidden(server: SourceServer, request: LaunchRequest, visible: set[str]) -> bool:
    """Whether a job that may be the request's launched the server, and DescribeJobs does not return it yet."""
    return (
        server.last_launch_job_id is not None
        and server.last_launch_job_id not in visible
        and server.last_launch_at is not None
        and server.last_launch_at >= request.asked_at - SKEW
    )
