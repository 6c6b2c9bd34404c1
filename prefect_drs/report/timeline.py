"""The timeline of an execution: what each wave and server waited for and for how long, gates, and incidents.

In: nothing; `execution.timeline` computes a timeline from the events of a journal. Out: plain data for renderings
(`report.why`, `report.html`). Times are UTC.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from datetime import datetime

from prefect_drs.core.errors import UsageError
from prefect_drs.core.models import FrozenModel
from prefect_drs.report.model import ExecutionStatus, WaveStatus


class Cause(enum.StrEnum):
    """What a wave or a server spends time on. Each moment between the start and a wave's end has one cause."""

    DEPENDENCIES = "dependencies"
    GATE = "gate"
    PAUSE = "pause"
    CANCEL = "cancel"
    NO_PROCESS = "no process"
    HOOKS = "hooks"
    SETTINGS = "launch settings"
    FOREIGN_JOB = "foreign job"
    REFUSED = "refused by DRS"
    QUOTA = "quota"
    LAUNCH = "launch"
    RETRY = "retry"
    CHECKS = "checks"
    ENDED = "ended"
    ENGINE = "engine"


OF_THE_WAVE = frozenset({Cause.HOOKS, Cause.PAUSE, Cause.NO_PROCESS})
"""Causes of a server's waits that are its wave's too: their text has a subject of its own."""


class Wait(FrozenModel):
    """A stretch of time with one cause.

    `text`: what happened, without its times: a sentence about a wave, or what a server did or waited for.
    """

    cause: Cause
    start: datetime
    end: datetime
    text: str

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end - self.start).total_seconds()


class ServerTimeline(FrozenModel):
    """A server from its wave's beginning to its last status. `waits` is empty if its wave has not begun."""

    source_server_id: str
    name: str
    launch_status: str
    waits: tuple[Wait, ...]


class GateTimeline(FrozenModel):
    """A gate that was opened. `answered_at` and `decision` are None while it waits; `until`: its deadline."""

    wave_number: int
    asked_at: datetime
    until: datetime | None = None
    answered_at: datetime | None = None
    decision: str | None = None
    by: str = ""
    comment: str = ""


class WaveTimeline(FrozenModel):
    """A wave.

    Args:
        wave_number: as in the plan.
        wave_name: as in the plan.
        status: its status.
        depends_on_waves: the waves that it waits for.
        waits: from the start of the execution to the wave's end, without gaps. While it launches, the waits are those
            of the server that was settled last.
        servers: its servers.
        decided_by: source server id of the server whose waits are the wave's while it launches.
        gates: each time that its gate was opened.
    """

    wave_number: int
    wave_name: str
    status: WaveStatus
    depends_on_waves: tuple[int, ...]
    waits: tuple[Wait, ...]
    servers: tuple[ServerTimeline, ...]
    decided_by: str | None = None
    gates: tuple[GateTimeline, ...] = ()

    @property
    def label(self) -> str:
        """Number and name."""
        return f'wave {self.wave_number} "{self.wave_name}"'

    @property
    def ended_at(self) -> datetime | None:
        """The end of its last wait; None if nothing is known of it."""
        return self.waits[-1].end if self.waits else None


class IncidentKind(enum.StrEnum):
    """The subject of an incident."""

    WAIVER = "waiver"
    EXCLUSION = "exclusion"
    SERVER = "server"
    JOB = "job"
    DELAY = "delay"
    CHECK = "check"
    GATE = "gate"
    PAUSE = "pause"
    CANCEL = "cancel"
    PROCESS = "process"
    CONTROL = "control request"
    NOTIFICATION = "notification"
    TERMINATION = "termination"
    TARGET = "target"


class Incident(FrozenModel):
    """Something that did not go as planned, and what was done about it (empty if nothing was)."""

    kind: IncidentKind
    at: datetime
    wave_number: int | None = None
    what: str
    action: str = ""


class Timeline(FrozenModel):
    """An execution.

    Args:
        execution_id: the execution.
        plan_name: its plan.
        mode: `drill` or `recovery`.
        status: its status.
        started_at: its start.
        until: its end, or the moment up to which the timeline was computed.
        over: whether it has ended.
        waves: its waves, in the order of the plan.
        deciding: the chain of waves that decided when it ended: back from the wave that ended last, each time to the
            dependency that ended last.
        simulated_time: whether its times are those of a sandbox's clock.
        interruptions: pauses, and times without a process.
        incidents: in order of time.
    """

    execution_id: str
    plan_name: str
    mode: str
    status: ExecutionStatus
    started_at: datetime
    until: datetime
    over: bool
    waves: tuple[WaveTimeline, ...]
    deciding: tuple[int, ...]
    simulated_time: bool = False
    interruptions: tuple[Wait, ...] = ()
    incidents: tuple[Incident, ...] = ()

    def wave(self, number: int) -> WaveTimeline:
        """The wave of that number.

        Raises:
            KeyError: there is none.
        """
        for wave in self.waves:
            if wave.wave_number == number:
                return wave
        raise KeyError(number)

    def named_wave(self, name: str) -> WaveTimeline:
        """The wave of that number or name, whatever its case.

        Raises:
            UsageError: there is none, or more than one has that name.
        """
        if name.isdecimal() and (found := [wave for wave in self.waves if wave.wave_number == int(name)]):
            return found[0]
        found = [wave for wave in self.waves if wave.wave_name.casefold() == name.casefold()]
        if len(found) == 1:
            return found[0]
        known = ", ".join(f"{wave.wave_number} {wave.wave_name!r}" for wave in self.waves)
        problem = f"{len(found)} waves are named" if found else "the execution has no wave"
        raise UsageError(f"{problem} {name}; it has {known}")

    @property
    def gates(self) -> tuple[GateTimeline, ...]:
        """All gates, in the order in which they were opened."""
        gates = [gate for wave in self.waves for gate in wave.gates]
        return tuple(sorted(gates, key=lambda gate: (gate.asked_at, gate.wave_number)))

    @property
    def shares(self) -> dict[Cause, float]:
        """Seconds by cause along the deciding chain, the largest first. Their sum is the time from the start to the
        end of its last wave.
        """
        return totals(wait for wait in self.deciding_waits)

    @property
    def deciding_waits(self) -> tuple[Wait, ...]:
        """The waits of the deciding chain, one after the other; a wave's wait for the wave before it is left out."""
        found: list[Wait] = []
        for number in self.deciding:
            since = found[-1].end if found else self.started_at
            found.extend(
                wait.model_copy(update={"start": max(wait.start, since)})
                for wait in self.wave(number).waits
                if wait.end > since
            )
        return tuple(found)


def totals(waits: Iterable[Wait]) -> dict[Cause, float]:
    """Seconds by cause, the largest first."""
    seconds: dict[Cause, float] = {}
    for wait in waits:
        seconds[wait.cause] = seconds.get(wait.cause, 0.0) + wait.seconds
    return dict(sorted(seconds.items(), key=lambda item: -item[1]))
