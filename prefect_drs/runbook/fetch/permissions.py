"""What IAM allows the principals that work in the accounts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from prefect_drs.aws.iam import denied_actions, principal_in
from prefect_drs.aws.location import Location
from prefect_drs.aws.parallel import map_parallel
from prefect_drs.aws.permissions import needed_actions
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import AwsError
from prefect_drs.plan.checks import check_type
from prefect_drs.runbook.model import RunbookWave
from prefect_drs.runbook.preflight_input import PermissionCheck


def read_permissions(
    sessions: Sessions, waves: Iterable[RunbookWave], locations: Iterable[Location]
) -> tuple[PermissionCheck, ...]:
    """What IAM says of the principal in each account: one question an account, asked in one of its regions.

    Args:
        sessions: the way into the accounts.
        waves: their checks and hooks need actions beside those of every plan.
        locations: accounts and regions that could be entered.
    """
    kinds = _check_types(waves)
    entered: dict[str, Location] = {}
    for location in sorted(locations):
        entered.setdefault(location.account_id, location)

    def read(location: Location) -> PermissionCheck:
        return _permission_check(sessions, location, needed_actions(kinds[location.account_id]))

    return tuple(map_parallel(read, entered.values(), sessions.workers))


def _check_types(waves: Iterable[RunbookWave]) -> dict[str, set[str]]:
    """The types of checks and hooks that are run in each account."""
    kinds: dict[str, set[str]] = defaultdict(set)
    for wave in waves:
        accounts = {server.account_id for server in wave.servers}
        for account in accounts:
            kinds[account].update(check_type(check) for check in wave.health_checks)
        for hook in (*wave.pre_wave, *wave.post_wave):
            account_id = getattr(hook, "account_id", None)
            for account in {account_id} if account_id else accounts:
                kinds[account].add(check_type(hook))
    return kinds


def _permission_check(sessions: Sessions, location: Location, needed: Sequence[str]) -> PermissionCheck:
    try:
        principal = principal_in(sessions, location)
        if principal.unrestricted:
            return PermissionCheck(location, principal)
        if principal.policy_source is None:
            return PermissionCheck(location, principal, failure=f"IAM cannot simulate the policies of {principal.arn}")
        return PermissionCheck(location, principal, denied_actions(sessions, location, principal.policy_source, needed))
    except AwsError as error:
        return PermissionCheck(location, None, failure=error.message)
