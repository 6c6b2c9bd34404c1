"""What breaks a rule of a manifest, and what keeps it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Change = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Pair:
    """What breaks a rule, with which code, and what keeps it."""

    code: str
    breaks: Change
    keeps: Change


def both(*changes: Change) -> Change:
    def change(manifest: dict[str, Any]) -> None:
        for each in changes:
            each(manifest)

    return change
