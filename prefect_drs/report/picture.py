"""The wave graph as an SVG picture: a column a generation, a box a wave coloured by its state, a gate as a lock.

Prefect's default UI draws no Mermaid, so this is what its artifacts show. Only text that is escaped goes in. Colours
are attributes, so that the picture stands alone; the classes let the HTML report's style sheet replace them.
"""

from __future__ import annotations

import base64
from collections import defaultdict

from prefect_drs.core.escaping import markup, one_line
from prefect_drs.report.model import RecoveryReport, WaveReport, WaveStatus
from prefect_drs.runbook import Runbook

BOX_WIDTH, BOX_HEIGHT, GAP_X, GAP_Y, MARGIN = 210, 58, 70, 22, 16
COLOURS = {
    WaveStatus.PENDING: ("#f3f4f6", "#6b7280"),
    WaveStatus.INITIATED: ("#dbeafe", "#2563eb"),
    WaveStatus.LAUNCHING: ("#dbeafe", "#2563eb"),
    WaveStatus.COMPLETED: ("#dcfce7", "#16a34a"),
    WaveStatus.FAILED: ("#fee2e2", "#dc2626"),
    WaveStatus.SKIPPED: ("#e5e7eb", "#374151"),
    WaveStatus.CANCELLED: ("#ffedd5", "#ea580c"),
}


def wave_graph_svg(report: RecoveryReport, runbook: Runbook) -> str:
    """The graph of a report's waves with their states."""
    gates = {wave.wave_number for wave in runbook.waves if wave.gate}
    places = _places(report.waves)
    columns = 1 + max((x for x, _ in places.values()), default=0)
    rows = 1 + max((y for _, y in places.values()), default=0)
    width = 2 * MARGIN + columns * BOX_WIDTH + (columns - 1) * GAP_X
    height = 2 * MARGIN + rows * BOX_HEIGHT + (rows - 1) * GAP_Y
    edges = [
        _edge(places[before], places[wave.wave_number]) for wave in report.waves for before in wave.depends_on_waves
    ]
    boxes = [_box(wave, places[wave.wave_number], wave.wave_number in gates) for wave in report.waves]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif" font-size="12">'
        f'<rect class="paper" width="{width}" height="{height}" fill="#ffffff"/>' + "".join([*edges, *boxes]) + "</svg>"
    )


def data_url(svg: str) -> str:
    """The picture as a URL that carries it."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _places(waves: tuple[WaveReport, ...]) -> dict[int, tuple[int, int]]:
    """Column and row of each wave; the waves come in topological order."""
    column: dict[int, int] = {}
    filled: dict[int, int] = defaultdict(int)
    places = {}
    for wave in waves:
        x = 1 + max((column[before] for before in wave.depends_on_waves), default=-1)
        column[wave.wave_number] = x
        places[wave.wave_number] = (x, filled[x])
        filled[x] += 1
    return places


def _corner(place: tuple[int, int]) -> tuple[int, int]:
    return MARGIN + place[0] * (BOX_WIDTH + GAP_X), MARGIN + place[1] * (BOX_HEIGHT + GAP_Y)


def _edge(start: tuple[int, int], end: tuple[int, int]) -> str:
    x1, y1 = _corner(start)
    x2, y2 = _corner(end)
    x1, y1, y2 = x1 + BOX_WIDTH, y1 + BOX_HEIGHT // 2, y2 + BOX_HEIGHT // 2
    bend = (x2 - x1) // 2
    return (
        f'<path class="edge" d="M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2 - 6} {y2}" fill="none" '
        f'stroke="#9ca3af" stroke-width="1.5"/><path class="arrow" d="M{x2} {y2} l-8 -4 v8 z" fill="#9ca3af"/>'
    )


def _box(wave: WaveReport, place: tuple[int, int], gate: bool) -> str:
    x, y = _corner(place)
    fill, line = COLOURS[wave.status]
    title = f"{wave.wave_number} · {wave.wave_name}"
    count = f"{wave.launched}/{len(wave.servers)} {wave.done_word.lower()}"
    lock = _lock(x + BOX_WIDTH - 24, y + 33, line) if gate else ""
    shown = markup(one_line(title, 30))
    return (
        f'<g class="wave {wave.status.lower()}"><title>{markup(title)}</title>'
        f'<rect class="box" x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="8" '
        f'fill="{fill}" stroke="{line}" stroke-width="1.5"/>'
        f'<text class="name" x="{x + 12}" y="{y + 23}" font-weight="600" fill="#111827">{shown}</text>'
        f'<text class="state" x="{x + 12}" y="{y + 44}" fill="{line}">{wave.status} · {count}</text>{lock}</g>'
    )


def _lock(x: int, y: int, colour: str) -> str:
    """A padlock of 12 by 13, drawn: as a letter it would be an empty box where no font has it."""
    return (
        f'<path class="shackle" d="M{x + 3} {y + 6} v-2 a3 3 0 0 1 6 0 v2" fill="none" stroke="{colour}" '
        'stroke-width="1.5"/>'
        f'<rect class="lock" x="{x}" y="{y + 6}" width="12" height="7" rx="1.5" fill="{colour}">'
        "<title>gate</title></rect>"
    )
