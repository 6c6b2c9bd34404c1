"""Rules for launch settings: ids and names have AWS's forms, and nothing contradicts itself."""

from __future__ import annotations

from collections.abc import Iterator

from prefect_drs.plan.read.draft import Draft
from prefect_drs.plan.read.finding import PlanFinding, quote, warning
from prefect_drs.plan.rules.forms import (
    INSTANCE_PROFILE_NAME,
    INSTANCE_TYPE,
    SECURITY_GROUP_ID,
    SUBNET_ID,
    TAGS_AT_MOST,
    impossible_tags,
    not_bound,
)


def subnets_are_well_formed(draft: Draft) -> Iterator[PlanFinding]:
    """Each subnet is an EC2 subnet id, once bindings have been applied."""
    for group in draft.groups:
        for settings in group.settings():
            if settings.subnet is not None and not SUBNET_ID.fullmatch(settings.subnet.real):
                problem = "which is no EC2 subnet id (subnet- and 8 or 17 hexadecimal digits)"
                yield not_bound(settings.subnet, "subnets", "INVALID_SUBNET_ID", problem)


def security_groups_are_well_formed(draft: Draft) -> Iterator[PlanFinding]:
    """Each security group is an EC2 id, once bindings have been applied; an empty list says nothing."""
    problem = "which is no EC2 security group id (sg- and 8 or 17 hexadecimal digits)"
    for group in draft.groups:
        for settings in group.settings():
            for name in settings.security_groups:
                if not SECURITY_GROUP_ID.fullmatch(name.real):
                    yield not_bound(name, "securityGroups", "INVALID_SECURITY_GROUP_ID", problem)
            if settings.entry.values.get("securityGroupIds") == ():
                yield PlanFinding(
                    settings.entry.place("securityGroupIds"),
                    "EMPTY_VALUE",
                    "securityGroupIds is empty, but an instance needs one; name one or leave the field out to inherit",
                )


def instance_types_are_well_formed(draft: Draft) -> Iterator[PlanFinding]:
    """Each instance type looks like one, such as `r7a.large`."""
    for group in draft.groups:
        for settings in group.settings():
            if settings.instance_type is not None and not INSTANCE_TYPE.fullmatch(settings.instance_type.real):
                problem = "which is no EC2 instance type (like r7a.large)"
                yield not_bound(settings.instance_type, "instanceTypes", "INVALID_INSTANCE_TYPE", problem)


def instance_profiles_are_names(draft: Draft) -> Iterator[PlanFinding]:
    """An instance profile is given by its name, not by its ARN."""
    for group in draft.groups:
        for settings in group.settings():
            profile = settings.instance_profile
            if profile is not None and not INSTANCE_PROFILE_NAME.fullmatch(profile.real):
                problem = "which is no IAM instance profile name (its name, not its ARN; letters, digits and +=,.@-_)"
                yield not_bound(profile, "instanceProfiles", "INVALID_INSTANCE_PROFILE", problem)


def tags_are_possible(draft: Draft) -> Iterator[PlanFinding]:
    """Launch tags are within AWS's limits: 50 of them, no `aws:` prefix, key and value lengths."""
    for group in draft.groups:
        for settings in group.settings():
            tags: dict[str, str] = settings.entry.values.get("tags") or {}
            at = settings.entry.place("tags")
            yield from impossible_tags(tags, at, what=f"group {quote(group.label)}")
            if len(tags) > TAGS_AT_MOST:
                yield PlanFinding(at, "TOO_MANY_TAGS", f"{len(tags)} tags; AWS takes {TAGS_AT_MOST} on a resource")
            for key in tags:
                if key.lower().startswith("aws:"):
                    yield PlanFinding(
                        (*at, key), "INVALID_TAG", f"tag {quote(key)}: the prefix aws: is AWS's own; use another"
                    )


def group_defaults_leave_nothing_unsaid(draft: Draft) -> Iterator[PlanFinding]:
    """A server that uses its group's defaults has no settings of its own, or they would be ignored."""
    for group in draft.groups:
        for entry in group.entries:
            if entry.uses_group_defaults and entry.settings and entry.settings.entry.values:
                yield warning(
                    entry.entry.place("launchTemplate"),
                    "IGNORED_LAUNCH_TEMPLATE",
                    f"server {quote(entry.label)} has useGroupDefaults: true, so its launchTemplate is ignored; "
                    "remove one of the two",
                )


def right_sizing_leaves_the_instance_type(draft: Draft) -> Iterator[PlanFinding]:
    """Right-sizing other than NONE overwrites the launch template's instance type at each launch (DRS)."""
    for group in draft.groups:
        for settings in group.settings():
            method = settings.entry.text("targetInstanceTypeRightSizingMethod")
            if method in {"BASIC", "IN_AWS"} and settings.instance_type is not None:
                yield warning(
                    settings.instance_type.at,
                    "INSTANCE_TYPE_OVERWRITTEN",
                    f"targetInstanceTypeRightSizingMethod {method} lets DRS overwrite instanceType; "
                    "use NONE to keep it",
                )
