"""Ids and random draws that depend on the seed and on their subject, never on the order of calls.

In: the seed and the parts that name a subject (account, region, source server, attempt). Out: ids in the model's
patterns, and random generators. Two runs with one seed give the same ids even if threads race. Never draws from moto's
global random generator.
"""

from __future__ import annotations

import hashlib
import random
import uuid

_HEX = "0123456789abcdef"


def _number(*parts: object) -> int:
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest, "big")


def identifier(prefix: str, *parts: object) -> str:
    """`prefix` and 17 lower-case hexadecimal digits, as EC2 and DRS name their resources (`i-…`, `drsjob-…`).

    The model of DRS allows more characters; its recorded answers have no others.
    """
    number, digits = _number(prefix, *parts), ""
    for _ in range(17):
        number, index = divmod(number, len(_HEX))
        digits += _HEX[index]
    return prefix + digits


def uuid_of(*parts: object) -> str:
    """A UUID in version 4 form, determined by `parts`."""
    return str(uuid.UUID(int=_number("uuid", *parts) % (1 << 128), version=4))


def generator(*parts: object) -> random.Random:
    """A random generator determined by `parts`."""
    return random.Random(_number("random", *parts))  # noqa: S311 # simulated durations, not secrets
