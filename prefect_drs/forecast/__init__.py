"""How long a recovery will take, told before it begins.

    durations.py   what is recorded and known of servers -> a Spread of launch seconds for each
    course.py      waves, and the seconds of this once -> a Course: which job starts when, by the engine's packer
    manifest.py    a plan without an account -> waves
    estimate.py    many courses, drawn at random -> a Forecast: timeline, RTO, critical path, what bounds it

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
from prefect_drs.forecast.simulation import PackingPlan, SimulatedRecovery, SimulatedWave, play

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
    "play",
    "spreads",
    "waves_of",
    "waves_of_manifest",
]
