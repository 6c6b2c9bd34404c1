"""The offline rules of a manifest: each a function with a name, all of them in `RULES`.

In: a `Draft`. Out: findings. A rule checks what the draft has, whatever else is wrong, and reads neither files nor AWS.
What needs an account (does the subnet exist, is the address free) is the preflight's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prefect_drs.plan.read.draft import Draft
from prefect_drs.plan.read.finding import PlanFinding
from prefect_drs.plan.rules import (
    addresses,
    approvals,
    checks,
    failback,
    groups,
    launch,
    names,
    prepared,
    subscriptions,
    targets,
    waves,
)

Rule = Callable[[Draft], Iterator[PlanFinding]]

RULES: tuple[Rule, ...] = (
    # the file
    names.schema_version_is_known,
    names.metadata_agrees,
    names.metadata_is_well_formed,
    # protection groups
    groups.group_names_are_unique,
    groups.group_ids_are_unique,
    groups.group_names_are_short,
    groups.regions_are_well_formed,
    groups.accounts_have_12_digits,
    groups.servers_come_from_ids_or_tags,
    groups.source_server_ids_are_well_formed,
    groups.a_server_is_in_one_group_once,
    groups.tags_of_a_selection_are_possible,
    groups.selections_do_not_overlap,
    groups.server_entries_have_one_name,
    groups.server_entries_are_members,
    groups.server_entries_are_unique,
    # launch settings
    launch.subnets_are_well_formed,
    launch.security_groups_are_well_formed,
    launch.instance_types_are_well_formed,
    launch.instance_profiles_are_names,
    launch.tags_are_possible,
    launch.group_defaults_leave_nothing_unsaid,
    launch.right_sizing_leaves_the_instance_type,
    # static private addresses
    addresses.addresses_are_of_servers,
    addresses.addresses_are_private_ipv4,
    addresses.addresses_are_given_once,
    addresses.addresses_have_a_subnet,
    addresses.addresses_exclude_copy_private_ip,
    # prepared instances
    prepared.prepared_instances_are_named_in_one_way,
    prepared.prepared_instances_are_well_formed,
    prepared.prepared_instances_are_of_servers,
    prepared.prepared_instances_are_given_once,
    prepared.prepared_instances_exclude_copies,
    # recovery plans and waves
    waves.plan_names_are_unique,
    waves.plan_and_wave_names_are_short,
    waves.plans_have_waves,
    waves.wave_numbers_are_unique,
    waves.wave_names_are_unique,
    waves.wave_numbers_start_at_0_or_1,
    waves.waves_have_groups,
    waves.group_references_resolve,
    waves.group_references_agree,
    waves.a_group_is_in_one_wave_of_a_plan,
    waves.dependencies_exist,
    waves.dependencies_have_no_cycle,
    waves.groups_are_used,
    waves.failure_policies_agree,
    waves.lags_are_durations,
    waves.retries_are_well_formed,
    targets.targets_are_durations,
    targets.targets_of_waves_are_within_the_plans,
    # approvals
    approvals.approvals_expire_after_a_duration,
    approvals.roles_of_approvals_are_named_once,
    approvals.approvals_have_a_gate,
    # subscriptions
    subscriptions.subscriptions_are_of_schema_1_1,
    subscriptions.topics_are_well_formed,
    subscriptions.event_buses_are_well_formed,
    subscriptions.blocks_are_well_formed,
    subscriptions.emails_are_well_formed,
    # health checks and hooks
    checks.checks_are_of_schema_1_1,
    checks.check_names_are_unique,
    checks.check_places_are_well_formed,
    checks.hooks_have_one_place,
    checks.checks_have_what_their_phase_needs,
    checks.check_servers_are_of_the_wave,
    checks.documents_are_named,
    checks.body_patterns_compile,
    checks.urls_are_well_formed,
    checks.variables_are_known,
    checks.checked_servers_are_started,
    # failback
    failback.failback_waves_are_sound,
    failback.failback_hooks_are_sound,
    failback.failback_waves_have_the_groups_of_the_plan,
)

UNRESOLVED_CODES = frozenset(
    {
        "UNKNOWN_GROUP",
        "INVALID_SOURCE_SERVER_ID",
        "INVALID_INSTANCE_ID",
        "INVALID_SUBNET_ID",
        "INVALID_SECURITY_GROUP_ID",
        "INVALID_ACCOUNT_ID",
        "INVALID_PREPARED_INSTANCE",
        "PREPARED_INSTANCES_UNBOUND",
    }
)
"""Names that no binding resolves yet: a rehearsal (`sandbox seed`, `show`) leaves them as written."""
