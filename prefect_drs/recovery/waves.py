"""What this process knows of each wave beyond the journal: where the engine is with it, and what it tried.

Plain values. Nothing of this is stored: a process that resumes the execution starts without it, and finds out again.
"""

from __future__ import annotations

import enum
from collections.abc import Collection
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime

from prefect_drs.aws.location import Location
from prefect_drs.execution.state import ServerRun, ServerState, WaveRun


class WavePhase(enum.Enum):
    """What the engine does for a wave."""

    WAITING = "waiting"  # not handed to the engine yet
    PRE_WAVE = "pre-wave hooks"
    PREPARING = "preparing"  # launch settings are being applied
    LAUNCHING = "launching"
    STEP = "a step of a failback"
    HEALTH = "health checks"
    POST_WAVE = "post-wave hooks"
    OVER = "over"


@dataclass(slots=True)
class LiveWave:
    """A wave that this process carries.

    Args:
        run: the wave as the journal tells it.
        unhealthy: which checks did not pass of servers that the wave goes on without.
        exhausted: servers that are not tried again, whatever the retry policy allows.
        prepared: servers whose launch settings this process has written for their next launch.
        preparations: the writing of settings that is under way.
        progress: how many servers were prepared when a try to write settings failed last.
        prepare_failures: tries in a row that failed and prepared no further server.
        stuck_since: when the first of them failed.
        prepare_again_at: when settings are tried to be written again.
        recorded_delays: error codes that a delay was recorded for.
    """

    run: WaveRun
    unhealthy: str = ""
    exhausted: set[str] = field(default_factory=set)
    prepared: set[str] = field(default_factory=set)
    preparations: list[Future[None]] = field(default_factory=list)
    progress: int = 0
    prepare_failures: int = 0
    stuck_since: datetime | None = None
    prepare_again_at: datetime | None = None
    recorded_delays: set[str] = field(default_factory=set)
    _phase: WavePhase = WavePhase.WAITING
    _by_location: dict[Location, list[ServerRun]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for run in self.run.servers.values():
            self._by_location.setdefault(run.server.location, []).append(run)

    @property
    def locations(self) -> Collection[Location]:
        """The accounts and regions that it has servers in."""
        return self._by_location.keys()

    @property
    def phase(self) -> WavePhase:
        """What the engine does for it; nothing any more once the journal holds its end."""
        return WavePhase.OVER if self.run.status.over else self._phase

    @phase.setter
    def phase(self, phase: WavePhase) -> None:
        self._phase = phase

    @property
    def number(self) -> int:
        """Its wave number."""
        return self.run.number

    @property
    def servers(self) -> dict[str, ServerRun]:
        """Its servers, by source server id."""
        return self.run.servers

    def ready_servers(self, location: Location) -> tuple[str, ...]:
        """The servers there that may be put in a job now."""
        if self.phase is not WavePhase.LAUNCHING:
            return ()
        runs = self._by_location.get(location, ())
        return tuple(run.server.source_server_id for run in runs if run.state is ServerState.READY)

    def is_ready(self, location: Location) -> bool:
        """Whether `ready_servers` has any."""
        return self.phase is WavePhase.LAUNCHING and any(
            run.state is ServerState.READY for run in self._by_location.get(location, ())
        )
