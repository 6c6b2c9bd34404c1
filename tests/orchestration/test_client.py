"""Reaching the Prefect API: one message where it cannot be reached, one line per outage."""

from __future__ import annotations

from pathlib import Path

import pytest
from prefect.settings import (
    PREFECT_API_SSL_CERT_FILE,
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    temporary_settings,
)

from prefect_drs.orchestration.client import OutageLog, PrefectUnreachableError, prefect_client, quick_client
from tests.conftest import free_port


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
