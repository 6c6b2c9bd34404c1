"""What outlives a process: journals, artifacts, the history of launch durations and of launch settings."""
