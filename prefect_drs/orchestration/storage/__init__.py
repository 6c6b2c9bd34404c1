"""Persistent data: journals, artifacts, the history of launch durations and of launch settings."""
