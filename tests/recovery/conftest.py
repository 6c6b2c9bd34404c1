"""The rig in virtual time, for every test of the engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.rig import Rig, simulated_aws


@pytest.fixture
def rig() -> Iterator[Rig]:
    with simulated_aws() as rig:
        yield rig
