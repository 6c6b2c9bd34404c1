"""Which servers had `copyTags` switched on, and when that was read: saves one call a server in most syncs.

DRS returns a launch configuration for one server per call and in no list, so reading `copyTags` costs as many calls as
there are servers. A server with `copyTags` on is read again after half of `max_age` to `max_age`, depending on its ARN,
so that not all entries expire in the same sync. A server without an entry is read: an empty cache costs calls and
causes no error.

In and out: JSON values, which the caller stores between syncs. Thread-safe.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

MAX_AGE = timedelta(hours=24)


class CopyTagsCache:
    """When each server was last read with `copyTags` on.

    Args:
        read_at: seconds since 1970 by source server ARN.
        max_age: how long an entry is valid at most; zero reads every server in every sync.
    """

    def __init__(self, read_at: Mapping[str, int] | None = None, *, max_age: timedelta = MAX_AGE) -> None:
        self._read_at = dict(read_at or {})
        self._max_age = max_age
        self._lock = threading.Lock()

    @classmethod
    def from_json(cls, data: Any, *, max_age: timedelta = MAX_AGE) -> CopyTagsCache:
        """The cache from the result of `to_json`; from anything else, an empty one."""
        stored = data if isinstance(data, dict) else {}
        read_at = {arn: at for arn, at in stored.items() if isinstance(arn, str) and isinstance(at, int)}
        return cls(read_at, max_age=max_age)

    def to_json(self) -> dict[str, int]:
        """All entries as JSON values."""
        with self._lock:
            return dict(sorted(self._read_at.items()))

    def is_due(self, arn: str, now: datetime) -> bool:
        """Whether the server's launch configuration must be read."""
        with self._lock:
            at = self._read_at.get(arn)
        if at is None:
            return True
        age = now - datetime.fromtimestamp(at, UTC)
        share = 0.5 + 0.5 * (zlib.crc32(arn.encode()) / 2**32)
        return age < timedelta(0) or age >= self._max_age * share

    def record(self, arn: str, now: datetime) -> None:
        """Record that the server has `copyTags` on."""
        with self._lock:
            self._read_at[arn] = int(now.timestamp())

    def drop_expired(self, now: datetime) -> None:
        """Drop entries older than twice `max_age`: no sync has read these servers, so they no longer exist."""
        oldest = (now - 2 * self._max_age).timestamp()
        with self._lock:
            self._read_at = {arn: at for arn, at in self._read_at.items() if at >= oldest}
