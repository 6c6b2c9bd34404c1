"""For every rule of a manifest a change that breaks it, and one like it that keeps it; both to a sound manifest."""

from __future__ import annotations

from typing import Any

from tests.plan.pair import Change, Pair, both
from tests.plan.prepared_rule_cases import PREPARED
from tests.plan.test_broken_manifests import DB, FIRST, OTHER_GROUP, TEMPLATE, WAVES, add, drop, set_

FIRST_WAVE = (*WAVES, 0)
SECOND_WAVE = (*WAVES, 1)
GATED = set_(*FIRST_WAVE, "pauseBeforeWave", to=True)
CONFIG = (*DB, "launchConfig")
PLAN = ("recoveryPlans", 0)
HEX = "0123456789abcdef0"
ONE_WAVE = {"waveName": "w", "waveNumber": 0, "groupId": "pg-1"}
SSM = {"type": "ssmCommand", "documentName": "AWS-RunShellScript"}
ALL_BACK = {"waveName": "back", "waveNumber": 1, "protectionGroupNames": ["Web", "Database"]}
BACK_HOOK = {**SSM, "instanceIds": [f"i-{HEX}"], "region": "eu-west-1"}
TOPIC = "arn:aws:sns:eu-west-1:123456789012:recoveries"
BUS = "arn:aws:events:eu-west-1:123456789012:event-bus/default"


def nothing(manifest: dict[str, Any]) -> None:
    """Leave it sound."""


def checks(*items: dict[str, Any], phase: str = "healthChecks") -> Change:
    return set_(*FIRST_WAVE, phase, to=list(items))


def other_group(**fields: Any) -> Change:
    return add("protectionGroups", item={**OTHER_GROUP, **fields})


def no_checks_of_1_1(manifest: dict[str, Any]) -> None:
    """A file of schema 1.0 without what came later."""
    manifest["schemaVersion"] = "1.0"
    manifest["protectionGroups"][0]["servers"] = []


def in_two_regions(manifest: dict[str, Any]) -> None:
    """One wave whose groups are in two regions."""
    manifest["protectionGroups"][1]["region"] = "eu-west-1"
    manifest["recoveryPlans"][0]["waves"] = [
        {"waveName": "all", "waveNumber": 1, "protectionGroupIds": ["pg-1", "Web"]}
    ]


