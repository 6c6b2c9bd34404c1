"""The methods of query operations. Written by `python -m tests.client.generator`; do not edit it."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Literal

from prefect_drs.client.caller import UNSET, Caller, Unset
from prefect_drs.client.generated.json_types import (
    AccountView,
    AuditAnswer,
    AuditOutcome,
    CapacityAnswer,
    CheckedAccount,
    CombinedCapacity,
    Conflicts,
    CurrentAccount,
    Difference,
    Discovered,
    GetDrsSourceServersPage,
    GetTargetAccountsPage,
    GroupAnswer,
    GroupSync,
    HistoryAnswer,
    InstanceProfiles,
    InstanceSyncAnswer,
    InstanceTypes,
    InventoryAnswer,
    ListProtectionGroupsPage,
    ListRecoveryPlansPage,
    ManifestCheck,
    PermissionsAnswer,
    PlanAnswer,
    PlanOverview,
    PolicyAnswer,
    PolicyVersionsAnswer,
    RegionCapacityAnswer,
    SavedStagingAccounts,
    SecurityGroups,
    SelectionAnswer,
    ServerConfig,
    SourceServerView,
    Subnets,
    TagSyncStatus,
    TriedAddress,
    ValidatedStaging,
)


class QueryOperations(Caller):
    """Calls query operations."""

    def diff_plan(
        self,
        *,
        old: str | Mapping[str, Any] | None,
        new: str | Mapping[str, Any] | None,
        bindings: str | Mapping[str, Any] | Unset | None = UNSET,
        old_bindings: str | Mapping[str, Any] | Unset | None = UNSET,
    ) -> Difference:
        """Compare two manifests: waves, servers, launch settings, forecast."""
        return self.call("diff_plan", {"old": old, "new": new, "bindings": bindings, "oldBindings": old_bindings})

    def discover_staging_accounts(self, target_account_id: str) -> Discovered:
        """List the staging accounts that DRS knows, in every region."""
        return self.call("discover_staging_accounts", {"targetAccountId": target_account_id})

    def export_configuration(
        self,
    ) -> dict[str, Any]:
        """Return all that is stored as a manifest, which can be imported again."""
        return self.call("export_configuration", {})

    def forecast_plan(
        self,
        *,
        manifest: str | Mapping[str, Any] | Unset | None = UNSET,
        bindings: str | Mapping[str, Any] | Unset | None = UNSET,
        strict: bool | Unset = UNSET,
        plan_id: str | Unset | None = UNSET,
        plan_name: str | Unset | None = UNSET,
        exclude: Mapping[str, str] | Unset = UNSET,
        offline: bool | Unset = UNSET,
        samples: int | Unset = UNSET,
        seed: int | Unset = UNSET,
    ) -> dict[str, Any]:
        """Forecast how long a run of a plan would take: timeline, RTO, critical path."""
        return self.call(
            "forecast_plan",
            {
                "manifest": manifest,
                "bindings": bindings,
                "strict": strict,
                "planId": plan_id,
                "planName": plan_name,
                "exclude": exclude,
                "offline": offline,
                "samples": samples,
                "seed": seed,
            },
        )

    def get_access_policy(
        self,
    ) -> PolicyAnswer:
        """Return the access policy in force and who changed it last."""
        return self.call("get_access_policy", {})

    def get_audit_log(
        self,
        *,
        since: datetime | str | Unset = UNSET,
        until: datetime | str | Unset = UNSET,
        who: str | Unset = UNSET,
        operation: str | Unset = UNSET,
        outcome: AuditOutcome | Unset = UNSET,
        execution_id: str | Unset = UNSET,
        limit: int | Unset = UNSET,
    ) -> AuditAnswer:
        """Return who did, or was denied, what, the newest first."""
        return self.call(
            "get_audit_log",
            {
                "since": since,
                "until": until,
                "who": who,
                "operation": operation,
                "outcome": outcome,
                "executionId": execution_id,
                "limit": limit,
            },
        )

    def get_combined_capacity(self, *, account_id: str | Unset = UNSET) -> CombinedCapacity:
        """Count servers of target accounts together with their staging accounts, by region."""
        return self.call("get_combined_capacity", {"accountId": account_id})

    def get_current_account_id(
        self,
    ) -> CurrentAccount:
        """Return the account of the caller's own credentials."""
        return self.call("get_current_account_id", {})

    def get_drs_account_capacity(self, *, region: str, account_id: str | Unset = UNSET) -> RegionCapacityAnswer:
        """Count servers against the quotas of DRS in one account and region."""
        return self.call("get_drs_account_capacity", {"region": region, "accountId": account_id})

    def get_drs_account_capacity_all_regions(self, account_id: str) -> CapacityAnswer:
        """Count servers against the quotas of DRS in all regions of one account."""
        return self.call("get_drs_account_capacity_all_regions", {"accountId": account_id})

    def get_drs_capacity_conflicts(self, *, account_id: str | Unset = UNSET, region: str | Unset = UNSET) -> Conflicts:
        """List quotas of DRS that are used by 80 % or more, and what could not be checked."""
        return self.call("get_drs_capacity_conflicts", {"accountId": account_id, "region": region})

    def get_drs_regional_capacity(self, *, region: str) -> CapacityAnswer:
        """Count servers against the quotas of DRS in one region of all known accounts."""
        return self.call("get_drs_regional_capacity", {"region": region})

    def get_drs_source_servers(
        self,
        *,
        region: str,
        account_id: str | Unset = UNSET,
        tags: Mapping[str, str] | Unset = UNSET,
        replication_state: str | Unset = UNSET,
        limit: int | Unset = UNSET,
        next_token: str | Unset = UNSET,
        sort: Literal[
            "name",
            "-name",
            "hostname",
            "-hostname",
            "replicationState",
            "-replicationState",
            "sourceServerId",
            "-sourceServerId",
        ]
        | Unset = UNSET,
    ) -> GetDrsSourceServersPage:
        """List the DRS source servers of a region, with the stored groups that hold them."""
        return self.call(
            "get_drs_source_servers",
            {
                "region": region,
                "accountId": account_id,
                "tags": tags,
                "replicationState": replication_state,
                "limit": limit,
                "nextToken": next_token,
                "sort": sort,
            },
        )

    def iterate_drs_source_servers(
        self,
        *,
        region: str,
        account_id: str | Unset = UNSET,
        tags: Mapping[str, str] | Unset = UNSET,
        replication_state: str | Unset = UNSET,
        limit: int | Unset = UNSET,
        sort: Literal[
            "name",
            "-name",
            "hostname",
            "-hostname",
            "replicationState",
            "-replicationState",
            "sourceServerId",
            "-sourceServerId",
        ]
        | Unset = UNSET,
    ) -> Iterator[SourceServerView]:
        """Iterate over all that `get_drs_source_servers` lists; a page of `limit` is read when it is needed."""
        return self._items(
            "get_drs_source_servers",
            "servers",
            {
                "region": region,
                "accountId": account_id,
                "tags": tags,
                "replicationState": replication_state,
                "limit": limit,
                "sort": sort,
            },
        )

    def get_ec2_instance_profiles(self, *, region: str, account_id: str | Unset = UNSET) -> InstanceProfiles:
        """List the instance profiles of an account."""
        return self.call("get_ec2_instance_profiles", {"region": region, "accountId": account_id})

    def get_ec2_instance_types(
        self, *, region: str, account_id: str | Unset = UNSET, availability_zone: str | Unset = UNSET
    ) -> InstanceTypes:
        """List the instance types on offer in an account and region, with their zones."""
        return self.call(
            "get_ec2_instance_types", {"region": region, "accountId": account_id, "availabilityZone": availability_zone}
        )

    def get_ec2_security_groups(
        self, *, region: str, account_id: str | Unset = UNSET, vpc_id: str | Unset = UNSET
    ) -> SecurityGroups:
        """List the security groups of an account and region."""
        return self.call("get_ec2_security_groups", {"region": region, "accountId": account_id, "vpcId": vpc_id})

    def get_ec2_subnets(self, *, region: str, account_id: str | Unset = UNSET, vpc_id: str | Unset = UNSET) -> Subnets:
        """List the subnets of an account and region with their free addresses."""
        return self.call("get_ec2_subnets", {"region": region, "accountId": account_id, "vpcId": vpc_id})

    def get_launch_config_status(self, group_id: str) -> GroupSync:
        """Report how an account has drifted from a stored group's launch settings."""
        return self.call("get_launch_config_status", {"groupId": group_id})

    def get_protection_group(self, group_id: str) -> GroupAnswer:
        """Return a stored protection group with its current servers."""
        return self.call("get_protection_group", {"groupId": group_id})

    def get_recovery_instance_sync_status(
        self, *, account_id: str | Unset = UNSET, region: str | Unset = UNSET, replication_state: str | Unset = UNSET
    ) -> InstanceSyncAnswer:
        """Return the recovery instances as last read, and when that was."""
        return self.call(
            "get_recovery_instance_sync_status",
            {"accountId": account_id, "region": region, "replicationState": replication_state},
        )

    def get_recovery_plan(self, plan_id: str) -> PlanAnswer:
        """Return a stored recovery plan."""
        return self.call("get_recovery_plan", {"planId": plan_id})

    def get_runbook(
        self,
        *,
        at: str | Unset = UNSET,
        snapshots: Mapping[str, str] | Unset = UNSET,
        waivers: Mapping[str, str] | Unset = UNSET,
        exclude: Mapping[str, str] | Unset = UNSET,
        manifest: str | Mapping[str, Any] | Unset | None = UNSET,
        bindings: str | Mapping[str, Any] | Unset | None = UNSET,
        strict: bool | Unset = UNSET,
        plan_id: str | Unset | None = UNSET,
        plan_name: str | Unset | None = UNSET,
        execution_type: Literal["DRILL", "RECOVERY"] | Unset = UNSET,
    ) -> dict[str, Any]:
        """Read the accounts and return exactly what a run would do; change nothing."""
        return self.call(
            "get_runbook",
            {
                "at": at,
                "snapshots": snapshots,
                "waivers": waivers,
                "exclude": exclude,
                "manifest": manifest,
                "bindings": bindings,
                "strict": strict,
                "planId": plan_id,
                "planName": plan_name,
                "executionType": execution_type,
            },
        )

    def get_server_config_history(self, group_id: str, server_id: str, *, limit: int | Unset = UNSET) -> HistoryAnswer:
        """List who changed a server's launch settings, when, and from what to what."""
        return self.call("get_server_config_history", {"groupId": group_id, "serverId": server_id, "limit": limit})

    def get_server_launch_config(self, group_id: str, server_id: str) -> ServerConfig:
        """Return a server's launch settings, each value with its origin."""
        return self.call("get_server_launch_config", {"groupId": group_id, "serverId": server_id})

    def get_source_server_inventory(
        self, *, account_id: str | Unset = UNSET, region: str | Unset = UNSET, replication_state: str | Unset = UNSET
    ) -> InventoryAnswer:
        """Return the last inventory and its age."""
        return self.call(
            "get_source_server_inventory",
            {"accountId": account_id, "region": region, "replicationState": replication_state},
        )

    def get_staging_accounts(self, target_account_id: str) -> SavedStagingAccounts:
        """List the saved staging accounts of a target account."""
        return self.call("get_staging_accounts", {"targetAccountId": target_account_id})

    def get_tag_sync_settings(
        self,
    ) -> dict[str, Any]:
        """Return the settings of tag sync."""
        return self.call("get_tag_sync_settings", {})

    def get_tag_sync_status(
        self,
    ) -> TagSyncStatus:
        """Return the last tag sync, the next one, and its pending changes."""
        return self.call("get_tag_sync_status", {})

    def get_target_account(self, account_id: str) -> AccountView:
        """Return a saved target account."""
        return self.call("get_target_account", {"accountId": account_id})

    def get_target_accounts(
        self,
        *,
        limit: int | Unset = UNSET,
        next_token: str | Unset = UNSET,
        sort: Literal["accountId", "-accountId", "accountName", "-accountName"] | Unset = UNSET,
        account_name: str | Unset = UNSET,
    ) -> GetTargetAccountsPage:
        """List the saved target accounts."""
        return self.call(
            "get_target_accounts", {"limit": limit, "nextToken": next_token, "sort": sort, "accountName": account_name}
        )

    def iterate_target_accounts(
        self,
        *,
        limit: int | Unset = UNSET,
        sort: Literal["accountId", "-accountId", "accountName", "-accountName"] | Unset = UNSET,
        account_name: str | Unset = UNSET,
    ) -> Iterator[AccountView]:
        """Iterate over all that `get_target_accounts` lists; a page of `limit` is read when it is needed."""
        return self._items(
            "get_target_accounts", "accounts", {"limit": limit, "sort": sort, "accountName": account_name}
        )

    def get_user_permissions(
        self,
    ) -> PermissionsAnswer:
        """Return the caller's name, roles and permissions."""
        return self.call("get_user_permissions", {})

    def list_access_policy_versions(
        self,
    ) -> PolicyVersionsAnswer:
        """List all versions of the access policy, the newest first."""
        return self.call("list_access_policy_versions", {})

    def list_protection_groups(
        self,
        *,
        limit: int | Unset = UNSET,
        next_token: str | Unset = UNSET,
        sort: Literal[
            "name",
            "-name",
            "region",
            "-region",
            "serverCount",
            "-serverCount",
            "createdAt",
            "-createdAt",
            "updatedAt",
            "-updatedAt",
            "groupId",
            "-groupId",
        ]
        | Unset = UNSET,
        name: str | Unset = UNSET,
        region: str | Unset = UNSET,
        account_id: str | Unset = UNSET,
        server_selection_mode: str | Unset = UNSET,
    ) -> ListProtectionGroupsPage:
        """List all stored protection groups with their current servers."""
        return self.call(
            "list_protection_groups",
            {
                "limit": limit,
                "nextToken": next_token,
                "sort": sort,
                "name": name,
                "region": region,
                "accountId": account_id,
                "serverSelectionMode": server_selection_mode,
            },
        )

    def iterate_protection_groups(
        self,
        *,
        limit: int | Unset = UNSET,
        sort: Literal[
            "name",
            "-name",
            "region",
            "-region",
            "serverCount",
            "-serverCount",
            "createdAt",
            "-createdAt",
            "updatedAt",
            "-updatedAt",
            "groupId",
            "-groupId",
        ]
        | Unset = UNSET,
        name: str | Unset = UNSET,
        region: str | Unset = UNSET,
        account_id: str | Unset = UNSET,
        server_selection_mode: str | Unset = UNSET,
    ) -> Iterator[GroupAnswer]:
        """Iterate over all that `list_protection_groups` lists; a page of `limit` is read when it is needed."""
        return self._items(
            "list_protection_groups",
            "protectionGroups",
            {
                "limit": limit,
                "sort": sort,
                "name": name,
                "region": region,
                "accountId": account_id,
                "serverSelectionMode": server_selection_mode,
            },
        )

    def list_recovery_plans(
        self,
        *,
        limit: int | Unset = UNSET,
        next_token: str | Unset = UNSET,
        sort: Literal["name", "-name", "createdAt", "-createdAt", "updatedAt", "-updatedAt", "planId", "-planId"]
        | Unset = UNSET,
        name: str | Unset = UNSET,
    ) -> ListRecoveryPlansPage:
        """List all stored recovery plans."""
        return self.call("list_recovery_plans", {"limit": limit, "nextToken": next_token, "sort": sort, "name": name})

    def iterate_recovery_plans(
        self,
        *,
        limit: int | Unset = UNSET,
        sort: Literal["name", "-name", "createdAt", "-createdAt", "updatedAt", "-updatedAt", "planId", "-planId"]
        | Unset = UNSET,
        name: str | Unset = UNSET,
    ) -> Iterator[PlanAnswer]:
        """Iterate over all that `list_recovery_plans` lists; a page of `limit` is read when it is needed."""
        return self._items("list_recovery_plans", "recoveryPlans", {"limit": limit, "sort": sort, "name": name})

    def resolve_protection_group_tags(
        self, *, region: str, server_selection_tags: Mapping[str, str], account_id: str | Unset | None = UNSET
    ) -> SelectionAnswer:
        """List the servers that have all of these tags, and the stored groups they belong to."""
        return self.call(
            "resolve_protection_group_tags",
            {"region": region, "serverSelectionTags": server_selection_tags, "accountId": account_id},
        )

    def show_plan(
        self,
        *,
        manifest: str | Mapping[str, Any] | Unset | None = UNSET,
        bindings: str | Mapping[str, Any] | Unset | None = UNSET,
        strict: bool | Unset = UNSET,
        plan_id: str | Unset | None = UNSET,
        plan_name: str | Unset | None = UNSET,
    ) -> PlanOverview:
        """Return a plan's waves in the order they run, what each waits for, and its gates."""
        return self.call(
            "show_plan",
            {"manifest": manifest, "bindings": bindings, "strict": strict, "planId": plan_id, "planName": plan_name},
        )

    def validate_manifest(
        self,
        *,
        manifest: str | Mapping[str, Any] | Unset | None = UNSET,
        bindings: str | Mapping[str, Any] | Unset | None = UNSET,
        strict: bool | Unset = UNSET,
    ) -> ManifestCheck:
        """Check a manifest, or the stored estate, and return all faults at once."""
        return self.call("validate_manifest", {"manifest": manifest, "bindings": bindings, "strict": strict})

    def validate_staging_account(
        self,
        *,
        target_account_id: str,
        staging_account_id: str,
        account_name: str | Unset | None = UNSET,
        role_arn: str | Unset | None = UNSET,
        role_name: str | Unset | None = UNSET,
        external_id: str | Unset | None = UNSET,
        region: str | Unset | None = UNSET,
    ) -> ValidatedStaging:
        """Report whether a staging account can be used: access, capacity and trust, by region."""
        return self.call(
            "validate_staging_account",
            {
                "targetAccountId": target_account_id,
                "stagingAccountId": staging_account_id,
                "accountName": account_name,
                "roleArn": role_arn,
                "roleName": role_name,
                "externalId": external_id,
                "region": region,
            },
        )

    def validate_static_ip(
        self, group_id: str, server_id: str, *, static_private_ip: str, subnet_id: str | Unset | None = UNSET
    ) -> TriedAddress:
        """Check whether a server could have a static address, and list all faults."""
        return self.call(
            "validate_static_ip",
            {"groupId": group_id, "serverId": server_id, "staticPrivateIp": static_private_ip, "subnetId": subnet_id},
        )

    def validate_target_account(self, account_id: str) -> CheckedAccount:
        """Report how DRS answers in each region of a saved account."""
        return self.call("validate_target_account", {"accountId": account_id})
