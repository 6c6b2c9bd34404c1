"""Each role and each operation over HTTP: a server process, and tokens of the sandbox's STS and of an OIDC issuer.

`tests/rest/test_access.py` looks at the same table in one process, and closer.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from prefect_drs.identity.policy import Role
from prefect_drs.identity.sts_proof import make_token
from prefect_drs.operations import OPERATIONS, Context, invoke
from prefect_drs.orchestration.storage.access_policy import PolicyReader
from prefect_drs.rest.routes import ROUTES
from prefect_drs.simulator.server import SandboxServer
from tests.conftest import PrefectServer, Programs, free_port
from tests.e2e.rehearsal import until
from tests.identity.issuer import Issuer, Web
from tests.operations.estate import forget_policies
from tests.rest.callers import OTHER_ACCOUNT, World
from tests.rest.forged_tokens import FORGED, forged
from tests.rest.test_access import TABLE, headers

KINDS = ("aws", "oidc")


@pytest.fixture
def world(sandbox: SandboxServer, issuer: Issuer, prefect_server: PrefectServer, tmp_path: Path) -> Iterator[World]:
    """Callers with a role each, and the policy that gives them their roles on the Prefect server."""
    world = World(sandbox, issuer, tmp_path)
    forget_policies()
    body = {"policy": world.document, "version": 0, "allowLockout": True}
    invoke("set_access_policy", body, context=Context(policies=PolicyReader(seconds=0), audit=world.audit))
    yield world
    forget_policies()


class Service:
    """`prefect-drs serve`: a process for each start."""

    def __init__(self, programs: Programs, server: PrefectServer, folder: Path) -> None:
        self._programs, self._server, self._folder = programs, server, folder
        self._started: list[tuple[subprocess.Popen[bytes], httpx.Client]] = []

    def start(self, *options: str) -> httpx.Client:
        port = free_port()
        home = {"PREFECT_DRS_HOME": str(self._folder / "home")}
        process = subprocess.Popen(
            [str(self._programs.folder / "prefect-drs"), "serve", "--port", str(port), *options],
            env={**os.environ, **self._programs.environment, **self._server.environment, **home},
            stderr=subprocess.DEVNULL,
        )
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
        self._started.append((process, client))

        def answers() -> bool | None:
            try:
                return client.get("/health").status_code == 200 or None
            except httpx.TransportError:
                return None

        until(answers, "the server answers")
        return client

    def stop(self) -> None:
        for process, client in self._started:
            client.close()
            process.terminate()
            process.wait(60)


@pytest.fixture
def service(programs: Programs, prefect_server: PrefectServer, tmp_path: Path) -> Iterator[Service]:
    service = Service(programs, prefect_server, tmp_path)
    yield service
    service.stop()


def call(client: httpx.Client, operation: str, token: str) -> httpx.Response:
    """Call an operation with what it does not know: a caller who may gets 400, and nothing is changed."""
    route = next(route for route in ROUTES if route.operation == operation)
    path = re.sub(r"{\w+}", "1", route.path)
    body: dict[str, Any] = {"json": {"noSuchField": 1}} if route.has_body else {"params": {"noSuchField": 1}}
    return client.request(route.method, path, headers=headers(token), **body)


def denied(client: httpx.Client, token: str) -> list[dict[str, Any]]:
    answer = client.get("/audit-log", params={"outcome": "denied", "limit": 10_000}, headers=headers(token))
    assert answer.status_code == 200, answer.text
    records: list[dict[str, Any]] = answer.json()["records"]
    return records


def test_each_cell_of_roles_and_operations_is_as_in_the_table(world: World, service: Service) -> None:
    client, wrong = service.start("--requests-per-second", "10000"), []
    tokens = {("aws", role): world.token(role) for role in Role}
    tokens |= {("oidc", role): world.issuer.token(groups=[f"dr-{role}"]) for role in Role}
    for (kind, role), token in tokens.items():
        for operation in OPERATIONS:
            answer, may = call(client, operation.name, token), role in TABLE[operation.permission]
            if answer.status_code != (400 if may else 403):
                wrong.append((kind, role, operation.name, answer.status_code, answer.text))
            elif not may and answer.json()["details"]["permission"] != operation.permission:
                wrong.append((kind, role, operation.name, 403, answer.text))
    assert not wrong
    cells = len(tokens) * len(OPERATIONS)
    refused = len(KINDS) * sum(role not in TABLE[each.permission] for role in Role for each in OPERATIONS)
    records = denied(client, tokens["aws", Role.ADMIN])
    assert len(records) == refused
    assert {record["identity"]["kind"] for record in records} == set(KINDS)
    assert all(record["origin"] == "127.0.0.1" for record in records)
    print(f"{cells} cells over HTTP: {cells - refused} admitted, {refused} denied, each denial audited")


def test_tokens_that_prove_nothing_are_refused_audited_and_lead_nowhere(world: World, service: Service) -> None:
    client, elsewhere = service.start(), Web()
    try:
        given = {way: forged(world, elsewhere, way) for way in FORGED}
        for way, token in given.items():
            answer = client.get("/user/profile", headers=headers(token))
            assert (answer.status_code, answer.json()["details"]["reason"]) == (401, FORGED[way]), way
            assert token not in answer.text
        other = world.session(Role.ADMIN, OTHER_ACCOUNT)
        answer = client.get("/user/profile", headers=headers(make_token("prefect-drs", at=now(), session=other)))
        assert answer.status_code == 403
        assert elsewhere.requests == []
    finally:
        elsewhere.close()
    records = denied(client, world.token(Role.ADMIN))
    assert sorted(record["reason"] for record in records) == sorted(["", *FORGED.values()])
    assert not any(token in str(records) for token in given.values())


def test_a_token_is_used_once_at_all_servers_of_a_prefect_api_where_they_want_that(
    world: World, service: Service
) -> None:
    client, other = service.start("--single-use-tokens"), service.start("--single-use-tokens")
    for token in (world.token(Role.READ_ONLY), world.issuer.token(groups=["dr-DRSReadOnly"])):
        assert client.get("/user/profile", headers=headers(token)).status_code == 200
        for server in (client, other):
            again = server.get("/user/profile", headers=headers(token))
            assert (again.status_code, again.json()["details"]["reason"]) == (401, "replayed")


def test_the_audit_log_is_exported_as_json_lines(world: World, service: Service) -> None:
    client, admin = service.start(), world.token(Role.ADMIN)
    for _ in range(3):
        call(client, "pause_execution", world.token(Role.READ_ONLY))
    lines = {**headers(admin), "Accept": "application/x-ndjson"}
    answer = client.get("/audit-log", params={"outcome": "denied", "limit": 2}, headers=lines)
    assert (answer.headers["content-type"], answer.headers["x-more"]) == ("application/x-ndjson", "true")
    assert [json.loads(line)["operation"] for line in answer.text.splitlines()] == ["pause_execution"] * 2
    whole = client.get("/audit-log", params={"outcome": "denied"}, headers=lines)
    assert len(whole.text.splitlines()) == 3
    assert "x-more" not in whole.headers


def now() -> datetime:
    return datetime.now(UTC)
