"""The table of routes, the codes of errors, and the OpenAPI document: each agrees with the registry."""

from __future__ import annotations

import re

import pytest

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.operations import OPERATIONS, find_operation
from prefect_drs.operations.registry import registered_operations
from prefect_drs.rest import errors
from prefect_drs.rest.app import build_app
from prefect_drs.rest.examples import BODIES
from prefect_drs.rest.openapi import EVENTS_PATH, REQUEST_PATH
from prefect_drs.rest.parameters import container_of
from prefect_drs.rest.routes import ROUTES
from prefect_drs.rest.service import served_routes

NAMES = {operation.name for operation in OPERATIONS}


@pytest.fixture(scope="module")
def document() -> dict:
    return build_app().openapi()


def test_every_operation_has_a_route():
    assert {route.operation for route in ROUTES} >= NAMES


def test_no_two_routes_are_the_same():
    forms = [(route.method, re.sub(r"{\w+}", "{}", route.path)) for route in ROUTES]
    assert len(set(forms)) == len(forms)


@pytest.mark.parametrize("served", served_routes(), ids=lambda s: f"{s.route.method} {s.route.path}")
def test_a_query_holds_only_what_a_query_can_express(served):
    for parameter in served.parameters:
        if parameter.source == "query" and container_of(parameter.info) is None:
            assert not hasattr(parameter.info.annotation, "model_fields"), parameter.name
    if served.route.items:
        assert not {p.name for p in served.parameters} & {"limit", "nextToken", "sort", *served.route.filters}


def test_every_code_of_the_package_has_a_status():
    registered_operations()

    def kinds(base: type[PrefectDrsError]):
        yield base
        for kind in base.__subclasses__():
            yield from kinds(kind)

    ours = [kind for kind in kinds(PrefectDrsError) if kind.__module__.startswith("prefect_drs.")]
    elsewhere = ("prefect_drs.simulator.", "prefect_drs.client.")
    codes = {kind.code for kind in ours if not kind.__module__.startswith(elsewhere)}
    assert codes <= set(errors.STATUS)


def test_the_document_says_that_a_token_is_needed_where_there_is_a_policy_and_never_for_health(document: dict):
    (name,) = document["components"]["securitySchemes"]
    assert document["components"]["securitySchemes"][name]["scheme"] == "bearer"
    assert document["security"] == [{name: []}, {}]
    without = {
        path
        for path, methods in document["paths"].items()
        for each in methods.values()
        if each.get("security") == [] or "401" not in each["responses"]
    }
    assert without == {"/health", "/ready"}


def test_every_status_is_that_of_an_error():
    assert all(400 <= status < 600 for status in errors.STATUS.values())


def test_every_body_has_an_example_that_its_operation_accepts():
    for served in served_routes():
        if served.route.has_body:
            example = BODIES[served.operation.name]
            find_operation(served.operation.name).request.model_validate(example)


def test_the_document_has_every_route_and_nothing_else(document: dict):
    told = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    own = {("GET", path) for path in ("/health", "/ready", "/metrics", EVENTS_PATH, REQUEST_PATH)}
    assert told == {(s.route.method, s.route.path) for s in served_routes()} | own


def test_every_entry_of_the_document_is_described(document: dict):
    identities = []
    for methods in document["paths"].values():
        for entry in methods.values():
            assert entry["summary"].endswith(".")
            identities.append(entry["operationId"])
    assert len(set(identities)) == len(identities)


def test_every_reference_of_the_document_leads_somewhere(document: dict):
    def references(value):
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for each in value.values():
                yield from references(each)
        elif isinstance(value, list):
            for each in value:
                yield from references(each)

    for reference in set(references(document)):
        assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"]


def test_a_path_takes_its_fields_out_of_the_body(document: dict):
    body = document["paths"]["/recovery-plans/{planId}"]["put"]["requestBody"]["content"]["application/json"]["schema"]
    schema = document["components"]["schemas"][body["$ref"].rpartition("/")[2]]
    assert "planId" not in schema["properties"]
    assert "version" in schema["properties"]
    assert "version" not in schema.get("required", [])  # If-Match may give it


def test_a_list_is_described_with_its_pages(document: dict):
    entry = document["paths"]["/recovery-plans"]["get"]
    names = {parameter["name"] for parameter in entry["parameters"]}
    assert names == {"limit", "nextToken", "sort", "name"}
    page = document["components"]["schemas"]["ListRecoveryPlansPage"]
    assert {"recoveryPlans", "totalCount", "nextToken"} <= set(page["required"])
