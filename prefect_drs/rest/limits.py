"""Limits of requests: a token bucket for each caller.

In: a caller's name and the time. Out: whether a request may go on, or after how many seconds one may. Time is passed in
as a function, so that tests wait for nothing. Buckets that are full again are forgotten: memory is bounded by the
callers of one refill.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

MOST_BUCKETS = 10_000


@dataclass
class _Bucket:
    tokens: float
    at: float


class RateLimit:
    """A token bucket for each caller.

    Args:
        per_second: requests that a caller may send each second in the long run.
        burst: requests that a caller may send at once after a pause.
        now: the time in seconds, from any start.
    """

    def __init__(self, per_second: float, burst: int, now: Callable[[], float]) -> None:
        self._rate = per_second
        self._burst = burst
        self._now = now
        self._buckets: dict[str, _Bucket] = {}
        self._lock = threading.Lock()

    def take(self, caller: str) -> float:
        """Take one token; 0.0 where there was one, else the seconds until there is."""
        now = self._now()
        with self._lock:
            bucket = self._buckets.get(caller)
            if bucket is None:
                if len(self._buckets) >= MOST_BUCKETS:
                    self._forget_full(now)
                bucket = self._buckets[caller] = _Bucket(self._burst, now)
            bucket.tokens = min(self._burst, bucket.tokens + max(0.0, now - bucket.at) * self._rate)
            bucket.at = now
            if bucket.tokens >= 1.0:
                bucket.tokens -= 1.0
                return 0.0
            return (1.0 - bucket.tokens) / self._rate

    def _forget_full(self, now: float) -> None:
        refill = self._burst / self._rate
        self._buckets = {name: bucket for name, bucket in self._buckets.items() if now - bucket.at < refill}
