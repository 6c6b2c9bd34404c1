"""A situation on a terminal: what is happening, what the execution waits for, what a person does about it.

In: a `Situation` and the time. Out: something that rich prints; every line but commands and links fits 80 columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from prefect_drs.report.situation import Situation, Waiting
from prefect_drs.report.terminal import headline, report_body
from prefect_drs.report.text import duration

SHOWN_JOBS = 5


def situation_view(situation: Situation, now: datetime) -> RenderableType:
    """The whole situation: the headline, what happens, what it waits for, then the tables of the report.

    Args:
        situation: what to show.
        now: the real time (UTC).
    """
    report = situation.report
    lines = [Text(line) for line in _what_happens(situation)]
    waits = [line for wait in situation.waiting_for for line in _wait(wait, now)]
    if report.ended_at is None and not waits:
        lines.append(Text("It waits for nobody."))
    return Group(
        headline(report, situation.now),
        *lines,
        *([Text("\nIt waits for", "bold")] if waits else []),
        *waits,
        *_next_step(situation),
        *report_body(report),
    )


def _what_happens(situation: Situation) -> Iterator[str]:
    report = situation.report
    if report.cancelled is not None:
        why = f": {report.cancelled.reason}" if report.cancelled.reason else ""
        yield f"Cancelled by {report.cancelled.by} at {_utc(report.cancelled.at)}{why}: nothing more is launched."
    if report.terminated is not None:
        gone = sum(server.terminated_at is not None for wave in report.waves for server in wave.servers)
        yield f"{report.terminated.by} terminated it at {_utc(report.terminated.at)}: {gone} instance(s) are gone."
    jobs = situation.running_jobs
    if jobs:
        yield f"DRS runs {len(jobs)} job(s): {', '.join(jobs[:SHOWN_JOBS])}{' …' if len(jobs) > SHOWN_JOBS else ''}."
    if report.ended_at is None and situation.process.alive and situation.process.last_seen_at is not None:
        yield f"A process carries it, last seen at {_utc(situation.process.last_seen_at)}."
    if report.ended_at is None and situation.suspended:
        yield "It is suspended: no process is held while it waits, and a worker carries it on."
    if situation.link:
        yield f"In the Prefect UI: {situation.link}"


def _wait(wait: Waiting, now: datetime) -> Iterator[Text]:
    since = f", since {_utc(wait.since)} ({duration((now - wait.since).total_seconds())})" if wait.since else ""
    until = f", until {_utc(wait.until)}" if wait.until else ""
    yield Text(f"  {wait.what}{since}{until}", "bold yellow")
    if wait.link:
        yield Text(f"    {wait.link}", no_wrap=True, overflow="ignore")
    if wait.command:
        yield Text(f"    {wait.command}", no_wrap=True, overflow="ignore")


def _next_step(situation: Situation) -> Iterator[Text]:
    if (step := situation.next_step) is not None:
        yield Text(f"{step.why[0].upper()}{step.why[1:]}:")
        yield Text(f"    {step.command}", no_wrap=True, overflow="ignore")


def _utc(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
