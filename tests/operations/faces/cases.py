"""A case for each operation: a body that is carried out, and one that is refused.

In: a `World` and a face. Out: bodies. What an operation changes belongs to the face alone; what it only reads is
shared. An operation without a case here fails `test_faces.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tests.operations.estate import forget_policies
from tests.operations.events import MANIFEST
from tests.operations.faces.callers import CALLER, Body
from tests.operations.faces.world import ACCOUNT, REGION, STAGING, TARGET, World

Good = Callable[[World, str], Body]


class Refused(NamedTuple):
    """What is refused: the fields that are changed in the good body, the code, and the faulty fields."""

    changes: Body
    code: str
    fields: tuple[str, ...] = ()


class Case(NamedTuple):
    """The bodies of an operation.

    Args:
        good: the body for a face; makes what it names.
        refused: another one; besides, each operation is called with a field that it does not know.
        undo: what brings back the state before the call.
        also: more that is refused.
    """

    good: Good
    refused: Refused | None = None
    undo: Callable[[World], Any] | None = None
    also: tuple[Refused, ...] = ()


def same(**body: Any) -> Good:
    """The same body for all faces."""
    return lambda world, face: body


NOWHERE = "00000000-0000-4000-8000-000000000000"
NO_EXECUTION = Refused({"executionId": NOWHERE}, "NOT_FOUND")
NO_GROUP = Refused({"groupId": "nobody"}, "NOT_FOUND")
NO_PLAN = Refused({"planId": "nobody"}, "NOT_FOUND")
NO_REGION = Refused({"region": "mars-1"}, "INVALID_PARAMETER")
STALE = Refused({"version": 99}, "VERSION_MISMATCH")
NO_ACCOUNT = Refused({"accountId": "1"}, "VALIDATION_ERROR", ("accountId",))
NOT_SAVED = Refused({"accountId": "999988887777"}, "NOT_FOUND")
TARGET_NOT_SAVED = Refused({"targetAccountId": "999988887777"}, "NOT_FOUND")
HERE = {"accountId": ACCOUNT, "region": REGION}
POLICY = {"grants": [{"role": "DRSOrchestrationAdmin", "arns": [f"arn:aws:iam::{ACCOUNT}:role/Admins"]}]}
SETTINGS = {"instanceType": "m6i.large"}
ADDRESS = {"staticPrivateIp": "999.0.0.1"}


def of_group(**more: Any) -> Good:
    return lambda world, face: {"groupId": world.group(face), **more}


def of_server(**more: Any) -> Good:
    def body(world: World, face: str) -> Body:
        group = world.group(face)
        return {"groupId": group, "serverId": world.server_of(group), **more}

    return body


def of_own_settings(world: World, face: str) -> Body:
    body = of_server()(world, face)
    changed = world.op("update_server_launch_config", {**body, "version": 1, "launchTemplate": SETTINGS})
    return {**body, "version": changed["version"]}


def of_shared_server(**more: Any) -> Good:
    return lambda world, face: {"groupId": "db", "serverId": world.server_of("db"), **more}


def of_many_servers(world: World, face: str) -> Body:
    body = of_server()(world, face)
    servers = [{"serverId": body["serverId"], "launchTemplate": SETTINGS}]
    return {"groupId": body["groupId"], "version": 1, "servers": servers}


def of_new_plan(world: World, face: str) -> Body:
    waves = [{"waveNumber": 1, "name": "all", "protectionGroupNames": [world.group(face)]}]
    return {"name": world.name(face), "waves": waves}


def of_staging(world: World, face: str) -> Body:
    return {"targetAccountId": world.account(face), "stagingAccountId": STAGING, "force": True}


def of_saved_staging(world: World, face: str) -> Body:
    body = of_staging(world, face)
    world.op("add_staging_account", body)
    return {name: value for name, value in body.items() if name != "force"}


def of_start(world: World, face: str) -> Body:
    return {"planId": world.plan(face), "executionType": "DRILL", "deployment": world.deployment}


def of_failback(world: World, face: str) -> Body:
    return {"planId": world.plan(face), "deployment": world.failback}


def of_pause(world: World) -> Any:
    return world.op("resume_execution", {"executionId": world.gated})


def of_resume(world: World, face: str) -> Body:
    world.op("pause_execution", {"executionId": world.gated})
    return {"executionId": world.gated}


def of_inventory(world: World, face: str) -> Body:
    assert world.inventory
    return {"region": REGION}


def of_trigger(world: World, face: str) -> Body:
    world.no_tag_sync_run()
    return {}


def of_tag_sync_settings(world: World, face: str) -> Body:
    world.op("update_tag_sync_settings", {"tagMappings": {}})
    world.no_tag_sync_run()
    return {"tagMappings": {"Environment": "DR-Environment"}}


def read(*, refused: Refused = NO_EXECUTION, **more: Any) -> Case:
    """Something of the execution that has ended."""
    return Case(lambda world, face: {"executionId": world.ended, **more}, refused)


CASES: dict[str, Case] = {
    # plans of the request
    "diff_plan": Case(same(old=None, new=MANIFEST), Refused({"new": {"schemaVersion": "9"}}, "VALIDATION_ERROR")),
    "forecast_plan": Case(
        same(manifest=MANIFEST, planName="Shop", offline=True, samples=20, seed=1),
        Refused({"planName": "Other"}, "INVALID_PARAMETER"),
    ),
    "get_runbook": Case(same(planId="shop", executionType="DRILL"), NO_PLAN),
    "show_plan": Case(same(manifest=MANIFEST), Refused({"planName": "Other"}, "INVALID_PARAMETER")),
    "validate_manifest": Case(same(manifest=MANIFEST), Refused({"strict": "perhaps"}, "VALIDATION_ERROR", ("strict",))),
    # accounts
    "add_staging_account": Case(of_staging, TARGET_NOT_SAVED),
    "add_target_account": Case(
        lambda world, face: {"accountId": world.account(face, saved=False), "regions": [REGION]},
        Refused({"accountId": "12"}, "VALIDATION_ERROR", ("accountId",)),
    ),
    "delete_target_account": Case(lambda world, face: {"accountId": world.account(face)}, NOT_SAVED),
    "discover_staging_accounts": Case(same(targetAccountId=TARGET), TARGET_NOT_SAVED),
    "get_combined_capacity": Case(same(accountId=TARGET), NO_ACCOUNT),
    "get_current_account_id": Case(same()),
    "get_drs_account_capacity": Case(same(**HERE), NO_REGION),
    "get_drs_account_capacity_all_regions": Case(same(accountId=TARGET), NO_ACCOUNT),
    "get_drs_capacity_conflicts": Case(same(**HERE), NO_REGION),
    "get_drs_regional_capacity": Case(same(region=REGION), NO_REGION),
    "get_staging_accounts": Case(same(targetAccountId=TARGET), TARGET_NOT_SAVED),
    "get_target_account": Case(same(accountId=TARGET), NOT_SAVED),
    "get_target_accounts": Case(same()),
    "get_user_permissions": Case(same()),
    "remove_staging_account": Case(of_saved_staging, TARGET_NOT_SAVED),
    "sync_extended_source_servers": Case(same(targetAccountId=TARGET, dryRun=True), TARGET_NOT_SAVED),
    "sync_staging_accounts": Case(same(targetAccountId=TARGET), TARGET_NOT_SAVED),
    "update_target_account": Case(
        lambda world, face: {"accountId": world.account(face), "accountName": "Prod"}, NOT_SAVED
    ),
    "validate_staging_account": Case(
        same(targetAccountId=TARGET, stagingAccountId=STAGING),
        Refused({"stagingAccountId": "1"}, "VALIDATION_ERROR", ("stagingAccountId",)),
    ),
    "validate_target_account": Case(same(accountId=TARGET), NOT_SAVED),
    # access
    "get_access_policy": Case(same()),
    "get_audit_log": Case(
        same(operation="add_staging_account", who=CALLER, outcome="done", limit=1),
        Refused({"limit": 0}, "VALIDATION_ERROR", ("limit",)),
    ),
    "list_access_policy_versions": Case(same()),
    "set_access_policy": Case(same(policy=POLICY, reason="first", allowLockout=True), STALE, forget_policies),
    # what an account offers and holds
    "get_drs_source_servers": Case(same(region=REGION, tags={"tier": "x"}), NO_REGION),
    "get_ec2_instance_profiles": Case(same(region=REGION), NO_REGION),
    "get_ec2_instance_types": Case(same(region=REGION, availabilityZone=f"{REGION}a"), NO_REGION),
    "get_ec2_security_groups": Case(same(region=REGION), NO_REGION),
    "get_ec2_subnets": Case(same(region=REGION), NO_REGION),
    "get_recovery_instance_sync_status": Case(of_inventory),
    "get_source_server_inventory": Case(of_inventory),
    "sync_recovery_instances": Case(same()),
    "sync_source_server_inventory": Case(same()),
    # groups
    "apply_launch_configs": Case(of_group(), NO_GROUP),
    "bulk_update_server_configs": Case(of_many_servers, STALE),
    "create_protection_group": Case(
        lambda world, face: {
            "name": (name := world.name(face)),
            "region": REGION,
            "sourceServerIds": world.stored.servers(name),
        },
        Refused({"name": "db"}, "ALREADY_EXISTS", ("groupName",)),
    ),
    "delete_protection_group": Case(of_group(), Refused({"groupId": "db"}, "IN_USE", ("db",))),
    "delete_server_launch_config": Case(of_own_settings, STALE),
    "get_launch_config_status": Case(same(groupId="db"), NO_GROUP),
    "get_protection_group": Case(same(groupId="db"), NO_GROUP),
    "get_server_config_history": Case(of_shared_server(), Refused({"limit": 0}, "VALIDATION_ERROR", ("limit",))),
    "get_server_launch_config": Case(of_shared_server(), Refused({"serverId": "s-00000000000000000"}, "NOT_FOUND")),
    "list_protection_groups": Case(same()),
    "resolve_protection_group_tags": Case(same(region=REGION, serverSelectionTags={"tier": "x"}), NO_REGION),
    "sync_launch_configs": Case(
        lambda world, face: {"groupIds": [world.group(face)]}, Refused({"groupIds": ["nobody"]}, "NOT_FOUND")
    ),
    "update_protection_group": Case(of_group(version=1, description="x"), STALE),
    "update_server_launch_config": Case(of_server(version=1, launchTemplate=SETTINGS), STALE),
    "validate_static_ip": Case(
        of_shared_server(staticPrivateIp="10.0.0.10"),
        Refused({"staticPrivateIp": 7}, "VALIDATION_ERROR", ("staticPrivateIp",)),
    ),
    # plans
    "check_existing_instances": Case(same(planId="shop"), NO_PLAN),
    "create_recovery_plan": Case(of_new_plan, Refused({"waves": []}, "VALIDATION_ERROR", ("waves",))),
    "delete_recovery_plan": Case(lambda world, face: {"planId": world.plan(face)}, NO_PLAN),
    "get_recovery_plan": Case(same(planId="shop"), NO_PLAN),
    "list_recovery_plans": Case(same()),
    "update_recovery_plan": Case(
        lambda world, face: {"planId": world.plan(face), "version": 1, "description": "x"}, STALE
    ),
    # the configuration
    "export_configuration": Case(same()),
    "get_tag_sync_settings": Case(same()),
    "get_tag_sync_status": Case(same()),
    "import_configuration": Case(
        same(manifest=MANIFEST, dryRun=True), Refused({"dryRun": "perhaps"}, "VALIDATION_ERROR", ("dryRun",))
    ),
    "trigger_tag_sync": Case(of_trigger),
    "update_tag_sync_settings": Case(of_tag_sync_settings, Refused({"schedule": 25}, "INVALID_PARAMETER")),
    # executions
    "approve_gate": Case(
        lambda world, face: {"executionId": world.gated, "waveNumber": world.gate(face, 0), "comment": "checked"},
        NO_EXECUTION,
    ),
    "cancel_execution": Case(lambda world, face: {"executionId": world.pending(face)}, NO_EXECUTION),
    "delete_executions": Case(
        lambda world, face: {"executionIds": [world.over(face)]},
        Refused({"executionIds": []}, "VALIDATION_ERROR", ("",)),
        also=(
            Refused({"nextToken": "of another list"}, "VALIDATION_ERROR", ("",)),
            Refused(
                {"executionIds": [], "allFinished": True, "nextToken": "of another list"}, "VALIDATION_ERROR", ("",)
            ),
        ),
    ),
    "explain_execution": read(wave=0),
    "get_evidence": read(),
    "get_execution": read(),
    "get_execution_report": read(
        format="markdown", refused=Refused({"format": "pdf"}, "VALIDATION_ERROR", ("format",))
    ),
    "get_job_logs": read(),
    "get_recovery_instances": read(),
    "get_termination_status": read(),
    "list_executions": Case(
        lambda world, face: {
            "status": ["COMPLETED"],
            "sort": "-planName",
            "limit": 1,
            "startedAfter": "2020-01-01T00:00:00Z",
        },
        Refused({"sort": "colour"}, "VALIDATION_ERROR", ("sort",)),
    ),
    "list_gates": Case(
        lambda world, face: {"executionId": world.ended}, Refused({"executionId": "no such"}, "NOT_FOUND")
    ),
    "pause_execution": Case(lambda world, face: {"executionId": world.gated}, NO_EXECUTION, of_pause),
    "reject_gate": Case(
        lambda world, face: {"executionId": world.gated, "waveNumber": world.gate(face, 1), "comment": "too old"},
        Refused({"waveNumber": 99}, "EXECUTION_ERROR"),
    ),
    "resume_execution": Case(of_resume, NO_EXECUTION),
    "start_execution": Case(of_start, Refused({"executionType": "REHEARSAL"}, "VALIDATION_ERROR", ("executionType",))),
    "start_failback": Case(of_failback, Refused({"gates": "never"}, "VALIDATION_ERROR", ("gates",))),
    "verify_execution": read(),
    "terminate_instances": Case(lambda world, face: {"executionId": world.drilled(face)}, NO_EXECUTION),
}
"""By subject."""
