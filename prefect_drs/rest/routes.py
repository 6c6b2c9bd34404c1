"""The table of routes: which method and path calls which operation.

In: nothing. Out: `ROUTES`. Where each parameter of an operation comes from follows from its route: a name in braces is
taken from the path; the other fields of the request come from the query where the method has no body (GET, DELETE),
and from the JSON body otherwise. The table implements nothing: parameters, answers and errors are those of the
operation. A route whose operation is not registered is not served.
"""

from __future__ import annotations

import re
from typing import NamedTuple

HERE = ("foreground",)
"""A request that would run a plan in the server's process is refused: a worker carries it."""
START = (*HERE, "idempotencyKey")
"""The key of a start comes with the header Idempotency-Key."""
ACCOUNT_SORT = ("accountId", "accountName")
ACCOUNT_FILTERS = ("accountName",)
_IN_BRACES = re.compile(r"{(\w+)}")


class Route(NamedTuple):
    """One route.

    Args:
        method: the HTTP method.
        path: the path; names in braces are parameters.
        operation: the name of the operation.
        status: the HTTP status of success.
        location: where the created or started thing is found: a path whose names in braces are fields of the answer or
            parameters of the request. Sent as the `Location` header.
        versioned: the answer has a `version`, sent as `ETag`; where the method writes, `If-Match` gives the version.
        items: the field of the answer that holds the list, which is then paged, filtered and sorted here.
        whole: whether a request without `limit` is answered with the whole list.
        sort: the fields of an item that the list can be sorted by; the first is the default order, the last one is
            unique and settles ties.
        filters: the fields of an item that the list can be filtered by.
        without: parameters of the operation that are not accepted on this route.
        lines: the field of the answer whose items are sent as lines to whoever accepts `application/x-ndjson`.
        fresh: many may read it at once: an answer is used for all who read within a second (`rest.fresh`).
    """

    method: str
    path: str
    operation: str
    status: int = 200
    location: str = ""
    versioned: bool = False
    items: str = ""
    whole: bool = False
    sort: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    fresh: bool = False
    lines: str = ""

    @property
    def path_names(self) -> tuple[str, ...]:
        """The parameters in the path."""
        return tuple(_IN_BRACES.findall(self.path))

    @property
    def has_body(self) -> bool:
        """Whether the other fields come from a JSON body."""
        return self.method in {"POST", "PUT", "PATCH"}

    @property
    def writes(self) -> bool:
        """Whether the method may change something."""
        return self.method != "GET"

    @property
    def tag(self) -> str:
        """The first part of the path: the heading of the route in OpenAPI."""
        return self.path.split("/")[1]


def _groups() -> tuple[Route, ...]:
    group = "/protection-groups/{groupId}"
    server = f"{group}/servers/{{serverId}}"
    return (
        Route(
            "GET",
            "/protection-groups",
            "list_protection_groups",
            items="protectionGroups",
            sort=("name", "region", "serverCount", "createdAt", "updatedAt", "groupId"),
            filters=("name", "region", "accountId", "serverSelectionMode"),
            fresh=True,
        ),
        Route("POST", "/protection-groups", "create_protection_group", 201, group, versioned=True),
        Route("POST", "/protection-groups/resolve", "resolve_protection_group_tags"),
        Route("POST", "/protection-groups/sync-launch-configs", "sync_launch_configs"),
        Route("GET", group, "get_protection_group", versioned=True),
        Route("PUT", group, "update_protection_group", versioned=True),
        Route("DELETE", group, "delete_protection_group", versioned=True),
        Route("POST", f"{group}/apply-launch-configs", "apply_launch_configs"),
        Route("GET", f"{group}/launch-config-status", "get_launch_config_status"),
        Route("PUT", f"{group}/servers/launch-configs", "bulk_update_server_configs", versioned=True),
        Route("GET", f"{server}/launch-config", "get_server_launch_config", versioned=True),
        Route("PUT", f"{server}/launch-config", "update_server_launch_config", versioned=True),
        Route("DELETE", f"{server}/launch-config", "delete_server_launch_config", versioned=True),
        Route("GET", f"{server}/config-history", "get_server_config_history"),
        Route("POST", f"{server}/validate-ip", "validate_static_ip"),
    )


