"""An empty stored estate for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import PrefectServer
from tests.operations.estate import Stored, stored_estate


@pytest.fixture
def stored(prefect_server: PrefectServer) -> Iterator[Stored]:
    with stored_estate() as empty:
        yield empty
