"""The REST face in this process: the real application over the simulator."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version

import pytest
from starlette.testclient import TestClient

from prefect_drs.rest.app import build_app
from prefect_drs.rest.options import RestOptions
from tests.operations.estate import Stored, stored_estate

SCHEMATHESIS = tuple(map(int, version("schemathesis").split(".")[:2]))
# The lowest Starlette that the package allows holds Schemathesis back to a release without these checks.
collect_ignore = [] if SCHEMATHESIS >= (4, 32) else ["test_openapi_cases.py"]

LOCAL = "http://127.0.0.1:8080"


@pytest.fixture
def client() -> Iterator[TestClient]:
    """A client of an application that has served nothing yet."""
    with TestClient(build_app(RestOptions(caller="ada")), base_url=LOCAL) as opened:
        yield opened


@pytest.fixture
def stored(prefect_server: object) -> Iterator[Stored]:
    """An empty stored estate."""
    with stored_estate() as empty:
        yield empty
