"""What an execution waits for now, and what a person does about it: the report, seen by somebody who has just come.

In: the report as last published, its open gates, and whether a process carries it. Out: a `Situation`. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from prefect_drs.core.models import FrozenModel
from prefect_drs.report.gate_standing import GateStanding
from prefect_drs.report.model import DelayCause, RecoveryReport, WaveReport, WaveStatus

WITHOUT_PREFECT = " --without-prefect"

WaitKind = Literal["approval", "pause", "process"] | DelayCause


class ProcessReport(FrozenModel):
    """The process that carries the execution.

    `alive`: whether one holds its lease (or died less than about 75 s ago). `last_seen_at`: when one last said that it
    was there, in real time (UTC); None where the execution has never had one, or ran on a former release.
    """

    alive: bool
    last_seen_at: datetime | None


class Waiting(FrozenModel):
    """One thing that an execution waits for.

    `what`: in words. `since`, `until`: real time (UTC). `command`: what a person runs to go on, empty where nobody can
    do anything but wait. `link`: the page in the Prefect UI.
    """

    kind: WaitKind
    what: str
    wave_number: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    command: str = ""
    link: str | None = None


@dataclass(frozen=True, slots=True)
class OpenGate:
    """A gate that waits for an answer, as the Prefect API tells of it. `standing`: of one that demands proofs."""

    wave_number: int
    wave_name: str
    since: datetime | None
    until: datetime | None
    link: str | None
    standing: GateStanding | None = None


@dataclass(frozen=True, slots=True)
class NextStep:
    """What a person may do after the end. `why`: what for, in words; `command`: what to run."""

    why: str
    command: str


@dataclass(frozen=True, slots=True)
class Situation:
    """An execution as it stands.

    Args:
        report: as last published.
        process: the process that carries it.
        waiting_for: what it waits for; empty where it has ended or nothing holds it up.
        link: its page in the Prefect UI; None where no UI is known.
        now: the time by the report's clock; None where that clock cannot be read here.
        suspended: its flow run is Suspended or scheduled: no process is held, and a worker carries it on.
        without_prefect: it was asked of the journals' storage: what a person runs next has `--without-prefect`.
    """

    report: RecoveryReport
    process: ProcessReport
    waiting_for: tuple[Waiting, ...]
    link: str | None = None
    now: datetime | None = None
    suspended: bool = False
    without_prefect: bool = False

    @property
    def next_step(self) -> NextStep | None:
        """What a person may do about an execution that has ended; None where nothing is left to do, or it runs."""
        report, option = self.report, WITHOUT_PREFECT if self.without_prefect else ""
        resume = f"prefect-drs resume {report.execution_id}"
        if report.ended_at is None or report.terminated is not None:
            return None
        if report.cancelled is not None:
            return NextStep("to go on despite the cancel", f"{resume} --despite-cancel{option}")
        if any(_may_be_tried_again(wave) for wave in report.waves):
            return NextStep("to try again what did not complete", f"{resume}{option}")
        if report.mode == "drill" and report.launched_count:
            return NextStep("to end the drill's instances", f"prefect-drs terminate {report.execution_id}")
        return None

    @property
    def running_jobs(self) -> tuple[str, ...]:
        """The DRS jobs that run, each with its wave and the number of its servers."""
        return tuple(
            f"{job.job_id} (wave {wave.wave_number}, {len(job.server_ids)} servers)"
            for wave in self.report.waves
            for job in wave.jobs
            if job.ended_at is None
        )

    def to_json(self) -> str:
        """The report as JSON, with `process` and `waitingFor`."""
        data = json.loads(self.report.to_json())
        data["process"] = self.process.model_dump(mode="json", by_alias=True)
        data["waitingFor"] = [
            {name: value for name, value in wait.model_dump(mode="json", by_alias=True).items() if value is not None}
            for wait in self.waiting_for
        ]
        return json.dumps(data, indent=2, ensure_ascii=False)


def situation(
    report: RecoveryReport,
    process: ProcessReport,
    gates: Iterable[OpenGate],
    *,
    suspended: bool,
    wall: Callable[[datetime], datetime],
    link: str | None = None,
    now: datetime | None = None,
    without_prefect: bool = False,
) -> Situation:
    """What the execution waits for.

    Args:
        report: as last published.
        process: the process that carries it.
        gates: its open gates.
        suspended: whether its flow run is Suspended or scheduled, so that a worker carries it on.
        wall: turns a time of the report into real time: the report of a rehearsal has a sandbox's times.
        link: its page in the Prefect UI.
        now: the time by the report's clock.
        without_prefect: commands are to have `--without-prefect`.
    """
    waits: tuple[Waiting, ...] = ()
    if report.ended_at is None:
        waits = (
            *_for_process(report, process, suspended=suspended),
            *_for_approval(report, gates),
            *_for_resume(report, wall),
            *_for_room(report, wall),
        )
    if without_prefect:
        waits = tuple(
            wait.model_copy(update={"command": f"{wait.command}{WITHOUT_PREFECT}"}) if wait.command else wait
            for wait in waits
        )
    return Situation(report, process, waits, link, now, suspended, without_prefect)


def _may_be_tried_again(wave: WaveReport) -> bool:
    """Whether `resume` of the ended execution tries the wave again: it failed, or nobody answered its gate in time."""
    timed_out = wave.approval is not None and wave.approval.decision == "TIMED_OUT"
    return wave.status is WaveStatus.FAILED or (wave.status is WaveStatus.CANCELLED and timed_out)


def _for_process(report: RecoveryReport, process: ProcessReport, *, suspended: bool) -> Iterator[Waiting]:
    if process.alive or suspended:
        return
    yield Waiting(
        kind="process",
        what="no process carries it: nothing is launched, and no job is followed",
        since=process.last_seen_at,
        command=f"prefect-drs resume {report.execution_id}",
    )


def _for_approval(report: RecoveryReport, gates: Iterable[OpenGate]) -> Iterator[Waiting]:
    for gate in gates:
        yield Waiting(
            kind="approval",
            what="; ".join([f"approval of wave {gate.wave_number} {gate.wave_name}", *_standing_lines(gate)]),
            wave_number=gate.wave_number,
            since=gate.since,
            until=gate.until,
            command=f"prefect-drs approve {report.execution_id} --wave {gate.wave_number}",
            link=gate.link,
        )


def _standing_lines(gate: OpenGate) -> tuple[str, ...]:
    return gate.standing.lines if gate.standing is not None else ()


def _for_resume(report: RecoveryReport, wall: Callable[[datetime], datetime]) -> Iterator[Waiting]:
    if (pause := report.paused) is None:
        return
    yield Waiting(
        kind="pause",
        what=f"the end of the pause by {pause.by}: nothing new is launched",
        since=wall(pause.at),
        command=f"prefect-drs resume {report.execution_id}",
    )


def _for_room(report: RecoveryReport, wall: Callable[[datetime], datetime]) -> Iterator[Waiting]:
    """What waves wait for in the accounts: quotas, jobs of somebody else, settings that cannot be written yet."""
    for wave in report.waves:
        for wait in wave.waits if wave.status in {WaveStatus.INITIATED, WaveStatus.LAUNCHING} else ():
            yield Waiting(
                kind=wait.cause,
                what=f"wave {wave.wave_number} {wave.wave_name}: {wait.reason}",
                wave_number=wave.wave_number,
                since=wall(wait.since),
            )
