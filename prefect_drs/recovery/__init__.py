"""Carrying out a runbook: waves, jobs started once, quotas, gates, journal. No Prefect in it."""
