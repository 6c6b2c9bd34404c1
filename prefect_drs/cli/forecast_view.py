"""A forecast on a terminal: the figures, and a timeline with a bar for each wave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from prefect_drs.plan.model import label_server
from prefect_drs.report.text import duration

if TYPE_CHECKING:
    from prefect_drs.forecast import Forecast, WaveForecast
    from prefect_drs.operations.forecast import PlanForecast, SlowServer
    from prefect_drs.operations.forecast_targets import TargetForecast
    from prefect_drs.plan.model import RecoveryPlan, Wave

BAR = 40  # cells of the timeline, where the terminal has them
SHORTEST_BAR = 12
BESIDE_THE_BAR = 66  # cells of the other columns, the names of waves broken
OUTLOOKS = {"met": "green", "at risk": "yellow", "missed": "bold red"}
BOUND = {
    "dependencies": "launches that wait for each other",
    "quota": "DRS's quotas: servers that wait for a slot",
    "gate": "gates: waves that wait for a person",
}


def forecast_view(forecast: PlanForecast) -> RenderableType:
    """The whole forecast."""
    result, plan = forecast.result, forecast.plan
    known = {wave.wave_number: wave for wave in plan.waves}
    path = " → ".join(f"{number} {known[number].wave_name}" for number in result.critical_path)
    shares = result.shares
    parts = f"launches {duration(shares.launches)}, quota {duration(shares.quota)}, gates {duration(shares.gates)}"
    return Group(
        Text.assemble(
            (plan.plan_name, "bold"),
            f"  forecast of {'the failback of ' if forecast.failback else ''}{result.servers} servers "
            f"in {len(result.waves)} {'steps' if forecast.failback else 'waves'}",
        ),
        Text.assemble(
            "takes  P50 " if forecast.failback else "RTO  P50 ",
            (duration(result.rto_p50), "bold"),
            "  P90 ",
            (duration(result.rto_p90), "bold"),
            f"  (without quotas P50 {duration(result.rto_without_quotas_p50)})",
        ),
        *(_target(target, known) for target in forecast.targets),
        _words(
            ("critical path", path),
            *((f"slowest in {slow.wave_number}", _slowest(slow)) for slow in forecast.slowest),
            ("bounded by", f"{BOUND[result.bounded_by]}  ({parts})"),
        ),
        "",
        _Timeline(result, plan),
        Text("█ start to end, P50   ░ to the end, P90   red: on the critical path of most simulated runs", style="dim"),
    )


def _target(found: TargetForecast, waves: Mapping[int, Wave]) -> Text:
    """`RTO target of the plan 4 h 00 min: met, P50 38 min to spare, P90 12 min to spare`."""
    target = found.target
    of = "the plan" if target.wave_number is None else f"{target.wave_number} {waves[target.wave_number].wave_name}"
    percentiles = ", ".join(
        f"{name} {duration(abs(seconds - target.seconds))} {'late' if seconds > target.seconds else 'to spare'}"
        for name, seconds in (("P50", found.p50), ("P90", found.p90))
    )
    return Text.assemble(
        f"RTO target of {of} {duration(target.seconds)}: ",
        (found.outlook, OUTLOOKS[found.outlook]),
        f", {percentiles}",
    )


def _words(*rows: tuple[str, str]) -> Table:
    """A label and its text on each row; a text that is wrapped stays in its column."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for label, text in rows:
        table.add_row(Text(label, no_wrap=True), Text(text))
    return table


def _slowest(slow: SlowServer) -> str:
    server = label_server(slow.source_server_id, [slow.name] if slow.name else [])
    return f"{server}, {duration(slow.seconds)}"


class _Timeline:
    """The waves with a bar each, as long as the terminal allows."""

    def __init__(self, result: Forecast, plan: RecoveryPlan) -> None:
        self._result = result
        self._known = {wave.wave_number: wave for wave in plan.waves}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        """The table for that width."""
        cells = max(SHORTEST_BAR, min(BAR, options.max_width - BESIDE_THE_BAR))
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        for name in ("wave", "name", "servers", "start", "end"):
            text = name == "name"
            table.add_column(name, justify="left" if text else "right", overflow="fold", no_wrap=not text)
        table.add_column(f"0 to {duration(self._result.rto_p90)}", no_wrap=True, min_width=cells)
        for wave in self._result.waves:
            known = self._known[wave.wave_number]
            table.add_row(
                str(wave.wave_number),
                Text(known.wave_name + (" ⏸" if known.pause_before_wave else "")),
                str(wave.servers),
                duration(wave.start_p50),
                duration(wave.end_p50),
                bar(wave, max(self._result.rto_p90, 1.0), cells),
            )
        yield table


def bar(wave: WaveForecast, whole: float, cells: int = BAR) -> Text:
    """A wave's bar on a line of `cells` cells for `whole` seconds; at least one cell long."""

    def cell(seconds: float) -> int:
        return min(cells, round(seconds / whole * cells))

    start = min(cells - 1, cell(wave.start_p50))
    end = max(start + 1, cell(wave.end_p50))
    style = "red" if wave.critical > 0.5 else "blue"
    return Text.assemble(" " * start, ("█" * (end - start), style), ("░" * (cell(wave.end_p90) - end), style))