CASES: dict[str, Pair] = {
    # the file
    "schema_version_is_known": Pair(
        "UNKNOWN_SCHEMA_VERSION", set_("schemaVersion", to="1.2"), set_("schemaVersion", to="1.1")
    ),
    "metadata_agrees": Pair(
        "CONFLICTING_METADATA",
        set_("metadata", to={"sourceRegion": "us-west-2"}),
        set_("metadata", to={"sourceRegion": "us-east-1"}),
    ),
    "metadata_is_well_formed": Pair(
        "INVALID_REGION", set_("sourceRegion", to="virginia"), set_("sourceRegion", to="us-gov-west-1")
    ),
    # protection groups
    "group_names_are_unique": Pair(
        "DUPLICATE_GROUP_NAME", set_(*DB, "groupName", to="WEB"), set_(*DB, "groupName", to="WEB 2")
    ),
    "group_ids_are_unique": Pair(
        "DUPLICATE_GROUP_ID",
        set_("protectionGroups", 1, "groupId", to="pg-1"),
        set_("protectionGroups", 1, "groupId", to="pg-2"),
    ),
    "group_names_are_short": Pair(
        "NAME_TOO_LONG", set_(*DB, "groupName", to="x" * 65), set_(*DB, "groupName", to="x" * 64)
    ),
    "regions_are_well_formed": Pair(
        "INVALID_REGION", set_(*DB, "region", to="us-west"), set_(*DB, "region", to="us-west-1")
    ),
    "accounts_have_12_digits": Pair(
        "INVALID_ACCOUNT_ID", set_(*DB, "accountId", to="1" * 13), set_(*DB, "accountId", to="1" * 12)
    ),
    "servers_come_from_ids_or_tags": Pair(
        "IDS_AND_TAGS",
        set_(*DB, "serverSelectionTags", to={"a": "b"}),
        both(drop(*DB, "sourceServerIds"), set_(*DB, "serverSelectionTags", to={"a": "b"})),
    ),
    "source_server_ids_are_well_formed": Pair(
        "INVALID_SOURCE_SERVER_ID",
        add(*DB, "sourceServerIds", item="s-" + "0" * 16),
        add(*DB, "sourceServerIds", item="s-" + "0" * 17),
    ),
    "a_server_is_in_one_group_once": Pair(
        "SERVER_IN_TWO_GROUPS",
        other_group(sourceServerIds=["s-00000000000000002"]),
        other_group(sourceServerIds=["s-00000000000000003"]),
    ),
    "tags_of_a_selection_are_possible": Pair(
        "INVALID_TAG",
        set_("protectionGroups", 1, "serverSelectionTags", to={"k" * 129: "v"}),
        set_("protectionGroups", 1, "serverSelectionTags", to={"k" * 128: "v"}),
    ),
    "selections_do_not_overlap": Pair(
        "OVERLAPPING_SELECTIONS",
        other_group(serverSelectionTags={"tier": "web", "env": "prod"}),
        other_group(serverSelectionTags={"tier": "app", "env": "prod"}),
    ),
    "server_entries_have_one_name": Pair(
        "SERVER_NAMED_TWICE",
        set_(*FIRST, "name", to="db"),
        both(drop(*FIRST, "sourceServerId"), set_(*FIRST, "name", to="db")),
    ),
    "server_entries_are_members": Pair(
        "SERVER_NOT_IN_GROUP",
        add(*DB, "servers", item={"sourceServerId": "s-00000000000000009"}),
        both(
            add(*DB, "sourceServerIds", item="s-00000000000000009"),
            add(*DB, "servers", item={"sourceServerId": "s-00000000000000009"}),
        ),
    ),
    "server_entries_are_unique": Pair(
        "DUPLICATE_SERVER_SETTINGS",
        add(*DB, "servers", item={"sourceServerId": "s-00000000000000001"}),
        add(*DB, "servers", item={"name": "s-00000000000000001"}),
    ),
    # launch settings
    "subnets_are_well_formed": Pair(
        "INVALID_SUBNET_ID", set_(*CONFIG, "subnetId", to="subnet-db"), set_(*CONFIG, "subnetId", to=f"subnet-{HEX}")
    ),
    "security_groups_are_well_formed": Pair(
        "INVALID_SECURITY_GROUP_ID",
        set_(*CONFIG, "securityGroupIds", to=["sg-x"]),
        set_(*CONFIG, "securityGroupIds", to=[f"sg-{HEX}"]),
    ),
    "instance_types_are_well_formed": Pair(
        "INVALID_INSTANCE_TYPE",
        set_(*CONFIG, "instanceType", to="r7a"),
        set_(*CONFIG, "instanceType", to="r7a.metal-48xl"),
    ),
    "instance_profiles_are_names": Pair(
        "INVALID_INSTANCE_PROFILE",
        set_(*CONFIG, "instanceProfileName", to="arn:aws:iam::123456789012:instance-profile/web"),
        set_(*CONFIG, "instanceProfileName", to="web+1=a,b.c@d-e_f"),
    ),
    "tags_are_possible": Pair(
        "TOO_MANY_TAGS",
        set_(*CONFIG, "tags", to={str(n): "" for n in range(51)}),
        set_(*CONFIG, "tags", to={str(n): "" for n in range(50)}),
    ),
    "group_defaults_leave_nothing_unsaid": Pair(
        "IGNORED_LAUNCH_TEMPLATE",
        set_(*FIRST, "useGroupDefaults", to=True),
        both(set_(*FIRST, "useGroupDefaults", to=True), drop(*TEMPLATE)),
    ),
    "right_sizing_leaves_the_instance_type": Pair(
        "INSTANCE_TYPE_OVERWRITTEN",
        set_(*CONFIG, "targetInstanceTypeRightSizingMethod", to="BASIC"),
        set_(*CONFIG, "targetInstanceTypeRightSizingMethod", to="NONE"),
    ),
    # static private addresses
    "addresses_are_of_servers": Pair(
        "STATIC_IP_ON_GROUP",
        set_(*CONFIG, "staticPrivateIp", to="10.0.0.9"),
        set_(*TEMPLATE, "staticPrivateIp", to="10.0.0.9"),
    ),
    "addresses_are_private_ipv4": Pair(
        "ADDRESS_NOT_PRIVATE",
        set_(*TEMPLATE, "staticPrivateIp", to="172.32.0.9"),
        set_(*TEMPLATE, "staticPrivateIp", to="172.31.0.9"),
    ),
    "addresses_are_given_once": Pair(
        "DUPLICATE_ADDRESS",
        set_(*TEMPLATE, "staticPrivateIp", to="10.0.0.11"),
        set_(*TEMPLATE, "staticPrivateIp", to="10.0.0.12"),
    ),
    "addresses_have_a_subnet": Pair(
        "ADDRESS_WITHOUT_SUBNET",
        drop(*CONFIG, "subnetId"),
        both(
            drop(*CONFIG, "subnetId"),
            set_(*TEMPLATE, "subnetId", to="subnet-0a1b2c3d"),
            set_(*DB, "servers", 1, "launchTemplate", "subnetId", to="subnet-0a1b2c3d"),
        ),
    ),
    "addresses_exclude_copy_private_ip": Pair(
        "ADDRESS_AND_COPY", set_(*TEMPLATE, "copyPrivateIp", to=True), set_(*TEMPLATE, "copyPrivateIp", to=False)
    ),
    **PREPARED,
    # recovery plans and waves
    "plan_names_are_unique": Pair(
        "DUPLICATE_PLAN_NAME",
        add("recoveryPlans", item={"planName": "PLAN", "waves": [ONE_WAVE]}),
        add("recoveryPlans", item={"planName": "PLAN B", "waves": [ONE_WAVE]}),
    ),
    "plan_and_wave_names_are_short": Pair(
        "NAME_TOO_LONG",
        set_(*WAVES, 0, "waveName", to="x" * 501),
        both(set_(*WAVES, 0, "waveName", to="x" * 500), set_("recoveryPlans", 0, "planName", to="{" * 300)),
    ),
    "plans_have_waves": Pair(
        "EMPTY_PLAN",
        add("recoveryPlans", item={"planName": "B", "waves": []}),
        add("recoveryPlans", item={"planName": "B", "waves": [ONE_WAVE]}),
    ),
    "wave_numbers_are_unique": Pair(
        "DUPLICATE_WAVE_NUMBER",
        both(set_(*SECOND_WAVE, "waveNumber", to=1), drop(*SECOND_WAVE, "dependsOnWaves")),
        both(set_(*SECOND_WAVE, "waveNumber", to=0), drop(*SECOND_WAVE, "dependsOnWaves")),
    ),
    "wave_names_are_unique": Pair(
        "DUPLICATE_WAVE_NAME",
        set_(*SECOND_WAVE, "waveName", to="DATABASE"),
        set_(*SECOND_WAVE, "waveName", to="DATABASE 2"),
    ),
    "wave_numbers_start_at_0_or_1": Pair(
        "WAVE_NUMBERS_START_LATE",
        both(set_(*FIRST_WAVE, "waveNumber", to=3), set_(*SECOND_WAVE, "dependsOnWaves", to=[3])),
        both(set_(*FIRST_WAVE, "waveNumber", to=0), set_(*SECOND_WAVE, "dependsOnWaves", to=[0])),
    ),
    "waves_have_groups": Pair(
        "EMPTY_WAVE",
        drop(*SECOND_WAVE, "protectionGroupName"),
        both(drop(*SECOND_WAVE, "protectionGroupName"), set_(*SECOND_WAVE, "protectionGroupIds", to=["Web"])),
    ),
    "group_references_resolve": Pair(
        "UNKNOWN_GROUP",
        set_(*SECOND_WAVE, "protectionGroupName", to="Webs"),
        set_(*SECOND_WAVE, "protectionGroupName", to="wEB"),
    ),
    "group_references_agree": Pair(
        "CONFLICTING_REFERENCES",
        set_(*FIRST_WAVE, "protectionGroupNames", to=["Web"]),
        set_(*FIRST_WAVE, "protectionGroupNames", to=["Database"]),
    ),
    "a_group_is_in_one_wave_of_a_plan": Pair(
        "GROUP_IN_TWO_WAVES",
        set_(*SECOND_WAVE, "protectionGroupName", to="Database"),
        add("recoveryPlans", item={"planName": "B", "waves": [ONE_WAVE]}),
    ),
    "dependencies_exist": Pair(
        "UNKNOWN_WAVE", set_(*SECOND_WAVE, "dependsOnWaves", to=[3]), set_(*SECOND_WAVE, "dependsOnWaves", to=[])
    ),
    "dependencies_have_no_cycle": Pair(
        "CYCLE",
        set_(*FIRST_WAVE, "dependsOnWaves", to=[2]),
        both(set_(*FIRST_WAVE, "dependsOnWaves", to=[2]), drop(*SECOND_WAVE, "dependsOnWaves")),
    ),
    "groups_are_used": Pair("UNUSED_GROUP", drop(*SECOND_WAVE), nothing),
    "failure_policies_agree": Pair(
        "CONTRADICTION",
        set_(*FIRST_WAVE, "minHealthy", to=1),
        both(set_(*FIRST_WAVE, "minHealthy", to=1), set_(*FIRST_WAVE, "onServerFailure", to="continue")),
    ),
    "lags_are_durations": Pair(
        "INVALID_DURATION",
        set_(*PLAN, "maxLag", to="P1M"),
        both(set_(*PLAN, "maxLag", to="P1DT1M"), set_(*FIRST_WAVE, "maxLag", to="PT0.5S")),
    ),
    "retries_are_well_formed": Pair(
        "INVALID_SUBNET_ID",
        set_(*FIRST_WAVE, "retry", to={"attempts": 1, "subnetIds": ["net-b"]}),
        set_(*FIRST_WAVE, "retry", to={"attempts": 1, "subnetIds": [f"subnet-{HEX}"]}),
    ),
    "targets_are_durations": Pair(
        "INVALID_DURATION",
        set_(*FIRST_WAVE, "rtoTarget", to="PT0S"),
        both(set_(*FIRST_WAVE, "rtoTarget", to="PT0.1S"), set_(*PLAN, "rpoTarget", to="PT0S")),
    ),
    "targets_of_waves_are_within_the_plans": Pair(
        "TARGET_ABOVE_PLAN",
        both(set_(*FIRST_WAVE, "rpoTarget", to="PT61M"), set_(*PLAN, "rpoTarget", to="PT1H")),
        both(set_(*FIRST_WAVE, "rpoTarget", to="PT60M"), set_(*PLAN, "rpoTarget", to="PT1H")),
    ),
    # approvals
    "approvals_expire_after_a_duration": Pair(
        "INVALID_DURATION",
        both(GATED, set_(*PLAN, "approval", to={"quorum": 1, "expiresAfter": "PT0S"})),
        both(GATED, set_(*PLAN, "approval", to={"quorum": 1, "expiresAfter": "PT4H"})),
    ),
    "roles_of_approvals_are_named_once": Pair(
        "DUPLICATE_ROLE",
        both(GATED, set_(*FIRST_WAVE, "approval", to={"quorum": 2, "roles": ["DRSOperator", "DRSOperator"]})),
        both(GATED, set_(*FIRST_WAVE, "approval", to={"quorum": 2, "roles": ["DRSOperator", "DRSPlanManager"]})),
    ),
    "approvals_have_a_gate": Pair(
        "APPROVAL_WITHOUT_GATE",
        both(set_(*FIRST_WAVE, "pauseBeforeWave", to=False), set_(*FIRST_WAVE, "approval", to="signed")),
        both(GATED, set_(*PLAN, "approval", to="signed"), set_(*SECOND_WAVE, "approval", to="any")),
    ),
    # subscriptions
    "subscriptions_are_of_schema_1_1": Pair(
        "NEWER_FIELD", both(no_checks_of_1_1, set_(*PLAN, "notify", to={"topics": [TOPIC]})), no_checks_of_1_1
    ),
    "topics_are_well_formed": Pair(
        "INVALID_TOPIC",
        set_(*PLAN, "notify", to={"topics": ["recoveries"]}),
        set_(*PLAN, "notify", to={"topics": [TOPIC]}),
    ),
    "event_buses_are_well_formed": Pair(
        "INVALID_EVENT_BUS",
        set_(*PLAN, "notify", to={"eventBuses": ["default"]}),
        set_(*PLAN, "notify", to={"eventBuses": [BUS]}),
    ),
    "blocks_are_well_formed": Pair(
        "INVALID_BLOCK",
        set_(*PLAN, "notify", to={"blocks": ["on-call"]}),
        set_(*PLAN, "notify", to={"blocks": ["slack-webhook/on-call"]}),
    ),
    "emails_are_well_formed": Pair(
        "INVALID_EMAIL",
        set_(*PLAN, "notify", to={"emails": ["owner at example.com"]}),
        set_(*PLAN, "notify", to={"emails": ["owner@example.com"]}),
    ),
    # health checks and hooks
    "checks_are_of_schema_1_1": Pair(
        "NEWER_FIELD", both(no_checks_of_1_1, checks({"type": "ec2Status"})), no_checks_of_1_1
    ),
    "check_names_are_unique": Pair(
        "DUPLICATE_CHECK_NAME",
        checks({"type": "ec2Status", "name": "up"}, {"type": "ec2Status", "name": "UP"}),
        checks({"type": "ec2Status", "name": "up"}, {"type": "ec2Status"}),
    ),
    "check_places_are_well_formed": Pair(
        "INVALID_REGION",
        checks({"type": "lambda", "functionName": "f", "region": "virginia"}),
        checks({"type": "lambda", "functionName": "f", "region": "us-east-1"}),
    ),
    "hooks_have_one_place": Pair(
        "HOOK_WITHOUT_PLACE",
        both(in_two_regions, checks({"type": "lambda", "functionName": "f"}, phase="preWave")),
        both(in_two_regions, checks({"type": "lambda", "functionName": "f", "region": "eu-west-1"}, phase="preWave")),
    ),
    "checks_have_what_their_phase_needs": Pair(
        "SERVERS_OF_A_HOOK",
        checks({"type": "lambda", "functionName": "f", "servers": ["s-00000000000000001"]}, phase="preWave"),
        checks({"type": "lambda", "functionName": "f", "servers": ["s-00000000000000001"]}),
    ),
    "check_servers_are_of_the_wave": Pair(
        "CHECK_NAMES_NO_SERVER",
        checks({"type": "ec2Status", "servers": ["s-00000000000000009"]}),
        checks({"type": "ec2Status", "servers": ["s-00000000000000002"]}),
    ),
    "documents_are_named": Pair(
        "INVALID_DOCUMENT_NAME",
        checks({**SSM, "documentName": "my document"}),
        checks({**SSM, "documentName": "my-document"}),
    ),
    "body_patterns_compile": Pair(
        "INVALID_PATTERN",
        checks({"type": "http", "url": "http://{privateIp}/", "bodyPattern": "(ok"}),
        checks({"type": "http", "url": "http://{privateIp}/", "bodyPattern": "(ok)"}),
    ),
    "urls_are_well_formed": Pair(
        "INVALID_URL",
        checks({"type": "http", "url": "http://me:secret@{privateIp}/"}),
        checks({"type": "http", "url": "http://{privateIp}:8080/"}),
    ),
    "variables_are_known": Pair(
        "UNKNOWN_VARIABLE",
        checks({"type": "http", "url": "http://{privateIP}/"}),
        checks({"type": "http", "url": "http://{privateIp}/{name}"}),
    ),
    "checked_servers_are_started": Pair(
        "CHECK_OF_STOPPED_SERVERS",
        both(checks({"type": "ec2Status"}), set_(*CONFIG, "launchDisposition", to="STOPPED")),
        both(checks({"type": "ec2Status"}), set_(*CONFIG, "launchDisposition", to="STARTED")),
    ),
    # failback
    "failback_waves_are_sound": Pair(
        "UNKNOWN_WAVE",
        set_(*PLAN, "failbackWaves", to=[{**ALL_BACK, "dependsOnWaves": [9]}]),
        set_(*PLAN, "failbackWaves", to=[ALL_BACK]),
    ),
    "failback_hooks_are_sound": Pair(
        "INVALID_DOCUMENT_NAME",
        set_(*PLAN, "failback", to={"stopWrites": [{**BACK_HOOK, "documentName": "my document"}]}),
        set_(*PLAN, "failback", to={"stopWrites": [BACK_HOOK]}),
    ),
    "failback_waves_have_the_groups_of_the_plan": Pair(
        "FAILBACK_GROUP_MISSING",
        set_(*PLAN, "failbackWaves", to=[{**ALL_BACK, "protectionGroupNames": ["Web"]}]),
        set_(*PLAN, "failbackWaves", to=[ALL_BACK]),
    ),
}
