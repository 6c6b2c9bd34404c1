"""Carrying out the checks and hooks of a wave: a file a kind, one door.

A plan's `Check` becomes a `Probe` for the servers it is made for (`probes_for`); `prefect_drs.recovery.checks.runner`
decides when it looks. No Prefect here, and no waiting. `CheckContext` and `ProbeOutcome` are what a callable of the
entry-point group `prefect_drs.checks` is given and may answer.
"""

from prefect_drs.recovery.checks.build import probes_for
from prefect_drs.recovery.checks.entry_point import CheckContext
from prefect_drs.recovery.checks.probe import CheckTarget, Probe, ProbeOutcome, ProbeVerdict, Subject, WaveContext

__all__ = [
    "CheckContext",
    "CheckTarget",
    "Probe",
    "ProbeOutcome",
    "ProbeVerdict",
    "Subject",
    "WaveContext",
    "probes_for",
]
