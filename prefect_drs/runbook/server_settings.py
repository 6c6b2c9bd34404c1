"""The launch settings of a plan's servers: what the account has now, what results with the plan, and what changes.

In: the members of a plan and their `LaunchState`s. Out: settings by server. Each step is one function over all servers,
and none makes a call. A server whose launch configuration could not be read has no current settings and no changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prefect_drs.aws.current_settings import current_settings
from prefect_drs.aws.launch_configuration import LaunchState, changes
from prefect_drs.plan.effective import EffectiveValue, effective
from prefect_drs.plan.model import LaunchSettings
from prefect_drs.runbook.members import MemberKey, Members
from prefect_drs.runbook.model import PlannedChange

_UNKNOWN = LaunchSettings()


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """One server's settings.

    Args:
        planned: what the plan gives it.
        effective: all that it is launched with, by the manifest's words, each value with its origin.
    """

    planned: LaunchSettings
    effective: dict[str, EffectiveValue]


def current_settings_of(states: Mapping[str, LaunchState]) -> dict[str, LaunchSettings]:
    """What the account has for each server now, by source server id."""
    return {server_id: current_settings(state) for server_id, state in states.items()}


def effective_settings(members: Members, current: Mapping[str, LaunchSettings]) -> dict[MemberKey, ServerSettings]:
    """The plan's settings laid over the current ones.

    Args:
        members: the plan's servers.
        current: current settings by source server id.
    """
    return {
        key: ServerSettings(
            group.settings_for(*server.references),
            effective(group, *server.references, account=current.get(server.source_server_id, _UNKNOWN)),
        )
        for key, group, server in members
    }


def planned_changes(
    settings: Mapping[MemberKey, ServerSettings], states: Mapping[str, LaunchState]
) -> dict[MemberKey, tuple[PlannedChange, ...]]:
    """What the plan's settings change in the launch configurations and launch templates.

    Args:
        settings: by server.
        states: launch states by source server id.
    """
    return {
        key: tuple(
            PlannedChange(part=change.part, field=change.field, before=change.before, after=change.after)
            for change in changes(states[key.source_server_id], each.planned)
        )
        for key, each in settings.items()
        if key.source_server_id in states
    }
