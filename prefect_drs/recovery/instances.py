"""Which recovery instances are an execution's, and which of them may be terminated.

In: the execution's report and sessions. Out: its instances in DRS. AWS is the truth: an instance belongs to the
execution where DRS says that one of its jobs launched it; an instance that a later launch made of the same source
server is left alone. An instance that replicates back may hold data that is nowhere else: it is never terminated. A
prepared instance was there before the launch, so that it is terminated only where that is asked for. Changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from prefect_drs.aws.drs import RecoveryInstance, describe_jobs, describe_recovery_instances
from prefect_drs.aws.location import Location
from prefect_drs.aws.prepared_instances import read_targets
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import ExecutionStateError
from prefect_drs.recovery.launch.job_tracker import EXECUTION_TAG
from prefect_drs.recovery.launch.lost_answers import SKEW
from prefect_drs.report.model import RecoveryReport, WaveStatus

GONE = frozenset({"TERMINATED", "NOT_FOUND"})  # EC2InstanceState of an instance that no longer runs and costs
# FailbackState of an instance that nothing is replicated back from; of any other, and of one that DRS cannot tell,
# its data may be nowhere else.
NO_FAILBACK = frozenset({"", "FAILBACK_NOT_STARTED", "FAILBACK_COMPLETED"})


class TerminationRefusedError(ExecutionStateError):
    """The instances of this execution may not be terminated now, or there never were any."""


class StillActiveError(TerminationRefusedError):
    """The execution has not ended, or a wave or a job of it is active."""

    code: ClassVar[str] = "ACTIVE_EXECUTION"


@dataclass(frozen=True, slots=True)
class TerminationTarget:
    """A recovery instance of the execution: where it is, and which source server's."""

    recovery_instance_id: str
    source_server_id: str
    name: str
    location: Location


@dataclass(frozen=True, slots=True)
class Found:
    """The instances of an execution in DRS.

    Args:
        report: the execution.
        standing: its instances that are there.
        gone: its instances that DRS no longer has.
        left_alone: instances of the same source servers that something else launched.
        failing_back: its instances that replicate back; they stand too, and are not terminated.
        prepared: its prepared instances, which it was launched into; they stand too, and are not terminated.
    """

    report: RecoveryReport
    standing: tuple[TerminationTarget, ...]
    gone: tuple[TerminationTarget, ...]
    left_alone: tuple[RecoveryInstance, ...]
    failing_back: tuple[TerminationTarget, ...] = ()
    prepared: tuple[TerminationTarget, ...] = ()


def find_instances(
    report: RecoveryReport, sessions: Sessions, *, skip_failback: bool = False, include_prepared: bool = False
) -> Found:
    """The instances of an execution that may be terminated now. Changes nothing.

    Args:
        report: the execution, as its journal (or the artifact) tells it.
        sessions: the way into the accounts.
        skip_failback: leave instances that replicate back alone, instead of refusing them all.
        include_prepared: terminate prepared instances too; without it, they are left alone.

    Raises:
        TerminationRefusedError: it is a failback, it is not over, a wave or a job of it is active, an instance
            replicates back, or it never launched an instance.
        AwsError: DRS refused or could not be reached.
    """
    if report.mode == "failback":
        raise TerminationRefusedError(
            f"execution {report.execution_id} is a failback: what it launched is production where it came from, and is "
            "not terminated; the recovery instances that it left are of the recovery: terminate that execution, or let "
            "the plan clean up (failback.cleanUp)"
        )
    require_over(report)
    names = {server.source_server_id: server.name for wave in report.waves for server in wave.servers}
    places = _places(report)
    standing: list[TerminationTarget] = []
    failing_back: dict[TerminationTarget, str] = {}
    left_alone: list[RecoveryInstance] = []
    for location, place in sorted(places.items()):
        _add_unreported_jobs(report, sessions, location, place)
        for instance in describe_recovery_instances(sessions, location, sorted(place.servers)):
            if instance.state in GONE:
                continue
            if instance.job_id not in place.jobs:
                left_alone.append(instance)
                continue
            name = names.get(instance.source_server_id, instance.source_server_id)
            target = TerminationTarget(instance.recovery_instance_id, instance.source_server_id, name, location)
            if instance.failback_state in NO_FAILBACK:
                standing.append(target)
            else:
                failing_back[target] = instance.failback_state
    if failing_back and not skip_failback:
        raise TerminationRefusedError(_in_failback(report.execution_id, failing_back))
    gone = _gone(report, places, {target.recovery_instance_id for target in (*standing, *failing_back)})
    prepared = () if include_prepared else _prepared(report, sessions, standing)
    standing = [target for target in standing if target not in prepared]
    if not standing and not gone and not failing_back and not prepared:
        raise TerminationRefusedError(f"execution {report.execution_id} launched no recovery instance: nothing to do")
    return Found(report, tuple(standing), gone, tuple(left_alone), tuple(failing_back), prepared)


