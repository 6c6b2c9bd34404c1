"""Which servers had `copyTags` on when they were last looked at: what keeps a sync from asking for each server anew.

DRS tells a launch configuration for one server a call and in no list, so that looking costs as many calls as there are
servers. A server that was seen with `copyTags` on is looked at again after `looked_at_again_after`, or sooner by up to
half of it, settled by its id, so that not all fall due in one sync. What is not remembered is looked at: an empty
memory costs calls, never a mistake.

In and out: JSON values, for whoever keeps it between syncs. Safe to share between threads.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

LOOKED_AT_AGAIN_AFTER = timedelta(hours=24)


class CopyTagsMemory:
    """When each server was last seen with `copyTags` on.

    Args:
        seen: seconds since 1970 by source server ARN.
        looked_at_again_after: how long that is good for; zero looks at every server in every sync.
    """

    def __init__(
        self, seen: Mapping[str, int] | None = None, *, looked_at_again_after: timedelta = LOOKED_AT_AGAIN_AFTER
    ) -> None:
        self._seen = dict(seen or {})
        self._after = looked_at_again_after
        self._lock = threading.Lock()

    @classmethod
    def from_json(cls, data: Any, *, looked_at_again_after: timedelta = LOOKED_AT_AGAIN_AFTER) -> CopyTagsMemory:
        """From what `to_json` gave; from anything else, an empty one."""
        known = data if isinstance(data, dict) else {}
        seen = {arn: at for arn, at in known.items() if isinstance(arn, str) and isinstance(at, int)}
        return cls(seen, looked_at_again_after=looked_at_again_after)

    def to_json(self) -> dict[str, int]:
        """All of it, as JSON values."""
        with self._lock:
            return dict(sorted(self._seen.items()))

    def is_due(self, arn: str, now: datetime) -> bool:
        """Whether the server is to be looked at."""
        with self._lock:
            at = self._seen.get(arn)
        if at is None:
            return True
        age = now - datetime.fromtimestamp(at, UTC)
        share = 0.5 + 0.5 * (zlib.crc32(arn.encode()) / 2**32)
        return age < timedelta(0) or age >= self._after * share

    def note(self, arn: str, now: datetime) -> None:
        """The server has `copyTags` on."""
        with self._lock:
            self._seen[arn] = int(now.timestamp())

    def forget_older_than(self, now: datetime) -> None:
        """Let go of servers that no sync has asked about for twice the time: they are gone."""
        oldest = (now - 2 * self._after).timestamp()
        with self._lock:
            self._seen = {arn: at for arn, at in self._seen.items() if at >= oldest}
