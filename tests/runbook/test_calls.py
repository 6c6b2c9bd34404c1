"""How many calls the preflight makes: pages and batches, one GetLaunchConfiguration a server, and few besides."""

from __future__ import annotations

import math

import pytest

from benchmarks.preflight import A_SERVER, CALLS_AT_MOST, measure
from prefect_drs.aws.encryption import CONFIGURATIONS_READ
from prefect_drs.aws.sessions import Sessions
from prefect_drs.simulator.roles import plant_role
from tests.rig import aws_environment
from tests.runbook.world import TARGET, World

A_PAGE = 200  # servers, and launch templates


def at_most(servers: int) -> int:
    """The bound at so many servers: two pages for each 200, 25 for replication configurations, 15 for all the rest."""
    return 15 + CONFIGURATIONS_READ + 2 * math.ceil(servers / A_PAGE)


def test_the_bound_is_80_calls_at_4000_servers() -> None:
    assert at_most(4000) == CALLS_AT_MOST


def test_servers_cost_pages_and_everything_else_a_batch() -> None:
    with aws_environment():
        _, calls, runbook = measure(210)
    assert calls[A_SERVER] == 210
    assert calls.total() - calls[A_SERVER] <= at_most(210)
    assert sum(finding.code == "ADDRESS_IN_USE" for finding in runbook.findings) == 21
    assert not [finding for finding in runbook.findings if finding.code == "UNCHECKED"]


def test_an_account_that_is_entered_by_a_role_costs_two_calls_of_iam(world: World) -> None:
    plant_role(TARGET)
    server = world.server(account=TARGET)
    world.sessions = Sessions()
    assert world.resolve({"accountId": TARGET, "sourceServerIds": [server]}).refusals == ()
    calls = world.sessions.calls.snapshot()
    assert {name: count for name, count in calls.items() if name.startswith("iam:")} == {
        "iam:GetRole": 1,
        "iam:SimulatePrincipalPolicy": 1,
    }


@pytest.mark.parametrize("servers", [1, 30])
def test_what_no_plan_names_is_not_asked_for(servers: int, world: World) -> None:
    """Without settings in plan and template there is nothing to look up in EC2's networks."""
    world.sessions = Sessions()
    world.resolve(world.servers(servers))
    asked = set(world.sessions.calls.snapshot())
    assert "ec2:DescribeSecurityGroups" not in asked
    assert "ec2:DescribeNetworkInterfaces" not in asked
    assert "drs:DescribeRecoverySnapshots" not in asked
