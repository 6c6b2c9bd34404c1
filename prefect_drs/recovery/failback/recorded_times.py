"""Times in the journal of a step, as this process may count from them.

In: a wave, when this process takes it up. Out: when its calls were sent, and when writes stopped. A former process's
clock may be off by up to `SKEW` in either direction, so that a time of its may lie less far back than it seems. What
must not be counted too early is counted from the moment at which this process took the wave up.
"""

from __future__ import annotations

from datetime import datetime

from prefect_drs.execution.state import ServerRun, WaveRun
from prefect_drs.recovery.launch.lost_answers import counted_from


class RecordedTimes:
    """The times of one wave's step.

    Args:
        wave: the wave.
        now: when this process takes it up.
    """

    def __init__(self, wave: WaveRun, now: datetime) -> None:
        self._wave = wave
        self._now = now
        self._former_asked = {server_id: run.asked for server_id, run in wave.servers.items() if run.asked is not None}
        self._former_stop = wave.writes_stopped_at is not None

    @property
    def taken_up_at(self) -> datetime:
        """When this process took the wave up."""
        return self._now

    def asked_at(self, run: ServerRun) -> datetime | None:
        """Since when the effect of the last call for a server may be waited for; None where none was sent."""
        if run.asked is None:
            return None
        of_former_process = self._former_asked.get(run.server.source_server_id) == run.asked
        return counted_from(run.asked[1], self._now) if of_former_process else run.asked[1]

    def writes_stopped_at(self) -> datetime | None:
        """Since when certainly nothing was written; None where writes have not stopped.

        Counted from when this process took the wave up where a former process stopped them, however long ago.
        """
        return self._now if self._former_stop else self._wave.writes_stopped_at
