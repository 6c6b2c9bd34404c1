"""Permission checks for calls of assumed roles, and IAM's SimulatePrincipalPolicy with the same evaluation.

In: a session, the action of its call and, of DRS, its resources. Out: nothing, or `NotPermittedError` with AWS's
message. The caller's own dummy keys have all permissions. The resource of a call to another service is unknown here:
see `policies.decide`.
"""

from __future__ import annotations

from typing import Any

from moto.core.common_types import TYPE_RESPONSE
from moto.core.responses import ActionResult
from moto.iam.exceptions import NotFoundException, ValidationError
from moto.iam.responses import IamResponse

from ..runtime import current
from ..sessions import Session
from .dependent_actions import DEPENDENT_ACTIONS
from .drs_resources import UNKNOWN, Asked
from .managed_policies import ensure_managed_policies
from .policies import PolicyDecision, UnknownPrincipalError, decide, policies_of

ALWAYS_ALLOWED = frozenset({"sts:GetCallerIdentity", "sts:GetSessionToken"})
"""What no policy can deny, or needs to allow (STS API reference)."""
TAG = "drs:TagResource"
"""What a call that gives tags demands beside its own action."""
BY_DRS = {
    "aws:viaawsservice": ["true"],
    "aws:calledvia": ["drs.amazonaws.com"],
    "aws:resourcetag/awselasticdisasterrecoverymanaged": ["drs.amazonaws.com"],
    "ec2:resourcetag/awselasticdisasterrecoverymanaged": ["drs.amazonaws.com"],
    "aws:requesttag/awselasticdisasterrecoverymanaged": ["drs.amazonaws.com"],
    "ec2:createaction": ["RunInstances"],
    "iam:passedtoservice": ["ec2.amazonaws.com"],
}
"""Condition keys of what DRS does in the caller's name, as AWS's own policies for DRS ask for them: its resources are
tagged, and the role that it passes is that of an instance."""
DEFAULT_PAGE = 100
LARGEST_PAGE = 1000
"""Results of SimulatePrincipalPolicy a page (MaxItems)."""


class NotPermittedError(Exception):
    """The role lacks the permission. Each service has its own error code for it."""


def check(session: Session, service: str, operation: str, region: str, asked: Asked = UNKNOWN) -> None:
    """Check the permissions of an assumed role's call: of its action, for each resource, and of dependent actions.

    Raises:
        NotPermittedError: its policies do not allow an action, or deny it.
    """
    action = f"{service}:{operation}"
    if action in ALWAYS_ALLOWED:
        return
    try:
        documents = policies_of(session.role_arn)
    except UnknownPrincipalError:
        documents = []
    context = _context(session, region, asked)
    for arn, tags in asked.resources:
        of_resource = {**context, **{f"aws:resourcetag/{key.lower()}": [value] for key, value in tags.items()}}
        _demand(session, action, decide(documents, action, arn, of_resource))
    if service == "drs":
        if asked.request_tags:
            _demand(session, TAG, decide(documents, TAG, None, context))
        by_drs = {**context, **BY_DRS}
        for dependent in DEPENDENT_ACTIONS.get(operation, ()):
            _demand(session, dependent, decide(documents, dependent, None, by_drs))


def _demand(session: Session, action: str, decision: PolicyDecision) -> None:
    if decision is PolicyDecision.ALLOWED:
        return
    partition, account, role = session.role_arn.split(":")[1], session.account_id, session.role_arn.rsplit("/", 1)[-1]
    because = (
        "with an explicit deny in an identity-based policy"
        if decision is PolicyDecision.EXPLICIT_DENY
        else f"because no identity-based policy allows the {action} action"
    )
    raise NotPermittedError(
        f"User: arn:{partition}:sts::{account}:assumed-role/{role}/{session.name} is not authorized to perform: "
        f"{action} {because}"
    )


def _context(session: Session, region: str, asked: Asked) -> dict[str, list[str]]:
    """The condition keys of a call. Its source address is the loopback, where the sandbox listens."""
    now = current().now()
    context = {
        "aws:requestedregion": [region],
        "aws:viaawsservice": ["false"],
        "aws:currenttime": [now.isoformat(timespec="seconds")],
        "aws:epochtime": [str(int(now.timestamp()))],
        "aws:sourceip": ["127.0.0.1"],
        "aws:principalaccount": [session.account_id],
        "aws:principalarn": [session.role_arn],
        "aws:principaltype": ["AssumedRole"],
        **{f"aws:requesttag/{key.lower()}": [str(value)] for key, value in asked.request_tags.items()},
    }
    if asked.request_tags:
        context["aws:tagkeys"] = list(asked.request_tags)
    return context


class SandboxIAMResponse(IamResponse):
    """IAM with SimulatePrincipalPolicy and AWS's managed policies."""

    def call_action(self) -> TYPE_RESPONSE:
        """Any operation, after the managed policies that it names or lists are in place."""
        ensure_managed_policies(self.backend, self._get_action(), str(self._get_param("PolicyArn") or ""))
        return super().call_action()

    def simulate_principal_policy(self) -> ActionResult:
        """SimulatePrincipalPolicy: the policies of a user (with its groups) or a role, with pagination."""
        context = {
            str(entry["ContextKeyName"]).lower(): [str(value) for value in entry.get("ContextKeyValues", [])]
            for entry in self._get_param("ContextEntries", [])
        }
        arn = str(self._get_param("PolicySourceArn"))
        try:
            documents = policies_of(arn)
        except UnknownPrincipalError:
            raise NotFoundException(f"The user or role with name {arn.rsplit('/', 1)[-1]} cannot be found.") from None
        documents += self._get_param("PolicyInputList", [])
        asked = [
            (action, resource)
            for action in self._get_param("ActionNames", [])
            for resource in self._get_param("ResourceArns", []) or ["*"]
        ]
        marker, size = self._get_param("Marker") or "0", int(self._get_param("MaxItems") or DEFAULT_PAGE)
        if not marker.isdigit() or not 1 <= size <= LARGEST_PAGE:
            raise ValidationError(f"Marker {marker!r} or MaxItems {size} is not valid.")
        end = int(marker) + size
        result: dict[str, Any] = {
            "EvaluationResults": [
                {
                    "EvalActionName": action,
                    "EvalResourceName": resource,
                    "EvalDecision": decide(documents, action, resource, context).value,
                    "MatchedStatements": [],
                    "MissingContextValues": [],
                }
                for action, resource in asked[int(marker) : end]
            ],
            "IsTruncated": len(asked) > end,
        }
        if len(asked) > end:
            result["Marker"] = str(end)
        return ActionResult(result)
