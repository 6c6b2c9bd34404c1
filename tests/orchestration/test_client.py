"""Reaching the Prefect API: one message where it cannot be reached, one line per outage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from prefect.exceptions import ObjectNotFound
from prefect.settings import (
    PREFECT_API_SSL_CERT_FILE,
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    temporary_settings,
)

from prefect_drs.orchestration.client import OutageLog, PrefectUnreachableError, prefect_client, quick_client
from tests.conftest import free_port
from tests.http_proxy import http_proxy

if TYPE_CHECKING:
    from tests.conftest import PrefectServer


def test_an_outage_is_logged_once_and_so_is_its_end() -> None:
    lines: list[str] = []
    outage = OutageLog("control requests", lines.append)

    outage.answered()
    for _ in range(3):
        outage.failed(OSError("refused"))
    outage.answered()
    outage.answered()
    outage.failed(OSError("refused again"))

    assert lines == [
        "Prefect does not answer (refused); control requests wait until it does",
        "Prefect answers again: control requests are read",
        "Prefect does not answer (refused again); control requests wait until it does",
    ]


@pytest.mark.parametrize("client", [quick_client, prefect_client])
def test_an_api_that_cannot_be_reached_is_named_with_its_url_and_the_remedy(client: object) -> None:
    url = f"http://127.0.0.1:{free_port()}/api"
    with (
        temporary_settings({PREFECT_API_URL: url}),
        pytest.raises(PrefectUnreachableError, match=f"the Prefect API at {url} cannot be reached .*PREFECT_API_URL"),
        client() as api,  # type: ignore[operator]
    ):
        api.read_flow_runs()


@pytest.mark.parametrize("status", [500, 503])
def test_a_server_that_is_busy_or_broken_is_named_with_its_answer_and_what_to_do(
    prefect_server: PrefectServer, status: int
) -> None:
    with http_proxy(prefect_server.url) as proxy:
        proxy.plant("POST", "refuse", path="/flow_runs/filter", status=status)
        url = f"{proxy.url}/api"
        with (
            temporary_settings({PREFECT_API_URL: url, PREFECT_CLIENT_MAX_RETRIES: 0}),
            pytest.raises(PrefectUnreachableError, match=f"the Prefect API at {url} answers {status} .*try again"),
            prefect_client() as api,
        ):
            api.read_flow_runs()
        with temporary_settings({PREFECT_API_URL: url}), prefect_client() as api:
            assert isinstance(api.read_flow_runs(limit=1), list)
            with pytest.raises(ObjectNotFound):  # what the server says of the call is the caller's to judge
                api.read_flow_run(uuid4())


def test_a_quick_client_tries_once_and_only_inside_its_block() -> None:
    before = PREFECT_CLIENT_MAX_RETRIES.value()
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}):
        with quick_client():
            assert PREFECT_CLIENT_MAX_RETRIES.value() == 0
        assert PREFECT_CLIENT_MAX_RETRIES.value() == before > 0


@pytest.mark.parametrize("client", [quick_client, prefect_client])
def test_the_certificates_that_prefect_is_set_to_are_those_that_are_read(client: object, tmp_path: Path) -> None:
    missing = tmp_path / "no-certificates.pem"
    with (
        temporary_settings({PREFECT_API_URL: "https://127.0.0.1/api", PREFECT_API_SSL_CERT_FILE: str(missing)}),
        pytest.raises(FileNotFoundError),
        client(),  # type: ignore[operator]
    ):
        pass
