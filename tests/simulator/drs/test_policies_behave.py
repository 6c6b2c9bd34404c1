"""Policies that decide by resource, tag, time and address: 40 cases, then real calls of a role."""

from __future__ import annotations

import json
from typing import Any

import pytest
from moto.iam.models import iam_backends

from prefect_drs.aws.permissions import policy_document
from prefect_drs.simulator import DEFAULT_START, plant_role
from prefect_drs.simulator.services.dependent_actions import DEPENDENT_ACTIONS
from prefect_drs.simulator.services.policies import PolicyDecision, decide

from .documented import documented
from .rig import REGION, Rig, refused
from .test_permissions_behave import EVALUATION, TARGET, client, entered

ELEMENTS = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html"
VARIABLES = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html"
ACTIONS = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awselasticdisasterrecovery.html"
MANAGED = (
    "https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSElasticDisasterRecoveryReadOnlyAccess.html"
)
READ_ONLY = "arn:aws:iam::aws:policy/AWSElasticDisasterRecoveryReadOnlyAccess"
SERVER = "arn:aws:drs:us-east-1:222222222222:source-server/s-00000000000000001"
OTHER = SERVER[:-1] + "2"
YES, NO, NEVER = "allowed", "implicitDeny", "explicitDeny"
CONTEXT = {
    "aws:resourcetag/environment": ["production"],
    "aws:requesttag/owner": ["team-1"],
    "aws:tagkeys": ["Owner", "CostCenter"],
    "aws:currenttime": ["2030-01-01T12:00:00+00:00"],
    "aws:epochtime": ["1893499200"],
    "aws:sourceip": ["10.1.2.3"],
    "aws:principalaccount": ["222222222222"],
    "aws:securetransport": ["true"],
    "drs:number": ["7"],
}


