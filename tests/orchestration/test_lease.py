"""The lease of an execution on a real Prefect server that grants it, that another holds, or that does not answer."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.orchestration.client import PrefectUnreachableError
from prefect_drs.orchestration.executions.lease import forget_lease, hold, is_held, limit_name
from tests.conftest import PrefectServer
from tests.http_proxy import Proxy, http_proxy

SOON = timedelta(seconds=1)
BUSY = PrefectDrsError("another process runs it")
GRANT = "increment-with-lease"


@pytest.fixture
def proxy(prefect_server: PrefectServer) -> Iterator[Proxy]:
    with http_proxy(prefect_server.url) as proxy, temporary_settings({PREFECT_API_URL: f"{proxy.url}/api"}):
        yield proxy


@pytest.fixture
def execution_id(prefect_server: PrefectServer) -> Iterator[str]:
    name = str(uuid4())
    yield name
    forget_lease(name)


def test_a_request_that_prefect_does_not_answer_is_made_again(
    execution_id: str, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    fault = proxy.plant("POST", "swallow", path=GRANT)
    with caplog.at_level(logging.ERROR), hold(limit_name(execution_id), timedelta(seconds=60), BUSY, attempt=SOON):
        assert is_held(execution_id)
    assert fault.hits == 1
    assert [record for record in caplog.records if "Concurrency" in record.getMessage()] == []
    assert not is_held(execution_id)


def test_a_lease_that_prefect_never_grants_is_not_said_to_be_another_s(execution_id: str, proxy: Proxy) -> None:
    proxy.plant("POST", "swallow", path=GRANT, times=100)
    with (
        pytest.raises(PrefectUnreachableError, match=r"although nobody holds it.*use PostgreSQL"),
        hold(limit_name(execution_id), SOON, BUSY, attempt=SOON),
    ):
        pytest.fail("it was granted")


def test_a_lease_that_another_holds_is_busy(execution_id: str, prefect_server: PrefectServer) -> None:
    name = limit_name(execution_id)
    with (
        hold(name, SOON, BUSY),
        pytest.raises(PrefectDrsError, match="another process runs it"),
        hold(name, SOON, BUSY, attempt=SOON / 2),
    ):
        pytest.fail("two hold it")
