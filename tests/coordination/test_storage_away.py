"""The journals' storage answers errors for ten minutes, writes whose answers are lost, readers that are late."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from prefect_drs.core.clock import Clock
from prefect_drs.recovery.journal import FencedError, FolderStorage, JournalUnavailableError, StoredJournal
from prefect_drs.report.model import ExecutionStatus
from tests.rig import Rig, WaveSpec, simulated_aws

AWAY = timedelta(minutes=10)
WAVES = {1: WaveSpec(2), 2: WaveSpec(1, after=(1,)), 3: WaveSpec(1, after=(2,))}


class Failing(FolderStorage):
    """A folder that answers errors for ten minutes from its n-th write on. `stored`: that write arrives."""

    def __init__(self, folder: Path, clock: Clock, nth: int, *, stored: bool) -> None:
        super().__init__(folder)
        self._clock, self._left, self._stored = clock, nth, stored
        self._away_since: datetime | None = None

    def _look(self) -> None:
        if self._away_since is not None and self._clock.now() - self._away_since < AWAY:
            raise JournalUnavailableError("503 Slow Down")

    def read(self, name: str) -> bytes | None:
        self._look()
        return super().read(name)

    def listing(self, folder: str) -> Collection[str]:
        self._look()
        return super().listing(folder)

    def create(self, name: str, content: bytes) -> bool:
        self._look()
        self._left -= 1
        if self._left == 0:
            self._away_since = self._clock.now()
            if self._stored:
                super().create(name, content)
            self._look()
        return super().create(name, content)


def launches(rig: Rig) -> Counter[str]:
    return Counter(server["sourceServerID"] for job in rig.jobs() for server in job["participatingServers"])


@pytest.mark.parametrize("stored", [False, True], ids=["not stored", "stored, and the answer lost"])
@pytest.mark.parametrize("nth", [1, 3, 4, 6, 9, 12])
def test_ten_minutes_of_errors_lose_nothing_and_launch_nothing_twice(tmp_path: Path, nth: int, stored: bool) -> None:
    with simulated_aws() as rig:
        storage = Failing(tmp_path, rig.clock, nth, stored=stored)
        runbook, interrupted = rig.runbook(WAVES), 0
        while True:
            journal = StoredJournal(storage, "exec-1")
            try:
                begun = bool(journal.read())
                report = rig.run(rig.engine(None if begun else runbook, journal=journal))
                break
            except JournalUnavailableError:
                interrupted += 1
                rig.clock.advance(60.0)  # whoever resumes it tries once a minute
        assert interrupted == 10
        assert report.status is ExecutionStatus.COMPLETED
        assert launches(rig) == Counter({s.source_server_id: 1 for wave in runbook.waves for s in wave.servers})
        told = {job.job_id for wave in report.waves for job in wave.jobs}
        assert told == {job["jobID"] for job in rig.jobs()}


class Late(FolderStorage):
    """A folder whose readers are late: what was created is not read before a second look."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._seen: Counter[str] = Counter()

    def read(self, name: str) -> bytes | None:
        self._seen[name] += 1
        return super().read(name) if self._seen[name] > 1 else None

    def listing(self, folder: str) -> Collection[str]:
        return []


def test_a_process_that_reads_late_is_fenced_and_launches_nothing(tmp_path: Path) -> None:
    with simulated_aws() as rig:
        runbook = rig.runbook({1: WaveSpec(1)})
        first: Any = rig.engine(runbook, journal=StoredJournal(FolderStorage(tmp_path), "exec-1"))
        with pytest.raises(FencedError):
            rig.engine(runbook, journal=StoredJournal(Late(tmp_path), "exec-1"))  # it takes it for new
        assert rig.run(first).status is ExecutionStatus.COMPLETED
        assert set(launches(rig).values()) == {1}
