"""Whether servers can run as their instance types, and as those of retries."""

from __future__ import annotations

from collections.abc import Iterator

from prefect_drs.runbook import launch_settings as checks
from prefect_drs.runbook.machines import machine_of
from prefect_drs.runbook.preflight_input import LaunchPreview, PreflightInput, named
from prefect_drs.runbook.rules.each_server import observed
from prefect_drs.runbook.rules.rule import Observation, rule

_WHY = (
    "is of another architecture than the server, does not support its boot mode, or is built on the Nitro System, for "
    "which the server has no drivers"
)


@rule(
    "INSTANCE_TYPE_INCOMPATIBLE",
    what=f"the instance type, the plan's or the launch template's, {_WHY}. The boot mode is known only for a server"
    " that has a recovery instance: DRS itself does not report it",
    remedy="another instance type, such as one of the server's architecture",
)
def instance_types_fit(preflight: PreflightInput) -> Iterator[Observation]:
    """EC2 refuses an instance type that does not fit the machine image (`RunInstances`, InvalidParameterValue)."""
    for preview, facts in preflight.checkable:
        if preview.source is not None:
            machine = machine_of(preview.source, facts.types, preview.boot_mode)
            for problem in checks.instance_type_fits(preview.settings, facts, machine):
                yield observed(preview, problem)


@rule(
    "RETRY_TYPE_INCOMPATIBLE",
    what=f"an instance type of `retry.instanceTypes` {_WHY}",
    remedy="another instance type, or leave it out",
)
def retried_types_fit(preflight: PreflightInput) -> Iterator[Observation]:
    """Every server of a wave can run as each instance type of its retry."""
    affected: dict[tuple[int, str, str, str], list[LaunchPreview]] = {}
    for preview, facts in preflight.checkable:
        if preview.source is None or not preview.wave.retry.instance_types:
            continue
        machine = machine_of(preview.source, facts.types, preview.boot_mode)
        for instance_type in preview.wave.retry.instance_types:
            for problem in checks.type_misfit(instance_type, facts, machine):
                key = (preview.wave.wave_number, str(preview.server.location), instance_type, problem.message)
                affected.setdefault(key, []).append(preview)
    for (number, _, instance_type, message), previews in affected.items():
        first = previews[0]
        more = f" and {len(previews) - 1} more" if len(previews) > 1 else ""
        yield Observation(
            f"wave {number} ({first.wave.wave_name}), for {named(first.server)}{more}: retry.instanceTypes "
            f"{instance_type}: {message}",
            first.server.location,
        )