def allow(condition: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": "drs:*", "Resource": "*", **more}
    return {**statement, "Condition": condition} if condition else statement


def deny(condition: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {**allow(condition, **more), "Effect": "Deny"}


BY_DRS = allow({"Bool": {"aws:ViaAWSService": "true"}}, Action=list(DEPENDENT_ACTIONS["StartRecovery"]))
"""What DRS does in the name of a caller that launches."""

CASES: list[tuple[str, list[dict[str, Any]], str]] = [
    # resources
    ("a resource by its ARN", [allow(Resource=SERVER)], YES),
    ("another resource", [allow(Resource=OTHER)], NO),
    ("a pattern of resources", [allow(Resource="arn:aws:drs:*:222222222222:source-server/*")], YES),
    ("a pattern of another account", [allow(Resource="arn:aws:drs:*:333333333333:source-server/*")], NO),
    ("one of several", [allow(Resource=[OTHER, SERVER])], YES),
    ("all but another", [allow(Resource=None, NotResource=OTHER)], YES),
    ("all but it", [allow(Resource=None, NotResource=SERVER)], NO),
    ("a question mark", [allow(Resource=SERVER[:-1] + "?")], YES),
    ("a variable in the resource", [allow(Resource="arn:aws:drs:*:${aws:PrincipalAccount}:*")], YES),
    ("a variable without a value", [allow(Resource="arn:aws:drs:*:${aws:username}:*")], NO),
    # deny
    ("a deny of its ARN", [allow(), deny(Resource=SERVER)], NEVER),
    ("a deny of another ARN", [allow(), deny(Resource=OTHER)], YES),
    ("a deny of another action", [allow(), deny(Action="drs:Delete*")], YES),
    ("a deny alone", [deny(Resource=OTHER)], NO),
    ("a deny before the allow", [deny(), allow()], NEVER),
    ("a deny of all but an action", [allow(), deny(Action=None, NotAction="drs:StartRecovery")], YES),
    # tags
    ("a tag", [allow({"StringEquals": {"aws:ResourceTag/Environment": "production"}})], YES),
    ("another tag value", [allow({"StringEquals": {"aws:ResourceTag/Environment": "test"}})], NO),
    ("a deny by tag", [allow(), deny({"StringEquals": {"aws:ResourceTag/Environment": "production"}})], NEVER),
    ("a tag that it lacks", [allow({"StringEquals": {"aws:ResourceTag/Tier": "web"}})], NO),
    ("a tag that it lacks, if exists", [allow({"StringEqualsIfExists": {"aws:ResourceTag/Tier": "web"}})], YES),
    ("no such tag", [allow({"Null": {"aws:ResourceTag/Tier": "true"}})], YES),
    ("a tag of the request", [allow({"StringLike": {"aws:RequestTag/Owner": "team-*"}})], YES),
    ("only these keys", [allow({"ForAllValues:StringEquals": {"aws:TagKeys": ["Owner", "CostCenter"]}})], YES),
    ("one key too many", [allow({"ForAllValues:StringEquals": {"aws:TagKeys": ["Owner"]}})], NO),
    ("any of the keys", [allow({"ForAnyValue:StringEquals": {"aws:TagKeys": ["Owner", "x"]}})], YES),
    ("any of other keys", [allow({"ForAnyValue:StringEquals": {"aws:TagKeys": ["x"]}})], NO),
    # times
    ("after a date", [allow({"DateGreaterThan": {"aws:CurrentTime": "2029-12-31T00:00:00Z"}})], YES),
    ("before a date that is over", [allow({"DateLessThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}})], NO),
    (
        "within a window",
        [
            allow(
                {
                    "DateGreaterThanEquals": {"aws:CurrentTime": "2030-01-01"},
                    "DateLessThan": {"aws:CurrentTime": "2031-01-01"},
                }
            )
        ],
        YES,
    ),
    ("seconds since 1970", [allow({"DateLessThan": {"aws:EpochTime": "1893499201"}})], YES),
    ("what is no date", [allow({"DateLessThan": {"aws:CurrentTime": "tomorrow"}})], NO),
    # addresses, numbers, truth
    ("an address range", [allow({"IpAddress": {"aws:SourceIp": "10.1.0.0/16"}})], YES),
    ("another range", [allow({"IpAddress": {"aws:SourceIp": ["10.2.0.0/16", "192.0.2.0/24"]}})], NO),
    ("a deny outside a range", [allow(), deny({"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}})], NEVER),
    ("a deny outside its range", [allow(), deny({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}})], YES),
    ("a number", [allow({"NumericLessThanEquals": {"drs:number": "7"}})], YES),
    ("a truth", [allow({"Bool": {"aws:SecureTransport": True}})], YES),
    ("an account", [allow({"StringEquals": {"aws:PrincipalAccount": "222222222222"}})], YES),
    # Not done: a permissions boundary is no identity policy; `decide` gets none, so nothing of it limits the role.
    ("a boundary is not evaluated", [allow()], YES),
    (
        "two conditions, of which one is false",
        [allow({"Bool": {"aws:SecureTransport": "true"}, "Null": {"aws:SourceIp": "true"}})],
        NO,
    ),
]


@pytest.mark.parametrize(("statements", "decision"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
@documented(ELEMENTS)
def test_resources_tags_dates_and_addresses_decide(statements: list[dict[str, Any]], decision: str) -> None:
    document = {"Statement": [{k: v for k, v in one.items() if v is not None} for one in statements]}
    assert decide([json.dumps(document)], "drs:StartRecovery", SERVER, CONTEXT) == PolicyDecision(decision)


def test_there_are_at_least_40_cases() -> None:
    assert len({case[0] for case in CASES}) >= 40


def role_with(*statements: dict[str, Any]) -> Any:
    """DRS as a role of the target account with these statements sees it."""
    role = plant_role(TARGET)
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    iam_backends[TARGET]["aws"].get_role("DRSOrchestrationRole").policies = {"only": document}
    return client(entered(role), "drs")


def seeded(rig: Rig) -> tuple[str, str]:
    """A server of production and one of the test environment."""
    there = Rig(rig.sandbox, account=TARGET)
    there.backend.initialize_service()
    (production,) = there.seed(tags={"Environment": "production"})
    (test,) = there.seed(tags={"Environment": "test"})
    return production, test


@documented(ACTIONS)
def test_a_role_that_may_not_touch_production_launches_the_test_servers_only(rig: Rig) -> None:
    production, test = seeded(rig)
    drs = role_with(allow(), BY_DRS, deny({"StringEquals": {"aws:ResourceTag/Environment": "production"}}))
    drs.start_recovery(sourceServers=[{"sourceServerID": test}], isDrill=True)
    with refused("AccessDeniedException") as refusal:
        drs.start_recovery(sourceServers=[{"sourceServerID": production}], isDrill=True)
    assert "explicit deny" in str(refusal.value)
    assert len(drs.describe_jobs()["items"]) == 1
    with refused("AccessDeniedException"):
        drs.get_launch_configuration(sourceServerID=production)


@documented(EVALUATION)
def test_one_denied_server_refuses_the_whole_job(rig: Rig) -> None:
    production, test = seeded(rig)
    arn = f"arn:aws:drs:{REGION}:{TARGET}:source-server/{production}"
    drs = role_with(allow(), deny(Resource=arn))
    with refused("AccessDeniedException"):
        drs.start_recovery(sourceServers=[{"sourceServerID": test}, {"sourceServerID": production}], isDrill=True)
    assert drs.describe_jobs()["items"] == []


@documented(ACTIONS)
def test_a_list_needs_a_statement_for_all_resources(rig: Rig) -> None:
    seeded(rig)
    drs = role_with(allow(Resource=f"arn:aws:drs:{REGION}:{TARGET}:source-server/*"))
    with refused("AccessDeniedException"):
        drs.describe_source_servers()


@documented(ELEMENTS)
def test_a_role_that_may_only_give_certain_tags_is_refused_others(rig: Rig) -> None:
    _, test = seeded(rig)
    drs = role_with(allow({"ForAllValues:StringEquals": {"aws:TagKeys": ["Owner"]}}), BY_DRS)
    drs.start_recovery(sourceServers=[{"sourceServerID": test}], isDrill=True, tags={"Owner": "team-1"})
    rig.advance(3000)  # within the session
    with refused("AccessDeniedException"):
        drs.start_recovery(sourceServers=[{"sourceServerID": test}], isDrill=True, tags={"Other": "x"})


@documented(ELEMENTS)
def test_a_permission_ends_at_its_date_by_the_simulated_clock(rig: Rig) -> None:
    seeded(rig)
    ends = DEFAULT_START.replace(hour=0, minute=30).isoformat()
    drs = role_with(allow({"DateLessThan": {"aws:CurrentTime": ends}}))
    drs.describe_source_servers()
    rig.advance(1801)
    with refused("AccessDeniedException"):
        drs.describe_source_servers()


@documented(ACTIONS)
def test_a_launch_demands_the_actions_that_drs_takes_in_the_callers_name(rig: Rig) -> None:
    _, test = seeded(rig)
    by_drs = {"Bool": {"aws:ViaAWSService": "true"}}
    needed = DEPENDENT_ACTIONS["StartRecovery"]
    assert len(needed) == 35
    for missing in needed:
        drs = role_with(
            allow(Action="drs:StartRecovery"), allow(by_drs, Action=[each for each in needed if each != missing])
        )
        with refused("AccessDeniedException") as refusal:
            drs.start_recovery(sourceServers=[{"sourceServerID": test}], isDrill=True)
        assert f"no identity-based policy allows the {missing} action" in str(refusal.value)
    drs = role_with(allow(Action=["drs:StartRecovery", "drs:DescribeJobs"]), allow(by_drs, Action=list(needed)))
    assert drs.describe_jobs()["items"] == []
    drs.start_recovery(sourceServers=[{"sourceServerID": test}], isDrill=True)


@documented(ACTIONS)
def test_tags_of_a_new_resource_demand_tagresource(rig: Rig) -> None:
    _, test = seeded(rig)
    drs = role_with(allow(), BY_DRS, deny(Action="drs:TagResource"))
    with refused("AccessDeniedException") as refusal:
        drs.start_recovery(sourceServers=[{"sourceServerID": test}], isDrill=True, tags={"Owner": "team-1"})
    assert "drs:TagResource with an explicit deny" in str(refusal.value)
    drs.start_recovery(sourceServers=[{"sourceServerID": test}], isDrill=True)


@documented(MANAGED)
def test_policies_of_aws_exist_and_decide_where_they_are_attached(rig: Rig) -> None:
    rig.sandbox.backend(TARGET, REGION).initialize_service()
    iam = client(entered(plant_role(TARGET, "Admin")), "iam")
    drs = client(entered(plant_role(TARGET, missing_actions=["*"])), "drs")
    with refused("AccessDeniedException"):
        drs.describe_jobs()
    iam.attach_role_policy(RoleName="DRSOrchestrationRole", PolicyArn=READ_ONLY)
    assert drs.describe_jobs()["items"] == []
    with refused("AccessDeniedException"):
        drs.start_recovery(sourceServers=[{"sourceServerID": "s-" + "1" * 17}])
    with refused("NoSuchEntity"):
        iam.attach_role_policy(RoleName="DRSOrchestrationRole", PolicyArn=READ_ONLY + "2")


@documented(MANAGED)
def test_policies_of_aws_are_listed_beside_those_of_the_account(rig: Rig) -> None:
    iam = rig.client("iam")
    own = iam.create_policy(
        PolicyName="own", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow()]})
    )
    assert [each["PolicyName"] for each in iam.list_policies(Scope="Local")["Policies"]] == ["own"]
    listed = {each["Arn"] for page in iam.get_paginator("list_policies").paginate() for each in page["Policies"]}
    assert {READ_ONLY, own["Policy"]["Arn"]} <= listed
    assert len(listed) > 1000


@documented(MANAGED)
@pytest.mark.parametrize(
    "name", ["AWSElasticDisasterRecoveryConsoleFullAccess", "AWSElasticDisasterRecoveryConsoleFullAccess_v2"]
)
def test_the_policy_of_aws_for_the_console_suffices_to_launch_and_to_terminate(rig: Rig, name: str) -> None:
    _, test = seeded(rig)
    client(entered(plant_role(TARGET, "Admin")), "iam").attach_role_policy(
        RoleName=plant_role(TARGET, missing_actions=["*"]).rsplit("/", 1)[-1],
        PolicyArn=READ_ONLY.replace("AWSElasticDisasterRecoveryReadOnlyAccess", name),
    )
    drs = client(entered(f"arn:aws:iam::{TARGET}:role/DRSOrchestrationRole"), "drs")
    drs.start_recovery(sourceServers=[{"sourceServerID": test}], isDrill=True)
    rig.advance(3000)  # within the session
    (instance,) = drs.describe_recovery_instances()["items"]
    drs.terminate_recovery_instances(recoveryInstanceIDs=[instance["recoveryInstanceID"]])


def test_the_published_policy_suffices_to_launch_and_to_terminate(rig: Rig) -> None:
    _, test = seeded(rig)
    role = plant_role(TARGET)
    iam_backends[TARGET]["aws"].get_role("DRSOrchestrationRole").policies = {"only": json.dumps(policy_document())}
    drs = client(entered(role), "drs")
    drs.start_recovery(sourceServers=[{"sourceServerID": test}], isDrill=True, tags={"Owner": "team-1"})
    rig.advance(3000)  # within the session
    (instance,) = drs.describe_recovery_instances()["items"]
    drs.terminate_recovery_instances(recoveryInstanceIDs=[instance["recoveryInstanceID"]])
