"""Carrying out the checks and hooks of a wave: a file a kind, one door.

A plan's `Check` becomes a `Probe` for the servers it is made for; `prefect_drs.recovery.checking` decides when it
looks. No Prefect here, and no waiting.
"""

from prefect_drs.recovery.checks.probe import Outcome, Probe, Subject, Target, Verdict, WaveContext

__all__ = ["Outcome", "Probe", "Subject", "Target", "Verdict", "WaveContext"]
