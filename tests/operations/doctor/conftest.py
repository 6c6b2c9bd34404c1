"""One sandbox for all tests of the doctor, and a sound set-up for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from prefect_drs.simulator.server import SandboxServer
from tests.conftest import PrefectServer
from tests.identity.aws import configured_sandbox
from tests.operations.doctor.setup import SetUp, sound_set_up


@pytest.fixture(scope="package")
def aws() -> Iterator[SandboxServer]:
    with configured_sandbox() as running:
        yield running


@pytest.fixture
def sound(prefect_server: PrefectServer, aws: SandboxServer) -> Iterator[SetUp]:
    with pytest.MonkeyPatch.context() as patch, sound_set_up(aws, patch) as made:
        yield made
