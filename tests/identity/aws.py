"""A sandbox that this process's AWS configuration leads to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from prefect_drs.simulator import StepClock
from prefect_drs.simulator.server import SandboxServer


@contextmanager
def configured_sandbox() -> Iterator[SandboxServer]:
    """A sandbox on HTTP, with its address and keys in the environment."""
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
