"""Generated requests against the OpenAPI document: no 5xx, no answer outside of its description, no request that hangs.

Schemathesis makes valid and invalid requests for every operation. `make test` runs about 1,000 of them, the same ones
each time. `PREFECT_DRS_REST_CASES=50000 make test PYTEST_ARGS="-k generated_requests"` runs 50,000 other ones;
with `-rP` it says how many were sent for each tag.
"""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode, checks
from schemathesis.generation.case import Case
from schemathesis.schemas import APIOperation

from prefect_drs.rest.openapi import document
from prefect_drs.rest.options import RestOptions
from prefect_drs.rest.routes import ROUTES
from prefect_drs.rest.service import served_routes
from tests.conftest import PrefectServer
from tests.operations.estate import Stored, forget_policies
from tests.rest.server import running_server
from tests.rig import ACCOUNT

DEFAULT = 1000
HANGS = 120.0
"""Seconds without an answer that are taken for a hang; by default Schemathesis takes 10, which a busy machine needs."""
CASES = int(os.environ.get("PREFECT_DRS_REST_CASES", DEFAULT))
TAGS = sorted({route.tag for route in ROUTES})
SLOW = {  # a flow run, or all regions of all accounts, for each request
    "sync_source_server_inventory",
    "sync_recovery_instances",
    "get_combined_capacity",
    "get_drs_account_capacity_all_regions",
    "add_target_account",
    "update_target_account",
    "validate_target_account",
    "discover_staging_accounts",
    "sync_staging_accounts",
    "sync_extended_source_servers",
    "sync_launch_configs",
}
SENT: Counter[str] = Counter()
"""Requests sent, by operation."""
ALWAYS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


Way = tuple[GenerationMode, dict[str, str] | None]


def ways_of(operation: APIOperation[Any, Any], known: dict[str, str]) -> list[Way]:
    """How requests are made for an operation: valid ones, valid ones that name things that exist, and invalid ones."""
    placed = {name: known[name] for name in known if f"{{{name}}}" in operation.path}
    ways: list[Way] = [(GenerationMode.POSITIVE, None)]
    if operation.method != "delete":
        ways.append((GenerationMode.POSITIVE, placed or None))
    if operation.body or operation.query or operation.headers:
        ways.append((GenerationMode.NEGATIVE, None))
    return ways


def weight(operation: APIOperation[Any, Any]) -> float:
    """The share of an operation beside the others."""
    return 1 / 6 if operation.definition.raw["operationId"] in SLOW else 1.0


def check_operation(operation: APIOperation[Any, Any], url: str, way: Way, count: int) -> None:
    """Send `count` generated requests, or fewer where there are not that many different ones."""
    mode, path = way

    @settings(
        max_examples=count,
        derandomize=CASES == DEFAULT,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode, path_parameters=path))
    def send(case: Case) -> None:
        SENT.update([operation.label])
        case.call_and_validate(base_url=url, checks=ALWAYS, timeout=HANGS)

    send()


@functools.cache
def generated() -> list[APIOperation[Any, Any]]:
    """The operations of the document, as Schemathesis reads them."""
    schema = schemathesis.openapi.from_dict(document(served_routes()))
    return [result.ok() for result in schema.get_all_operations()]


@pytest.fixture(autouse=True)
def no_policy(prefect_server: PrefectServer) -> Iterator[None]:
    """A generated request may set an access policy, under which nothing else is answered."""
    forget_policies()
    yield
    forget_policies()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server for all tests."""
    with running_server(RestOptions(caller="ada", requests_per_second=1e6, burst=10**9)) as running:
        yield running.url


@pytest.mark.timeout(600 + CASES)
@pytest.mark.parametrize("tag", [*TAGS, "service"])
def test_generated_requests_get_answers_that_the_document_describes(stored: Stored, url: str, tag: str):
    (server,) = stored.servers("web")
    stored.group("web-servers", [server])
    stored.plan("three-tier", "web-servers")
    known = {
        "groupId": "web-servers",
        "serverId": server,
        "planId": "three-tier",
        "accountId": ACCOUNT,
        "targetAccountId": ACCOUNT,
    }
    ways = {operation: ways_of(operation, known) for operation in generated()}
    share = CASES / sum(weight(operation) * len(each) for operation, each in ways.items())
    before = SENT.total()
    for operation, each in ways.items():
        if tag in operation.definition.raw["tags"]:
            for way in each:
                check_operation(operation, url, way, max(1, round(share * weight(operation))))
    print(f"{tag}: {SENT.total() - before} requests")
