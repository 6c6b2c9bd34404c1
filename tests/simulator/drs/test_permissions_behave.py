"""What a role lacks: refused by each service in its own form, and told by IAM's simulation."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from moto.iam.models import iam_backends

from prefect_drs.aws.assume_role import caller_session
from prefect_drs.aws.iam import denied_actions
from prefect_drs.aws.location import Location
from prefect_drs.aws.permissions import needed_actions
from prefect_drs.aws.sessions import Sessions
from prefect_drs.simulator import Sandbox, mock_drs, plant_role
from prefect_drs.simulator.services.conditions import conditions_hold
from prefect_drs.simulator.services.policies import PolicyDecision, decide

from .documented import documented
from .rig import NO_RETRIES, REGION, Rig, refused

TARGET = "222222222222"
EVALUATION = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html"
SIMULATION = "https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html"
OPT_IN = "https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html"
STS_REGIONS = "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_enable-regions.html"
CALLS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "drs": ("describe_source_servers", "AccessDeniedException", {}),
    "ec2": ("describe_subnets", "UnauthorizedOperation", {}),
    "iam": ("list_roles", "AccessDenied", {}),
    "ssm": ("describe_parameters", "AccessDeniedException", {}),
    "sns": ("list_topics", "AuthorizationError", {}),
    "sqs": ("list_queues", "AccessDeniedException", {}),
    "events": ("list_rules", "AccessDeniedException", {}),
}


def entered(role_arn: str, region: str = REGION) -> boto3.Session:
    sts = caller_session().client("sts", region_name=region, config=NO_RETRIES)
    got = sts.assume_role(RoleArn=role_arn, RoleSessionName="test")["Credentials"]
    return caller_session(
        aws_access_key_id=got["AccessKeyId"],
        aws_secret_access_key=got["SecretAccessKey"],
        aws_session_token=got["SessionToken"],
        region_name=region,
    )


def client(session: boto3.Session, service: str) -> Any:
    return session.client(service, config=NO_RETRIES)  # type: ignore[call-overload]


@pytest.mark.parametrize("service", CALLS)
@documented(EVALUATION)
def test_a_denied_action_is_refused_in_the_form_of_the_service(rig: Rig, service: str) -> None:
    method, code, params = CALLS[service]
    rig.sandbox.backend(TARGET, REGION).initialize_service()
    session = entered(plant_role(TARGET))
    getattr(client(session, service), method)(**params)
    plant_role(TARGET, missing_actions=[f"{service}:*"])
    with refused(code) as refusal:
        getattr(client(session, service), method)(**params)
    action = service + ":" + "".join(word.capitalize() for word in method.split("_"))
    told = f"assumed-role/DRSOrchestrationRole/test is not authorized to perform: {action}"
    assert told in str(refusal.value)


@documented(EVALUATION)
def test_a_role_without_any_policy_may_only_call_get_caller_identity(rig: Rig) -> None:
    role = plant_role(TARGET)
    session = entered(role)
    iam_backends[TARGET]["aws"].get_role("DRSOrchestrationRole").policies.clear()
    assert client(session, "sts").get_caller_identity()["Account"] == TARGET
    with refused("UnauthorizedOperation"):
        client(session, "ec2").describe_subnets()


@documented(EVALUATION)
def test_an_explicit_deny_wins_over_every_allow(rig: Rig) -> None:
    session = entered(plant_role(TARGET))
    deny = {"Statement": {"Effect": "Deny", "Action": "ec2:describe*", "Resource": "*"}}
    boto3_iam = client(session, "iam")
    policy = boto3_iam.create_policy(
        PolicyName="no", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [deny["Statement"]]})
    )["Policy"]["Arn"]
    boto3_iam.attach_role_policy(RoleName="DRSOrchestrationRole", PolicyArn=policy)
    with refused("UnauthorizedOperation") as refusal:
        client(session, "ec2").describe_subnets()
    assert "explicit deny" in str(refusal.value)


def test_a_refused_call_changes_nothing_and_is_observed_with_its_code(rig: Rig) -> None:
    rig.sandbox.backend(TARGET, REGION).initialize_service()
    session = entered(plant_role(TARGET, missing_actions=["drs:StartRecovery"]))
    with refused("AccessDeniedException"):
        client(session, "drs").start_recovery(sourceServers=[{"sourceServerID": "s-" + "1" * 17}])
    assert rig.sandbox.calls[-1].code == "AccessDeniedException"


@documented(SIMULATION)
def test_iam_simulates_what_the_policies_of_a_role_decide(rig: Rig) -> None:
    role = plant_role(TARGET, missing_actions=["drs:Start*"])
    iam = client(entered(role), "iam")
    iam.put_role_policy(
        RoleName="DRSOrchestrationRole",
        PolicyName="no",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Deny", "Action": "ec2:RunInstances", "Resource": "*"}],
            }
        ),
    )
    actions = ["drs:StartRecovery", "drs:DescribeJobs", "ec2:RunInstances"]
    told = iam.simulate_principal_policy(PolicySourceArn=role, ActionNames=actions)["EvaluationResults"]
    assert {one["EvalActionName"]: one["EvalDecision"] for one in told} == {
        "drs:StartRecovery": "implicitDeny",
        "drs:DescribeJobs": "allowed",
        "ec2:RunInstances": "explicitDeny",
    }
    assert {one["EvalResourceName"] for one in told} == {"*"}


@documented(SIMULATION)
def test_the_simulation_is_paginated_and_refused_for_a_missing_role(rig: Rig) -> None:
    role = plant_role(TARGET)
    iam = client(entered(role), "iam")
    actions = [f"drs:Action{number}" for number in range(5)]
    paginator = iam.get_paginator("simulate_principal_policy")
    pages = list(paginator.paginate(PolicySourceArn=role, ActionNames=actions, PaginationConfig={"PageSize": 2}))
    assert [one["EvalActionName"] for page in pages for one in page["EvaluationResults"]] == actions
    assert len(pages) == 3
    with refused("NoSuchEntity"):
        iam.simulate_principal_policy(PolicySourceArn=role + "2", ActionNames=actions)


def test_the_preflight_of_prefect_drs_names_what_a_role_lacks(rig: Rig) -> None:
    sessions = Sessions(session=caller_session(region_name=REGION))
    location = Location(TARGET, REGION)
    actions = needed_actions()
    assert denied_actions(sessions, location, plant_role(TARGET), actions) == ()
    role = plant_role(TARGET, missing_actions=["ec2:CreateTags", "drs:StartRecovery"])
    assert denied_actions(sessions, location, role, actions) == ("drs:StartRecovery", "ec2:CreateTags")


def policy(**statement: Any) -> str:
    return json.dumps({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", **statement}]})


SERVER = "arn:aws:drs:eu-west-1:222222222222:source-server/s-1"


@pytest.mark.parametrize(
    ("document", "resource", "decision"),
    [
        (policy(Action="DRS:start?ecovery"), "*", "allowed"),
        (policy(Action=["ec2:*", "drs:Describe*"]), "*", "implicitDeny"),
        (policy(Resource="arn:aws:drs:*:*:source-server/*"), SERVER, "allowed"),
        (policy(Resource="arn:aws:drs:*:*:source-server/*"), "*", "implicitDeny"),
        (policy(NotResource="arn:aws:drs:*:*:job/*"), SERVER, "allowed"),
        (policy(Resource="arn:aws:drs:*:*:source-server/*"), None, "allowed"),
        (policy(Effect="Deny", Resource=SERVER), None, "implicitDeny"),
        (policy(Effect="Deny"), None, "explicitDeny"),
        (policy(Condition={"StringEquals": {"aws:RequestedRegion": ["eu-west-1", "eu-west-2"]}}), "*", "allowed"),
        (policy(Condition={"StringNotLike": {"AWS:requestedregion": "eu-*"}}), "*", "implicitDeny"),
        (policy(Condition={"DateGreaterThan": {"aws:CurrentTime": "2020-01-01"}}), "*", "implicitDeny"),
    ],
)
def test_a_policy_is_read_as_iam_reads_it(document: str, resource: str | None, decision: str) -> None:
    context = {"aws:requestedregion": ["eu-west-1"]}
    assert decide([document], "drs:StartRecovery", resource, context) == PolicyDecision(decision)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"StringEquals": {"aws:other": "a"}}, False),
        ({"StringEqualsIfExists": {"aws:other": "a"}}, True),
        ({"StringNotEquals": {"aws:other": "a"}}, True),
        ({"Null": {"aws:other": "true"}}, True),
        ({"Null": {"aws:key": "true"}}, False),
        ({"Bool": {"aws:key": "Value"}}, True),
        ({"ForAnyValue:StringLike": {"aws:key": ["x", "val*"]}}, True),
        ({"StringEquals": {"aws:key": "value"}, "StringLike": {"aws:key": "x*"}}, False),
    ],
)
def test_a_condition_holds_as_iam_lets_it_hold(condition: dict[str, Any], holds: bool) -> None:
    assert conditions_hold(condition, {"aws:key": ["value"]}) is holds


@pytest.mark.parametrize("service", CALLS)
@documented(OPT_IN)
def test_an_accounts_credentials_are_unknown_in_a_region_that_is_not_enabled(rig: Rig, service: str) -> None:
    method, _, params = CALLS[service]
    codes = {"ec2": "AuthFailure", "iam": "InvalidClientTokenId", "sns": "InvalidClientTokenId"}
    session = entered(plant_role(TARGET))
    rig.sandbox.faults.add({"kind": "opt-in", "account": TARGET, "region": REGION})
    with refused(codes.get(service, "UnrecognizedClientException")):
        getattr(client(session, service), method)(**params)


@documented(STS_REGIONS)
def test_sts_gives_no_session_where_the_region_is_not_enabled_for_the_account_of_the_role(rig: Rig) -> None:
    role = plant_role(TARGET)
    rig.sandbox.faults.add({"kind": "opt-in", "account": TARGET, "region": "ap-east-1"})
    with refused("RegionDisabledException"):
        entered(role, "ap-east-1")
    assert client(entered(role), "sts").get_caller_identity()["Account"] == TARGET


def test_without_checks_of_roles_policies_are_not_asked_either() -> None:
    with mock_drs(checks_assume_role=False, default_images=False) as sandbox:
        assert isinstance(sandbox, Sandbox)
        session = entered(f"arn:aws:iam::{TARGET}:role/none")
        assert client(session, "ec2").describe_subnets()["Subnets"]
