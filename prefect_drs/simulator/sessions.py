"""The sessions that AssumeRole issued, and their expiry (simulated time).

Keys that are not known here are long-term keys and never expire.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

_PAST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Session:
    """A session of AssumeRole; `name` is its RoleSessionName."""

    access_key: str
    account_id: str
    role_arn: str
    expires_at: datetime
    name: str = "session"


@dataclass(slots=True)
class AssumedSessions:
    """All sessions by access key."""

    _by_key: dict[str, Session] = field(default_factory=dict)

    def add(self, session: Session) -> None:
        """Add a session."""
        self._by_key[session.access_key] = session

    def get(self, access_key: str) -> Session | None:
        """The session of an access key, expired or not."""
        return self._by_key.get(access_key)

    def expire_all(self, account_id: str | None = None) -> int:
        """Expire all sessions (of an account); returns their number."""
        ended = [s.access_key for s in self._by_key.values() if account_id in (None, s.account_id)]
        for access_key in ended:
            self.expire(access_key)
        return len(ended)

    def expire(self, access_key: str) -> None:
        """Expire one session."""
        session = self._by_key.get(access_key)
        if session is not None:
            self._by_key[access_key] = replace(session, expires_at=_PAST)
