"""The sandbox with its STS, an OIDC issuer, and a server that no proof may lead to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from prefect_drs.simulator.server import SandboxServer
from tests.identity.aws import configured_sandbox
from tests.identity.issuer import Issuer, Web, running_issuer


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    """A sandbox that this process's AWS configuration leads to."""
    with configured_sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


@pytest.fixture
def elsewhere() -> Iterator[Web]:
    """A server that records who asks it: nobody may."""
    web = Web()
    try:
        yield web
    finally:
        web.close()
    assert web.requests == []
