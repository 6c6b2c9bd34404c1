"""The sandbox with its STS, an OIDC issuer, and a server that no proof may lead to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from prefect_drs.simulator import StepClock
from prefect_drs.simulator.server import SandboxServer
from tests.identity.issuer import Issuer, Web, running_issuer


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    """A sandbox that this process's AWS configuration leads to."""
    with SandboxServer(clock=StepClock()) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL": running.endpoint_url,
        }.items():
            patch.setenv(name, value)
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION"):
            patch.delenv(name, raising=False)
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
