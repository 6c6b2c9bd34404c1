"""Where something lives in AWS: an account and a region. DRS keeps quotas, jobs and servers per such pair."""

from __future__ import annotations

from typing import NamedTuple


class Location(NamedTuple):
    """An account (12 digits) and a region; sorts and hashes as the pair."""

    account_id: str
    region: str

    def __str__(self) -> str:
        return f"{self.account_id}/{self.region}"