def _prepared(
    report: RecoveryReport, sessions: Sessions, standing: Collection[TerminationTarget]
) -> tuple[TerminationTarget, ...]:
    """The instances that were there before the launch: those of the report, and all that carry DRS's tag for that.

    The tag counts as well, since somebody may have changed the launch configuration after the preflight. A launch that
    copied it from its source server leaves an instance that is not terminated either: the safe mistake.

    Raises:
        AwsError: EC2 refused or could not be reached.
    """
    reported = {
        server.prepared.instance_id for wave in report.waves for server in wave.servers if server.prepared is not None
    }
    by_location: dict[Location, list[TerminationTarget]] = {}
    for target in standing:
        by_location.setdefault(target.location, []).append(target)
    allowed = {
        instance_id
        for location, targets in sorted(by_location.items())
        for instance_id, instance in read_targets(
            sessions, location, [target.recovery_instance_id for target in targets]
        ).items()
        if instance.allowed
    }
    return tuple(target for target in standing if target.recovery_instance_id in reported | allowed)


@dataclass(slots=True)
class _Place:
    """The jobs of an execution in one account-region, and the servers in them, by id."""

    jobs: set[str] = field(default_factory=set)
    servers: set[str] = field(default_factory=set)


def _places(report: RecoveryReport) -> dict[Location, _Place]:
    """The execution's jobs and servers, as the report has them."""
    places: dict[Location, _Place] = {}
    for job in (job for wave in report.waves for job in wave.jobs):
        place = places.setdefault(Location(job.account_id, job.region), _Place())
        place.jobs.add(job.job_id)
        place.servers.update(job.server_ids)
    return places


def _add_unreported_jobs(report: RecoveryReport, sessions: Sessions, location: Location, place: _Place) -> None:
    """Add jobs that only DRS knows: those that carry the execution's tag.

    Raises:
        StillActiveError: a job of the execution is active.
        AwsError: DRS refused or could not be reached.
    """
    for seen in describe_jobs(sessions, location, since=report.started_at - SKEW):
        if seen.job_id not in place.jobs and seen.tags.get(EXECUTION_TAG) != report.execution_id:
            continue
        if seen.active:
            raise StillActiveError(
                f"job {seen.job_id} of execution {report.execution_id} is {seen.status} in {location}; "
                "wait until it has ended"
            )
        place.jobs.add(seen.job_id)
        place.servers.update(server.source_server_id for server in seen.servers)


def _gone(
    report: RecoveryReport, places: Mapping[Location, _Place], present: Collection[str]
) -> tuple[TerminationTarget, ...]:
    """The instances of the report that DRS no longer has."""
    home = {server: location for location, place in places.items() for server in place.servers}
    return tuple(
        TerminationTarget(
            server.recovery_instance_id, server.source_server_id, server.name, home[server.source_server_id]
        )
        for wave in report.waves
        for server in wave.servers
        if server.recovery_instance_id
        and server.recovery_instance_id not in present
        and server.source_server_id in home
    )


def _in_failback(execution_id: str, failing_back: Mapping[TerminationTarget, str]) -> str:
    named = ", ".join(
        f"{target.name} ({target.recovery_instance_id} in {target.location}: {state})"
        for target, state in failing_back.items()
    )
    return (
        f"{len(failing_back)} recovery instance(s) of execution {execution_id} fail back, and what they hold may be "
        f"nowhere else yet: {named}; wait until the failback has completed, or end it (aws drs stop-failback, "
        "disconnect-recovery-instance); to terminate the others alone: --skip-failback"
    )


def require_over(report: RecoveryReport) -> None:
    """Refuse to terminate instances of an execution that goes on.

    Raises:
        StillActiveError: it has not ended, or has active waves.
    """
    if report.ended_at is None:
        raise StillActiveError(
            f"execution {report.execution_id} is {report.status}; wait for its end, or end it: "
            f"prefect-drs cancel {report.execution_id}"
        )
    active = [wave for wave in report.waves if wave.status in {WaveStatus.INITIATED, WaveStatus.LAUNCHING}]
    if active:
        named = ", ".join(f"{wave.wave_number} ({wave.status})" for wave in active)
        raise StillActiveError(
            f"execution {report.execution_id} has active waves: {named}; carry it to its end first: "
            f"prefect-drs resume {report.execution_id}"
        )
