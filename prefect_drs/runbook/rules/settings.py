"""Launch settings against the account: the checks of `launch_settings` for each server, and rules across servers."""

from __future__ import annotations

from collections.abc import Iterator

from prefect_drs.aws.location import Location
from prefect_drs.runbook import launch_settings as checks
from prefect_drs.runbook.preflight_input import PreflightInput, named
from prefect_drs.runbook.rules.each_server import of_each_server
from prefect_drs.runbook.rules.rule import Observation, rule

subnet_exists = of_each_server(
    "SUBNET_NOT_FOUND",
    checks.subnet_exists,
    what="the subnet is not in that account and region",
    remedy="name one that is",
)
security_groups_exist = of_each_server(
    "SECURITY_GROUP_NOT_FOUND",
    checks.security_groups_exist,
    what="a security group is not in that account and region",
    remedy="name one that is",
)
security_groups_are_of_the_vpc = of_each_server(
    "SECURITY_GROUP_IN_OTHER_VPC",
    checks.security_groups_are_of_the_vpc,
    what="a security group is of another VPC than the subnet",
    remedy="name security groups of the subnet's VPC",
)
instance_type_is_offered = of_each_server(
    "INSTANCE_TYPE_NOT_OFFERED",
    checks.instance_type_is_offered,
    what="the instance type is not offered in the subnet's zone (without a subnet: in the region)",
    remedy="another instance type, or a subnet in one of the zones in the message",
)
instance_profile_exists = of_each_server(
    "INSTANCE_PROFILE_NOT_FOUND",
    checks.instance_profile_exists,
    what="the instance profile is not in that account",
    remedy="make it, or name another",
)


@rule(
    "TEMPLATE_NOT_FOUND",
    what="the server's EC2 launch template does not exist",
    remedy="let DRS create one (DRS console: the server's launch settings)",
)
def templates_exist(preflight: PreflightInput) -> Iterator[Observation]:
    """Every server has a launch template."""
    for preview in preflight.previews:
        if not preview.template_exists and not preview.into_instance:
            yield Observation(
                f"{named(preview.server)}: its launch template {preview.template_id or '(DRS names none)'} does not "
                "exist; have DRS make one (DRS console: the server's launch settings)",
                preview.server.location,
                preview.server.source_server_id,
            )


@rule(
    "TEMPLATE_NOT_WRITABLE",
    what="the launch template attaches an existing network interface, or names security groups by name, and the "
    "plan has network settings",
    remedy="remove it from the template, or the settings from the plan",
)
def templates_take_the_settings(preflight: PreflightInput) -> Iterator[Observation]:
    """The plan's changes can be written into the launch template."""
    for preview in preflight.previews:
        if preview.unwritable:
            yield Observation(
                f"{named(preview.server)}: {preview.unwritable}",
                preview.server.location,
                preview.server.source_server_id,
            )


@rule(
    "RETRY_TYPE_NOT_OFFERED",
    what="an instance type of `retry.instanceTypes` is not offered in the zone of a server's subnet",
    remedy="another instance type, or leave it out",
)
def retried_types_are_offered(preflight: PreflightInput) -> Iterator[Observation]:
    """The instance types of a retry are offered in the zone of the server's own subnet."""
    reported: set[tuple[int, Location, str, str | None]] = set()
    for preview, facts in preflight.checkable:
        subnet = facts.subnets.get(preview.settings.subnet_id or "")
        for instance_type in preview.wave.retry.instance_types:
            key = (preview.wave.wave_number, preview.server.location, instance_type, subnet.zone if subnet else None)
            if key in reported:
                continue
            for problem in checks.type_problem(instance_type, subnet, facts):
                reported.add(key)
                yield Observation(
                    f"wave {preview.wave.wave_number} ({preview.wave.wave_name}), for {named(preview.server)} and "
                    f"others like it: retry.instanceTypes {instance_type}: {problem.message}",
                    preview.server.location,
                )


@rule(
    "RETRY_SUBNET_UNUSABLE",
    what="a subnet of `retry.subnetIds` is not in a server's account and region, is of another VPC than its security "
    "groups, or its zone does not offer the instance type",
    remedy="another subnet, or leave it out; a server with a static address is never moved and does not count",
)
def retried_subnets_can_be_used(preflight: PreflightInput) -> Iterator[Observation]:
    """A server without a static address can be launched in each subnet of a retry."""
    reported: set[tuple[int, Location, str, str]] = set()
    for preview, facts in preflight.checkable:
        if preview.settings.static_private_ip:
            continue
        for subnet_id in preview.wave.retry.subnet_ids:
            moved = preview.settings.model_copy(update={"subnet_id": subnet_id})
            for check in (
                checks.subnet_exists,
                checks.security_groups_are_of_the_vpc,
                checks.instance_type_is_offered,
            ):
                for problem in check(moved, facts):
                    key = (preview.wave.wave_number, preview.server.location, subnet_id, problem.message)
                    if key not in reported:
                        reported.add(key)
                        yield Observation(
                            f"wave {preview.wave.wave_number} ({preview.wave.wave_name}), for {named(preview.server)} "
                            f"and others like it: retry.subnetIds {subnet_id}: {problem.setting} {problem.value}: "
                            f"{problem.message}",
                            preview.server.location,
                        )
