"""The one way in which values are written as bytes where a digest or signature is made of them.

In: JSON values or a model, or bytes. Out: canonical JSON (sorted keys, no white space, UTF-8), or a SHA-256 as hex.
"""

from __future__ import annotations

import hashlib
import json

from pydantic import BaseModel


def canonical_json(value: object) -> bytes:
    """The value as canonical JSON; a model by its aliases."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", by_alias=True)
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def sha256(content: bytes) -> str:
    """The SHA-256 of bytes, as hex."""
    return hashlib.sha256(content).hexdigest()


def digest(value: object) -> str:
    """The SHA-256 of a value's canonical JSON, as hex."""
    return sha256(canonical_json(value))
