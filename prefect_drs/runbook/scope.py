"""The scope of a plan: the accounts and regions of its groups.

In: a manifest and one of its plans. Out: a `PlanScope`. The only call reads the caller's own account id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.plan.model import Manifest, RecoveryPlan


@dataclass(frozen=True, slots=True)
class PlanScope:
    """The accounts and regions that a plan concerns.

    Args:
        locations: the account and region of every group of the manifest, by group name.
        planned: the names of the plan's groups, in the order of its waves.
    """

    locations: Mapping[str, Location]
    planned: tuple[str, ...]

    @property
    def planned_locations(self) -> list[Location]:
        """The accounts and regions of the plan's groups, sorted."""
        return sorted({self.locations[name] for name in self.planned})


def scope_of(manifest: Manifest, plan: RecoveryPlan, sessions: Sessions) -> PlanScope:
    """The accounts and regions of the groups; a group without an account is in the caller's own.

    Raises:
        AwsError: the caller's own identity could not be read.
        KeyError: the plan names a group that the manifest does not have.
    """
    groups = {group.group_name: group for group in manifest.protection_groups}
    planned = tuple(dict.fromkeys(name for wave in plan.waves for name in wave.groups))
    own = sessions.caller_account_by(groups[name].region for name in planned)
    return PlanScope({name: Location(group.account_id or own, group.region) for name, group in groups.items()}, planned)
