"""Failback: the steps that a recovery does not have, for the same engine, journal, gates, claims and control requests.

`launches` is how a failback launches; `steps` are what its other waves do with each server, and `step_runner` carries
them out: read, judge, record the intent, call once, read again.
"""
