"""How long a recovery will take, computed before it begins.

    durations.py   recorded launches, disks, operating systems -> a Spread of launch seconds for each server
    simulation.py  waves and one set of seconds -> a SimulatedRecovery: which job starts when, by the engine's packer
    manifest.py    a plan without an account -> waves
    estimate.py    many simulations, drawn at random -> a Forecast: timeline, RTO, critical path, what bounds it

Plain data in and out; no AWS, no Prefect, no clock.
"""

from prefect_drs.forecast.durations import ServerTraits, Spread, default_spread, spreads
from prefect_drs.forecast.estimate import (
    Forecast,
    PathShares,
    WaveForecast,
    forecast,
    forecast_json,
    waves_of,
)
from prefect_drs.forecast.manifest import ManifestWaves, waves_of_manifest
from prefect_drs.forecast.simulation import PackingPlan, SimulatedRecovery, SimulatedWave, simulate

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
    "waves_of_manifest",
]
