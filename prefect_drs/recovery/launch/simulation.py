"""The discrete-event simulation of a recovery: gates open, jobs end, checks pass, and dependents follow.

In: the waves with their times, and a `LaunchQueue` for each account and region. Out: when each wave is over. Callers:

- `recovery.launch.lookahead` simulates the rest of a recovery at each decision of the engine, with expected durations;
- `recovery.launch.simulated_recovery` simulates a whole recovery, or the rest of one, many times with durations drawn
  at random, for `prefect_drs.forecast` and for `recovery.running_forecast`.

This module decides what follows what, and when. A queue decides which servers share a job and how long the job takes.
Pure: no AWS, no clock, no chance.
"""

from __future__ import annotations

import enum
import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from prefect_drs.plan.longest_path import dependents_of

FOREIGN = -1
"""The wave number of a job that belongs to no wave of this execution."""


@dataclass(frozen=True, slots=True)
class WaveTiming:
    """The times of a wave besides its launches, in seconds.

    Args:
        depends_on: the waves before it; a wave that the simulation does not have is over.
        opening: from the end of those before it until it may launch: its gate, its hooks.
        elsewhere: from then until its servers that no queue has are launched.
        closing: from its last launch to its end: its checks.
    """

    depends_on: tuple[int, ...] = ()
    opening: float = 0.0
    elsewhere: float = 0.0
    closing: float = 0.0


class StartedJob(NamedTuple):
    """A job that a queue started: its wave, its seconds, and the queue's own key for it."""

    wave: int
    seconds: float
    key: int


class SimulatedRun(NamedTuple):
    """A job that runs when the simulation begins; `seconds` until it ends, None: it never does.

    `servers`: those that it has still to launch. `queue`: which queue has it, by its index.
    """

    wave: int
    servers: int
    seconds: float | None
    key: int
    queue: int = 0


class LaunchQueue(Protocol):
    """The servers that are ready in one account and region, and the quotas there."""

    def add(self, wave: int) -> int:
        """A wave may launch: queue its servers. Returns how many there are."""
        ...

    def start(self, now: float, *, ending: bool) -> Iterable[tuple[int, float, int]]:
        """Start jobs (`StartedJob`); `ending`: something else will still happen, so that waiting is possible."""
        ...

    def end(self, key: int) -> int:
        """A job is over: free its slots. Returns how many of its servers are launched."""
        ...


class Dependencies:
    """The waves that follow each wave, and how many it waits for; made once for many simulations."""

    def __init__(self, waves: Mapping[int, WaveTiming]) -> None:
        known = {number: [n for n in wave.depends_on if n in waves] for number, wave in waves.items()}
        self.dependents = dependents_of(known)
        self.counts = {number: len(set(before)) for number, before in known.items()}


class _Event(enum.IntEnum):
    """What can happen. Of what happens at the same moment, the lower comes first."""

    JOB_ENDS = 1
    LAUNCHED_ELSEWHERE = 2
    GATE_OPENS = 3
    CHECKS_PASS = 4


class Simulation:
    """One simulation.

    Args:
        waves: by wave number.
        dependencies: of these waves.
        queues: one for each account and region.
        launching: waves that may launch already, with the servers that the queues have of them.
        running: jobs that run already.
    """

    def __init__(
        self,
        waves: Mapping[int, WaveTiming],
        dependencies: Dependencies,
        queues: Sequence[LaunchQueue],
        launching: Mapping[int, int] | None = None,
        running: Iterable[SimulatedRun] = (),
    ) -> None:
        self.over: dict[int, float] = {}
        """When each wave is over, in the order of their ends; a wave that is never over is missing."""
        self._waves = waves
        self._dependents = dependencies.dependents
        self._missing = dict(dependencies.counts)
        self._queues = queues
        self._events: list[tuple[float, _Event, int, int, int]] = []  # when, what, wave, queue, job
        self._pending: dict[int, int] = {}  # by wave that may launch: servers, and one for all that are elsewhere
        for wave, servers, seconds, key, queue in running:
            self._pending[wave] = self._pending.get(wave, 0) + servers
            if seconds is not None:
                self._at(seconds, _Event.JOB_ENDS, wave, queue, key)
        launching = launching or {}
        for wave in {*launching, *self._pending} & {*waves}:
            self._await(wave, launching.get(wave, 0), 0.0)

    def run(self) -> Mapping[int, float]:
        """Simulate until nothing more happens; returns `over`."""
        for wave, missing in self._missing.items():
            if not missing and wave not in self._pending:
                self._open(wave, 0.0)
        events, now = self._events, 0.0
        while True:
            for index, queue in enumerate(self._queues):
                for wave, seconds, key in queue.start(now, ending=bool(events)):
                    heapq.heappush(events, (now + seconds, _Event.JOB_ENDS, wave, index, key))
            if not events:
                return self.over
            now = events[0][0]
            while events and events[0][0] <= now:
                _, event, wave, index, key = heapq.heappop(events)
                if event is _Event.JOB_ENDS:
                    self._launched(wave, self._queues[index].end(key), now)
                elif event is _Event.LAUNCHED_ELSEWHERE:
                    self._launched(wave, 1, now)
                elif event is _Event.GATE_OPENS:
                    self._launch(wave, now)
                else:
                    self._end(wave, now)

    def _at(self, when: float, event: _Event, wave: int, queue: int = 0, key: int = 0) -> None:
        heapq.heappush(self._events, (when, event, wave, queue, key))

    def _open(self, wave: int, now: float) -> None:
        """A wave's dependencies are over: its gate and its hooks come, where it has any."""
        opening = self._waves[wave].opening
        if opening:
            self._at(now + opening, _Event.GATE_OPENS, wave)
        else:
            self._launch(wave, now)

    def _launch(self, wave: int, now: float) -> None:
        """A wave may launch."""
        servers = 0
        for queue in self._queues:
            servers += queue.add(wave)
        self._await(wave, servers, now)

    def _await(self, wave: int, servers: int, now: float) -> None:
        """A wave waits for these servers, and for those that it has elsewhere."""
        elsewhere = self._waves[wave].elsewhere
        self._pending[wave] = self._pending.get(wave, 0) + servers
        if elsewhere or not self._pending[wave]:
            self._pending[wave] += 1
            self._at(now + elsewhere, _Event.LAUNCHED_ELSEWHERE, wave)

    def _launched(self, wave: int, servers: int, now: float) -> None:
        """Servers of a wave are launched; after the last of them come its checks."""
        self._pending[wave] -= servers
        if self._pending[wave] or wave not in self._waves:
            return
        closing = self._waves[wave].closing
        if closing:
            self._at(now + closing, _Event.CHECKS_PASS, wave)
        else:
            self._end(wave, now)

    def _end(self, wave: int, now: float) -> None:
        """A wave is over: those that waited for it alone may go on."""
        self.over[wave] = now
        for other in self._dependents[wave]:
            self._missing[other] -= 1
            if not self._missing[other] and other not in self._pending:
                self._open(other, now)
