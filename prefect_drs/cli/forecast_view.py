"""A forecast on a terminal: the figures, and a timeline with a bar for each wave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from prefect_drs.report.text import duration

if TYPE_CHECKING:
    from prefect_drs.forecast import Forecast, WaveForecast
    from prefect_drs.plan.model import RecoveryPlan

BAR = 40  # cells of the timeline
BOUND = {
    "dependencies": "launches that wait for each other",
    "quota": "DRS's quotas: servers that wait for a slot",
    "gate": "gates: waves that wait for a person",
}


def forecast_view(result: Forecast, plan: RecoveryPlan) -> RenderableType:
    """The whole forecast."""
    known = {wave.wave_number: wave for wave in plan.waves}
    path = " → ".join(f"{number} {known[number].wave_name}" for number in result.critical_path)
    shares = result.shares
    parts = f"launches {duration(shares.launches)}, quota {duration(shares.quota)}, gates {duration(shares.gates)}"
    return Group(
        Text.assemble((plan.plan_name, "bold"), f"  forecast of {result.servers} servers in {len(result.waves)} waves"),
        Text.assemble(
            "RTO  P50 ",
            (duration(result.rto_p50), "bold"),
            "  P90 ",
            (duration(result.rto_p90), "bold"),
            f"  (without quotas P50 {duration(result.rto_without_quotas_p50)})",
        ),
        Text(f"critical path  {path}"),
        Text(f"bounded by     {BOUND[result.bounded_by]}  ({parts})"),
        "",
        _timeline(result, plan),
        Text("█ start to end, P50   ░ to the end, P90   red: on the critical path of most simulated runs", style="dim"),
    )


def _timeline(result: Forecast, plan: RecoveryPlan) -> Table:
    known = {wave.wave_number: wave for wave in plan.waves}
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for name in ("wave", "name", "servers", "start", "end"):
        text = name == "name"
        table.add_column(name, justify="left" if text else "right", overflow="fold", no_wrap=not text)
    table.add_column(f"0 to {duration(result.rto_p90)}", no_wrap=True, min_width=BAR)
    for wave in result.waves:
        gate = " ⏸" if known[wave.wave_number].pause_before_wave else ""
        table.add_row(
            str(wave.wave_number),
            Text(known[wave.wave_number].wave_name + gate),
            str(wave.servers),
            duration(wave.start_p50),
            duration(wave.end_p50),
            bar(wave, max(result.rto_p90, 1.0)),
        )
    return table


def bar(wave: WaveForecast, whole: float) -> Text:
    """A wave's bar on a line of `BAR` cells for `whole` seconds; at least one cell long."""

    def cell(seconds: float) -> int:
        return min(BAR, round(seconds / whole * BAR))

    start = min(BAR - 1, cell(wave.start_p50))
    end = max(start + 1, cell(wave.end_p50))
    style = "red" if wave.critical > 0.5 else "blue"
    return Text.assemble(" " * start, ("█" * (end - start), style), ("░" * (cell(wave.end_p90) - end), style))
