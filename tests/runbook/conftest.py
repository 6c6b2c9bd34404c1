"""The fixture that the preflight's tests share."""

from tests.runbook.world import world

__all__ = ["world"]
