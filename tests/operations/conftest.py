"""An empty stored estate, or a world of accounts, for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import PrefectServer
from tests.operations.accounts import EU, STAGING, TARGET, TWO_REGIONS, US, World, world_without_accounts
from tests.operations.estate import Stored, stored_estate
from tests.operations.shop import stored_shop, waiting_deployment


@pytest.fixture
def stored(prefect_server: PrefectServer) -> Iterator[Stored]:
    with stored_estate() as empty:
        yield empty


@pytest.fixture
def world(prefect_server: PrefectServer) -> Iterator[World]:
    with world_without_accounts() as empty:
        yield empty


@pytest.fixture
def target(world: World) -> World:
    """The target account is saved; DRS is initialised in two of its regions and in one of its staging account's."""
    world.initialise(TARGET, EU, US)
    world.initialise(STAGING, EU)
    world.op("add_target_account", **TWO_REGIONS)
    return world


@pytest.fixture
def shop(prefect_server: PrefectServer) -> Iterator[Stored]:
    with stored_shop() as stored:
        yield stored


@pytest.fixture
def deployment(prefect_server: PrefectServer) -> Iterator[str]:
    with waiting_deployment() as name:
        yield name
