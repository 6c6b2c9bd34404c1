"""From a plan's checks to probes: one for each server, or for each account-region where one call serves all servers.

In: the checks of one phase, as the runbook has them, and the wave's launched servers. Out: probes, in the checks'
order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.clock import Clock
from prefect_drs.plan.checks import Check, check_name
from prefect_drs.recovery.checks.addresses import Addresses
from prefect_drs.recovery.checks.aws_lambda import LambdaProbe
from prefect_drs.recovery.checks.base import BaseProbe, Surroundings
from prefect_drs.recovery.checks.ec2_status import Ec2StatusProbe
from prefect_drs.recovery.checks.entry_point import PythonProbe
from prefect_drs.recovery.checks.network import HttpProbe, TcpProbe
from prefect_drs.recovery.checks.post_launch import PostLaunchActionsProbe
from prefect_drs.recovery.checks.probe import CheckTarget, Probe, WaveContext
from prefect_drs.recovery.checks.ssm_automation import SsmAutomationProbe
from prefect_drs.recovery.checks.ssm_command import SsmCommandProbe
from prefect_drs.report.checks import CheckPhase

PROBES: dict[str, type[BaseProbe[Any]]] = {
    "ec2Status": Ec2StatusProbe,
    "tcp": TcpProbe,
    "http": HttpProbe,
    "ssmCommand": SsmCommandProbe,
    "ssmAutomation": SsmAutomationProbe,
    "postLaunchActions": PostLaunchActionsProbe,
    "lambda": LambdaProbe,
    "python": PythonProbe,
}
TOGETHER = frozenset({"ec2Status", "postLaunchActions"})


def probes_for(
    checks: Sequence[Check],
    phase: CheckPhase,
    wave: WaveContext,
    targets: Sequence[CheckTarget],
    *,
    sessions: Sessions,
    clock: Clock,
) -> tuple[Probe, ...]:
    """The probes of one phase of a wave.

    Args:
        checks: as the runbook has them: servers by source server id, hooks with their place.
        phase: hooks look at the wave as a whole, whatever targets there are.
        wave: whose checks they are.
        targets: the servers that were launched; a check of a server that is not among them is not made.
        sessions: the way into the accounts.
        clock: the time.
    """
    instances: dict[Location, list[str]] = {}
    for target in targets:
        instances.setdefault(target.server.location, []).append(target.recovery_instance_id)
    around = Surroundings(wave, sessions, clock, Addresses(sessions, clock, instances))
    probes: list[Probe] = []
    for position, check in enumerate(checks, start=1):
        name = check_name(check.name, check.type, position)
        kind = PROBES[check.type]
        if phase is not CheckPhase.HEALTH:
            probes.append(kind(check, phase, name, (), around))
            continue
        chosen = [t for t in targets if not check.servers or t.server.source_server_id in check.servers]
        probes.extend(kind(check, phase, name, group, around) for group in _groups(check, chosen))
    return tuple(probes)


def _groups(check: Check, targets: Sequence[CheckTarget]) -> list[list[CheckTarget]]:
    if check.type not in TOGETHER:
        return [[target] for target in targets]
    groups: dict[Location, list[CheckTarget]] = {}
    for target in targets:
        groups.setdefault(target.server.location, []).append(target)
    return list(groups.values())
