"""A drill as events: every milestone once, always the same.

`python -m tests.notifications.story` writes its messages into docs/notifications.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prefect_drs.execution.events import (
    Event,
    ExecutionEnded,
    ExecutionStarted,
    GateAnswered,
    GateAsked,
    GlassBroken,
    JobStarted,
    PauseAsked,
    RtoTargetAtRisk,
    ServerStatus,
    WaveEnded,
    WaveStarted,
)
from prefect_drs.notifications.commands import ExecutionAccess
from prefect_drs.notifications.message import Message, NotifiedGate
from prefect_drs.notifications.milestones import Milestones
from prefect_drs.plan.model import LaunchSettings
from prefect_drs.runbook import Runbook, RunbookServer, RunbookWave

PAGE = Path(__file__).parents[2] / "docs/notifications.md"
START = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)
EXECUTION = "7c1f6a2e-9b1d-4d6c-8a55-2f0f3b9f1e10"
GATE = "0d9a4be1-3a57-4f6d-9a3e-6f1f8c2b7a44"
ACCOUNT, REGION = "222222222222", "eu-west-1"
ACCESS = ExecutionAccess(
    api_url="https://prefect.example.com/api",
    auth="",
    link=f"https://prefect.example.com/runs/flow-run/{EXECUTION}",
    root_id=EXECUTION,
    suspends=False,
    report_key=f"recovery-report-{EXECUTION}",
    request_key="prefect-drs-wish-",
)
WAVES = {1: ("Database", ("db1", "db2")), 2: ("Application", ("app1", "app2"))}


def server(wave: int, name: str) -> RunbookServer:
    number = sum(map(ord, name))
    return RunbookServer(
        source_server_id=f"s-{number:017x}",
        name=name,
        account_id=ACCOUNT,
        region=REGION,
        group=WAVES[wave][0],
        replication_state="CONTINUOUS",
        lag="PT12S",
        recovery_instance_id=None,
        settings=LaunchSettings(),
        changes=(),
    )


def runbook(mode: str = "drill") -> Runbook:
    return Runbook(
        plan_name="Shop",
        mode=mode,  # type: ignore[arg-type]
        waves=tuple(
            RunbookWave(
                wave_number=number,
                wave_name=name,
                depends_on_waves=(1,) if number == 2 else (),
                gate=number == 2,
                servers=tuple(server(number, each) for each in servers),
            )
            for number, (name, servers) in WAVES.items()
        ),
        findings=(),
    )


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def launched(wave: int, minutes: float, failing: str = "") -> Iterator[Event]:
    """A wave's events from its start to its end."""
    servers = [server(wave, name) for name in WAVES[wave][1]]
    ids = tuple(each.source_server_id for each in servers)
    job = f"drsjob-{wave:017x}"
    yield WaveStarted(at=at(minutes), wave_number=wave)
    yield JobStarted(
        at=at(minutes), wave_number=wave, batch=f"{wave}.1", job_id=job, account_id=ACCOUNT, region=REGION,
        server_ids=ids, started_at=at(minutes),
    )  # fmt: skip
    for each in servers:
        up = each.name != failing
        yield ServerStatus(
            at=at(minutes + 18),
            wave_number=wave,
            source_server_id=each.source_server_id,
            launch_status="LAUNCHED" if up else "FAILED",
            job_id=job,
            recovery_instance_id=f"i-{sum(map(ord, each.name)):017x}" if up else None,
            error=None if up else f"CONVERSION_FAIL: disk full (job {job})",
        )
    reason = f"1 of 2 servers did not come up: {failing}" if failing else ""
    yield WaveEnded(at=at(minutes + 18), wave_number=wave, status="FAILED" if failing else "COMPLETED", reason=reason)


def beginning() -> list[Event]:
    """Until wave 2 waits."""
    return [
        ExecutionStarted(at=START, execution_id=EXECUTION, runbook=runbook()),
        *launched(1, 1),
        GateAsked(at=at(19), wave_number=2),
    ]


def approved() -> Event:
    return GateAnswered(at=at(25), wave_number=2, decision="APPROVED", by="ada@laptop", answered_at=at(25), comment="")


def ending(*, failing: str = "") -> list[Event]:
    """From the approval to the end."""
    status = "FAILED" if failing else "COMPLETED"
    return [approved(), *launched(2, 26, failing), ExecutionEnded(at=at(45), status=status)]


def messages(events: list[Event], gate: NotifiedGate | None = None) -> list[Message]:
    """The messages of these events; the gate opens after the first GateAsked."""
    made: list[Message] = []
    milestones = Milestones(ACCESS)
    for event in events:
        message = milestones.apply(event)
        if message is not None:
            made.append(message)
        if isinstance(event, GateAsked) and gate is not None:
            made.append(milestones.gate_opened(gate, event.at))
    return made


def open_gate() -> NotifiedGate:
    return NotifiedGate(2, GATE, f"https://prefect.example.com/runs/flow-run/{GATE}", at(19) + timedelta(days=7))


def all_messages() -> dict[str, Message]:
    """Every milestone's message, by milestone."""
    told = messages([*beginning(), *ending()], open_gate())
    told += messages([*beginning(), *ending(failing="app2")])[2:]
    paused = messages([*beginning()[:-1], PauseAsked(at=at(20), by="grace@laptop")])
    at_risk = messages(
        [
            *beginning(),
            *(
                RtoTargetAtRisk(
                    at=at(24),
                    wave_number=number,
                    target_seconds=2400.0,
                    elapsed_seconds=1440.0,
                    expected_seconds=2520.0,
                    probability=0.9,
                )
                for number in (None, 2)
            ),
        ]
    )
    glass = messages(
        [
            *beginning(),
            GlassBroken(
                at=at(21), wave_number=2, by="ada@laptop", proven=False, reason="STS does not answer", digest="a" * 64
            ),
        ]
    )
    rejected = GateAnswered(
        at=at(25), wave_number=2, decision="REJECTED", by="ada@laptop", answered_at=at(25), comment="not tonight"
    )
    stopped = WaveEnded(at=at(25), wave_number=2, status="CANCELLED", reason="rejected by ada@laptop: not tonight")
    partial = messages([*beginning(), rejected, stopped, ExecutionEnded(at=at(25), status="PARTIAL")])
    never = [
        WaveEnded(at=at(1), wave_number=number, status="CANCELLED", reason="cancelled by ada@laptop")
        for number in WAVES
    ]
    cancelled = messages([*beginning()[:1], *never, ExecutionEnded(at=at(1), status="CANCELLED")])
    return {message.milestone: message for message in [*partial, *cancelled, *paused, *at_risk, *glass, *told]}


def shown(message: Message) -> str:
    """As the page shows it."""
    return f"```text\nSubject: {message.subject}\n\n{message.text}\n```"


def write() -> None:
    """Bring the page up to date."""
    page = PAGE.read_text(encoding="utf-8")
    for milestone, message in all_messages().items():
        pattern = re.compile(rf"(### `{re.escape(milestone)}`\n.*?)```text\n.*?```", re.DOTALL)
        found = pattern.search(page)
        assert found is not None, f"the page has no section {milestone}"
        page = page[: found.start()] + found[1] + shown(message) + page[found.end() :]
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    write()
