"""Token buckets, one per account, region and operation.

AWS publishes no rates for DRS. The default rates have the magnitude of AWS's other control planes: ten calls per second
with a burst of twenty for reads, two with a burst of five for operations that start jobs. They are configurable.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from .drs.exceptions import ThrottlingException

READS = ("Describe", "Get", "List")


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` calls at once, refilled by `per_second` (simulated seconds)."""

    per_second: float
    burst: float


DEFAULT_READ = Rate(10, 20)
DEFAULT_WRITE = Rate(5, 10)
DEFAULT_RATES = {"StartRecovery": Rate(2, 5), "TerminateRecoveryInstances": Rate(2, 5)}


@dataclass(slots=True)
class Throttle:
    """The buckets.

    Args:
        rates: rates by operation; other operations have the rate `read` or `write`, by their verb.
    """

    rates: dict[str, Rate] = field(default_factory=lambda: dict(DEFAULT_RATES))
    read: Rate = DEFAULT_READ
    write: Rate = DEFAULT_WRITE
    _buckets: dict[tuple[str, str, str], tuple[float, datetime]] = field(default_factory=dict)

    def take(self, account: str, region: str, operation: str, now: datetime) -> None:
        """Take one token.

        Raises:
            ThrottlingException: the bucket is empty; has the time until the next token.
        """
        rate = self.rates.get(operation) or (self.read if operation.startswith(READS) else self.write)
        key = (account, region, operation)
        tokens, since = self._buckets.get(key, (rate.burst, now))
        tokens = min(rate.burst, tokens + (now - since).total_seconds() * rate.per_second)
        if tokens < 1:
            self._buckets[key] = (tokens, now)
            raise ThrottlingException(max(1, round((1 - tokens) / rate.per_second)))
        self._buckets[key] = (tokens - 1, now)
