"""The table of operations: what each is called, what it needs permission for, and where its function is.

In: a name. Out: an `Operation`, whose function is imported when it is first needed, so that listing them is cheap. An
operation is a function of a `Context` and one request model; it answers with a model or plain JSON values.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import typing
from collections.abc import Callable
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.plan.read.finding import did_you_mean


class OperationKind(enum.StrEnum):
    """What an operation does: it reads, it changes what is stored or configured, or it steers executions."""

    QUERY = "query"
    DATA = "data"
    EXECUTION = "execution"


class RequestModel(BaseModel):
    """The base of every request: frozen, closed, camelCase in JSON; ids that look like numbers stay text."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, hide_input_in_errors=True
    )


class AnswerModel(BaseModel):
    """The base of every answer: frozen, camelCase in JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Nothing(RequestModel):
    """The request of an operation that takes no parameters."""


class InvalidOperationError(PrefectDrsError):
    """There is no operation of that name."""

    code = "INVALID_OPERATION"
    exit_code = 2


class Operation(NamedTuple):
    """One operation.

    Args:
        name: as callers write it.
        kind: what it does.
        permission: what a caller must be allowed to do, by the table of roles.
        target: where its function is, `module:function`.
        help: one line that says what it does.
    """

    name: str
    kind: OperationKind
    permission: str
    target: str
    help: str

    @property
    def function(self) -> Callable[[Any, Any], Any]:
        """The function that carries it out."""
        module, _, name = self.target.partition(":")
        function: Callable[[Any, Any], Any] = getattr(importlib.import_module(module), name)
        return function

    @property
    def request(self) -> type[RequestModel]:
        """The model of its body: the annotation of the function's second parameter."""
        second = list(inspect.signature(self.function).parameters)[1]
        model: type[RequestModel] = typing.get_type_hints(self.function)[second]
        return model


