"""The steps of a failback: what is read of its servers, and what follows for each.

In: a reading. Out: for each server a verdict; `judge` makes no call and changes nothing. A verdict rests on the reading
alone, never on what was called before: where an answer was lost, the next reading shows whether the call arrived.

Must never: let a recovery instance be terminated or disconnected whose server was not launched back in this execution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from prefect_drs.aws.drs import READY_STATES, RecoveryInstance, SourceServer
from prefect_drs.aws.sessions import Sessions
from prefect_drs.execution.state import ExecutionState, ServerRun, ServerState, WaveRun
from prefect_drs.plan.duration import parse_duration
from prefect_drs.recovery.failback.launches import READY_TO_LAUNCH, lag_problem
from prefect_drs.recovery.failback.reading import GONE, Reading, read_back, read_forward, read_terminations, way_back
from prefect_drs.recovery.failback.recorded_times import RecordedTimes
from prefect_drs.recovery.failback.verdict import Call, Done, Fail, Verdict, Wait
from prefect_drs.recovery.launch.lost_answers import SKEW, VISIBILITY
from prefect_drs.runbook.failback.fetch import ENDED_STATES

REVERSE, STOP, DISCONNECT, TERMINATE = (
    "ReverseReplication",
    "StopReplication",
    "DisconnectRecoveryInstance",
    "TerminateRecoveryInstances",
)
STUCK_STATES = frozenset({"STALLED", "DISCONNECTED", "STOPPED", "PAUSED"})  # DataReplicationState
SETTLED = timedelta(minutes=1)  # how much later than the stop of writes a reading must be to tell what has arrived
CLIENT = (
    "waits for AWS's Failback Client: boot the machine with it and let it replicate "
    "(https://docs.aws.amazon.com/drs/latest/userguide/failback-performing-on-prem.html)"
)


class Step(Protocol):
    """One kind of step."""

    def read(self, sessions: Sessions, runs: Sequence[ServerRun]) -> Reading:
        """Read what the verdicts rest on; all servers have one pair of account-regions.

        Raises:
            AwsError: DRS refused or could not be reached.
        """
        ...

    def judge(self, run: ServerRun, reading: Reading, now: datetime) -> Verdict:
        """What follows for one server."""
        ...


class Protect:
    """Replicate each recovery instance back, until that is continuous and lags no more than is allowed."""

    def __init__(self, wave: WaveRun) -> None:
        self._wave = wave

    def read(self, sessions: Sessions, runs: Sequence[ServerRun]) -> Reading:
        """The recovery instances and what replicates them."""
        return read_back(sessions, runs)

    def judge(self, run: ServerRun, reading: Reading, now: datetime) -> Verdict:
        """Reverse what does not replicate yet; wait for the rest."""
        del now
        instance = reading.instance(run.server)
        if instance is None or instance.state in GONE:
            return Fail(gone(run))
        if instance.outside_aws:
            return _client(instance)
        back = reading.replicating(run.server)
        if back is None and instance.state == "RUNNING":
            return Call(REVERSE, instance.recovery_instance_id)
        if back is None:
            return Wait(
                instance.state, f"recovery instance {instance.recovery_instance_id} is {instance.state}", stuck=True
            )
        return replicated(back, self._wave.wave.max_lag) or Done("PROTECTED")


class CatchUp:
    """Wait until what was written before writes stopped has arrived."""

    def __init__(self, wave: WaveRun, times: RecordedTimes) -> None:
        self._wave = wave
        self._times = times

    def read(self, sessions: Sessions, runs: Sequence[ServerRun]) -> Reading:
        """The recovery instances and what replicates them."""
        return read_back(sessions, runs)

    def judge(self, run: ServerRun, reading: Reading, now: datetime) -> Verdict:
        """Done once the lag is shorter than the time since writes stopped."""
        instance = reading.instance(run.server)
        if instance is None or instance.state in GONE:
            return Fail(gone(run))
        stopped = self._times.writes_stopped_at() or now
        if instance.outside_aws:
            waiting = _client(instance)
            if isinstance(waiting, Wait | Fail):
                return waiting
            return arrived(instance.lag or "PT0S", stopped, now)  # DRS calls it ready for launch, often without a lag
        back = reading.replicating(run.server)
        if back is None:
            return Wait("NOT_STARTED", "nothing replicates it back any more: somebody stopped its failback", stuck=True)
        return replicated(back, self._wave.wave.max_lag) or arrived(back.lag, stopped, now)


class Reprotect:
    """Replicate the failed-back instances in the forward direction again, until that is continuous.

    AWS: "Protect your new failed back instances" of
    https://docs.aws.amazon.com/drs/latest/userguide/failback-failover-region-region.html: from then on the plan's
    source server replicates the failed-back instance.
    """

    def __init__(self, state: ExecutionState, times: RecordedTimes) -> None:
        self._state = state
        self._times = times

    def read(self, sessions: Sessions, runs: Sequence[ServerRun]) -> Reading:
        """The failed-back instances, and the plan's source servers."""
        ids = [run.server.source_server_id for run in runs]
        back = [self._state.ways_back[each] for each in ids if each in self._state.ways_back]
        return read_forward(sessions, runs, back, Reading({}, {}))

    def judge(self, run: ServerRun, reading: Reading, now: datetime) -> Verdict:
        """Reverse what was launched and does not replicate; wait for the rest."""
        failed_back = launched_back(self._state, run)
        if failed_back is None:
            return Fail("it was not failed back, so nothing is protected in the forward direction")
        forward = reading.forward.get(run.server.source_server_id)
        if way_back(run.server).outside_aws:
            return _agent(forward)
        instance = reading.launched.get(failed_back)
        if instance is None or instance.state in GONE:
            return Fail(f"its failed-back instance {failed_back} is gone: launch it again, then resume")
        if in_launch_job(self._state, run):
            return Wait(run.launch_status)
        if instance.replication_state in {"", "NOT_STARTED"}:
            return Call(REVERSE, instance.recovery_instance_id)
        if forward is None:
            return Wait("NOT_STARTED", f"DRS has no source server {run.server.source_server_id} any more", stuck=True)
        if forward.instance_id != instance.ec2_instance_id:
            return Wait(instance.replication_state, "", stuck=True)
        asked_at = self._times.asked_at(run)
        if asked_at is not None and now - asked_at < SETTLED:
            return Wait(forward.replication_state)  # may still be the state of what it replicated before
        return replicated(forward, None) or Done("PROTECTED", failed_back)


