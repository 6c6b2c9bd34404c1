"""The sandbox with its STS, an OIDC issuer, and a server that no proof may lead to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.identity.issuer import Web


@pytest.fixture
def elsewhere() -> Iterator[Web]:
    """A server that records who asks it: nobody may."""
    web = Web()
    try:
        yield web
    finally:
        web.close()
    assert web.requests == []
