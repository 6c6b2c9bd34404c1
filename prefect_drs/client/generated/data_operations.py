"""The methods of data operations. Written by `python -m tests.client.generator`; do not edit it."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from prefect_drs.client.caller import UNSET, Caller, Unset
from prefect_drs.client.generated.json_types import (
    Bindings,
    CheckedAccount,
    DeletedAccount,
    DeletedAnswer,
    Extended,
    GroupAnswer,
    GroupSync,
    ImportAnswer,
    InstanceSyncAnswer,
    InventoryAnswer,
    PlanAnswer,
    PolicyAnswer,
    PolicyDocumentInput,
    RunningRequest,
    SavedStagingAccounts,
    ServerConfig,
    ServerConfigs,
    ServerSettingsFields,
    SyncAnswer,
    SyncedStaging,
    TagFilters,
    TagSyncTrigger,
    TagSyncUpdate,
    ValidatedStaging,
)


class DataOperations(Caller):
    """Calls data operations."""

    def add_staging_account(
        self,
        target_account_id: str,
        *,
        staging_account_id: str,
        account_name: str | Unset | None = UNSET,
        role_arn: str | Unset | None = UNSET,
        role_name: str | Unset | None = UNSET,
        external_id: str | Unset | None = UNSET,
        force: bool | Unset = UNSET,
        idempotency_key: str | None = None,
    ) -> ValidatedStaging:
        """Save a staging account once it can be used in at least one region."""
        return self.call(
            "add_staging_account",
            {
                "targetAccountId": target_account_id,
                "stagingAccountId": staging_account_id,
                "accountName": account_name,
                "roleArn": role_arn,
                "roleName": role_name,
                "externalId": external_id,
                "force": force,
            },
            idempotency_key=idempotency_key,
        )

    def add_target_account(
        self,
        *,
        account_id: str,
        account_name: str | Unset | None = UNSET,
        regions: Sequence[str] | Unset | None = UNSET,
        role_arn: str | Unset | None = UNSET,
        role_name: str | Unset | None = UNSET,
        external_id: str | Unset | None = UNSET,
        endpoint_url: str | Unset | None = UNSET,
        force: bool | Unset = UNSET,
        idempotency_key: str | None = None,
    ) -> CheckedAccount:
        """Save an account once DRS answers in at least one of its regions."""
        return self.call(
            "add_target_account",
            {
                "accountId": account_id,
                "accountName": account_name,
                "regions": regions,
                "roleArn": role_arn,
                "roleName": role_name,
                "externalId": external_id,
                "endpointUrl": endpoint_url,
                "force": force,
            },
            idempotency_key=idempotency_key,
        )

    def apply_launch_configs(
        self,
        group_id: str,
        *,
        server_ids: Sequence[str] | Unset | None = UNSET,
        dry_run: bool | Unset = UNSET,
        idempotency_key: str | None = None,
    ) -> GroupSync:
        """Write a stored group's launch settings to its account, only what differs."""
        return self.call(
            "apply_launch_configs",
            {"groupId": group_id, "serverIds": server_ids, "dryRun": dry_run},
            idempotency_key=idempotency_key,
        )

    def bulk_update_server_configs(
        self, group_id: str, *, servers: Sequence[ServerSettingsFields], version: int | Unset | None = UNSET
    ) -> ServerConfigs:
        """Change many servers' own launch settings, all or nothing."""
        return self.call("bulk_update_server_configs", {"groupId": group_id, "servers": servers, "version": version})

    def create_protection_group(
        self,
        *,
        region: Any,
        name: Any,
        description: Any = UNSET,
        account_id: Any = UNSET,
        server_selection_mode: Literal["explicit", "tags"] | Unset | None = UNSET,
        server_selection_tags: Any = UNSET,
        source_server_ids: Any = UNSET,
        launch_configuration: Any = UNSET,
        servers: Any = UNSET,
        idempotency_key: str | None = None,
    ) -> GroupAnswer:
        """Store a protection group: servers by ids or by tags, and their launch settings."""
        return self.call(
            "create_protection_group",
            {
                "region": region,
                "name": name,
                "description": description,
                "accountId": account_id,
                "serverSelectionMode": server_selection_mode,
                "serverSelectionTags": server_selection_tags,
                "sourceServerIds": source_server_ids,
                "launchConfiguration": launch_configuration,
                "servers": servers,
            },
            idempotency_key=idempotency_key,
        )

    def create_recovery_plan(
        self, *, waves: Any, name: Any, description: Any = UNSET, idempotency_key: str | None = None
    ) -> PlanAnswer:
        """Store a recovery plan over stored groups."""
        return self.call(
            "create_recovery_plan",
            {"waves": waves, "name": name, "description": description},
            idempotency_key=idempotency_key,
        )

    def delete_protection_group(self, group_id: str, *, version: int | Unset = UNSET) -> DeletedAnswer:
        """Delete a stored protection group that no plan names."""
        return self.call("delete_protection_group", {"groupId": group_id, "version": version})

    def delete_recovery_plan(self, plan_id: str, *, version: int | Unset = UNSET) -> DeletedAnswer:
        """Delete a stored recovery plan; its groups stay."""
        return self.call("delete_recovery_plan", {"planId": plan_id, "version": version})

    def delete_server_launch_config(
        self, group_id: str, server_id: str, *, version: int | Unset = UNSET
    ) -> ServerConfig:
        """Delete one server's own launch settings, so that its group's apply."""
        return self.call(
            "delete_server_launch_config", {"groupId": group_id, "serverId": server_id, "version": version}
        )

    def delete_target_account(self, account_id: str) -> DeletedAccount:
        """Delete a saved account; nothing in AWS changes."""
        return self.call("delete_target_account", {"accountId": account_id})

    def import_configuration(
        self,
        *,
        manifest: Any,
        bindings: Bindings | Unset | None = UNSET,
        dry_run: bool | Unset = UNSET,
        overwrite_existing: bool | Unset = UNSET,
        idempotency_key: str | None = None,
    ) -> ImportAnswer:
        """Store a manifest's groups and plans, all or none; or report what that would do."""
        return self.call(
            "import_configuration",
            {"manifest": manifest, "bindings": bindings, "dryRun": dry_run, "overwriteExisting": overwrite_existing},
            idempotency_key=idempotency_key,
        )

    def remove_staging_account(self, target_account_id: str, staging_account_id: str) -> SavedStagingAccounts:
        """Delete a saved staging account; extended servers stay."""
        return self.call(
            "remove_staging_account", {"targetAccountId": target_account_id, "stagingAccountId": staging_account_id}
        )

    def set_access_policy(
        self,
        *,
        policy: PolicyDocumentInput,
        version: int | Unset = UNSET,
        reason: str | Unset = UNSET,
        allow_lockout: bool | Unset = UNSET,
    ) -> PolicyAnswer:
        """Store a new version of the access policy; it is in force within five seconds."""
        return self.call(
            "set_access_policy", {"policy": policy, "version": version, "reason": reason, "allowLockout": allow_lockout}
        )

    def sync_extended_source_servers(
        self,
        target_account_id: str,
        *,
        staging_account_id: str | Unset | None = UNSET,
        region: str | Unset | None = UNSET,
        dry_run: bool | Unset = UNSET,
        idempotency_key: str | None = None,
    ) -> Extended:
        """Extend the servers of staging accounts that are not extended yet."""
        return self.call(
            "sync_extended_source_servers",
            {
                "targetAccountId": target_account_id,
                "stagingAccountId": staging_account_id,
                "region": region,
                "dryRun": dry_run,
            },
            idempotency_key=idempotency_key,
        )

    def sync_launch_configs(
        self,
        *,
        group_ids: Sequence[str] | Unset | None = UNSET,
        dry_run: bool | Unset = UNSET,
        idempotency_key: str | None = None,
    ) -> SyncAnswer:
        """Write the launch settings of several stored groups, or all, to their accounts."""
        return self.call(
            "sync_launch_configs", {"groupIds": group_ids, "dryRun": dry_run}, idempotency_key=idempotency_key
        )

    def sync_recovery_instances(self, *, idempotency_key: str | None = None) -> InstanceSyncAnswer:
        """Read the recovery instances of all accounts and regions now; takes an inventory."""
        return self.call("sync_recovery_instances", {}, idempotency_key=idempotency_key)

    def sync_source_server_inventory(self, *, idempotency_key: str | None = None) -> InventoryAnswer:
        """Take an inventory of all accounts and regions now."""
        return self.call("sync_source_server_inventory", {}, idempotency_key=idempotency_key)

    def sync_staging_accounts(self, target_account_id: str, *, idempotency_key: str | None = None) -> SyncedStaging:
        """Save the staging accounts that DRS knows and that are not saved yet; delete none."""
        return self.call(
            "sync_staging_accounts", {"targetAccountId": target_account_id}, idempotency_key=idempotency_key
        )

    def trigger_tag_sync(self, *, idempotency_key: str | None = None) -> TagSyncTrigger | RunningRequest:
        """Start tag sync's deployment now, unless it is running."""
        return self.call("trigger_tag_sync", {}, idempotency_key=idempotency_key)

    def update_protection_group(
        self,
        group_id: str,
        *,
        version: int,
        description: Any = UNSET,
        region: Any = UNSET,
        account_id: Any = UNSET,
        server_selection_mode: Literal["explicit", "tags"] | Unset | None = UNSET,
        server_selection_tags: Any = UNSET,
        source_server_ids: Any = UNSET,
        launch_configuration: Any = UNSET,
        servers: Any = UNSET,
        name: Any = UNSET,
    ) -> GroupAnswer:
        """Change a stored protection group, from the version that was read."""
        return self.call(
            "update_protection_group",
            {
                "groupId": group_id,
                "version": version,
                "description": description,
                "region": region,
                "accountId": account_id,
                "serverSelectionMode": server_selection_mode,
                "serverSelectionTags": server_selection_tags,
                "sourceServerIds": source_server_ids,
                "launchConfiguration": launch_configuration,
                "servers": servers,
                "name": name,
            },
        )

    def update_recovery_plan(
        self, plan_id: str, *, version: int, description: Any = UNSET, waves: Any = UNSET, name: Any = UNSET
    ) -> PlanAnswer:
        """Change a stored recovery plan, from the version that was read."""
        return self.call(
            "update_recovery_plan",
            {"planId": plan_id, "version": version, "description": description, "waves": waves, "name": name},
        )

    def update_server_launch_config(
        self,
        server_id: str,
        group_id: str,
        *,
        use_group_defaults: bool | Unset | None = UNSET,
        launch_template: Mapping[str, Any] | Unset | None = UNSET,
        version: int | Unset | None = UNSET,
    ) -> ServerConfig:
        """Change one server's own launch settings in its stored group."""
        return self.call(
            "update_server_launch_config",
            {
                "serverId": server_id,
                "groupId": group_id,
                "useGroupDefaults": use_group_defaults,
                "launchTemplate": launch_template,
                "version": version,
            },
        )

    def update_tag_sync_settings(
        self,
        *,
        enabled: bool | Unset | None = UNSET,
        schedule: int | Unset | None = UNSET,
        tag_filters: TagFilters | Unset = UNSET,
        tag_mappings: Mapping[str, str] | Unset | None = UNSET,
        remove_tags: bool | Unset | None = UNSET,
        copy_tags: bool | Unset | None = UNSET,
        accounts: Sequence[str] | Unset | None = UNSET,
        regions: Sequence[str] | Unset | None = UNSET,
    ) -> TagSyncUpdate:
        """Change settings of tag sync; a change starts one synchronisation at once."""
        return self.call(
            "update_tag_sync_settings",
            {
                "enabled": enabled,
                "schedule": schedule,
                "tagFilters": tag_filters,
                "tagMappings": tag_mappings,
                "removeTags": remove_tags,
                "copyTags": copy_tags,
                "accounts": accounts,
                "regions": regions,
            },
        )

    def update_target_account(
        self,
        account_id: str,
        *,
        account_name: str | Unset | None = UNSET,
        regions: Sequence[str] | Unset | None = UNSET,
        role_arn: str | Unset | None = UNSET,
        role_name: str | Unset | None = UNSET,
        external_id: str | Unset | None = UNSET,
        endpoint_url: str | Unset | None = UNSET,
        force: bool | Unset = UNSET,
    ) -> CheckedAccount:
        """Change a saved account once DRS answers in at least one of its regions."""
        return self.call(
            "update_target_account",
            {
                "accountId": account_id,
                "accountName": account_name,
                "regions": regions,
                "roleArn": role_arn,
                "roleName": role_name,
                "externalId": external_id,
                "endpointUrl": endpoint_url,
                "force": force,
            },
        )
