"""A short execution as its journal tells it, for tests of everything that is made from events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from prefect_drs.execution.events import (
    Event,
    ExecutionEnded,
    ExecutionStarted,
    GateAnswered,
    GateAsked,
    JobEnded,
    JobRequested,
    JobStarted,
    ServerStatus,
    WaveEnded,
    WaveStarted,
)
from prefect_drs.plan.model import LaunchSettings
from prefect_drs.runbook import FindingSeverity, PlannedChange, Runbook, RunbookFinding, RunbookServer, RunbookWave
from tests.rig import ACCOUNT, REGION

START = datetime(2030, 1, 1, 12, tzinfo=UTC)
NASTY = "a|b *c* [d](javascript:e) <script>&lt; `f` _g_ \\h\n# i"


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def server_id(wave: int, index: int) -> str:
    return f"s-{wave:05d}{index:012d}"


def runbook(
    sizes: Sequence[int] = (2, 1),
    *,
    name: str = "Plan",
    wave_name: str = "Wave",
    changes: tuple[PlannedChange, ...] = (),
) -> Runbook:
    """Waves one after another, the second and all after it gated."""
    return Runbook(
        plan_name=name,
        mode="drill",
        waves=tuple(
            RunbookWave(
                wave_number=number,
                wave_name=f"{wave_name} {number}",
                depends_on_waves=(number - 1,) if number > 1 else (),
                gate=number > 1,
                servers=tuple(
                    RunbookServer(
                        source_server_id=server_id(number, index),
                        name=f"host-{number}-{index}",
                        account_id=ACCOUNT,
                        region=REGION,
                        group="group",
                        replication_state="CONTINUOUS",
                        lag="PT0S",
                        recovery_instance_id=None,
                        settings=LaunchSettings(),
                        changes=changes,
                    )
                    for index in range(size)
                ),
            )
            for number, size in enumerate(sizes, 1)
        ),
        findings=(RunbookFinding(code="TOLD_SO", severity=FindingSeverity.INFO, message="by the way"),),
    )


def started(book: Runbook) -> ExecutionStarted:
    return ExecutionStarted(at=START, execution_id="exec-1", runbook=book)


def job_started(wave: int, minutes: float, servers: Sequence[int], job: str) -> JobStarted:
    return JobStarted(
        at=at(minutes),
        wave_number=wave,
        batch=f"{wave}.1",
        job_id=job,
        account_id=ACCOUNT,
        region=REGION,
        server_ids=tuple(server_id(wave, index) for index in servers),
        started_at=at(minutes),
    )


def became(wave: int, index: int, status: str, minutes: float, error: str | None = None) -> ServerStatus:
    return ServerStatus(
        at=at(minutes),
        wave_number=wave,
        source_server_id=server_id(wave, index),
        launch_status=status,
        job_id=f"drsjob-{wave}",
        recovery_instance_id=f"i-{wave:08x}{index:09x}" if status == "LAUNCHED" else None,
        error=error,
    )


def first_wave() -> list[Event]:
    return [
        started(runbook()),
        WaveStarted(at=at(0), wave_number=1),
        JobRequested(
            at=at(1),
            wave_number=1,
            batch="1.1",
            account_id=ACCOUNT,
            region=REGION,
            server_ids=(server_id(1, 0), server_id(1, 1)),
        ),
        job_started(1, 1, (0, 1), "drsjob-1"),
        became(1, 0, "IN_PROGRESS", 2),
        became(1, 0, "LAUNCHED", 10),
        became(1, 1, "LAUNCHED", 12),
        JobEnded(at=at(13), job_id="drsjob-1", ended_at=at(12.5)),
        WaveEnded(at=at(13), wave_number=1, status="COMPLETED"),
    ]


def completed() -> list[Event]:
    return [
        *first_wave(),
        GateAsked(at=at(13), wave_number=2),
        GateAnswered(at=at(20), wave_number=2, decision="APPROVED", by="Ada", answered_at=at(19.9), comment="go"),
        WaveStarted(at=at(20), wave_number=2),
        job_started(2, 21, (0,), "drsjob-2"),
        became(2, 0, "LAUNCHED", 30),
        WaveEnded(at=at(31), wave_number=2, status="COMPLETED"),
        ExecutionEnded(at=at(31), status="COMPLETED"),
    ]


def failed() -> list[Event]:
    reason = f"1 server(s) not launched: host-1-1: {NASTY}"
    return [
        started(runbook(wave_name=NASTY)),
        WaveStarted(at=at(0), wave_number=1),
        job_started(1, 1, (0, 1), "drsjob-1"),
        became(1, 0, "LAUNCHED", 9),
        became(1, 1, "FAILED", 10, error=NASTY),
        WaveEnded(at=at(11), wave_number=1, status="FAILED", reason=reason),
        WaveEnded(at=at(11), wave_number=2, status="SKIPPED", reason="wave 1 FAILED"),
        ExecutionEnded(at=at(11), status="FAILED"),
    ]


def large(servers: int) -> list[Event]:
    book = runbook([servers // 40] * 40)
    events: list[Event] = [started(book)]
    for wave in book.waves:
        number, size = wave.wave_number, len(wave.servers)
        events.append(job_started(number, 1, range(size), f"drsjob-{number}"))
        events.extend(became(number, index, "LAUNCHED", 2) for index in range(size))
        events.append(WaveEnded(at=at(3), wave_number=number, status="COMPLETED"))
    return events
