"""What former executions recorded: how long each server took from StartRecovery to LAUNCHED.

In: journals. Out: recorded seconds by source server id, and what the packer should expect of the servers that were
recorded. Drills and recoveries count alike. A history is worth having and never worth waiting for: only the newest
journals are read, only for a few seconds, and one that cannot be read is passed over with a warning.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime

import httpx
from prefect.logging import get_logger

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.execution.events import Event, ExecutionResumed, JobEnded, JobStarted, ServerStatus
from prefect_drs.forecast.durations import spreads
from prefect_drs.orchestration.storage.journal_storage import journal_storage
from prefect_drs.recovery.journal import Archive, Storage, StoredJournal

EXECUTIONS = 20  # the newest journals that are read
LAUNCHES_A_SERVER = 5  # its newest launches that count
SECONDS_TO_READ = 5.0  # real seconds, for all of them

Recorded = dict[str, list[float]]

_logger = get_logger("prefect_drs.orchestration.storage.duration_history")


class _OutOfTimeError(Exception):
    """The time for reading is up."""


class _Hurried:
    """A storage that is read until a deadline."""

    def __init__(self, storage: Storage, deadline: float, now: Callable[[], float]) -> None:
        self._storage = storage
        self.atomic = storage.atomic
        self._deadline = deadline
        self._now = now

    def read(self, name: str) -> bytes | None:
        if self._now() >= self._deadline:
            raise _OutOfTimeError
        return self._storage.read(name)

    def listing(self, folder: str) -> Collection[str] | None:
        if self._now() >= self._deadline:
            raise _OutOfTimeError
        return self._storage.listing(folder)

    def create(self, name: str, content: bytes) -> bool:
        raise PrefectDrsError(f"a history is only read; {name} was not written")


def launch_seconds(events: Iterable[Event]) -> Recorded:
    """Seconds from a job's start to each of its servers LAUNCHED, by source server id, in the order they happened.

    Left out: launches that were under way when their process was lost, for nobody saw their end in time.
    """
    running: dict[str, datetime] = {}  # jobs that one process has watched from their start
    launched: list[tuple[str, str, datetime, datetime]] = []
    over: dict[str, datetime] = {}
    for event in events:
        match event:
            case JobStarted():
                running[event.job_id] = event.started_at
            case ExecutionResumed():
                running.clear()
            case ServerStatus() if event.launch_status == "LAUNCHED" and event.job_id in running:
                launched.append((event.job_id, event.source_server_id, running[event.job_id], event.at))
            case JobEnded():
                over[event.job_id] = event.ended_at
            case _:
                pass
    found: Recorded = {}
    for job_id, server_id, started, seen in launched:
        seconds = (min(seen, over.get(job_id, seen)) - started).total_seconds()
        if seconds > 0:
            found.setdefault(server_id, []).append(seconds)
    return found


def read_history(
    storage: Archive,
    *,
    executions: int = EXECUTIONS,
    launches: int = LAUNCHES_A_SERVER,
    within: float = SECONDS_TO_READ,
    now: Callable[[], float] = time.monotonic,
) -> Recorded:
    """Recorded launch seconds of every server in the newest journals, by source server id, the newest launch first.

    Args:
        storage: where journals are.
        executions: how many journals at most.
        launches: how many launches of each server at most.
        within: seconds after which no more is read.
        now: what they are measured by.

    Raises:
        PrefectDrsError: the storage cannot tell which journals there are. One that cannot be read is passed over.
    """
    hurried = _Hurried(storage, now() + within, now)
    found: Recorded = {}
    for execution_id in storage.newest(executions):
        try:
            recorded = launch_seconds(StoredJournal(hurried, execution_id).read())
        except _OutOfTimeError:
            _logger.warning("reading former journals took %s s; the older ones are left out", within)
            break
        except (PrefectDrsError, OSError) as error:
            _logger.warning("the journal of execution %s is left out of the history: %s", execution_id, error)
            continue
        for server_id, seconds in recorded.items():
            kept = found.setdefault(server_id, [])
            kept.extend(seconds[::-1][: launches - len(kept)])
    return found


def recorded_here() -> Recorded:
    """The history in the storage that the settings name; empty, with a warning, where it cannot be read."""
    try:
        return read_history(journal_storage())
    except (PrefectDrsError, OSError, httpx.HTTPError) as error:
        _logger.warning("no former execution could be read, durations are taken as unknown: %s", error)
        return {}


def expected_durations(recorded: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """What the packer should expect of each server that was recorded, in seconds: the forecast's own medians.

    A server that never was recorded is left out: where none is known the packer splits a wave evenly into the fewest
    jobs, and beside known ones it counts as the slowest.
    """
    return {server: spread.median for server, spread in spreads(recorded, recorded).items()}
