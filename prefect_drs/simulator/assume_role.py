"""AssumeRole as AWS decides it: the role exists, its trust policy names the caller, its conditions hold.

moto gives a session to anybody for any role; this stands in front of it. In: who calls, which role, which ExternalId.
Out: nothing, or `AssumeRoleDeniedError` in the words of STS. What a policy asks that is not known here (a condition
on anything but sts:ExternalId) is never taken to hold.
"""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote

from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends
from moto.sts.models import STSBackend
from moto.utilities.utils import get_partition


class AssumeRoleDeniedError(Exception):
    """STS's AccessDenied. The text is the one that a caller sees: it does not say which of the checks failed."""

    code = "AccessDenied"
    status = 403


class SessionTooLongError(AssumeRoleDeniedError):
    """STS's ValidationError: longer than the role's MaxSessionDuration."""

    code = "ValidationError"
    status = 400


def check(
    backend: STSBackend, access_key: str, region: str, role_arn: str, external_id: str | None, seconds: int
) -> None:
    """Let the caller assume the role, or not.

    Raises:
        AssumeRoleDeniedError: no such role, not trusted, or another ExternalId than the policy asks for.
        SessionTooLongError: more seconds than the role allows.
    """
    _, caller_arn, caller_account = backend.get_caller_identity(access_key, region)
    denied = AssumeRoleDeniedError(
        f"User: {caller_arn} is not authorized to perform: sts:AssumeRole on resource: {role_arn}"
    )
    parts = role_arn.split(":", 5)
    if len(parts) != 6 or not parts[4].isdigit():
        raise denied
    try:
        role = iam_backends[parts[4]][get_partition(region)].get_role_by_arn(role_arn)
    except NotFoundException:
        raise denied from None
    document = role.assume_role_policy_document
    policy = json.loads(unquote(document)) if isinstance(document, str) else document
    if not trusts(policy, caller_arn, caller_account, external_id):
        raise denied
    if seconds > int(role.max_session_duration or 3600):
        raise SessionTooLongError("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")


def trusts(policy: Any, caller_arn: str, caller_account: str, external_id: str | None) -> bool:
    """Whether a trust policy lets a caller in: an Allow that holds, and no Deny that does."""
    statements = policy.get("Statement", []) if isinstance(policy, dict) else []
    allowed = False
    for statement in statements if isinstance(statements, list) else [statements]:
        if not any(fnmatchcase("sts:AssumeRole", action) for action in _listed(statement.get("Action"))):
            continue
        if not _names(statement.get("Principal"), caller_arn, caller_account):
            continue
        if not _conditions_hold(statement.get("Condition") or {}, external_id):
            continue
        if statement.get("Effect") == "Deny":
            return False
        allowed = allowed or statement.get("Effect") == "Allow"
    return allowed


def _listed(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [] if value is None else [str(value)]


def _names(principal: Any, caller_arn: str, caller_account: str) -> bool:
    if principal == "*":
        return True
    for named in _listed(principal.get("AWS") if isinstance(principal, dict) else None):
        if named in ("*", caller_account, caller_arn):
            return True
        if named.endswith(f"::{caller_account}:root"):
            return True
        if ":role/" in named and _role_of(named) == _role_of(caller_arn):
            return True
    return False


def _role_of(arn: str) -> tuple[str, str] | None:
    """Account and role name of a role, or of a session of it."""
    *_, account, resource = arn.split(":", 5)
    kind, _, rest = resource.partition("/")
    if kind == "role":
        return account, rest.rsplit("/", 1)[-1]
    if kind == "assumed-role":
        return account, rest.split("/", 1)[0]
    return None


def _conditions_hold(conditions: dict[str, dict[str, Any]], external_id: str | None) -> bool:
    for operator, asked in conditions.items():
        for key, values in asked.items():
            if key.lower() != "sts:externalid" or external_id is None:
                return False
            if operator in {"StringEquals", "ForAnyValue:StringEquals"}:
                holds = external_id in _listed(values)
            elif operator in {"StringLike", "ForAnyValue:StringLike"}:
                holds = any(fnmatchcase(external_id, pattern) for pattern in _listed(values))
            elif operator == "StringNotEquals":
                holds = external_id not in _listed(values)
            else:
                holds = False
            if not holds:
                return False
    return True