_OPERATIONS = "prefect_drs.operations"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "get_current_account_id",
        OperationKind.QUERY,
        "view_accounts",
        f"{_OPERATIONS}.accounts:get_current_account_id",
        "The account of the caller's own credentials.",
    ),
    Operation(
        "get_drs_account_capacity",
        OperationKind.QUERY,
        "view_accounts",
        f"{_OPERATIONS}.capacity:get_drs_account_capacity",
        "Servers against the quotas of DRS in one account and region.",
    ),
    Operation(
        "get_drs_account_capacity_all_regions",
        OperationKind.QUERY,
        "view_accounts",
        f"{_OPERATIONS}.capacity:get_drs_account_capacity_all_regions",
        "The same in all regions of one account.",
    ),
    Operation(
        "get_drs_regional_capacity",
        OperationKind.QUERY,
        "view_accounts",
        f"{_OPERATIONS}.capacity:get_drs_regional_capacity",
        "The same in one region of all accounts that are known.",
    ),
    Operation(
        "get_combined_capacity",
        OperationKind.QUERY,
        "view_accounts",
        f"{_OPERATIONS}.capacity:get_combined_capacity",
        "Target accounts together with their staging accounts, region by region.",
    ),
    Operation(
        "get_drs_capacity_conflicts",
        OperationKind.QUERY,
        "view_accounts",
        f"{_OPERATIONS}.capacity:get_drs_capacity_conflicts",
        "Quotas of DRS that are used by 80 % or more, and what could not be checked.",
    ),
    Operation(
        "get_target_accounts",
        OperationKind.QUERY,
        "view_accounts",
        f"{_OPERATIONS}.accounts:get_target_accounts",
        "The saved target accounts.",
    ),
    Operation(
        "add_target_account",
        OperationKind.DATA,
        "register_accounts",
        f"{_OPERATIONS}.accounts:add_target_account",
        "Save an account once DRS answers in at least one of its regions.",
    ),
    Operation(
        "update_target_account",
        OperationKind.DATA,
        "modify_accounts",
        f"{_OPERATIONS}.accounts:update_target_account",
        "Change a saved account once DRS answers in at least one of its regions.",
    ),
    Operation(
        "validate_target_account",
        OperationKind.QUERY,
        "view_accounts",
        f"{_OPERATIONS}.accounts:validate_target_account",
        "How DRS answers in each region of a saved account.",
    ),
    Operation(
        "delete_target_account",
        OperationKind.DATA,
        "delete_accounts",
        f"{_OPERATIONS}.accounts:delete_target_account",
        "Forget a saved account.",
    ),
    Operation(
        "create_protection_group",
        OperationKind.DATA,
        "create_protection_groups",
        f"{_OPERATIONS}.groups:create_protection_group",
        "Store a protection group: servers by ids or by tags, and their launch settings.",
    ),
    Operation(
        "list_protection_groups",
        OperationKind.QUERY,
        "view_protection_groups",
        f"{_OPERATIONS}.groups:list_protection_groups",
        "All stored protection groups, and which servers belong to each now.",
    ),
    Operation(
        "get_protection_group",
        OperationKind.QUERY,
        "view_protection_groups",
        f"{_OPERATIONS}.groups:get_protection_group",
        "A stored protection group, and which servers belong to it now.",
    ),
    Operation(
        "update_protection_group",
        OperationKind.DATA,
        "modify_protection_groups",
        f"{_OPERATIONS}.groups:update_protection_group",
        "Change a stored protection group, from the version that was read.",
    ),
    Operation(
        "delete_protection_group",
        OperationKind.DATA,
        "delete_protection_groups",
        f"{_OPERATIONS}.groups:delete_protection_group",
        "Delete a stored protection group that no plan names.",
    ),
    Operation(
        "resolve_protection_group_tags",
        OperationKind.QUERY,
        "view_protection_groups",
        f"{_OPERATIONS}.groups:resolve_protection_group_tags",
        "Which servers carry all of these tags now, and which groups hold them already.",
    ),
    Operation(
        "create_recovery_plan",
        OperationKind.DATA,
        "create_recovery_plans",
        f"{_OPERATIONS}.plans:create_recovery_plan",
        "Store a recovery plan over stored groups.",
    ),
    Operation(
        "list_recovery_plans",
        OperationKind.QUERY,
        "view_recovery_plans",
        f"{_OPERATIONS}.plans:list_recovery_plans",
        "All stored recovery plans.",
    ),
    Operation(
        "get_recovery_plan",
        OperationKind.QUERY,
        "view_recovery_plans",
        f"{_OPERATIONS}.plans:get_recovery_plan",
        "A stored recovery plan.",
    ),
    Operation(
        "update_recovery_plan",
        OperationKind.DATA,
        "modify_recovery_plans",
        f"{_OPERATIONS}.plans:update_recovery_plan",
        "Change a stored recovery plan, from the version that was read.",
    ),
    Operation(
        "delete_recovery_plan",
        OperationKind.DATA,
        "delete_recovery_plans",
        f"{_OPERATIONS}.plans:delete_recovery_plan",
        "Delete a stored recovery plan; its groups stay.",
    ),
    Operation(
        "get_staging_accounts",
        OperationKind.QUERY,
        "view_accounts",
        f"{_OPERATIONS}.staging:get_staging_accounts",
        "The saved staging accounts of a target account.",
    ),
    Operation(
        "discover_staging_accounts",
        OperationKind.QUERY,
        "view_accounts",
        f"{_OPERATIONS}.staging:discover_staging_accounts",
        "The staging accounts that DRS knows, in every region.",
    ),
    Operation(
        "validate_staging_account",
        OperationKind.QUERY,
        "view_accounts",
        f"{_OPERATIONS}.staging:validate_staging_account",
        "Whether a staging account can be entered, how full it is, and whom it trusts.",
    ),
    Operation(
        "add_staging_account",
        OperationKind.DATA,
        "modify_accounts",
        f"{_OPERATIONS}.staging:add_staging_account",
        "Save a staging account once it can be used in at least one region.",
    ),
    Operation(
        "remove_staging_account",
        OperationKind.DATA,
        "modify_accounts",
        f"{_OPERATIONS}.staging:remove_staging_account",
        "Forget a staging account; extended servers stay.",
    ),
    Operation(
        "sync_staging_accounts",
        OperationKind.DATA,
        "modify_accounts",
        f"{_OPERATIONS}.staging:sync_staging_accounts",
        "Save the staging accounts that DRS knows and that are not saved yet.",
    ),
    Operation(
        "sync_extended_source_servers",
        OperationKind.DATA,
        "modify_accounts",
        f"{_OPERATIONS}.extended_servers:sync_extended_source_servers",
        "Extend the servers of staging accounts that are not extended yet.",
    ),
    Operation(
        "import_configuration",
        OperationKind.DATA,
        "import_configuration",
        f"{_OPERATIONS}.configuration:import_configuration",
        "Store a manifest's groups and plans, all or none; or tell what that would do.",
    ),
    Operation(
        "export_configuration",
        OperationKind.QUERY,
        "export_configuration",
        f"{_OPERATIONS}.configuration:export_configuration",
        "All that is stored as a manifest, which can be imported again.",
    ),
    Operation(
        "get_tag_sync_settings",
        OperationKind.QUERY,
        "view_protection_groups",
        f"{_OPERATIONS}.scheduled:get_tag_sync_settings",
        "The settings of tag sync.",
    ),
    Operation(
        "update_tag_sync_settings",
        OperationKind.DATA,
        "modify_protection_groups",
        f"{_OPERATIONS}.scheduled:update_tag_sync_settings",
        "Change settings of tag sync; a change starts one synchronisation at once.",
    ),
    Operation(
        "trigger_tag_sync",
        OperationKind.DATA,
        "modify_protection_groups",
        f"{_OPERATIONS}.scheduled:trigger_tag_sync",
        "Have tag sync's deployment run now, unless it runs.",
    ),
    Operation(
        "get_tag_sync_status",
        OperationKind.QUERY,
        "view_protection_groups",
        f"{_OPERATIONS}.scheduled:get_tag_sync_status",
        "The last tag sync, the next one, and what is to be done.",
    ),
    Operation(
        "get_source_server_inventory",
        OperationKind.QUERY,
        "view_accounts",
        f"{_OPERATIONS}.scheduled:get_source_server_inventory",
        "What the last inventory holds, and how old it is.",
    ),
    Operation(
        "sync_source_server_inventory",
        OperationKind.DATA,
        "modify_accounts",
        f"{_OPERATIONS}.scheduled:sync_source_server_inventory",
        "Take an inventory of all accounts and regions now.",
    ),
    Operation(
        "get_ec2_subnets",
        OperationKind.QUERY,
        "view_protection_groups",
        f"{_OPERATIONS}.ec2:get_ec2_subnets",
        "The subnets of an account and region, each with its free addresses.",
    ),
    Operation(
        "get_ec2_security_groups",
        OperationKind.QUERY,
        "view_protection_groups",
        f"{_OPERATIONS}.ec2:get_ec2_security_groups",
        "The security groups of an account and region.",
    ),
    Operation(
        "get_ec2_instance_types",
        OperationKind.QUERY,
        "view_protection_groups",
        f"{_OPERATIONS}.ec2:get_ec2_instance_types",
        "The instance types on offer in an account and region, by zone.",
    ),
    Operation(
        "get_ec2_instance_profiles",
        OperationKind.QUERY,
        "view_protection_groups",
        f"{_OPERATIONS}.ec2:get_ec2_instance_profiles",
        "The instance profiles of an account.",
    ),
    Operation(
        "get_server_launch_config",
        OperationKind.QUERY,
        "view_protection_groups",
        f"{_OPERATIONS}.launch_configs:get_server_launch_config",
        "A server's launch settings, each value with its origin.",
    ),
    Operation(
        "update_server_launch_config",
        OperationKind.DATA,
        "modify_protection_groups",
        f"{_OPERATIONS}.launch_configs:update_server_launch_config",
        "Change one server's own launch settings in its stored group.",
    ),
    Operation(
        "delete_server_launch_config",
        OperationKind.DATA,
        "modify_protection_groups",
        f"{_OPERATIONS}.launch_configs:delete_server_launch_config",
        "Take one server's own launch settings away.",
    ),
    Operation(
        "bulk_update_server_configs",
        OperationKind.DATA,
        "modify_protection_groups",
        f"{_OPERATIONS}.launch_configs:bulk_update_server_configs",
        "Change many servers' own launch settings, all or nothing.",
    ),
    Operation(
        "validate_static_ip",
        OperationKind.QUERY,
        "view_protection_groups",
        f"{_OPERATIONS}.launch_configs:validate_static_ip",
        "Whether a server could have a static address, and all that speaks against it.",
    ),
    Operation(
        "apply_launch_configs",
        OperationKind.DATA,
        "modify_protection_groups",
        f"{_OPERATIONS}.launch_sync:apply_launch_configs",
        "Write a stored group's launch settings to its account, only what differs.",
    ),
    Operation(
        "sync_launch_configs",
        OperationKind.DATA,
        "modify_protection_groups",
        f"{_OPERATIONS}.launch_sync:sync_launch_configs",
        "The same for several stored groups, or all.",
    ),
    Operation(
        "get_launch_config_status",
        OperationKind.QUERY,
        "view_protection_groups",
        f"{_OPERATIONS}.launch_sync:get_launch_config_status",
        "How far an account has drifted from a stored group's launch settings.",
    ),
    Operation(
        "get_server_config_history",
        OperationKind.QUERY,
        "view_protection_groups",
        f"{_OPERATIONS}.launch_sync:get_server_config_history",
        "Who changed a server's launch settings when, from what to what.",
    ),
)


def operation(name: str) -> Operation:
    """The operation of that name.

    Raises:
        InvalidOperationError: there is none.
    """
    for known in OPERATIONS:
        if known.name == name:
            return known
    names = [known.name for known in OPERATIONS]
    raise InvalidOperationError(
        f"there is no operation {name!r}{did_you_mean(name, names)}; see `prefect-drs op --list`"
    )
