"""Gantt charts of waves and servers as SVG, inline in the HTML report: a bar for each wait, coloured by its cause.

In: a `Timeline`, an `Expectation` where there is one. Out: SVG whose colours come from the page's style sheet, by
class. Every name and sentence goes through `escaping.markup`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from prefect_drs.core.escaping import markup, one_line
from prefect_drs.report.expectation import Expectation, ExpectedWave
from prefect_drs.report.html.scale import TimeScale
from prefect_drs.report.text import clock_time, duration
from prefect_drs.report.timeline import Cause, ServerTimeline, Timeline, Wait, WaveTimeline

WIDTH, LABELS, RIGHT, AXIS = 1140, 220, 64, 22  # pixels
WAVE_ROW, WAVE_BAR = 30, 13
SERVER_ROW, SERVER_BAR = 17, 9
DENSE_ROW, DENSE_BAR = 4, 3
LABELLED_SERVERS = 60  # more of them in one wave get thin bars without labels
LABEL_AT_MOST = 34  # characters


def cause_class(cause: Cause) -> str:
    """The class of a cause in the style sheet."""
    return "c-" + cause.value.replace(" ", "-")


def waves_chart(timeline: Timeline, expected: Expectation | None) -> str:
    """A row for each wave: its waits, and below them what was expected."""
    end = max([timeline.until, *_expected_ends(timeline, expected)])
    scale = TimeScale(timeline.started_at, end, left=LABELS, width=WIDTH - LABELS - RIGHT)
    height = AXIS + WAVE_ROW * len(timeline.waves) + 6
    parts = [*_bands(timeline, scale, height), *_axis(scale, height)]
    for row, wave in enumerate(timeline.waves):
        y = AXIS + row * WAVE_ROW
        parts.append(_label(f"{wave.wave_number} · {wave.wave_name}", y + WAVE_BAR))
        parts += (_bar(wait, scale, y + 4, WAVE_BAR, timeline.started_at) for wait in wave.waits)
        parts.append(_took(wave, scale, y + 4 + WAVE_BAR - 2))
        if expected is not None and (known := expected.waves.get(wave.wave_number)) is not None:
            parts += _expected_bar(known, timeline.started_at, scale, y + 4 + WAVE_BAR + 2)
    return _svg(height, "Waves over time", parts)


def servers_chart(wave: WaveTimeline, begun: datetime) -> str:
    """A row for each server of a wave, those that ended first on top; empty if none of them has begun.

    Args:
        wave: the wave.
        begun: when the execution began; times of other days get their date.
    """
    servers = sorted((s for s in wave.servers if s.waits), key=lambda server: (server.waits[-1].end, server.name))
    if not servers:
        return ""
    start, end = min(s.waits[0].start for s in servers), max(s.waits[-1].end for s in servers)
    scale = TimeScale(start, end, left=LABELS, width=WIDTH - LABELS - RIGHT)
    dense = len(servers) > LABELLED_SERVERS
    row_height, bar = (DENSE_ROW, DENSE_BAR) if dense else (SERVER_ROW, SERVER_BAR)
    height = AXIS + row_height * len(servers) + 6
    parts = [*_axis(scale, height)]
    if dense:
        parts.append(_label(f"{len(servers)} servers", AXIS + 12))
    for row, server in enumerate(servers):
        y = AXIS + row * row_height
        parts += _server(server, scale, y, bar, begun, labelled=not dense)
    return _svg(height, f"Servers of {wave.label} over time", parts)


def _server(
    server: ServerTimeline, scale: TimeScale, y: float, bar: float, begun: datetime, *, labelled: bool
) -> Iterator[str]:
    if labelled:
        yield _label(server.name, y + bar + 2)
    for wait in server.waits:
        yield _bar(wait, scale, y + 3 if labelled else y, bar, begun, name=server.name)
    if labelled and server.launch_status == "FAILED":
        x = scale.x(server.waits[-1].end) + 4
        yield f'<text class="failed-mark" x="{x}" y="{y + bar + 2}">✗ failed</text>'


def _svg(height: float, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="gantt" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{markup(title)}">'
        + "".join(parts)
        + "</svg>"
    )


def _axis(scale: TimeScale, height: float) -> Iterator[str]:
    for x, label in scale.ticks():
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{AXIS - 4}" y2="{height}"/>'
        yield f'<text class="tick" x="{x}" y="{AXIS - 8}">{markup(label)}</text>'


def _bands(timeline: Timeline, scale: TimeScale, height: float) -> Iterator[str]:
    """Pauses and times without a process, behind all rows."""
    for wait in timeline.interruptions:
        x, width = _extent(wait.start, wait.end, scale)
        yield (
            f'<rect class="band {cause_class(wait.cause)}" x="{x}" y="{AXIS - 4}" width="{width}" '
            f'height="{height - AXIS + 4}"><title>{_told(wait, timeline.started_at)}</title></rect>'
        )


def _label(text: str, y: float) -> str:
    return (
        f'<text class="label" x="0" y="{y}">{markup(one_line(text, LABEL_AT_MOST))}<title>{markup(text)}</title></text>'
    )


def _bar(wait: Wait, scale: TimeScale, y: float, height: float, begun: datetime, name: str = "") -> str:
    x, width = _extent(wait.start, wait.end, scale)
    told = (f"{markup(name)}: " if name else "") + _told(wait, begun)
    if wait.cause is Cause.DEPENDENCIES:
        y, height = y + height / 2 - 0.5, 1
    return (
        f'<rect class="{cause_class(wait.cause)}" x="{x}" y="{y}" width="{width}" height="{height}">'
        f"<title>{told}</title></rect>"
    )


def _told(wait: Wait, begun: datetime) -> str:
    times = f"{clock_time(wait.start, begun)} to {clock_time(wait.end, begun)}, {duration(wait.seconds)}"
    return f"{markup(wait.cause)}, {markup(times)}: {markup(wait.text)}"


def _took(wave: WaveTimeline, scale: TimeScale, y: float) -> str:
    """How long the wave took once its dependencies were complete, right of its bar."""
    own = [wait for wait in wave.waits if wait.cause is not Cause.DEPENDENCIES]
    if not own:
        return ""
    took = duration(sum(wait.seconds for wait in own))
    return f'<text class="took" x="{scale.x(own[-1].end) + 4}" y="{y}">{markup(took)}</text>'


def _extent(start: datetime, end: datetime, scale: TimeScale) -> tuple[float, float]:
    """Position and width; nothing that happened is too narrow to be seen."""
    x = scale.x(start)
    return x, max(0.6, round(scale.x(end) - x, 1))


def _expected_ends(timeline: Timeline, expected: Expectation | None) -> list[datetime]:
    waves = expected.waves.values() if expected is not None else ()
    return [timeline.started_at + timedelta(seconds=wave.end_p50) for wave in waves]


def _expected_bar(known: ExpectedWave, start: datetime, scale: TimeScale, y: float) -> Iterator[str]:
    begins, ends, late = (start + timedelta(seconds=s) for s in (known.start_p50, known.end_p50, known.end_p90))
    x, width = _extent(begins, ends, scale)
    told = f"forecast, after the start: {duration(known.start_p50)} to {duration(known.end_p50)}"
    told += f"; P90 {duration(known.end_p90)}"
    yield (
        f'<rect class="forecast" x="{x}" y="{y}" width="{width}" height="4" rx="1"><title>{markup(told)}</title></rect>'
    )
    x1, x2 = scale.x(ends), scale.x(late)
    if x2 - x1 > 1:
        yield f'<line class="late" x1="{x1}" x2="{x2}" y1="{y + 2}" y2="{y + 2}"/>'
