"""Shared by every room: clock, errors, base model, escaping of names, private files. No AWS, no Prefect."""
