"""Who may do what over REST: real tokens of the sandbox's STS and of an OIDC issuer, every role and every operation."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from prefect_drs.core.errors import UsageError
from prefect_drs.identity.policy import PolicyDocument, Role
from prefect_drs.identity.sts_proof import make_token
from prefect_drs.operations import OPERATIONS, Context, find_operation
from prefect_drs.orchestration.storage.access_policy import PolicyReader, PolicyVersion
from prefect_drs.orchestration.storage.audit_log import AuditOutcome
from prefect_drs.rest.app import build_app
from prefect_drs.rest.routes import ROUTES
from prefect_drs.rest.server import Exposure, bind, protected
from prefect_drs.simulator.server import SandboxServer
from tests.identity.issuer import Issuer, Web
from tests.rest.callers import ACCOUNT, LOCAL, OTHER_ACCOUNT, World
from tests.rest.connections import connections
from tests.rest.forged_tokens import FORGED, forged

pytestmark = pytest.mark.integration  # hundreds of requests
ALL = tuple(Role)
MANAGERS = ALL[:2]
PLANNERS = ALL[:3]
OPERATORS = ALL[:4]
TABLE = {
    **dict.fromkeys(("register_accounts", "modify_accounts"), MANAGERS),
    "delete_accounts": ALL[:1],
    **dict.fromkeys(("view_accounts", "view_executions", "view_protection_groups", "view_recovery_plans"), ALL),
    **dict.fromkeys(("start_recovery", "stop_recovery"), OPERATORS),
    "terminate_instances": MANAGERS,
    **dict.fromkeys(("create_protection_groups", "delete_protection_groups"), PLANNERS),
    **dict.fromkeys(("create_recovery_plans", "delete_recovery_plans"), PLANNERS),
    **dict.fromkeys(("modify_protection_groups", "modify_recovery_plans"), OPERATORS),
    **dict.fromkeys(("export_configuration", "import_configuration"), MANAGERS),
    "manage_access": ALL[:1],
    "view_audit_log": MANAGERS,
}
"""The table of roles, written a second time."""


@pytest.fixture
def world(sandbox: SandboxServer, issuer: Issuer, tmp_path: Path) -> World:
    return World(sandbox, issuer, tmp_path)


def headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def call(client: TestClient, operation: str, token: str) -> Any:
    """Call an operation with what it does not know, so that a caller who may gets 400 and nothing is changed."""
    route = next(route for route in ROUTES if route.operation == operation)
    path = re.sub(r"{\w+}", "1", route.path)
    body = {"json": {"noSuchField": 1}} if route.has_body else {"params": {"noSuchField": 1}}
    return client.request(route.method, path, headers=headers(token), **body)


def test_the_table_of_roles_is_complete_and_each_operation_has_a_permission_in_it():
    assert {operation.permission for operation in OPERATIONS} <= set(TABLE)
    for permission, roles in TABLE.items():
        for role in Role:
            document = PolicyDocument.model_validate({"grants": [{"role": role, "arns": [World.arn(role)]}]})
            (grant,) = document.grants
            assert (permission in _permissions(grant)) is (role in roles), (permission, role)


def _permissions(grant: Any) -> frozenset[str]:
    from prefect_drs.identity.policy import ROLE_PERMISSIONS

    return ROLE_PERMISSIONS[grant.role]


CHOSEN = {
    "add_target_account": "register_accounts",
    "delete_target_account": "delete_accounts",
    "start_execution": "start_recovery",
    "resume_execution": "start_recovery",
    "approve_gate": "start_recovery",
    "cancel_execution": "stop_recovery",
    "pause_execution": "stop_recovery",
    "terminate_instances": "terminate_instances",
    "create_protection_group": "create_protection_groups",
    "update_recovery_plan": "modify_recovery_plans",
    "export_configuration": "export_configuration",
    "set_access_policy": "manage_access",
    "get_audit_log": "view_audit_log",
}


def test_the_operations_that_matter_have_the_permission_of_the_table():
    assert {name: find_operation(name).permission for name in CHOSEN} == CHOSEN


@pytest.mark.parametrize("kind", ["aws", "oidc"])
def test_each_role_may_call_exactly_its_operations(world: World, kind: str):
    began, wrong, cells = world.sts_calls(), [], 0
    with world.client() as client:
        for role in Role:
            token = world.token(role) if kind == "aws" else world.issuer.token(groups=[f"dr-{role}"])
            for operation in OPERATIONS:
                answer, cells = call(client, operation.name, token), cells + 1
                may = role in TABLE[operation.permission]
                body = answer.json()
                ok = (
                    answer.status_code == 400
                    if may
                    else (answer.status_code, body["error"], body["details"]["permission"])
                    == (403, "AUTHORIZATION_ERROR", operation.permission)
                )
                if not ok:
                    wrong.append((role, operation.name, answer.status_code, body))
    assert not wrong
    assert cells == len(Role) * len(OPERATIONS)
    assert world.sts_calls() - began == (len(Role) if kind == "aws" else 0)  # each token was verified once
    denied = sum(role not in TABLE[operation.permission] for role in Role for operation in OPERATIONS)
    records = [record for record in world.records() if record.outcome is AuditOutcome.DENIED]
    assert len(records) == denied
    assert all(record.identity and record.identity.kind == kind for record in records)


def test_who_calls_is_answered_from_the_proof_and_not_from_what_is_claimed(world: World):
    with world.client() as client:
        answer = client.get("/user/profile", headers=headers(world.token(Role.OPERATOR))).json()
        assert answer["user"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/DRSOperator/ada"
        assert (answer["roles"], answer["policy"]) == (["DRSOperator"], "version 1")
        assert "start_recovery" in answer["permissions"]
        assert "terminate_instances" not in answer["permissions"]
        body = {"by": "somebody else"}
        claimed = client.post("/executions/latest/pause", json=body, headers=headers(world.token(Role.OPERATOR)))
        assert claimed.status_code == 403
        assert "names 'somebody else' as its sender" in claimed.json()["message"]


def test_nothing_but_health_is_answered_without_a_token(world: World):
    app = build_app(world.options())
    with TestClient(app, base_url=LOCAL) as client:
        assert client.get("/health").status_code == 200
        for route in app.routes:
            if route.path in {"/health", "/ready"}:
                continue
            (method,) = route.methods - {"HEAD"}
            answer = client.request(method, re.sub(r"{\w+}", "1", route.path))
            assert answer.status_code == 401, route.path
            assert answer.headers["WWW-Authenticate"] == 'Bearer realm="prefect-drs"'
        assert client.get("/no-such-path").status_code == 401
        for value in ("", "Basic YTpi", "Bearer", "Bearer  ", "bearer\txx"):
            assert client.get("/gates", headers={"Authorization": value}).status_code == 401
    assert {record.reason for record in world.records()} == {"missing"}


@pytest.mark.parametrize("way", FORGED)
def test_a_token_that_does_not_count_is_refused_audited_and_leads_nowhere(world: World, way: str):
    elsewhere = Web()
    try:
        token = forged(world, elsewhere, way)
        with world.client() as client, connections() as asked:
            answer = client.get("/user/profile", headers=headers(token))
        assert asked <= {("127.0.0.1", world.sandbox.port), ("127.0.0.1", world.issuer.port)}, (
            "STS and the issuer alone"
        )
        assert (answer.status_code, answer.json()["error"]) == (401, "UNAUTHENTICATED")
        assert answer.json()["details"]["reason"] == FORGED[way]
        assert f'error_description="{FORGED[way]}"' in answer.headers["WWW-Authenticate"]
        assert token not in answer.text
        (record,) = world.records()
        assert (record.outcome, record.reason, record.origin) == (AuditOutcome.DENIED, FORGED[way], "10.0.0.1")
        assert token not in record.model_dump_json()
        assert elsewhere.requests == []
    finally:
        elsewhere.close()


def test_an_identity_of_another_account_has_no_role_there(world: World):
    token = make_token("prefect-drs", at=datetime.now(UTC), session=world.session(Role.ADMIN, OTHER_ACCOUNT))
    with world.client() as client:
        answer = client.get("/user/profile", headers=headers(token))
    assert answer.status_code == 403
    assert answer.json()["details"]["identity"].startswith(f"arn:aws:sts::{OTHER_ACCOUNT}:")


def test_a_token_counts_for_the_address_that_used_it_first(world: World):
    app = build_app(world.options())
    with TestClient(app, base_url=LOCAL, client=("10.0.0.1", 1)) as client:
        token = headers(world.token(Role.READ_ONLY))
        assert client.get("/user/profile", headers=token).status_code == 200
        thief = TestClient(app, base_url=LOCAL, client=("10.0.0.2", 1))
        stolen = thief.get("/user/profile", headers=token)
        assert (stolen.status_code, stolen.json()["details"]["reason"]) == (401, "replayed")
        assert client.get("/user/profile", headers=token).status_code == 200


def test_with_single_use_tokens_each_counts_for_one_request(world: World):
    with world.client(single_use=True) as client:
        for token in (world.token(Role.READ_ONLY), world.issuer.token(groups=["dr-DRSReadOnly"])):
            assert client.get("/user/profile", headers=headers(token)).status_code == 200
            again = client.get("/user/profile", headers=headers(token))
            assert (again.status_code, again.json()["details"]["reason"]) == (401, "replayed")


def test_requests_are_limited_by_identity(world: World):
    with world.client(requests_per_second=1.0, burst=2, now=lambda: 0.0) as client:
        reader, operator = (headers(world.token(role)) for role in (Role.READ_ONLY, Role.OPERATOR))
        assert [client.get("/user/profile", headers=reader).status_code for _ in range(3)] == [200, 200, 429]
        assert client.get("/user/profile", headers=operator).status_code == 200


def test_new_tokens_of_one_address_are_limited_before_sts_is_asked(world: World):
    began = world.sts_calls()
    with world.client(now=lambda: 0.0) as client:
        statuses = [client.get("/gates", headers=headers(f"forged {number}")).status_code for number in range(105)]
    assert (statuses[0], statuses[-1]) == (401, 429)
    assert world.sts_calls() == began
    assert len(world.records()) == 60


def test_an_issuer_that_is_trusted_no_longer_ends_its_tokens(world: World):
    versions = [
        PolicyVersion(
            version=1,
            policy=PolicyDocument.model_validate(world.document),
            changed_at=datetime.now(UTC),
            changed_by="x",
        )
    ]
    reader = PolicyReader(read=lambda: versions[-1], seconds=0)
    with world.client(policies=reader) as client:
        token = headers(world.issuer.token(groups=["dr-DRSReadOnly"]))
        assert client.get("/user/profile", headers=token).status_code == 200
        less = {"grants": world.document["grants"][:5]}
        versions.append(versions[0].model_copy(update={"version": 2, "policy": PolicyDocument.model_validate(less)}))
        assert client.get("/user/profile", headers=token).status_code == 401


def test_without_a_policy_the_user_of_this_machine_may_do_everything(world: World):
    with world.client(policies=PolicyReader(read=lambda: None)) as client:
        answer = client.get("/user/profile").json()
        assert (answer["user"], answer["policy"], answer["identity"]) == ("nobody", None, None)
    with world.client(policies=PolicyReader(read=lambda: None), requires_policy=True) as client:
        assert client.get("/user/profile").status_code == 503


def test_another_address_than_the_loopback_needs_a_policy_and_tls(world: World):
    said: list[str] = []
    nobody = world.options(policies=PolicyReader(read=lambda: None))
    assert protected("127.0.0.1", nobody, Exposure(), said.append) == nobody
    assert "no access policy" in said[-1]
    with pytest.raises(UsageError, match="set an access policy"):
        protected("0.0.0.0", nobody, Exposure(behind_proxy=True), said.append)
    with pytest.raises(UsageError, match="--tls-cert"):
        protected("0.0.0.0", world.options(), Exposure(), said.append)
    served = protected("0.0.0.0", world.options(), Exposure(behind_proxy=True), said.append)
    assert (served.requires_policy, served.any_host) == (True, True)
    assert "version 1 of the access policy" in said[-1]
    with pytest.raises(UsageError, match="go together"):
        Exposure(tls_cert=Path("cert.pem")).check()
    with pytest.raises(UsageError, match="cannot be used"):
        Exposure(Path("no-cert.pem"), Path("no-key.pem")).check()
    with pytest.raises(UsageError, match="refused"):
        bind("0.0.0.0", 0)
    with world.client(any_host=True) as client:
        assert client.get("/health", headers={"Host": "dr.example.com"}).status_code == 200
        assert client.get("/health", headers={"Origin": "https://evil.example"}).status_code == 403


def test_the_audit_log_is_read_with_filters_and_holds_what_was_denied(world: World):
    with world.client() as client:
        call(client, "pause_execution", world.token(Role.READ_ONLY))
        call(client, "set_access_policy", world.token(Role.OPERATOR))
        admin = headers(world.token(Role.ADMIN))
        records = client.get("/audit-log", params={"outcome": "denied"}, headers=admin).json()["records"]
        assert [record["operation"] for record in records] == ["set_access_policy", "pause_execution"]
        assert records[1]["identity"]["subject"].endswith("DRSReadOnly/ada")
        assert (records[1]["permission"], records[1]["origin"]) == ("stop_recovery", "10.0.0.1")
        one = client.get("/audit-log", params={"operation": "pause_execution", "limit": 1}, headers=admin).json()
        assert len(one["records"]) == 1
        assert not client.get("/audit-log", params={"who": "somebody"}, headers=admin).json()["records"]
        for wrong in (
            {"since": "0010-01-01T00:00:00Z"},
            {"since": "2020-01-01T00:00:00Z"},
            {"until": "9999-01-01T00:00:00Z"},
        ):
            assert client.get("/audit-log", params=wrong, headers=admin).status_code == 400  # each day would be listed


def test_a_context_of_another_machine_without_a_proof_is_refused(world: World):
    from prefect_drs.identity import NotProvenError
    from prefect_drs.operations import invoke

    context = Context(caller="lambda", files=False, policies=world.options().policies, audit=world.audit)
    with pytest.raises(NotProvenError, match="send a token"):
        invoke("get_user_permissions", {}, context=context)


def test_a_caller_of_this_machine_is_known_by_its_own_credentials(world: World, monkeypatch: pytest.MonkeyPatch):
    from prefect_drs.operations import invoke

    credentials = world.session(Role.READ_ONLY).get_credentials().get_frozen_credentials()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", credentials.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", credentials.secret_key)
    monkeypatch.setenv("AWS_SESSION_TOKEN", credentials.token)
    context = Context(policies=world.options().policies, audit=world.audit)
    assert invoke("get_user_permissions", {}, context=context)["roles"] == ["DRSReadOnly"]
