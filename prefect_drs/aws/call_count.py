"""A count of the requests sent to AWS, by service and operation, retries included.

In: clients. Out: `{"drs:TagResource": 12, …}`. Never changes a request.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

_READING = ("Describe", "Get", "List", "AssumeRole")


class CallCount:
    """Counts the requests of the clients that it watches. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def watch(self, client: Any) -> None:
        """Count the requests of this client from now on."""
        client.meta.events.register("before-send", self._note)

    def snapshot(self) -> Counter[str]:
        """How often each operation was sent so far; the difference of two is what was sent in between."""
        with self._lock:
            return Counter(self._counts)

    def _note(self, event_name: str, **_: Any) -> None:
        service, operation = event_name.split(".")[1:]
        with self._lock:
            self._counts[f"{service}:{operation}"] += 1


def writes_in(calls: Counter[str]) -> int:
    """How many of these calls may change something."""
    return sum(count for name, count in calls.items() if not name.partition(":")[2].startswith(_READING))