def _plans() -> tuple[Route, ...]:
    plan = "/recovery-plans/{planId}"
    return (
        Route(
            "GET",
            "/recovery-plans",
            "list_recovery_plans",
            items="recoveryPlans",
            sort=("name", "createdAt", "updatedAt", "planId"),
            filters=("name",),
            fresh=True,
        ),
        Route("POST", "/recovery-plans", "create_recovery_plan", 201, plan, versioned=True),
        Route("GET", plan, "get_recovery_plan", versioned=True),
        Route("PUT", plan, "update_recovery_plan", versioned=True),
        Route("DELETE", plan, "delete_recovery_plan", versioned=True),
        Route("POST", f"{plan}/execute", "start_execution", 202, "/executions/{executionId}", without=START),
        Route(
            "GET",
            f"{plan}/check-existing-instances",
            "check_existing_instances",
            without=("manifest", "bindings", "strict", "planName"),  # a stored plan is meant
        ),
    )


def _executions() -> tuple[Route, ...]:
    execution = "/executions/{executionId}"
    gate = f"{execution}/gates/{{waveNumber}}"
    return (
        Route("GET", "/executions", "list_executions", fresh=True),
        Route("POST", "/executions/failback", "start_failback", 202, "/executions/{executionId}", without=START),
        Route("POST", "/executions", "start_execution", 202, execution, without=START),
        Route("DELETE", "/executions", "delete_executions"),
        Route("POST", "/executions/delete", "delete_executions"),
        Route("GET", execution, "get_execution", fresh=True),
        Route("POST", f"{execution}/cancel", "cancel_execution", 202, execution),
        Route("POST", f"{execution}/pause", "pause_execution", 202, execution),
        Route("POST", f"{execution}/resume", "resume_execution", 202, execution, without=HERE),
        Route(
            "POST", f"{execution}/terminate-instances", "terminate_instances", 202, f"{execution}/termination-status"
        ),
        Route("GET", f"{execution}/job-logs", "get_job_logs"),
        Route("GET", f"{execution}/termination-status", "get_termination_status"),
        Route(
            "GET",
            f"{execution}/recovery-instances",
            "get_recovery_instances",
            items="recoveryInstances",
            whole=True,
            sort=("name", "waveNumber", "state", "recoveryInstanceId"),
        ),
        Route("GET", f"{execution}/report", "get_execution_report"),
        Route("GET", f"{execution}/why", "explain_execution"),
        Route("GET", f"{execution}/evidence", "get_evidence"),
        Route("GET", f"{execution}/verification", "verify_execution"),
        Route("GET", f"{execution}/gates", "list_gates", fresh=True),
        Route("POST", f"{gate}/approve", "approve_gate", 202, execution),
        Route("POST", f"{gate}/reject", "reject_gate", 202, execution),
        Route("GET", "/gates", "list_gates", fresh=True),
    )


