"""What the tests of DRS share: a client, source servers that an agent would install, and a clock that is stepped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT_ID
from moto.drs import drs_backends, environment

REGION = "us-east-1"


def initialized_client(region: str = REGION) -> Any:
    client = boto3.client("drs", region_name=region)
    client.initialize_service()
    return client


def source_server(hostname: str = "web01", region: str = REGION, **settings: Any) -> str:
    """The id of a source server: AWS has no operation that creates one, its agent does."""
    disks = [{"deviceName": "/dev/sda1", "bytes": 8 * 2**30}]
    backend = drs_backends[ACCOUNT_ID][region]
    made = backend.seed_source_server(
        **{"hostname": hostname, "ram_bytes": 2 * 2**30, "cpus": 2, "disks": disks, **settings}
    )
    return made.server_id


class Clock(environment.Environment):
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self._now = datetime(2030, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, **passed: float) -> None:
        self._now += timedelta(**passed)


@contextmanager
def stepped_clock() -> Iterator[Clock]:
    clock = Clock()
    environment.provide(lambda: clock)
    try:
        yield clock
    finally:
        environment.provide(environment.Environment)
