"""The waits of waves: each moment from the execution's start to a wave's end has one cause.

In: `Marks`. Out: `WaveTimeline`s. A wave waits for its dependencies, at its gate, for a pause to end; then, while it
launches, its waits are those of its *deciding server*, the one that was settled last (`server_waits`); then come its
checks. Times without a process, pauses and cancels are laid over what they held up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from prefect_drs.execution.approval import Decision
from prefect_drs.execution.state import ServerState, WaveRun
from prefect_drs.execution.timeline.marks import GateMark, Marks, Stay, Turn
from prefect_drs.execution.timeline.overlays import gap_overlays, merged, overlaid, pause_overlays, piece
from prefect_drs.execution.timeline.server_waits import server_waits
from prefect_drs.report.checks import CheckPhase
from prefect_drs.report.model import WaveStatus
from prefect_drs.report.timeline import OF_THE_WAVE, Cause, GateTimeline, ServerTimeline, Wait, WaveTimeline


def interruptions_of(marks: Marks) -> tuple[Wait, ...]:
    """Pauses, and times without a process, in order of time."""
    found = [
        *(wait for overlay in pause_overlays(marks) for wait in piece(Cause.PAUSE, *overlay)),
        *(wait for overlay in gap_overlays(marks) for wait in piece(Cause.NO_PROCESS, *overlay)),
    ]
    return tuple(sorted(found, key=lambda wait: wait.start))


def wave_timelines(marks: Marks) -> tuple[WaveTimeline, ...]:
    """The timelines of all waves, in the order of the plan."""
    return tuple(_wave(marks, run) for run in marks.state.waves.values())


def _wave(marks: Marks, run: WaveRun) -> WaveTimeline:
    waits: list[Wait] = []
    servers: dict[str, list[Wait]] = {server_id: [] for server_id in run.servers}
    before: Turn | None = None
    for turn in marks.turns[run.number]:
        if before is not None and before.ended is not None:
            waits += piece(Cause.ENDED, before.ended, turn.opened, _ended_text(before, turn))
        of_servers = {server_id: server_waits(marks, run, turn, server_id) for server_id in turn.stays}
        waits += _turn(marks, run, turn, of_servers)
        for server_id, found in of_servers.items():
            servers[server_id] += found
        before = turn
    return WaveTimeline(
        wave_number=run.number,
        wave_name=run.wave.wave_name,
        status=run.status,
        depends_on_waves=run.wave.depends_on_waves,
        waits=tuple(merged(waits)),
        servers=tuple(
            ServerTimeline(
                source_server_id=server_id,
                name=each.server.name or server_id,
                launch_status=each.launch_status,
                waits=tuple(servers[server_id]),
            )
            for server_id, each in run.servers.items()
        ),
        decided_by=_deciding_server(marks.turns[run.number][-1]),
        gates=tuple(_gate(run.number, gate) for turn in marks.turns[run.number] for gate in turn.gates),
    )


def _ended_text(before: Turn, turn: Turn) -> str:
    reason = f": {before.reason}" if before.reason else ""
    return f"it had ended {before.status}{reason}; {turn.opened_by or 'somebody'} resumed the execution"


def _gate(number: int, gate: GateMark) -> GateTimeline:
    answer = gate.answer
    return GateTimeline(
        wave_number=number,
        asked_at=gate.asked_at,
        until=gate.until,
        answered_at=gate.answered_at,
        decision=answer.decision if answer else None,
        by=answer.by if answer else "",
        comment=answer.comment if answer else "",
    )


def _turn(marks: Marks, run: WaveRun, turn: Turn, servers: dict[str, list[Wait]]) -> list[Wait]:
    """The waits of one turn of a wave, from its opening to its end, without gaps."""
    end = marks.until if turn.ended is None else turn.ended
    waits: list[Wait] = []
    for cause, until, text in _before_launch(marks, run, turn, end):
        waits += piece(cause, _cursor(waits, turn), min(until, end), text)
    waits = overlaid(marks, waits, before_launch=True)
    if turn.begun is not None:
        settled = _settled(turn, turn.begun, end)
        waits += _of_deciding_server(run, turn, servers, settled)
        checks: list[Wait] = []
        for cause, until, text in _after_launch(run, turn, settled, end):
            start = checks[-1].end if checks else _cursor(waits, turn)
            checks += piece(cause, start, min(until, end), text)
        waits += overlaid(marks, checks)
    return waits


def _cursor(waits: Sequence[Wait], turn: Turn) -> datetime:
    return waits[-1].end if waits else turn.opened


# Before it launches


def _before_launch(marks: Marks, run: WaveRun, turn: Turn, end: datetime) -> Iterator[tuple[Cause, datetime, str]]:
    """Causes with their ends, in order, until the wave was handed to the engine."""
    if run.wave.depends_on_waves:
        met, text = _dependencies(marks, run, turn, end)
        yield Cause.DEPENDENCIES, met, text
    for gate in turn.gates:
        yield Cause.ENGINE, gate.asked_at, "its gate was about to be opened"
        yield Cause.GATE, end if gate.answered_at is None else gate.answered_at, _gate_text(gate)
    yield Cause.ENGINE, end if turn.begun is None else turn.begun, "it was about to be handed to the engine"


def _dependencies(marks: Marks, run: WaveRun, turn: Turn, end: datetime) -> tuple[datetime, str]:
    """When the wave's dependencies were complete, at the latest when it ended; and which one was the last."""
    waves, numbers = marks.state.waves, run.wave.depends_on_waves
    of = f", the last of waves {', '.join(map(str, numbers))}" if len(numbers) > 1 else ""
    ended: list[tuple[datetime, int]] = []
    for number in numbers:
        at, status = _status_at(marks, number, end)
        if at is None or status is not WaveStatus.COMPLETED:
            name = _named(waves[number])
            return end, f"it waits for {name}" if status is None else f"it depends on {name}, which is {status}"
        ended.append((max(at, turn.opened), number))
    met, last = max(ended)
    return met, f"it waited for {_named(waves[last])}{of}"


