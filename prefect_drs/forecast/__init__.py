"""How long a recovery will take, computed before it begins.

    manifest.py    a plan without an account -> waves
    failback.py    a plan and its servers -> the steps of its failback as waves
    estimate.py    many simulations, drawn at random -> a Forecast: timeline, RTO, critical path, what bounds it

Plain data in and out; no AWS, no Prefect, no clock. The launch times of servers (`recovery.launch.durations`) and one
simulation (`recovery.launch.simulated_recovery`) are the engine's own, which forecasts the rest of a running execution.
"""

from prefect_drs.forecast.estimate import (
    Forecast,
    PathShares,
    WaveForecast,
    forecast,
    forecast_json,
)
from prefect_drs.forecast.failback import waves_of_failback
from prefect_drs.forecast.manifest import ManifestWaves, waves_of_manifest
from prefect_drs.recovery.launch.durations import ServerTraits, Spread, default_spread, spreads
from prefect_drs.recovery.launch.packing_plan import PackingPlan, SimulatedWave, waves_of
from prefect_drs.recovery.launch.simulated_recovery import SimulatedRecovery, simulate

__all__ = [
    "Forecast",
    "ManifestWaves",
    "PackingPlan",
    "PathShares",
    "ServerTraits",
    "SimulatedRecovery",
    "SimulatedWave",
    "Spread",
    "WaveForecast",
    "default_spread",
    "forecast",
    "forecast_json",
    "simulate",
    "spreads",
    "waves_of",
    "waves_of_failback",
    "waves_of_manifest",
]
