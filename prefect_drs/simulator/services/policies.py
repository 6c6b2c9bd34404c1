"""Evaluation of IAM policies: Allow, Deny, wildcards and conditions, for one action on one resource.

In: policy documents, an action, a resource, and the request's context. Out: a `PolicyDecision`, with the values of
SimulatePrincipalPolicy. An explicit Deny overrides; without any Allow the result is an implicit Deny. Conditions are in
`conditions`. Permissions boundaries, session policies and resource policies are not evaluated.

Sources: IAM user guide, "Policy evaluation logic", "IAM JSON policy elements" and "Condition operators".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends

from .conditions import Context, conditions_hold, filled, listed, matches


class PolicyDecision(StrEnum):
    """`PolicyEvaluationDecisionType` of IAM."""

    ALLOWED = "allowed"
    EXPLICIT_DENY = "explicitDeny"
    IMPLICIT_DENY = "implicitDeny"


class UnknownPrincipalError(LookupError):
    """The user or role does not exist."""


def decide(
    documents: Iterable[str | Mapping[str, Any]], action: str, resource: str | None, context: Context
) -> PolicyDecision:
    """The combined decision of these policies.

    Args:
        documents: identity policies.
        action: such as `drs:StartRecovery`.
        resource: an ARN or `*`; None if the resource is unknown: then an Allow counts for any resource, and a Deny only
            if it covers all resources.
        context: the request's context keys.
    """
    decision = PolicyDecision.IMPLICIT_DENY
    for document in documents:
        for statement in statements(document):
            if not _concerns(statement, "Action", action, re.IGNORECASE):
                continue
            if not _holds_for(statement, resource, context) or not conditions_hold(statement.get("Condition"), context):
                continue
            if statement.get("Effect") == "Deny":
                return PolicyDecision.EXPLICIT_DENY
            decision = PolicyDecision.ALLOWED
    return decision


def statements(document: str | Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """The statements of a policy document: JSON, URL-encoded or not, or values, which moto's CloudFormation stores."""
    return _parsed(document if isinstance(document, str) else json.dumps(document))


@lru_cache(maxsize=1024)
def _parsed(document: str) -> tuple[Mapping[str, Any], ...]:
    policy = json.loads(document if document.lstrip().startswith("{") else unquote(document))
    found = policy.get("Statement", []) if isinstance(policy, dict) else []
    return tuple(one for one in listed(found) if isinstance(one, dict))


def _concerns(statement: Mapping[str, Any], element: str, value: str, flags: int = 0) -> bool:
    if f"Not{element}" in statement:
        return not any(matches(str(pattern), value, flags) for pattern in listed(statement[f"Not{element}"]))
    return any(matches(str(pattern), value, flags) for pattern in listed(statement.get(element)))


def _holds_for(statement: Mapping[str, Any], resource: str | None, context: Context) -> bool:
    if resource is not None:
        element = "NotResource" if "NotResource" in statement else "Resource"
        patterns = [filled(str(pattern), context) for pattern in listed(statement.get(element))]
        concerned = any(matches(pattern, resource) for pattern in patterns if pattern is not None)
        return concerned != (element == "NotResource")
    return statement.get("Effect") != "Deny" or "*" in listed(statement.get("Resource"))


def policies_of(arn: str) -> list[str]:
    """The documents of the identity policies of a user (its groups' too) or a role, inline and attached.

    Raises:
        UnknownPrincipalError: no principal has this ARN.
    """
    parts = arn.split(":", 5)
    if len(parts) != 6 or not parts[4].isdigit():
        raise UnknownPrincipalError(arn)
    iam = iam_backends[parts[4]][parts[1]]
    if parts[5].startswith("role/"):
        try:
            return list(_documents(iam.get_role_by_arn(arn)))
        except NotFoundException:
            raise UnknownPrincipalError(arn) from None
    user = next((user for user in iam.users.values() if user.arn == arn), None)
    if user is None:
        raise UnknownPrincipalError(arn)
    owners = [user, *(group for group in iam.groups.values() if user in group.users)]
    return [document for owner in owners for document in _documents(owner)]


def _documents(owner: Any) -> Iterator[str]:
    yield from owner.policies.values()
    for managed in owner.managed_policies.values():
        yield from (version.document for version in managed.versions if version.is_default)
