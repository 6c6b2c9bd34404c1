"""The stored plan `Shop` of two waves, the second behind a gate, and a deployment that runs it without a worker."""

from __future__ import annotations

import pytest

from tests.operations.test_executions import deployment, shop

__all__ = ["deployment", "shop"]

pytest.register_assert_rewrite("tests.operations.test_executions")
