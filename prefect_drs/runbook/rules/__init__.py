"""The rules of the preflight: each a function with a name and a code, all of them in `RULES`.

In: a `PreflightInput`. Out: the findings of all rules. A rule makes no call; what could not be read is a finding of its
own. `docs/preflight.md` is the same list for people.
"""

from __future__ import annotations

from prefect_drs.runbook.model import RunbookFinding
from prefect_drs.runbook.preflight_input import PreflightInput
from prefect_drs.runbook.rules import (
    access,
    activity,
    capacity,
    instance_types,
    journals,
    keys,
    membership,
    plan,
    prepared,
    replication,
    settings,
    static_addresses,
    targets,
)
from prefect_drs.runbook.rules.rule import PreflightRule

RULES: tuple[PreflightRule, ...] = (
    # access to the accounts
    access.everything_could_be_read,
    access.roles_may_do_what_is_needed,
    access.iam_could_be_asked,
    # members of the groups, and what the plan names
    membership.servers_exist,
    membership.selections_find_servers,
    membership.a_server_is_in_one_group,
    plan.hooks_have_a_place,
    plan.checks_name_servers_of_the_wave,
    plan.checks_are_installed,
    plan.snapshots_are_of_servers_of_the_plan,
    plan.snapshots_exist,
    plan.exclusions_keep_the_policy,
    plan.waves_have_servers,
    # replication and snapshots
    replication.servers_replicate,
    replication.there_is_a_point_in_time,
    replication.all_points_in_time_were_looked_at,
    replication.lags_are_within_the_maximum,
    replication.lags_are_known,
    targets.data_is_within_the_rpo_target,
    targets.age_of_data_is_known,
    # other jobs, other executions, quotas of DRS
    activity.servers_are_in_no_active_job,
    activity.servers_are_in_no_other_execution,
    activity.recovery_instances_are_reported,
    activity.waves_fit_beside_what_runs,
    activity.accounts_have_room,
    # launch settings
    settings.templates_exist,
    settings.templates_take_the_settings,
    settings.subnet_exists,
    settings.security_groups_exist,
    settings.security_groups_are_of_the_vpc,
    static_addresses.address_has_a_subnet,
    static_addresses.address_is_in_the_subnet,
    static_addresses.address_is_not_reserved,
    static_addresses.addresses_are_free,
    static_addresses.addresses_are_given_once,
    static_addresses.address_excludes_a_copy,
    settings.instance_type_is_offered,
    settings.instance_profile_exists,
    settings.retried_types_are_offered,
    settings.retried_subnets_can_be_used,
    instance_types.instance_types_fit,
    instance_types.retried_types_fit,
    # prepared instances
    *prepared.OF_EACH_SERVER,
    prepared.drills_are_allowed,
    prepared.replacements_are_reported,
    # capacity and keys of the account
    capacity.subnets_have_room,
    capacity.vcpu_quotas_suffice,
    capacity.vcpu_quotas_could_be_read,
    keys.keys_can_be_used,
    keys.keys_could_be_read,
    # the journal
    journals.journals_outlive_the_machine,
    journals.journals_outlive_the_region,
    journals.places_of_journals_could_be_read,
)


def findings_of(preflight: PreflightInput) -> tuple[RunbookFinding, ...]:
    """The findings of all rules, in the order of the rules."""
    return tuple(finding for each in RULES for finding in each(preflight))
