"""How often to poll: one poller for each account-region reads all its jobs at once, and this says when it reads next.

Soon while a job may end, rarely while none can have ended yet, and later and later, with jitter, where reading fails.
Fast enough that a wave's dependents start within seconds, slow enough to stay under 12 readings a minute however many
jobs run. When a job can end at the earliest follows from recorded durations where there are any: a launch hardly takes
less than half of what it took before.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunningJob:
    """An active job: seconds since it started, and the seconds its slowest server is expected to take, if known."""

    age: float
    expected: float | None = None


@dataclass(frozen=True, slots=True)
class PollPolicy:
    """Intervals in seconds.

    Args:
        near: between readings while some job may end.
        far: between readings while no job can have ended; at most the age of a reading that a launch may rely on.
        quiet: how long after its start a job cannot have ended, where no duration of its servers is known.
        early: the part of its expected time in which a job cannot have ended.
        backoff_first: the longest wait after the first reading or launch that failed; it doubles from there.
        backoff_limit: the longest wait after many.
    """

    near: float = 5.5
    far: float = 15.0
    quiet: float = 60.0
    early: float = 0.5
    backoff_first: float = 2.0
    backoff_limit: float = 60.0

    def interval(self, jobs: Iterable[RunningJob]) -> float:
        """Seconds to the next reading while these jobs are active."""
        left = min((self._earliest_end(job) - job.age for job in jobs), default=0.0)
        return max(self.near, min(self.far, left))

    def _earliest_end(self, job: RunningJob) -> float:
        return self.quiet if job.expected is None else max(self.quiet, job.expected * self.early)

    def backoff(self, failures: int, chance: random.Random) -> float:
        """Seconds to wait after so many failures in a row: doubling, full jitter over the upper half."""
        ceiling = min(self.backoff_limit, self.backoff_first * 2.0 ** min(failures - 1, 16))
        return ceiling * (0.5 + 0.5 * chance.random())
