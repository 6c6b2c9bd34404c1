"""A real Prefect server beside a simulated AWS in this process; what a test leaves on the server goes with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from tests.conftest import PrefectServer
from tests.tag_sync.conftest import Estate, estate

__all__ = ["estate"]

STORED = ("tag-sync-last", "tag-sync-memory", "tag-sync-changes", "tag-sync-status", "drs-inventory", "drs-dashboard")
DEPLOYMENTS = ("tag-sync/scheduled", "inventory/scheduled")


@pytest.fixture
def prefect_api(prefect_server: PrefectServer) -> Iterator[None]:
    """The server, without a trace of these flows before and after."""
    forget()
    yield
    forget()


@pytest.fixture
def site(prefect_api: None, estate: Estate) -> Estate:
    """Both."""
    return estate


def forget() -> None:
    """Take settings, artifacts, deployments and locks away."""
    with get_client(sync_client=True) as client:
        with suppress(ObjectNotFound):
            document = client.read_block_document_by_name("settings", "drs-tag-sync-settings")
            client.delete_block_document(document.id)
        for name in DEPLOYMENTS:
            with suppress(ObjectNotFound):
                client.delete_deployment(client.read_deployment_by_name(name).id)
        for key in STORED:
            for artifact in artifacts(key):
                client.delete_artifact(artifact["id"])
        with suppress(ObjectNotFound):
            client.delete_global_concurrency_limit_by_name("prefect-drs-tag-sync")


def artifacts(key: str) -> list[dict[str, Any]]:
    """The artifacts of a key as plain HTTP reads them, the newest first."""
    with get_client(sync_client=True) as client:
        answer = client.request(
            "POST", "/artifacts/filter", json={"artifacts": {"key": {"any_": [key]}}, "sort": "CREATED_DESC"}
        )
    return list(answer.json())
