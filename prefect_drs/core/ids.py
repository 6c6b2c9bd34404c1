"""Ids of executions that no Prefect server gives.

In: the time. Out: a UUID of version 7, as Prefect's flow run ids are: its beginning is the time, so that ids sort as
their executions began.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from uuid import UUID


def execution_id(at: datetime) -> str:
    """A new id (RFC 9562, 5.7: 48 bits of milliseconds, the version, 12 random bits, the variant, 62 random bits)."""
    milliseconds = int(at.timestamp() * 1000) & ((1 << 48) - 1)
    value = milliseconds << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62)
    return str(UUID(int=value))
