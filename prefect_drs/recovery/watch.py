"""How often to look: one poller an account-region reads all its jobs at once, and this says when it looks next.

Soon while something may end, rarely while it surely will not, and later and later, with jitter, where reading fails.
Fast enough that a wave's dependents start within seconds, slow enough to stay under 12 readings a minute.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PollPolicy:
    """Intervals in seconds.

    Args:
        near: between readings while some job may end.
        far: between readings while all jobs are younger than `quiet`.
        quiet: how long after its start a job surely runs on.
        backoff_limit: the longest wait after readings or launches that failed.
    """

    near: float = 6.0
    far: float = 15.0
    quiet: float = 60.0
    backoff_limit: float = 60.0

    def interval(self, job_ages: Iterable[float]) -> float:
        """Seconds to the next reading, for active jobs of those ages (seconds)."""
        ages = tuple(job_ages)
        return self.far if ages and max(ages) < self.quiet else self.near

    def backoff(self, failures: int, chance: random.Random) -> float:
        """Seconds to wait after so many failures in a row: doubling from `near`, full jitter over the upper half."""
        ceiling = min(self.backoff_limit, self.near * 2.0 ** min(failures - 1, 16))
        return ceiling * (0.5 + 0.5 * chance.random())
