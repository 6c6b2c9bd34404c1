"""Whether the accounts could be looked at, and what the roles in them lack."""

from __future__ import annotations

from collections.abc import Iterator

from prefect_drs.runbook.preflight_input import PreflightInput
from prefect_drs.runbook.rules.rule import Observation, rule


@rule(
    "UNCHECKED",
    what="something could not be read: network, credentials, role, region, DRS not initialised",
    remedy="the message names account, region, call and remedy",
)
def everything_could_be_read(preflight: PreflightInput) -> Iterator[Observation]:
    """What could not be read refuses: there is no silence in preflight."""
    for unread in preflight.unread:
        yield Observation(unread.message, unread.location, unread.source_server_id)
    for location, facts in sorted(preflight.facts.items()):
        for failure in facts.failures:
            yield Observation(f"{location}: {failure.message}", location)


@rule(
    "PERMISSION_MISSING",
    what="the policies of the role (or user) that works in the account do not allow an action that the plan needs",
    remedy="allow the actions that are named, see [permissions.md](permissions.md). IAM is asked for all resources: "
    "where a policy allows an action on some only, and these are the right ones, waive it",
    waivable=True,
)
def roles_may_do_what_is_needed(preflight: PreflightInput) -> Iterator[Observation]:
    """Who works in an account may do all that the plan needs there."""
    for permission in preflight.permissions:
        if permission.denied and permission.principal is not None:
            yield Observation(
                f"{permission.principal.policy_source} in account {permission.location.account_id} lacks "
                f"{len(permission.denied)} permission(s): {', '.join(permission.denied)}; allow them in its policies "
                "(docs/permissions.md)",
                permission.location,
            )


@rule(
    "IAM_UNCHECKED",
    what="IAM could not be asked, or does not say: permissions or instance profiles are not checked",
    remedy="allow `iam:SimulatePrincipalPolicy`, `iam:GetRole`, `iam:GetInstanceProfile` and "
    "`iam:ListInstanceProfiles`; where IAM itself is down, waive it",
    waivable=True,
)
def iam_could_be_asked(preflight: PreflightInput) -> Iterator[Observation]:
    """Permissions and instance profiles could be looked at."""
    for permission in preflight.permissions:
        if permission.failure:
            yield Observation(
                f"account {permission.location.account_id}: permissions are not checked: {permission.failure}",
                permission.location,
            )
    for location, facts in sorted(preflight.facts.items()):
        if facts.iam_failure is not None:
            yield Observation(
                f"account {location.account_id}: instance profiles are not checked: {facts.iam_failure.message}",
                location,
            )
