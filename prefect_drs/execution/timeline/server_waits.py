"""The waits of one server, from its wave's beginning to its last status.

In: the stays of a server in one turn of its wave. Out: waits without gaps. A ready server waits for the wave's hooks,
for launch settings, for a job of somebody else, after a refusal, or for room under DRS's quotas; everything after its
first failure is its retry.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from prefect_drs.aws.location import Location
from prefect_drs.aws.quotas import CONCURRENT_JOBS, SERVERS_IN_JOBS
from prefect_drs.core.escaping import one_line
from prefect_drs.execution.state import ServerState, WaveRun
from prefect_drs.execution.timeline.marks import Marks, Stay, Turn
from prefect_drs.execution.timeline.overlays import merged, overlaid, piece
from prefect_drs.report.checks import CheckPhase
from prefect_drs.report.text import counted
from prefect_drs.report.timeline import Cause, Wait

NOTICEABLE = timedelta(seconds=60)
"""Shorter times between ready and requested are the engine's own: it reads DRS's jobs before each launch."""
NOTE_AT_MOST = 200  # characters of an error in a sentence
_OF_JOB = re.compile(r" \(job [\w-]+\)$")
LAUNCHING = frozenset({Cause.ENGINE, Cause.QUOTA, Cause.LAUNCH, Cause.SETTINGS, Cause.RETRY})


def server_waits(marks: Marks, run: WaveRun, turn: Turn, server_id: str) -> list[Wait]:
    """The waits of a server in one turn of its wave."""
    stays = turn.stays[server_id]
    failures = [stay.start for stay in stays[:-1] if stay.state is ServerState.FAILED]
    waits: list[Wait] = []
    for before, stay, following in zip([None, *stays[:-1]], stays, [*stays[1:], None], strict=True):
        if stay.state is ServerState.READY:
            refused = before is not None and before.state is ServerState.REQUESTED
            waits += _ready(marks, run, turn, server_id, stay, refused=refused)
        else:
            waits += _of_stay(marks, stay, following)
    waits = overlaid(marks, waits)
    if failures:
        text = _retry_text(stays)
        waits = [
            wait.model_copy(update={"cause": Cause.RETRY, "text": text})
            if wait.start >= failures[0] and wait.cause in LAUNCHING
            else wait
            for wait in waits
        ]
    return merged(waits)


def _of_stay(marks: Marks, stay: Stay, following: Stay | None) -> list[Wait]:
    end = marks.end_of(stay)
    match stay.state:
        case ServerState.REQUESTED if following is None or following.state is ServerState.IN_JOB:
            lost = end - stay.start >= NOTICEABLE
            text = "was requested; DRS's answer was lost, and its job was looked for" if lost else "was requested"
            return piece(Cause.REFUSED if lost else Cause.LAUNCH, stay.start, end, text)
        case ServerState.REQUESTED:
            return piece(Cause.REFUSED, stay.start, end, f"was not launched: {_note(following)}")
        case ServerState.IN_JOB:
            return _in_job(marks, stay, end, following)
        case ServerState.FAILED if following is not None:
            return piece(Cause.RETRY, stay.start, end, "failed")
        case _:
            return []


def _note(stay: Stay | None) -> str:
    """The reason of a stay, without the job that the engine puts at the end of an error: sentences name it already."""
    if stay is None or not stay.note:
        return "no reason is known"
    return one_line(_OF_JOB.sub("", stay.note), NOTE_AT_MOST).rstrip(".")


def _in_job(marks: Marks, stay: Stay, end: datetime, following: Stay | None) -> list[Wait]:
    """The launch. It ends when a process saw it, or, where none was there to see it, when the job ended in DRS."""
    job = marks.state.jobs[stay.job_id]
    where = f"job {job.job_id} of {counted(len(job.server_ids), 'server')} in {job.location}"
    if following is None:
        text = f"is in {where}"
    elif following.state is ServerState.FAILED:
        text = f"failed in {where}: {_note(following)}"
    else:
        text = f"was launched in {where}"
    seen_late = any(gap.start < (job.ended_at or end) < end and gap.start < end for gap in marks.gaps)
    over = job.ended_at if seen_late and job.ended_at is not None else end
    over = min(max(over, stay.start), end)
    return [
        *piece(Cause.LAUNCH, stay.start, over, text),
        *piece(Cause.ENGINE, over, end, "was up, but no process saw it yet"),
    ]


def _ready(marks: Marks, run: WaveRun, turn: Turn, server_id: str, stay: Stay, *, refused: bool) -> list[Wait]:
    """A server that may be put in a job and is not. `refused`: a request for it started no job."""
    start, end = stay.start, marks.end_of(stay)
    waits: list[Wait] = []

    def until(moment: datetime, cause: Cause, text: str) -> None:
        waits.extend(piece(cause, waits[-1].end if waits else start, min(moment, end), text))

    if start == turn.begun:
        until(_hooks_done(run, turn, start, end), Cause.HOOKS, "its preWave hooks were run")
        until(_settings_done(turn, start, end), Cause.SETTINGS, _settings_text(turn))
    left = end - (waits[-1].end if waits else start)
    delays = [delay for delay in turn.delays if server_id in delay.source_server_ids and start <= delay.at <= end]
    if delays:
        until(delays[0].at, Cause.ENGINE, "was ready")
        cause = Cause.FOREIGN_JOB if delays[-1].cause == "job" else Cause.REFUSED
        until(end, cause, f"waited: {one_line(delays[-1].reason, NOTE_AT_MOST)}")
    elif refused:
        until(end, Cause.REFUSED, f"was not launched: {_note(stay)}")
    elif left < NOTICEABLE:
        until(end, Cause.ENGINE, "was ready; DRS's jobs were read")
    else:
        until(end, Cause.QUOTA, _quota_text(marks, turn, run.servers[server_id].server.location, end - left / 2))
    return waits


def _hooks_done(run: WaveRun, turn: Turn, begun: datetime, end: datetime) -> datetime:
    if not run.wave.pre_wave:
        return begun
    done = [check.at for check in turn.checks if check.result.phase is CheckPhase.PRE_WAVE]
    return max(done) if len(done) >= len(run.wave.pre_wave) else end


def _settings_done(turn: Turn, begun: datetime, end: datetime) -> datetime:
    """When the launch settings of the whole wave were written; none of it is launched before."""
    requests = [stay.start for stays in turn.stays.values() for stay in stays if stay.state is ServerState.REQUESTED]
    delays = [delay.at for delay in turn.delays if delay.cause == "settings"]
    if delays and not requests:
        return end
    first = min(requests, default=end)
    written = [each.at for each in turn.settings]
    return max((at for at in (*written, *delays) if at <= first), default=begun)


def _settings_text(turn: Turn) -> str:
    delays = [delay for delay in turn.delays if delay.cause == "settings"]
    written = "launch settings were written"
    return f"waited: {one_line(delays[-1].reason, NOTE_AT_MOST)}" if delays else f"waited until {written}"


def _quota_text(marks: Marks, turn: Turn, location: Location, moment: datetime) -> str:
    """What of DRS's quotas this execution itself used at a moment; the jobs of others are not in the journal."""
    running = [
        job
        for job in marks.state.jobs.values()
        if job.location == location and job.started_at <= moment < (job.ended_at or marks.until)
    ]
    servers = sum(len(job.server_ids) for job in running)
    used = f"{len(running)} of {CONCURRENT_JOBS} jobs with {servers} of {SERVERS_IN_JOBS} servers"
    noted = any(delay.cause == "quota" and str(location) in delay.reason for delay in turn.delays)
    if noted or len(running) >= CONCURRENT_JOBS or servers >= SERVERS_IN_JOBS:
        return f"waited for room under DRS's quotas in {location}, which were used up: this execution had {used} there"
    return (
        f"waited to be put in a job in {location}, where this execution had {used}; jobs of others may have used the "
        "rest, or other waves went first"
    )


def _retry_text(stays: Sequence[Stay]) -> str:
    """What each attempt after the first did differently, and what failed again."""
    first = next(index for index, stay in enumerate(stays) if stay.state is ServerState.FAILED)
    before = stays[first - 1] if first else None
    parts = [] if before is not None and before.state is ServerState.IN_JOB else [f"failed: {_note(stays[first])}"]
    for stay in stays[first + 1 :]:
        if stay.state is ServerState.READY and stay.note:
            parts.append(f"was launched once more ({_note(stay)})")
        elif stay.state is ServerState.IN_JOB:
            parts.append(f"came into job {stay.job_id}")
        elif stay.state is ServerState.FAILED:
            parts.append(f"failed again: {_note(stay)}")
    return " and ".join(parts) or "was to be launched once more"
