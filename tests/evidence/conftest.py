"""One drill for all tests of evidence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.evidence.drilled import drill
from tests.rig import Rig, simulated_aws


@pytest.fixture(scope="session")
def drilled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a journal of an execution that has ended, anchored by key 1. Never written to."""
    folder = tmp_path_factory.mktemp("drilled")
    with simulated_aws() as rig:
        drill(rig, folder)
    return folder


@pytest.fixture
def rig() -> Iterator[Rig]:
    with simulated_aws() as rig:
        yield rig
