"""AssumeRole with AWS's checks: the role exists, its trust policy names the caller, its conditions are met.

moto issues a session to any caller for any role; this check runs first. In: the caller, the role, the ExternalId. Out:
nothing, or `AssumeRoleDeniedError` with STS's message. The only condition key in the request's context is
sts:ExternalId.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends
from moto.sts.models import STSBackend
from moto.utilities.utils import get_partition

from ..faults import OptInFault
from ..runtime import current
from .conditions import conditions_hold, listed, matches
from .policies import statements


class AssumeRoleDeniedError(Exception):
    """STS's AccessDenied. Like AWS's message, it does not say which of the checks failed."""

    code = "AccessDenied"
    status = 403


class RegionDisabledError(AssumeRoleDeniedError):
    """STS's RegionDisabledException: the region must be enabled for the role's account."""

    code = "RegionDisabledException"


class SessionTooLongError(AssumeRoleDeniedError):
    """STS's ValidationError: longer than the role's MaxSessionDuration."""

    code = "ValidationError"
    status = 400


def check(
    backend: STSBackend, access_key: str, region: str, role_arn: str, external_id: str | None, seconds: int
) -> None:
    """Check that the caller may assume the role.

    Raises:
        AssumeRoleDeniedError: no such role, not trusted, or another ExternalId than the policy requires.
        RegionDisabledError: the call went to STS in a region that is not enabled for the role's account.
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
    if not trusts(role.assume_role_policy_document, caller_arn, caller_account, external_id):
        raise denied
    if current().faults.hit(OptInFault, parts[4], region) is not None:
        raise RegionDisabledError(
            f"STS is not activated in this region for account:{parts[4]}. Your account administrator can activate STS "
            "in this region using the IAM Console."
        )
    if seconds > int(role.max_session_duration or 3600):
        raise SessionTooLongError("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")


def trusts(policy: str | Mapping[str, Any], caller_arn: str, caller_account: str, external_id: str | None) -> bool:
    """Whether a trust policy allows a caller: a matching Allow, and no matching Deny."""
    context = {} if external_id is None else {"sts:externalid": [external_id]}
    effects = {
        statement.get("Effect")
        for statement in statements(policy)
        if any(matches(action, "sts:AssumeRole", re.IGNORECASE) for action in listed(statement.get("Action")))
        and _names(statement.get("Principal"), caller_arn, caller_account)
        and conditions_hold(statement.get("Condition"), context)
    }
    return effects == {"Allow"}


def _names(principal: Any, caller_arn: str, caller_account: str) -> bool:
    if principal == "*":
        return True
    for named in listed(principal.get("AWS") if isinstance(principal, dict) else None):
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
