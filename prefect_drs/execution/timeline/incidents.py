"""Incidents: what did not go as planned in an execution, each with what was done about it.

In: events and `Marks`. Out: incidents in order of time: waivers, excluded servers, failed servers and their retries,
requests that DRS refused, delays, checks that did not pass, gates that were not approved, pauses, cancels, process
losses, control requests without effect, RTO targets at risk, notifications that were not sent, terminations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prefect_drs.execution.approval import Decision
from prefect_drs.execution.event import Event
from prefect_drs.execution.events import (
    ApprovalAttempted,
    CancelOverridden,
    CheckDone,
    ControlRequestHandled,
    ExecutionResumed,
    GateAnswered,
    GlassBroken,
    InstancesTerminated,
    JobRefused,
    Notified,
    RtoTargetAtRisk,
    TerminationAsked,
    WaveDelayed,
)
from prefect_drs.execution.state import ServerState, WaveRun
from prefect_drs.execution.timeline.marks import Marks, Stay
from prefect_drs.report.text import duration
from prefect_drs.report.timeline import Incident, IncidentKind


def incidents_of(events: Sequence[Event], marks: Marks) -> tuple[Incident, ...]:
    """All incidents, in order of time."""
    found = [
        *_of_the_runbook(marks),
        *_of_servers(marks),
        *_of_spans(marks),
        *_of_refusals(events, marks),
        *(incident for event in events for incident in _of_event(event, marks)),
    ]
    return tuple(sorted(found, key=lambda incident: incident.at))


def _of_the_runbook(marks: Marks) -> Iterator[Incident]:
    state = marks.state
    for finding in state.runbook.findings:
        if finding.waived_because:
            what = f"{finding.code}: {finding.message}"
            yield _incident(IncidentKind.WAIVER, marks, what, f"waived: {finding.waived_because}")
    for wave in state.runbook.waves:
        for excluded in wave.excluded:
            what = f"{excluded.name} ({excluded.source_server_id}) of {excluded.group}: {excluded.reason}"
            yield _incident(IncidentKind.EXCLUSION, marks, what, "left out", wave.wave_number)


def _incident(kind: IncidentKind, marks: Marks, what: str, action: str, wave_number: int | None = None) -> Incident:
    return Incident(kind=kind, at=marks.state.started_at, wave_number=wave_number, what=what, action=action)


def _of_servers(marks: Marks) -> Iterator[Incident]:
    """A failed attempt each, and what followed."""
    for number, turns in marks.turns.items():
        run = marks.state.waves[number]
        for position, turn in enumerate(turns):
            for server_id, stays in turn.stays.items():
                later = [stay for after in turns[position + 1 :] for stay in after.stays.get(server_id, [])]
                for index, stay in enumerate(stays):
                    if stay.state is ServerState.FAILED:
                        yield Incident(
                            kind=IncidentKind.SERVER,
                            at=stay.start,
                            wave_number=number,
                            what=f"{_name(run, server_id)} failed: {stay.note}",
                            action=_after_failure(stays[index + 1 :], later),
                        )


def _name(run: WaveRun, server_id: str) -> str:
    return run.servers[server_id].server.name or server_id


def _after_failure(retried: Sequence[Stay], resumed: Sequence[Stay]) -> str:
    for word, following in (("launched once more", retried), ("launched again after a resume", resumed)):
        if not following:
            continue
        how = f" ({following[0].note})" if following[0].note else ""
        outcome = next((stay.state for stay in following if stay.state.final), None)
        ended = {ServerState.LAUNCHED: ": LAUNCHED", ServerState.FAILED: ": failed again"}
        return f"{word}{how}{ended[outcome] if outcome else ''}"
    return "not launched again"


def _of_spans(marks: Marks) -> Iterator[Incident]:
    for pause in marks.pauses:
        ended = f"ended by {pause.ended_by}" if pause.ended_by else "ended with the execution"
        took = duration((marks.end_of(pause) - pause.start).total_seconds())
        action = f"{ended} after {took}" if pause.end else f"in force for {took}"
        yield Incident(kind=IncidentKind.PAUSE, at=pause.start, what=f"paused by {pause.by}", action=action)
    for cancel in marks.cancels:
        reason = f": {cancel.reason}" if cancel.reason else ""
        what = f"cancelled by {cancel.by}{reason}"
        yield Incident(kind=IncidentKind.CANCEL, at=cancel.start, what=what, action="nothing more was launched")
    for gap in marks.gaps:
        took = duration((marks.end_of(gap) - gap.start).total_seconds())
        what = "the process stopped: no event of it follows"
        yield Incident(kind=IncidentKind.PROCESS, at=gap.start, what=what, action=_resumed(gap.by, took))


def _resumed(by: str, took: str) -> str:
    return f"resumed {took} later" + (f" by {by}" if by else "")


def _of_refusals(events: Sequence[Event], marks: Marks) -> Iterator[Incident]:
    """Launch requests of a wave that started no job; those with the same reason are one incident."""
    refused: dict[tuple[int, str], list[JobRefused]] = {}
    for event in events:
        if isinstance(event, JobRefused):
            refused.setdefault((event.wave_number, event.reason), []).append(event)
    for (number, reason), refusals in refused.items():
        first, last = refusals[0], refusals[-1]
        batches = (
            f"launch request {first.batch} was"
            if first is last
            else (f"{len(refusals)} launch requests, {first.batch} to {last.batch}, were")
        )
        later = any(job.started_at >= last.at for job in marks.state.waves[number].jobs.values())
        action = "the servers were requested again, and a job started" if later else ""
        yield _at(IncidentKind.JOB, first, f"{batches} not started: {reason}", action, number)


def _of_event(event: Event, marks: Marks) -> Iterator[Incident]:
    match event:
        case WaveDelayed():
            action = "waited; all other servers went on"
            yield _at(IncidentKind.DELAY, event, event.summary, action, event.wave_number)
        case CheckDone() if not event.result.passed:
            result = event.result
            run = marks.state.waves[event.wave_number]
            of = f" of {_name(run, result.source_server_id)}" if result.source_server_id in run.servers else ""
            what = f"{result.phase} {result.name}{of} did not pass: {result.detail}"
            action = f"required: {result.attempts} attempt(s)" if result.required else "not required"
            yield _at(IncidentKind.CHECK, event, what, action, event.wave_number)
        case GateAnswered() if event.decision != Decision.APPROVED:
            comment = f": {event.comment}" if event.comment else ""
            timed_out = event.decision == Decision.TIMED_OUT
            what = "nobody answered at the gate in time" if timed_out else f"rejected by {event.by}{comment}"
            yield _at(IncidentKind.GATE, event, what, "the wave was cancelled", event.wave_number)
        case GlassBroken():
            yield _at(IncidentKind.GATE, event, event.text, "everybody who is notified was told", event.wave_number)
        case ApprovalAttempted():
            what = f"the answer of {event.by} does not count: {event.reason}"
            yield _at(IncidentKind.GATE, event, what, "the gate went on waiting", event.wave_number)
        case CancelOverridden():
            yield _at(IncidentKind.CANCEL, event, f"{event.by} resumed despite the cancel", "launching went on")
        case ExecutionResumed() if event.again:
            what = "the execution had ended without success"
            yield _at(IncidentKind.PROCESS, event, what, f"resumed by {event.by or 'a person'}: what failed is retried")
        case RtoTargetAtRisk():
            yield _at(IncidentKind.TARGET, event, event.text, "a notification was sent", event.wave_number)
        case ControlRequestHandled():
            yield _at(IncidentKind.CONTROL, event, event.text, "")
        case Notified() if event.error:
            of = "" if event.wave_number is None else f" of wave {event.wave_number}"
            what = f"{event.milestone}{of} to {event.channel}: {event.error}"
            yield _at(IncidentKind.NOTIFICATION, event, what, "not sent")
        case TerminationAsked() | InstancesTerminated():
            yield _at(IncidentKind.TERMINATION, event, event.text, "")
        case _:
            pass


def _at(kind: IncidentKind, event: Event, what: str, action: str, wave_number: int | None = None) -> Incident:
    return Incident(kind=kind, at=event.at, wave_number=wave_number, what=what, action=action)