class CleanUp:
    """End the replication back, and disconnect or terminate the recovery instances, of servers that are launched back.

    AWS asks for that order: "Clean your environment" of failback-failover-region-region.
    """

    def __init__(self, state: ExecutionState, wave: WaveRun, times: RecordedTimes) -> None:
        self._state = state
        self._wave = wave
        self._times = times

    def read(self, sessions: Sessions, runs: Sequence[ServerRun]) -> Reading:
        """The recovery instances, what replicates and terminates them, and what the failback launched."""
        ids = [run.server.source_server_id for run in runs]
        back = [self._state.ways_back[each] for each in ids if each in self._state.ways_back]
        reading = read_forward(sessions, runs, back, read_back(sessions, runs))
        if self._wave.wave.clean_up == "disconnect":
            return reading
        location = way_back(runs[0].server).location
        return replace(reading, terminations=read_terminations(sessions, location, self._times.taken_up_at))

    def judge(self, run: ServerRun, reading: Reading, now: datetime) -> Verdict:
        """The next call of a server; none of one whose data may be nowhere else."""
        failed_back = launched_back(self._state, run)
        if failed_back is None:
            return Fail("it was not failed back, so its recovery instance is left as it is")
        if in_launch_job(self._state, run):
            return Wait(run.launch_status)
        if not way_back(run.server).outside_aws:
            there = reading.launched.get(failed_back)
            if there is None or there.state in GONE:
                return Fail(
                    f"its failed-back instance {failed_back} is gone, so its recovery instance is left as it is"
                )
        instance, back = reading.instance(run.server), reading.replicating(run.server)
        if back is not None and back.replication_state not in ENDED_STATES:
            return Call(STOP, back.source_server_id)
        if instance is None or instance.state in GONE:
            return Done("CLEANED_UP", failed_back)
        if self._wave.wave.clean_up == "disconnect":
            if instance.replication_state == "DISCONNECTED":
                return Done("CLEANED_UP", failed_back)
            return Call(DISCONNECT, instance.recovery_instance_id)
        return self._terminate(run, instance, reading, now)

    def _terminate(self, run: ServerRun, instance: RecoveryInstance, reading: Reading, now: datetime) -> Verdict:
        """Terminate it unless a job does so already, this failback's or another's; fail where its job could not."""
        job = reading.termination(run.server)
        if instance.state == "SHUTTING-DOWN" or (job is not None and job.active):
            return Wait("TERMINATING")
        asked = run.asked[1] if run.asked is not None and run.asked[0] == TERMINATE else None
        if job is None or job.ended_at is None or asked is None or job.started_at < asked - SKEW:
            return Call(TERMINATE, instance.recovery_instance_id)
        if now - max(job.ended_at, self._times.asked_at(run) or asked) < VISIBILITY:
            return Wait("TERMINATING")  # the instance may still be listed, or a later job not yet
        return Fail(
            f"job {job.job_id} has ended, and its recovery instance {instance.recovery_instance_id} is still there; "
            "see the job's log, and whether EC2's termination protection is on; then resume the execution"
        )


