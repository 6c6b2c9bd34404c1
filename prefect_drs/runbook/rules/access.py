"""Access to the accounts, and missing permissions of the roles in them."""

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
    """Everything that the preflight needs could be read."""
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
    """The role (or user) that works in an account has the permissions that the plan needs."""
    for check in preflight.permissions:
        if check.denied and check.principal is not None:
            yield Observation(
                f"{check.principal.policy_source} in account {check.location.account_id} lacks "
                f"{len(check.denied)} permission(s): {', '.join(check.denied)}; allow them in its policies "
                "(docs/permissions.md)",
                check.location,
            )


@rule(
    "IAM_UNCHECKED",
    what="IAM could not be read: permissions or instance profiles are not checked",
    remedy="allow `iam:SimulatePrincipalPolicy`, `iam:GetRole`, `iam:GetInstanceProfile` and "
    "`iam:ListInstanceProfiles`; where IAM itself is down, waive it",
    waivable=True,
)
def iam_could_be_asked(preflight: PreflightInput) -> Iterator[Observation]:
    """Permissions and instance profiles could be read."""
    for check in preflight.permissions:
        if check.failure:
            yield Observation(
                f"account {check.location.account_id}: permissions are not checked: {check.failure}",
                check.location,
            )
    for location, facts in sorted(preflight.facts.items()):
        if facts.iam_failure is not None:
            yield Observation(
                f"account {location.account_id}: instance profiles are not checked: {facts.iam_failure.message}",
                location,
            )
