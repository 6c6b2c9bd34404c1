"""Static private addresses: each in its subnet, not reserved by AWS, free, and given once."""

from __future__ import annotations

from collections.abc import Iterator

from prefect_drs.aws.location import Location
from prefect_drs.runbook import launch_settings as checks
from prefect_drs.runbook.preflight_input import LaunchPreview, PreflightInput, named
from prefect_drs.runbook.rules.each_server import observed, of_each_server
from prefect_drs.runbook.rules.rule import Observation, rule

address_has_a_subnet = of_each_server(
    "ADDRESS_WITHOUT_SUBNET",
    checks.address_has_a_subnet,
    what="a static address, and no subnet: neither the server's, nor its group's, nor its launch template's",
    remedy="add `subnetId`",
)
address_is_in_the_subnet = of_each_server(
    "ADDRESS_OUTSIDE_SUBNET",
    checks.address_is_in_the_subnet,
    what="a static address outside the subnet's block",
    remedy="choose one of the range in the message, or another subnet",
)
address_is_not_reserved = of_each_server(
    "ADDRESS_RESERVED",
    checks.address_is_not_reserved,
    what="a static address that AWS reserves: the subnet's first four and its last",
    remedy="choose one of the range in the message",
)
address_excludes_a_copy = of_each_server(
    "ADDRESS_AND_COPY",
    checks.address_excludes_a_copy,
    what="a static address in the launch template, and `copyPrivateIp` as well",
    remedy="set `copyPrivateIp: false`, or give `staticPrivateIp` in the plan",
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
