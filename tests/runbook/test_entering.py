"""An account or region that cannot be entered stops at the preflight, with what to do about it."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from prefect_drs.aws.sessions import AccountAccess, Sessions
from prefect_drs.runbook import Runbook
from prefect_drs.simulator.roles import plant_role
from tests.rig import REGION
from tests.runbook.world import TARGET, World

SECRET = "a-word-between-us"


def resolved(world: World, external_id: str | None = SECRET, region: str = REGION) -> Runbook:
    server = world.server(account=TARGET)
    access = AccountAccess(TARGET, external_id=SecretStr(external_id) if external_id else None)
    world.sessions = Sessions([access])
    groups = [{"accountId": TARGET, "sourceServerIds": [server]}]
    if region != REGION:
        groups.append({"accountId": TARGET, "region": region, "sourceServerIds": ["s-" + "0" * 17]})
    return world.resolve(*groups)


def test_with_role_and_external_id_an_account_is_entered(world: World) -> None:
    plant_role(TARGET, external_id=SECRET)
    assert resolved(world).findings == ()


@pytest.mark.parametrize("external_id", ["another-word", None])
def test_a_wrong_external_id_is_told_with_the_role_and_without_the_secret(
    external_id: str | None, world: World
) -> None:
    plant_role(TARGET, external_id=SECRET)
    (finding,) = resolved(world, external_id).refusals
    assert (finding.code, finding.account_id) == ("UNCHECKED", TARGET)
    assert f"role/DRSOrchestrationRole {'with' if external_id else 'without'} an ExternalId" in finding.message
    assert "the same ExternalId" in finding.message
    assert SECRET not in finding.message
    assert "another-word" not in finding.message


def test_a_missing_role_is_told_with_the_remedy(world: World) -> None:
    (finding,) = resolved(world).refusals
    assert (finding.code, finding.account_id, finding.region) == ("UNCHECKED", TARGET, REGION)
    assert "check that the role exists" in finding.message


def test_a_region_that_is_not_enabled_is_told_apart_from_bad_credentials(world: World) -> None:
    plant_role(TARGET, external_id=SECRET)
    world.sandbox.faults.add({"kind": "opt-in", "account": TARGET, "region": "me-south-1"})
    (finding,) = resolved(world, region="me-south-1").refusals
    assert (finding.code, finding.region) == ("UNCHECKED", "me-south-1")
    assert "enable" in finding.message
    assert "me-south-1" in finding.message


def test_a_permission_that_is_missing_is_named_by_its_action(world: World) -> None:
    plant_role(TARGET, external_id=SECRET, missing_actions=["ec2:Run*", "drs:TagResource"])
    (finding,) = resolved(world).refusals
    assert finding.code == "PERMISSION_MISSING"
    assert "lacks 2 permission(s): drs:TagResource, ec2:RunInstances" in finding.message
    assert f"arn:aws:iam::{TARGET}:role/DRSOrchestrationRole" in finding.message


def test_a_role_that_iam_may_not_be_asked_about_can_be_waived(world: World) -> None:
    plant_role(TARGET, missing_actions=["iam:Simulate*"])
    group = {"accountId": TARGET, "sourceServerIds": [world.server(account=TARGET)]}
    assert [finding.code for finding in world.resolve(group).refusals] == ["IAM_UNCHECKED"]
    waived = world.resolve(group, waivers={"IAM_UNCHECKED": "IAM is down with us-east-1"})
    assert waived.refusals == ()
    assert [finding.waived_because for finding in waived.findings] == ["IAM is down with us-east-1"]
