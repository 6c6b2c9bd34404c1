"""Launch settings against the account: the checks of `launch_settings` for each server, and rules across servers."""

from __future__ import annotations

from collections.abc import Iterator

from prefect_drs.aws.location import Location
from prefect_drs.runbook import launch_settings as checks
from prefect_drs.runbook.launch_settings import Problem
from prefect_drs.runbook.preflight_input import LaunchPreview, PreflightInput, named
from prefect_drs.runbook.rules.rule import Observation, PreflightRule, rule


def observed(preview: LaunchPreview, problem: Problem) -> Observation:
    """A problem of a server's setting, with where its value comes from."""
    server = preview.server
    found = server.effective.get(problem.setting)
    origin = f" (from the {found.origin})" if found else ""
    return Observation(
        f"{named(server)}: {problem.setting} {problem.value}{origin}: {problem.message}",
        server.location,
        server.source_server_id,
    )


def _of_each_server(code: str, check: checks.Check, *, what: str, remedy: str) -> PreflightRule:
    """A rule that runs one check for every server."""

    def look(preflight: PreflightInput) -> Iterator[Observation]:
        for preview, facts in preflight.checkable:
            yield from (observed(preview, problem) for problem in check(preview.settings, facts))

    look.__name__ = check.__name__
    return rule(code, what=what, remedy=remedy)(look)


subnet_exists = _of_each_server(
    "SUBNET_NOT_FOUND",
    checks.subnet_exists,
    what="the subnet is not in that account and region",
    remedy="name one that is",
)
security_groups_exist = _of_each_server(
    "SECURITY_GROUP_NOT_FOUND",
    checks.security_groups_exist,
    what="a security group is not in that account and region",
    remedy="name one that is",
)
security_groups_are_of_the_vpc = _of_each_server(
    "SECURITY_GROUP_IN_OTHER_VPC",
    checks.security_groups_are_of_the_vpc,
    what="a security group is of another VPC than the subnet",
    remedy="name security groups of the subnet's VPC",
)
address_has_a_subnet = _of_each_server(
    "ADDRESS_WITHOUT_SUBNET",
    checks.address_has_a_subnet,
    what="a static address, and no subnet: neither the server's, nor its group's, nor its launch template's",
    remedy="add `subnetId`",
)
address_is_in_the_subnet = _of_each_server(
    "ADDRESS_OUTSIDE_SUBNET",
    checks.address_is_in_the_subnet,
    what="a static address outside the subnet's block",
    remedy="choose one of the range in the message, or another subnet",
)
address_is_not_reserved = _of_each_server(
    "ADDRESS_RESERVED",
    checks.address_is_not_reserved,
    what="a static address that AWS reserves: the subnet's first four and its last",
    remedy="choose one of the range in the message",
)
address_excludes_a_copy = _of_each_server(
    "ADDRESS_AND_COPY",
    checks.address_excludes_a_copy,
    what="a static address in the launch template, and `copyPrivateIp` as well",
    remedy="set `copyPrivateIp: false`, or give `staticPrivateIp` in the plan",
)
instance_type_is_offered = _of_each_server(
    "INSTANCE_TYPE_NOT_OFFERED",
    checks.instance_type_is_offered,
    what="the instance type is not offered in the subnet's zone (without a subnet: in the region)",
    remedy="another instance type, or a subnet in one of the zones in the message",
)
instance_profile_exists = _of_each_server(
    "INSTANCE_PROFILE_NOT_FOUND",
    checks.instance_profile_exists,
    what="the instance profile is not in that account",
    remedy="make it, or name another",
)


@rule(
    "ADDRESS_IN_USE",
    what="a network interface has the static address now; in a recovery, one of the server's own former recovery "
    "instance does not count, since it is replaced",
    remedy="free the address or choose another; where an instance of a former drill has it: `prefect-drs terminate "
    "EXECUTION`",
)
def addresses_are_free(preflight: PreflightInput) -> Iterator[Observation]:
    """A static address is free when the server is launched."""
    for preview, facts in preflight.checkable:
        former = preview.server.recovery_instance_id
        replaced = former if preflight.mode == "recovery" else None
        for problem in checks.address_is_free(preview.settings, facts, replaced_instance_id=replaced):
            seen = observed(preview, problem)
            if former is not None and former in problem.message:
                message = f"{seen.message}: terminate the former drill, which left it: prefect-drs terminate EXECUTION"
                seen = Observation(message, seen.location, seen.source_server_id)
            yield seen


@rule(
    "DUPLICATE_ADDRESS",
    what="one static address for two servers that are launched into the same VPC, in any groups and waves",
    remedy="give each its own",
)
def addresses_are_given_once(preflight: PreflightInput) -> Iterator[Observation]:
    """No two servers of a runbook get the same address of a VPC."""
    first: dict[tuple[Location, str, str], LaunchPreview] = {}
    for preview, facts in preflight.checkable:
        settings, server = preview.settings, preview.server
        subnet = facts.subnets.get(settings.subnet_id or "")
        if subnet is None or settings.static_private_ip is None:
            continue
        other = first.setdefault((server.location, subnet.vpc_id, settings.static_private_ip), preview)
        if other.server.source_server_id != server.source_server_id:
            yield Observation(
                f"{named(server)}: staticPrivateIp {settings.static_private_ip} is given to {named(other.server)} "
                f"(wave {other.wave.wave_number}) too, and both land in {subnet.vpc_id}; give each its own",
                server.location,
                server.source_server_id,
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
