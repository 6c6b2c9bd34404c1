"""Proofs that were used already, remembered until they expire.

In: the mark of a proof and its expiry. Out: nothing, or a refusal. The memory is that of one process, and bounded:
where it is full of proofs that have not expired, further ones are refused, since none may be forgotten. A subclass
remembers for several processes (`prefect_drs.orchestration.storage.used_tokens`).
"""

from __future__ import annotations

import threading
from datetime import datetime

from prefect_drs.identity.model import NotProvenError, ProofUnavailableError, Reason

MOST = 100_000


class Replays:
    """Remembers used proofs.

    Args:
        most: how many at the same time.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._used: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def use(self, mark: str, until: datetime, now: datetime) -> None:
        """Record the use of a proof.

        Args:
            mark: the same for each use of one proof, and for no other.
            until: when it expires.
            now: the time.

        Raises:
            NotProvenError: it was used before, or too many are remembered.
        """
        with self._lock:
            if mark in self._used:
                raise NotProvenError(Reason.REPLAYED, "this token was used before: make a new one (prefect-drs token)")
            if len(self._used) >= self._most:
                self._used = {known: end for known, end in self._used.items() if end > now}
            if len(self._used) >= self._most:
                raise ProofUnavailableError(Reason.UNAVAILABLE, "too many tokens are in use; try again in some minutes")
            self._used[mark] = until

    def share(self, mark: str, until: datetime, now: datetime) -> None:
        """Record the use of a proof that was verified, for other processes; here there are none.

        Args:
            mark, until, now: see `use`.

        Raises:
            NotProvenError: another process recorded it before, or that cannot be known.
        """