def _drs() -> tuple[Route, ...]:
    return (
        Route(
            "GET",
            "/drs/source-servers",
            "get_drs_source_servers",
            items="servers",
            whole=True,
            sort=("name", "hostname", "replicationState", "sourceServerId"),
        ),
        Route("GET", "/drs/quotas", "get_drs_account_capacity"),
        Route("GET", "/drs/service-limits", "get_drs_capacity_conflicts"),
        Route("GET", "/drs/jobs", "get_job_logs"),
        Route("POST", "/drs/start-recovery", "start_execution", 202, "/executions/{executionId}", without=START),
        Route("GET", "/drs/regional-capacity", "get_drs_regional_capacity"),
        Route(
            "GET", "/drs/accounts", "get_target_accounts", items="accounts", sort=ACCOUNT_SORT, filters=ACCOUNT_FILTERS
        ),
        Route("GET", "/drs/tag-sync", "get_tag_sync_status"),
        Route("POST", "/drs/tag-sync", "trigger_tag_sync", 202, "/drs/tag-sync"),
        Route("GET", "/drs/source-server-inventory", "get_source_server_inventory"),
        Route("POST", "/drs/source-server-inventory", "sync_source_server_inventory"),
        Route("GET", "/drs/recovery-instances", "get_recovery_instance_sync_status"),
        Route("POST", "/drs/recovery-instances", "sync_recovery_instances"),
    )


def _accounts() -> tuple[Route, ...]:
    account = "/accounts/targets/{accountId}"
    target = "/accounts/targets/{targetAccountId}"
    staging = f"{target}/staging-accounts"
    return (
        Route(
            "GET",
            "/accounts/targets",
            "get_target_accounts",
            items="accounts",
            sort=ACCOUNT_SORT,
            filters=ACCOUNT_FILTERS,
            fresh=True,
        ),
        Route("POST", "/accounts/targets", "add_target_account", 201, "/accounts/targets/{accountId}"),
        Route("GET", account, "get_target_account"),
        Route("PUT", account, "update_target_account"),
        Route("DELETE", account, "delete_target_account"),
        Route("POST", f"{account}/validate", "validate_target_account"),
        Route("GET", f"{account}/capacity", "get_drs_account_capacity_all_regions"),
        Route("GET", staging, "get_staging_accounts"),
        Route("POST", staging, "add_staging_account", 201, staging),
        Route("GET", f"{staging}/discover", "discover_staging_accounts"),
        Route("POST", f"{staging}/sync", "sync_staging_accounts"),
        Route("POST", f"{target}/extended-source-servers/sync", "sync_extended_source_servers"),
        Route("DELETE", f"{staging}/{{stagingAccountId}}", "remove_staging_account"),
        Route("GET", "/accounts/capacity/all", "get_combined_capacity"),
        Route("GET", "/accounts/current", "get_current_account_id"),
        Route("POST", "/staging-accounts/validate", "validate_staging_account"),
    )


def _others() -> tuple[Route, ...]:
    return (
        Route("GET", "/ec2/subnets", "get_ec2_subnets"),
        Route("GET", "/ec2/security-groups", "get_ec2_security_groups"),
        Route("GET", "/ec2/instance-profiles", "get_ec2_instance_profiles"),
        Route("GET", "/ec2/instance-types", "get_ec2_instance_types"),
        Route("GET", "/config/export", "export_configuration"),
        Route("POST", "/config/import", "import_configuration"),
        Route("GET", "/config/tag-sync", "get_tag_sync_settings"),
        Route("PUT", "/config/tag-sync", "update_tag_sync_settings"),
        Route("POST", "/plans/validate", "validate_manifest"),
        Route("POST", "/plans/show", "show_plan"),
        Route("POST", "/plans/runbook", "get_runbook"),
        Route("POST", "/plans/forecast", "forecast_plan"),
        Route("POST", "/plans/diff", "diff_plan"),
        Route("GET", "/audit-log", "get_audit_log", lines="records"),
        Route("GET", "/access-policy", "get_access_policy"),
        Route("PUT", "/access-policy", "set_access_policy"),
        Route("GET", "/access-policy/versions", "list_access_policy_versions"),
        Route("GET", "/user/profile", "get_user_permissions"),
        Route("GET", "/user/roles", "get_user_permissions"),
        Route("GET", "/user/permissions", "get_user_permissions"),
    )


ROUTES: tuple[Route, ...] = (*_groups(), *_plans(), *_executions(), *_drs(), *_accounts(), *_others())
"""Every route, by subject."""