def _status_at(marks: Marks, number: int, moment: datetime) -> tuple[datetime | None, WaveStatus | None]:
    """When a wave had ended last up to a moment, and how."""
    over = [turn for turn in marks.turns[number] if turn.ended is not None and turn.ended <= moment]
    return (over[-1].ended, over[-1].status) if over else (None, None)


def _named(run: WaveRun) -> str:
    return f'wave {run.number} "{run.wave.wave_name}"'


def _gate_text(gate: GateMark) -> str:
    answer = gate.answer
    if answer is None:
        return "it waits at its gate for a person"
    if answer.decision == Decision.TIMED_OUT:
        return "it waited at its gate; nobody answered in time"
    comment = f': "{answer.comment}"' if answer.comment else ""
    verb = "approved" if answer.decision == Decision.APPROVED else "rejected"
    return f"it waited at its gate; {answer.by or 'somebody'} {verb} it{comment}"


# While it launches


def _is_final(stays: Sequence[Stay]) -> bool:
    return bool(stays) and stays[-1].state.final


def _settled(turn: Turn, begun: datetime, end: datetime) -> datetime:
    """When the last of its servers was launched or had failed for good."""
    finals = [stays[-1].start if _is_final(stays) else end for stays in turn.stays.values()]
    return min(max(finals, default=begun), end)


def _deciding_server(turn: Turn) -> str | None:
    """The server that was settled last; of those that are not settled yet, one that is in no job."""

    def lateness(server_id: str) -> tuple[bool, bool, datetime]:
        last = turn.stays[server_id][-1]
        return not last.state.final, last.state is ServerState.READY, last.start

    return max(turn.stays, key=lateness, default=None)


def _of_deciding_server(run: WaveRun, turn: Turn, servers: dict[str, list[Wait]], settled: datetime) -> list[Wait]:
    deciding = _deciding_server(turn)
    if deciding is None:
        return []
    name, count = run.servers[deciding].server.name or deciding, len(turn.stays)
    whose = f"the last of its {count} servers, {name}, " if count > 1 else f"its server {name} "
    return [
        wait
        for each in servers[deciding]
        for wait in piece(
            each.cause,
            each.start,
            min(each.end, settled),
            each.text if each.cause in OF_THE_WAVE else whose + each.text,
        )
    ]


# After its launches


def _after_launch(run: WaveRun, turn: Turn, settled: datetime, end: datetime) -> Iterator[tuple[Cause, datetime, str]]:
    for phase, cause, planned in (
        (CheckPhase.HEALTH, Cause.CHECKS, run.wave.health_checks),
        (CheckPhase.POST_WAVE, Cause.HOOKS, run.wave.post_wave),
    ):
        results = [done for done in turn.checks if done.result.phase is phase]
        if results:
            yield cause, max(done.at for done in results), _checks_text(results[-1].result.name, turn, phase)
        if planned and turn.ended is None and not results:
            yield cause, end, f"its {phase} are being made"
    yield Cause.ENGINE, end, "it was about to be ended" if turn.ended else "it is followed by the engine"


def _checks_text(last: str, turn: Turn, phase: CheckPhase) -> str:
    results = [done.result for done in turn.checks if done.result.phase is phase]
    failed = [result for result in results if not result.passed]
    what = f"its {phase}: {len(results) - len(failed)} of {len(results)} passed, the last was {last}"
    if failed:
        what += f"; not passed: {', '.join(sorted({result.name for result in failed}))}"
    return what
