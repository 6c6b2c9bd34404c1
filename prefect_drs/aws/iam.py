"""IAM for the preflight: the principal that calls, what it may do, and which instance profiles exist.

In: `Sessions` and a `Location`; IAM is the account's, the region only says which partition and endpoint. Out: plain
values, or an `AwsError`. Reads only.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefect_drs.aws.errors import NotFoundError, PermissionDeniedError, aws_call
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions

if TYPE_CHECKING:
    from mypy_boto3_iam.type_defs import ContextEntryTypeDef

RESULTS_A_PAGE = 1000  # SimulatePrincipalPolicy, MaxItems: 1 to 1000
ONE_BY_ONE_UP_TO = 8  # instance profiles read by name; more are read as a list


@dataclass(frozen=True, slots=True)
class Principal:
    """Who works in an account.

    Args:
        arn: from STS.
        policy_source: the user or role whose policies decide; None where none do, or where IAM cannot simulate them
            (federated users).
        unrestricted: no policy decides: the account's root user, or made-up keys of a simulator, which STS reports as
            `arn:…:sts::…:user/…`, a form that AWS has not.
    """

    arn: str
    policy_source: str | None
    unrestricted: bool = False


def principal_in(sessions: Sessions, location: Location) -> Principal:
    """Who works in that account: its user, or the role behind an assumed session.

    A session's ARN leaves out the role's path, so the role is read; where that is denied, it is taken to have no path.

    Raises:
        AwsError: the account could not be entered, or AWS could not be reached.
    """
    with aws_call("GetCallerIdentity", location.account_id, location.region):
        arn = str(sessions.client("sts", **location._asdict()).get_caller_identity()["Arn"])
    _, partition, service, _, account, resource = arn.split(":", 5)
    kind, _, rest = resource.partition("/")
    if resource == "root" or (service, kind) == ("sts", "user"):
        return Principal(arn, None, unrestricted=True)
    if kind != "assumed-role":
        return Principal(arn, arn if kind in {"user", "role"} else None)
    name = rest.split("/", 1)[0]
    try:
        with aws_call("GetRole", location.account_id, location.region):
            role = str(sessions.client("iam", **location._asdict()).get_role(RoleName=name)["Role"]["Arn"])
    except (PermissionDeniedError, NotFoundError):
        role = f"arn:{partition}:iam::{account}:role/{name}"
    return Principal(arn, role)


def denied_actions(
    sessions: Sessions, location: Location, policy_source: str, actions: Sequence[str]
) -> tuple[str, ...]:
    """Those of `actions` that the policies of a user or role do not allow, on any resource.

    Asked as if DRS made the calls in the caller's name in that region, so that a policy which allows some of them only
    so holds. A policy that names resources may count as denying: IAM is asked about `*`.

    Raises:
        AwsError: IAM refused to say, or could not be reached.
    """
    denied: list[str] = []
    with aws_call("SimulatePrincipalPolicy", location.account_id, location.region):
        paginator = sessions.client("iam", **location._asdict()).get_paginator("simulate_principal_policy")
        pages = paginator.paginate(
            PolicySourceArn=policy_source,
            ActionNames=list(actions),
            ContextEntries=_context(location.region),
            PaginationConfig={"PageSize": RESULTS_A_PAGE},
        )
        for page in pages:
            results: list[Any] = list(page["EvaluationResults"])
            denied += [item["EvalActionName"] for item in results if item["EvalDecision"] != "allowed"]
    return tuple(sorted(denied))


def _context(region: str) -> list[ContextEntryTypeDef]:
    """Values for the conditions of policies."""
    return [
        {"ContextKeyName": "aws:RequestedRegion", "ContextKeyValues": [region], "ContextKeyType": "string"},
        {"ContextKeyName": "aws:ViaAWSService", "ContextKeyValues": ["true"], "ContextKeyType": "boolean"},
        {
            "ContextKeyName": "iam:PassedToService",
            "ContextKeyValues": ["ec2.amazonaws.com"],
            "ContextKeyType": "string",
        },
    ]


def existing_profiles(sessions: Sessions, location: Location, names: Collection[str]) -> frozenset[str]:
    """Those of `names` that are instance profiles of the account.

    Raises:
        AwsError: IAM refused to say, or could not be reached.
    """
    client = sessions.client("iam", **location._asdict())
    if len(names) > ONE_BY_ONE_UP_TO:
        with aws_call("ListInstanceProfiles", location.account_id, location.region):
            pages = client.get_paginator("list_instance_profiles").paginate(
                PaginationConfig={"PageSize": RESULTS_A_PAGE}
            )
            there = {item["InstanceProfileName"] for page in pages for item in page["InstanceProfiles"]}
            return frozenset(there & set(names))
    found = set()
    for name in sorted(names):
        try:
            with aws_call("GetInstanceProfile", location.account_id, location.region):
                client.get_instance_profile(InstanceProfileName=name)
        except NotFoundError:
            continue
        found.add(name)
    return frozenset(found)