def step_of(state: ExecutionState, wave: WaveRun, times: RecordedTimes) -> Step:
    """The step of a wave that does not launch.

    Raises:
        ValueError: it launches.
    """
    match wave.wave.action:
        case "protect":
            return Protect(wave)
        case "catch-up":
            return CatchUp(wave, times)
        case "reprotect":
            return Reprotect(state, times)
        case "clean-up":
            return CleanUp(state, wave, times)
        case _:
            raise ValueError(f"wave {wave.number} launches; it is no step")


def launched_back(state: ExecutionState, run: ServerRun) -> str | None:
    """The instance that this failback launched a server as; None where it did not."""
    server_id = run.server.source_server_id
    for wave in state.waves.values():
        launched = wave.servers.get(server_id) if wave.wave.action == "launch" else None
        if launched is not None and launched.state is ServerState.LAUNCHED:
            return launched.recovery_instance_id or way_back(run.server).recovery_instance_id
    return None


def in_launch_job(state: ExecutionState, run: ServerRun) -> bool:
    """Whether a server's launch job goes on: a server is LAUNCHED before, and DRS refuses other calls until then."""
    server_id = run.server.source_server_id
    return any(job.ended_at is None and server_id in job.server_ids for job in state.jobs.values())


def gone(run: ServerRun) -> str:
    """Why a server cannot fail back whose recovery instance was terminated."""
    instance = way_back(run.server).recovery_instance_id
    return (
        f"its recovery instance {instance} is gone: somebody terminated it, or recovered the server again; start a new "
        "failback from the instance that runs now, or leave the server out: --exclude SERVER=REASON"
    )


def replicated(server: SourceServer, max_lag: str | None) -> Verdict | None:
    """What is waited for in a server's replication; None where it is continuous and lags no more than is allowed."""
    state = server.replication_state
    if state not in READY_STATES:
        note = f"replication of {server.name} as {server.source_server_id} is {state}" if state in STUCK_STATES else ""
        return Wait(state, note, stuck=state in STUCK_STATES)
    if (problem := lag_problem(server.lag, max_lag)) is not None:
        return Wait(state, problem, stuck=True)
    return None


def arrived(lag: str | None, stopped: datetime, now: datetime) -> Verdict:
    """Whether what was written before writes stopped has arrived."""
    if lag is None:
        return Wait("CONTINUOUS", "DRS does not tell its lag, so that what has arrived is not known", stuck=True)
    behind = parse_duration(lag)
    if behind is None:
        return Wait("CONTINUOUS", f"DRS reports its lag as {lag!r}, which is no duration", stuck=True)
    passed = now - stopped
    if passed < SETTLED:
        return Wait("CONTINUOUS")
    return (
        Done("CAUGHT_UP")
        if behind < passed
        else Wait("CONTINUOUS", f"its replication back lags {lag} behind", stuck=True)
    )


def _client(instance: RecoveryInstance) -> Verdict:
    """A machine outside AWS: its Failback Client replicates."""
    if instance.failback_state == READY_TO_LAUNCH:
        return Done("PROTECTED")
    if instance.failback_state == "FAILBACK_COMPLETED":
        return Fail("it has failed back already, not by this execution: look at the machine, then leave it out")
    return Wait(instance.failback_state or "FAILBACK_NOT_STARTED", CLIENT)


def _agent(forward: SourceServer | None) -> Verdict:
    """A machine outside AWS: its own agent replicates it forward again."""
    if forward is not None and forward.replication_state in READY_STATES:
        return Done("PROTECTED")
    state = forward.replication_state if forward is not None else "NOT_STARTED"
    return Wait(state, "waits for the machine's own AWS Replication Agent: start or install it there", stuck=True)
