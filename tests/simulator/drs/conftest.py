"""An initialised account under a stepped clock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from prefect_drs.simulator import mock_drs

from .rig import Rig


@pytest.fixture
def rig() -> Iterator[Rig]:
    with mock_drs(seed=7, default_images=False) as sandbox:
        made = Rig(sandbox)
        made.backend.initialize_service()
        yield made
