"""Launch durations of earlier executions: how long each server took from StartRecovery to LAUNCHED.

In: journals. Out: recorded seconds by source server id, and the expected durations for the packer. Drills and
recoveries count alike. Reading the history must not delay a recovery: only the newest journals are read, for a few
seconds at most, and a journal that cannot be read is skipped with a warning.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime

import httpx
from prefect.logging import get_logger

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.execution.events import Event, ExecutionResumed, JobEnded, JobStarted, ServerStatus
from prefect_drs.orchestration.storage.journal_storage import journal_storage
from prefect_drs.recovery.journal import Archive, Storage, StoredJournal
from prefect_drs.recovery.launch.durations import spreads

EXECUTIONS = 20  # the newest journals that are read
LAUNCHES_A_SERVER = 5  # the newest launches of a server that count
SECONDS_TO_READ = 5.0  # real seconds, for all journals

Recorded = dict[str, list[float]]

_logger = get_logger("prefect_drs.orchestration.storage.duration_history")


class _OutOfTimeError(Exception):
    """The time for reading is up."""


class _DeadlineStorage:
    """A read-only storage that raises `_OutOfTimeError` after a deadline."""

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
        raise PrefectDrsError(f"the history is read-only; {name} was not written")


def launch_seconds(events: Iterable[Event]) -> Recorded:
    """Seconds from a job's start to each of its servers LAUNCHED, by source server id, in order of time.

    Launches that were running when their process was lost are omitted: the time of their end was not observed.
    """
    running: dict[str, datetime] = {}  # jobs that one process has polled since their start
    launched: list[tuple[str, str, datetime, datetime]] = []
    ended: dict[str, datetime] = {}
    for event in events:
        match event:
            case JobStarted():
                running[event.job_id] = event.started_at
            case ExecutionResumed():
                running.clear()
            case ServerStatus() if event.launch_status == "LAUNCHED" and event.job_id in running:
                launched.append((event.job_id, event.source_server_id, running[event.job_id], event.at))
            case JobEnded():
                ended[event.job_id] = event.ended_at
            case _:
                pass
    found: Recorded = {}
    for job_id, server_id, started, seen in launched:
        seconds = (min(seen, ended.get(job_id, seen)) - started).total_seconds()
        if seconds > 0:
            found.setdefault(server_id, []).append(seconds)
    return found


def read_history(
    storage: Archive,
    *,
    executions: int = EXECUTIONS,
    launches: int = LAUNCHES_A_SERVER,
    before: datetime | None = None,
    within: float = SECONDS_TO_READ,
    now: Callable[[], float] = time.monotonic,
) -> Recorded:
    """Recorded launch seconds of every server in the newest journals, by source server id, the newest launch first.

    Args:
        storage: the storage of the journals.
        executions: maximum number of journals.
        launches: maximum number of launches of each server.
        before: only executions that began before this moment; None reads all.
        within: seconds after which reading stops.
        now: the clock for `within`, in seconds.

    Raises:
        PrefectDrsError: the storage cannot list its journals. A journal that cannot be read is skipped.
    """
    limited = _DeadlineStorage(storage, now() + within, now)
    found: Recorded = {}
    for execution_id in storage.newest(executions):
        try:
            events = StoredJournal(limited, execution_id).read()
        except _OutOfTimeError:
            _logger.warning("reading earlier journals took %s s; older ones are not used", within)
            break
        except (PrefectDrsError, OSError) as error:
            _logger.warning("the journal of execution %s is not used for the history: %s", execution_id, error)
            continue
        if before is not None and events and events[0].at >= before:
            continue
        for server_id, seconds in launch_seconds(events).items():
            newest = found.setdefault(server_id, [])
            newest.extend(seconds[::-1][: launches - len(newest)])
    return found


def recorded_here(before: datetime | None = None, *, blocks: bool = True) -> Recorded:
    """The history in the storage that the settings name; empty, with a warning, if it cannot be read.

    Args:
        before: only executions that began before this moment.
        blocks: whether the storage may be a block of the Prefect server.
    """
    try:
        return read_history(journal_storage(blocks=blocks), before=before)
    except (PrefectDrsError, OSError, httpx.HTTPError) as error:
        _logger.warning("no earlier execution could be read, so durations are unknown: %s", error)
        return {}


def expected_durations(recorded: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Expected seconds of each recorded server, for the packer: the medians that the forecast uses.

    Servers without a record are omitted. If no server of a wave has one, the packer splits the wave evenly into the
    fewest jobs; otherwise it treats a server without a record like the slowest.
    """
    return {server: spread.median for server, spread in spreads(recorded, recorded).items()}
