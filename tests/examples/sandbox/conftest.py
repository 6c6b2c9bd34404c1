"""The stored plan `Shop` of two waves, the second behind a gate, and a deployment that runs it without a worker.

Both are there for all tests of a file: they start executions of their own, and look at no others.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import PrefectServer
from tests.operations.estate import Stored
from tests.operations.shop import stored_shop, waiting_deployment

pytest.register_assert_rewrite("tests.operations.test_executions")


@pytest.fixture(scope="module")
def shop(prefect_server: PrefectServer) -> Iterator[Stored]:
    with stored_shop() as stored:
        yield stored


@pytest.fixture(scope="module")
def deployment(prefect_server: PrefectServer) -> Iterator[str]:
    with waiting_deployment() as name:
        yield name
