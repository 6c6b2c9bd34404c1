"""Reaching the Prefect API: one message where it cannot be reached, one line per outage."""

from __future__ import annotations

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

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
