"""The request log: caller, operation, account, region, time and result of each call, as evidence for tests.

In: the calls that the simulator observes (`Runtime.observers`), over HTTP and under `mock_drs`. Out: entries that can
be filtered by service, operation, account, region, result, and whether they write. The parameters of writing calls are
recorded, those of reading calls are not; secrets never are. The log is bounded: the oldest entries are dropped and
counted in `dropped`.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from pydantic.alias_generators import to_camel

from prefect_drs.simulator.runtime import Call, Runtime

CAPACITY = 50_000
_READING = re.compile(r"(?:Describe|Get|List|Search|Lookup|Head|Query|Scan|Batch(?:Get|Describe)|Receive|AssumeRole)")
_SECRET = re.compile(r"external_?id|secret|password|session_?token|private_?key", re.IGNORECASE)
_HIDDEN = "(hidden)"
_LONGEST_LIST = 500
_LONGEST_TEXT = 2_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One call.

    Args:
        number: 1, 2, 3 … in order of the responses; also a cursor for `after`.
        at: simulated time, UTC.
        real_at: the machine's time, UTC.
        account_id, region: the account and region of the call.
        access_key: the caller's key; a temporary one if a role was assumed.
        role: the ARN of the assumed role; empty for long-term keys.
        service, operation: botocore's names (`drs`, `StartRecovery`).
        code: AWS's error code; empty on success.
        params: the parameters of a writing call; None for a reading one.
    """

    number: int
    at: datetime
    real_at: datetime
    account_id: str
    region: str
    access_key: str
    role: str
    service: str
    operation: str
    code: str
    params: dict[str, Any] | None

    @property
    def is_write(self) -> bool:
        """Whether the operation may change something."""
        return self.params is not None

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return not self.code

    def as_json(self) -> dict[str, Any]:
        """The entry as data with camelCase names."""
        data = {to_camel(one.name): getattr(self, one.name) for one in fields(self)}
        return data | {"at": self.at.isoformat(), "realAt": self.real_at.isoformat()}


class RequestLog:
    """A ring buffer of the latest calls. Thread-safe.

    Args:
        capacity: the maximum number of entries.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._entries: deque[Entry] = deque(maxlen=capacity)
        self._lock = threading.Lock()
        self._count = 0
        self._cleared = 0
        self._runtime: Runtime | None = None

    def watch(self, runtime: Runtime) -> RequestLog:
        """Record every call that `runtime` observes from now on."""
        self._runtime = runtime
        runtime.observers.append(self.observe)
        return self

    def observe(self, call: Call) -> None:
        """Record one call."""
        session = self._runtime.sessions.get(call.access_key) if self._runtime else None
        writes = not _READING.match(call.operation)
        params = _without_secrets(call.params, call.operation) if writes else None
        with self._lock:
            self._count += 1
            self._entries.append(
                Entry(
                    number=self._count,
                    at=call.at,
                    real_at=datetime.now(UTC),
                    account_id=call.account_id,
                    region=call.region,
                    access_key=call.access_key,
                    role=session.role_arn if session else "",
                    service=call.service,
                    operation=call.operation,
                    code=call.code,
                    params=params,
                )
            )

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        with self._lock:
            return iter(list(self._entries))

    @property
    def dropped(self) -> int:
        """The number of entries that were dropped since the last `clear`, to stay within the capacity."""
        with self._lock:
            return self._count - self._cleared - len(self._entries)

    def clear(self) -> None:
        """Delete all entries; the numbering continues."""
        with self._lock:
            self._entries.clear()
            self._cleared = self._count

    def find(
        self,
        *,
        service: str | None = None,
        operation: str | None = None,
        account: str | None = None,
        region: str | None = None,
        code: str | None = None,
        writes: bool | None = None,
        after: int = 0,
        limit: int | None = None,
    ) -> list[Entry]:
        """The entries that match all given filters, oldest first.

        Args:
            code: an AWS error code; `""` for successful calls.
            after: only entries with a greater number.
            limit: at most this many of the oldest matches.
        """
        wanted = {"service": service, "operation": operation, "account_id": account, "region": region, "code": code}
        tests = {name: value for name, value in wanted.items() if value is not None}
        found = [
            entry
            for entry in self
            if entry.number > after
            and (writes is None or entry.is_write is writes)
            and all(getattr(entry, name) == value for name, value in tests.items())
        ]
        return found if limit is None else found[:limit]

    def counts(self, entries: Iterable[Entry] | None = None) -> dict[str, int]:
        """The number of calls of each `service:Operation`, most frequent first."""
        counted: dict[str, int] = {}
        for entry in self if entries is None else entries:
            name = f"{entry.service}:{entry.operation}"
            counted[name] = counted.get(name, 0) + 1
        return dict(sorted(counted.items(), key=lambda pair: (-pair[1], pair[0])))


def _without_secrets(value: Any, operation: str) -> Any:
    """A copy as plain data: secrets hidden, long lists and texts truncated."""
    if isinstance(value, dict):
        hides_value = value.get("Type") == "SecureString" or "Secret" in operation
        return {
            str(key): _HIDDEN
            if _SECRET.search(str(key)) or (hides_value and key in {"Value", "SecretString"})
            else _without_secrets(item, operation)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_without_secrets(item, operation) for item in value[:_LONGEST_LIST]]
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_TEXT else value[:_LONGEST_TEXT] + "…"
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)[:_LONGEST_TEXT]
