"""Roles that are narrowed to plans, groups or accounts, and what the audit log holds of changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.identity import Identity, IdentityKind
from prefect_drs.identity.policy import AuthorizationError, PolicyDocument
from prefect_drs.operations import Context, invoke
from prefect_drs.orchestration.storage.access_policy import PolicyReader, PolicyVersion
from prefect_drs.orchestration.storage.audit_log import AuditLog, AuditOutcome, AuditRecord
from prefect_drs.recovery.journal import FolderStorage
from tests.operations.estate import Stored
from tests.rig import ACCOUNT, REGION

NOW = datetime.now(UTC)
ADA = Identity(
    kind=IdentityKind.AWS,
    subject=f"arn:aws:iam::{ACCOUNT}:user/ada",
    account_id=ACCOUNT,
    proven_by="test",
    proven_at=NOW,
    expires_at=NOW,
)
FAR = "222222222222"


class As:
    """Calls as ada, with one role and what it is narrowed to."""

    def __init__(self, folder: Path, role: str, **narrowed: Any) -> None:
        document = PolicyDocument.model_validate({"grants": [{"role": role, "arns": [ADA.subject], **narrowed}]})
        version = PolicyVersion(version=1, policy=document, changed_at=NOW, changed_by="test")
        self.audit = AuditLog(lambda: FolderStorage(folder))
        self.policies = PolicyReader(read=lambda: version)

    def call(self, name: str, body: dict[str, Any] | None = None) -> Any:
        context = Context(files=False, identity=ADA, caller=ADA.name, policies=self.policies, audit=self.audit)
        return invoke(name, body or {}, context=context)

    def may(self, name: str, body: dict[str, Any] | None = None) -> bool:
        try:
            self.call(name, body)
        except AuthorizationError as error:
            return "for what this request names" not in error.message
        return True

    def records(self) -> list[AuditRecord]:
        now = datetime.now(UTC)
        return list(self.audit.read(now - timedelta(hours=1), now + timedelta(minutes=1)))


@pytest.fixture
def plans(stored: Stored) -> Stored:
    for name, account in (("near", ACCOUNT), ("far", FAR)):
        group = {"name": name, "region": REGION, "accountId": account, "serverSelectionTags": {"name": name}}
        stored.op("create_protection_group", group)
        waves = [{"waveNumber": 1, "name": "first", "protectionGroupId": name}]
        stored.op("create_recovery_plan", {"name": f"plan {name}", "waves": waves})
    return stored


def test_a_role_narrowed_to_an_account_covers_plans_and_groups_of_it_alone(plans: Stored, tmp_path: Path):
    ada = As(tmp_path, "DRSOperator", accounts=[ACCOUNT])
    assert ada.may("get_recovery_plan", {"planId": "plan near"})
    assert ada.may("get_recovery_plan", {"planId": "PLAN NEAR"})
    assert not ada.may("get_recovery_plan", {"planId": "plan far"})
    assert not ada.may("get_protection_group", {"groupId": "far"})


def test_a_role_narrowed_to_a_plan_covers_no_list_no_unknown_plan_and_no_manifest_of_that_name(
    plans: Stored, tmp_path: Path
):
    ada = As(tmp_path, "DRSOperator", plans=["plan n*"])
    assert ada.may("get_recovery_plan", {"planId": "plan near"})
    plan_id = plans.op("get_recovery_plan", {"planId": "plan near"})["planId"]
    assert ada.may("get_recovery_plan", {"planId": plan_id})
    manifest = {"schemaVersion": "1.1", "recoveryPlans": [{"planName": "plan near"}]}
    for name, body in (
        ("get_recovery_plan", {"planId": "plan far"}),
        ("get_recovery_plan", {"planId": "plan nowhere"}),
        ("list_recovery_plans", {}),
        ("validate_manifest", {"manifest": manifest}),
        ("show_plan", {"manifest": manifest, "planName": "plan near"}),
        ("get_protection_group", {"groupId": "near"}),
    ):
        assert not ada.may(name, body), name


def test_a_role_narrowed_to_a_group_covers_changes_of_it(plans: Stored, tmp_path: Path):
    ada = As(tmp_path, "DRSPlanManager", protectionGroups=["near"])
    group = plans.op("get_protection_group", {"groupId": "near"})
    changed = {"groupId": "near", "version": group["version"], "description": "changed"}
    assert ada.call("update_protection_group", changed)["description"] == "changed"
    assert not ada.may("update_protection_group", {**changed, "groupId": "far"})
    denied, done = ada.records()
    assert (denied.outcome, denied.named["group_id"]) == (AuditOutcome.DENIED, "far")
    assert (done.outcome, done.who, done.permission) == (AuditOutcome.DONE, ADA.subject, "modify_protection_groups")
    (change,) = done.changes
    assert isinstance(change.before, dict)
    assert isinstance(change.after, dict)
    assert "description" not in change.before
    assert change.after["description"] == "changed"


def test_failures_are_recorded_and_reads_only_if_wanted(plans: Stored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ada = As(tmp_path, "DRSOrchestrationAdmin")
    ada.call("list_recovery_plans")
    with pytest.raises(PrefectDrsError):
        ada.call("delete_protection_group", {"groupId": "near"})
    (failed,) = ada.records()
    assert (failed.operation, failed.outcome, failed.error) == (
        "delete_protection_group",
        AuditOutcome.FAILED,
        "IN_USE",
    )
    monkeypatch.setenv("PREFECT_DRS_AUDIT_READS", "true")
    ada.call("list_recovery_plans")
    assert [record.operation for record in ada.records()] == ["list_recovery_plans", "delete_protection_group"]


def test_a_storage_that_cannot_be_written_fails_no_operation(plans: Stored, tmp_path: Path):
    (tmp_path / "file").write_text("")
    ada = As(tmp_path / "file", "DRSOrchestrationAdmin")
    ada.call("delete_recovery_plan", {"planId": "plan near"})


def test_without_a_policy_the_audit_log_has_names_as_claimed(plans: Stored, tmp_path: Path):
    audit = AuditLog(lambda: FolderStorage(tmp_path))
    context = Context(caller="bob", policies=PolicyReader(read=lambda: None), audit=audit)
    invoke("delete_recovery_plan", {"planId": "plan near"}, context=context)
    now = datetime.now(UTC)
    (record,) = audit.read(now - timedelta(minutes=5), now + timedelta(minutes=1))
    assert (record.who, record.identity, record.operation) == ("bob", None, "delete_recovery_plan")
