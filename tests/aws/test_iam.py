"""Who works in an account, and what IAM says of them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import boto3
import pytest
from pydantic import SecretStr

from prefect_drs.aws.errors import PermissionDeniedError
from prefect_drs.aws.iam import Principal, denied_actions, existing_profiles, principal_in
from prefect_drs.aws.location import Location
from prefect_drs.aws.permissions import PURPOSES, needed_actions
from prefect_drs.aws.sessions import AccountAccess, Sessions
from prefect_drs.simulator import mock_drs
from prefect_drs.simulator.roles import plant_role
from tests.rig import ACCOUNT, REGION

TARGET = Location("222222222222", REGION)
HERE = Location(ACCOUNT, REGION)


@pytest.fixture(autouse=True)
def aws() -> Iterator[None]:
    with mock_drs(default_images=False):
        yield


def role(path: str, statements: list[dict[str, object]]) -> str:
    """A role of the caller's own account that the caller may assume."""
    iam = boto3.client("iam", region_name=REGION)
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}]}
    made = iam.create_role(RoleName="orchestrator", Path=path, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_role_policy(RoleName="orchestrator", PolicyName="p", PolicyDocument=policy)
    return made["Arn"]


def by_role(arn: str) -> Sessions:
    return Sessions([AccountAccess(ACCOUNT, role_arn=arn)])


ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def test_keys_of_a_simulator_are_asked_nothing_about() -> None:
    principal = principal_in(Sessions(), HERE)
    assert principal.unrestricted
    assert principal.policy_source is None


def test_behind_an_assumed_session_stands_its_role_with_its_path() -> None:
    arn = role("/teams/dr/", [ALL])
    principal = principal_in(by_role(arn), HERE)
    assert ":assumed-role/orchestrator/" in principal.arn
    assert principal.policy_source == arn == f"arn:aws:iam::{ACCOUNT}:role/teams/dr/orchestrator"


def test_where_the_role_may_not_be_read_it_is_taken_to_have_no_path() -> None:
    arn = role("/", [{"Effect": "Allow", "NotAction": "iam:GetRole", "Resource": "*"}])
    assert principal_in(by_role(arn), HERE).policy_source == arn


def test_a_user_stands_for_itself() -> None:
    iam = boto3.client("iam", region_name=REGION)
    arn = iam.create_user(UserName="ada")["User"]["Arn"]
    key = iam.create_access_key(UserName="ada")["AccessKey"]
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=REGION)
    assert principal_in(Sessions(session=session), HERE) == Principal(arn, arn)


def test_the_documented_policy_is_enough_and_each_action_less_is_named() -> None:
    from tests.snippets import snippets

    policy = json.loads(next(s.text for s in snippets("docs/permissions.md") if s.language == "json"))
    kinds = frozenset().union(*(purpose.check_types for purpose in PURPOSES))
    arn = role("/", policy["Statement"])
    sessions = by_role(arn)
    assert denied_actions(sessions, HERE, arn, needed_actions(kinds)) == ()
    missing = [{"Effect": "Deny", "Action": ["ec2:RunInstances", "drs:Start*"], "Resource": "*"}]
    iam = boto3.client("iam", region_name=REGION)
    iam.put_role_policy(
        RoleName="orchestrator",
        PolicyName="less",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": missing}),
    )
    assert denied_actions(sessions, HERE, arn, needed_actions()) == ("drs:StartRecovery", "ec2:RunInstances")


def test_without_the_right_to_ask_iam_refuses() -> None:
    arn = plant_role(TARGET.account_id, external_id="between-us", missing_actions=["iam:SimulatePrincipalPolicy"])
    sessions = Sessions([AccountAccess(TARGET.account_id, external_id=SecretStr("between-us"))])
    with pytest.raises(PermissionDeniedError, match="SimulatePrincipalPolicy"):
        denied_actions(sessions, TARGET, arn, needed_actions())


def test_actions_of_checks_are_needed_where_a_plan_has_such_checks() -> None:
    always = set(needed_actions())
    assert "ssm:SendCommand" not in always
    assert set(needed_actions({"ssmCommand"})) - always == {
        "ssm:SendCommand",
        "ssm:GetCommandInvocation",
        "ssm:ListCommands",
    }
    listed = [action for purpose in PURPOSES for action in purpose.actions]
    twice = {action for action in listed if listed.count(action) > 1}
    assert twice == {"drs:GetReplicationConfiguration"}  # of two statements, each of which one may leave out


@pytest.mark.parametrize("count", [1, 12])
def test_instance_profiles_are_asked_for_one_by_one_or_listed(count: int) -> None:
    iam = boto3.client("iam", region_name=REGION)
    for number in range(0, count, 2):
        iam.create_instance_profile(InstanceProfileName=f"profile-{number}")
    sessions = Sessions()
    names = {f"profile-{number}" for number in range(count)}
    assert existing_profiles(sessions, HERE, names) == {f"profile-{number}" for number in range(0, count, 2)}
    assert len(sessions.calls.snapshot()) == 1
