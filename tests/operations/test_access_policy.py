"""The stored access policy on a real Prefect server: versions, who may change them, and what a narrowed role covers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from prefect_drs.cli import main
from prefect_drs.core.errors import PrefectDrsError, UsageError
from prefect_drs.identity import NotProvenError
from prefect_drs.identity.policy import AuthorizationError
from prefect_drs.identity.sts_proof import make_token
from prefect_drs.lambda_handler import handler
from prefect_drs.operations import Context, invoke
from prefect_drs.operations.access import acting_as
from prefect_drs.orchestration.storage.access_policy import (
    POLICIES,
    AccessPolicy,
    PolicyDamagedError,
    PolicyReader,
    PolicyVersionError,
    read_access_policy,
)
from prefect_drs.orchestration.storage.audit_log import AUDIT, AuditLog, AuditRecord
from prefect_drs.recovery.journal import FolderStorage
from prefect_drs.simulator import plant_role
from tests.conftest import PrefectServer
from tests.e2e.rehearsal import plan
from tests.operations.estate import forget_policies

ACCOUNT, REGION = "123456789012", "eu-central-1"
MOTO = f"arn:aws:sts::{ACCOUNT}:user/moto"
ADMIN = {"role": "DRSOrchestrationAdmin", "arns": [MOTO]}


@pytest.fixture
def nothing_stored(prefect_server: PrefectServer) -> Iterator[None]:
    """No policy before and after the test: other tests share the server."""

    forget_policies()
    yield
    forget_policies()


@pytest.fixture
def audit(tmp_path: Path) -> AuditLog:
    return AuditLog(lambda: FolderStorage(tmp_path / "audit-log"))


def records(audit: AuditLog) -> list[AuditRecord]:
    now = datetime.now(UTC)
    return list(audit.read(now - timedelta(hours=1), now + timedelta(minutes=1)))


def call(name: str, body: dict[str, Any] | None = None, **options: Any) -> Any:
    return invoke(name, body or {}, context=Context(policies=PolicyReader(seconds=0), **options))


def set_policy(*grants: dict[str, Any], version: int = 0, **options: Any) -> Any:
    body = {"policy": {"grants": list(grants)}, "version": version}
    return call("set_access_policy", {**body, **options.pop("body", {})}, **options)


def session(role: str) -> boto3.Session:
    arn = plant_role(ACCOUNT, role)
    got = boto3.client("sts", region_name=REGION).assume_role(RoleArn=arn, RoleSessionName="ada")["Credentials"]
    return boto3.Session(got["AccessKeyId"], got["SecretAccessKey"], got["SessionToken"], region_name=REGION)


def become(role: str, patch: pytest.MonkeyPatch) -> None:
    """Let the process's own credentials be those of a role's session."""
    keys = session(role).get_credentials().get_frozen_credentials()
    for name, value in zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"), keys[:3], strict=True):
        patch.setenv(name, value)


pytestmark = pytest.mark.usefixtures("sandbox", "nothing_stored")


def test_each_change_is_a_version_with_who_made_it_and_what_was_before(audit: AuditLog):
    assert call("get_access_policy")["version"] == 0
    first = set_policy(ADMIN, body={"reason": "first"}, caller="ada", audit=audit)
    assert (first["version"], first["changedBy"]) == (1, "ada")
    operator = {"role": "DRSOperator", "arns": [f"arn:aws:iam::{ACCOUNT}:role/Operators"]}
    second = set_policy(ADMIN, operator, version=1, audit=audit)
    assert (second["version"], second["changedBy"]) == (2, MOTO)
    versions = call("list_access_policy_versions")["versions"]
    assert [(each["version"], each["reason"]) for each in versions] == [(2, ""), (1, "first")]
    newest, oldest = records(audit)
    assert (oldest.who, oldest.changes[0].before) == ("ada", None)
    assert newest.who == MOTO
    assert newest.identity is not None
    (change,) = newest.changes
    assert [len(side["grants"]) for side in (change.before, change.after)] == [1, 2]  # type: ignore[index,call-overload,arg-type]


def test_a_change_from_an_older_version_is_refused_and_of_two_at_once_one_is(audit: AuditLog):
    set_policy(ADMIN)
    with pytest.raises(PolicyVersionError, match="at version 1, not 0"):
        set_policy(ADMIN)

    def change(number: int) -> str:
        try:
            set_policy(ADMIN, version=1, body={"reason": str(number)})
        except PolicyVersionError as error:
            return error.code
        return "stored"

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(change, range(4)))
    assert outcomes == ["VERSION_MISMATCH"] * 3 + ["stored"]
    assert read_access_policy().version == 2  # type: ignore[union-attr]


def test_nobody_locks_himself_out_by_accident():
    somebody = {"role": "DRSOrchestrationAdmin", "arns": [f"arn:aws:iam::{ACCOUNT}:role/Admins"]}
    with pytest.raises(AuthorizationError, match="could not change it again"):
        set_policy(somebody)
    with pytest.raises(UsageError, match="no identity"):
        set_policy(ADMIN, files=False)
    assert call("get_access_policy")["version"] == 0
    set_policy(somebody, body={"allowLockout": True})
    with pytest.raises(AuthorizationError, match=f"{MOTO} has no permission manage_access"):
        call("get_access_policy")


def test_a_policy_that_cannot_be_read_allows_nothing():
    set_policy(ADMIN)
    AccessPolicy(policy={"grants": "x"}, version=2, changed_at=datetime.now(UTC), changed_by="x").save(
        "version-00000002", _sync=True
    )  # type: ignore[call-arg]
    with pytest.raises(PolicyDamagedError, match="version-00000002"):
        call("get_user_permissions")


def test_what_is_no_version_is_not_taken_for_one():
    set_policy(ADMIN)
    AccessPolicy(policy={"grants": []}, version=9, changed_at=datetime.now(UTC), changed_by="x").save(
        "mine", _sync=True
    )  # type: ignore[call-arg]
    assert call("get_access_policy")["version"] == 1


def test_an_issuer_without_https_or_an_account_of_anybody_is_refused():
    with pytest.raises(PrefectDrsError, match="account in digits"):
        set_policy({"role": "DRSOperator", "arns": ["arn:aws:iam::*:role/Operators"]})
    with pytest.raises(PrefectDrsError, match="https"):
        call("set_access_policy", {"policy": {"issuers": [{"issuer": "http://issuer.example"}]}})


def test_a_command_of_this_machine_acts_as_its_own_credentials(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert acting_as("pause_execution", "bob") == "bob"
    set_policy(ADMIN)
    POLICIES.forget()
    assert acting_as("pause_execution", None) == MOTO
    with pytest.raises(AuthorizationError, match="names 'bob' as its sender"):
        acting_as("pause_execution", "bob")
    become("Nobody", monkeypatch)
    assert main(["cancel", "0d8f7a52-3c0e-4a1b-9f65-2b7c1d8e4f90"]) == 2
    assert "has no permission stop_recovery" in capsys.readouterr().err


UNKNOWN = "0d8f7a52-3c0e-4a1b-9f65-2b7c1d8e4f90"
READS = {
    ("status",): "view_executions",
    ("status", UNKNOWN): "view_executions",
    ("why", UNKNOWN): "view_executions",
    ("report", UNKNOWN): "view_executions",
    ("replay", UNKNOWN): "view_executions",
    ("evidence", UNKNOWN, "--out", "none.zip"): "view_executions",
    ("verify", UNKNOWN): "view_executions",
    ("runbook", "FILE"): "view_recovery_plans",
    ("forecast", "FILE"): "view_recovery_plans",
    ("show", "estate:", "--plan", "Shop"): "view_recovery_plans",
    ("diff", "/dev/null", "estate:"): "view_recovery_plans",
}


@pytest.mark.parametrize("command", READS, ids=lambda command: " ".join(command[:2]))
def test_a_command_that_reads_what_is_stored_asks_the_policy(
    command: tuple[str, ...],
    manifest: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    words = [str(manifest) if word == "FILE" else word for word in command]
    reader = {"role": "DRSReadOnly", "arns": [f"arn:aws:iam::{ACCOUNT}:role/Readers"]}
    set_policy(ADMIN, reader)
    monkeypatch.setenv("PREFECT_DRS_HOME", str(manifest.parent))
    POLICIES.forget()
    become("Readers", monkeypatch)
    main(words)
    assert "has no permission" not in capsys.readouterr().err
    become("Nobody", monkeypatch)
    assert main(words) == 2
    printed = capsys.readouterr()
    assert f"has no permission {READS[command]}" in printed.err
    assert printed.out == ""
    (denied,) = records(AUDIT)
    assert (denied.outcome, denied.permission, denied.origin) == ("denied", READS[command], "command line")


def test_the_command_line_exports_the_audit_log_as_json_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("PREFECT_DRS_HOME", str(tmp_path))
    set_policy(ADMIN, caller="ada")
    set_policy(ADMIN, version=1)
    POLICIES.forget()
    assert main(["op", "get_audit_log", "--lines"]) == 0
    assert [json.loads(line)["who"] for line in capsys.readouterr().out.splitlines()] == [MOTO, "ada"]
    assert main(["op", "get_audit_log", "--lines", "--body", '{"limit": 1}']) == 0
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 1
    assert "there are more than these 1" in printed.err
    assert main(["op", "get_access_policy", "--lines"]) == 2


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """A plan of one server, which nobody has."""
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(plan(REGION, {"Database": ["s-00000000000000001"]})))
    return file


def test_a_lambda_event_needs_a_proof_where_there_is_a_policy():
    assert handler({"operation": "get_user_permissions", "caller": "ada"})["user"] == "ada"
    set_policy(ADMIN)
    POLICIES.forget()
    refused = handler({"operation": "get_user_permissions", "caller": "ada"})
    assert (refused["error"], refused["details"]["reason"]) == ("UNAUTHENTICATED", "missing")
    token = make_token("prefect-drs", at=datetime.now(UTC))
    assert handler({"operation": "get_user_permissions", "caller": "ada", "token": token})["user"] == MOTO
    wrong = handler({"operation": "get_user_permissions", "token": token[:-4]})
    assert wrong["error"] == "UNAUTHENTICATED"


def test_without_credentials_a_caller_of_this_machine_is_told_to_set_them_up(monkeypatch: pytest.MonkeyPatch):
    set_policy(ADMIN)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    with pytest.raises(PrefectDrsError, match="credentials") as refused:
        call("get_user_permissions")
    assert not isinstance(refused.value, NotProvenError)
