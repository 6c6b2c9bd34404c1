"""Answers on launch settings: a server's effective settings, and how they differ from its account."""

from __future__ import annotations

from datetime import datetime

from pydantic import JsonValue

from prefect_drs.aws.launch_configuration import LaunchState, SettingChange
from prefect_drs.core.models import FrozenModel
from prefect_drs.plan.effective import EffectiveValue


class SettingDifference(FrozenModel):
    """A setting whose value in the account (`actual`) is not what the group says (`wanted`)."""

    part: str
    field: str
    actual: JsonValue
    wanted: JsonValue

    @classmethod
    def of(cls, change: SettingChange) -> SettingDifference:
        """From what a sync would change."""
        return cls(part=change.part, field=change.field, actual=change.before, wanted=change.after)


class TemplateVersion(FrozenModel):
    """The launch template's default version: what the account launches from, and since when."""

    template_id: str
    version: int
    created_at: datetime | None
    created_by: str | None

    @classmethod
    def of(cls, state: LaunchState | None) -> TemplateVersion | None:
        """Of a state; None where there is no template."""
        if state is None or not state.template_exists:
            return None
        return cls(
            template_id=state.template_id,
            version=state.default_version,
            created_at=state.version_at,
            created_by=state.version_by,
        )


class ServerConfig(FrozenModel):
    """A server's launch settings.

    Args:
        effective: all that it would be launched with, by the manifest's words, each with its origin.
        own: its own settings within the group, as they are stored; null where it has none.
        in_sync: whether the account holds what the group says.
        differences: what it does not.
        version: the group's.
        history_error: why the change is not in the history, where that could not be written.
    """

    group_id: str
    group_name: str
    version: int
    server_id: str
    name: str
    account_id: str
    region: str
    effective: dict[str, EffectiveValue]
    own: dict[str, JsonValue] | None
    in_sync: bool
    differences: tuple[SettingDifference, ...]
    template: TemplateVersion | None
    history_error: str | None = None


class ServerConfigs(FrozenModel):
    """Servers' launch settings, after a change."""

    servers: tuple[ServerConfig, ...]
    version: int
    history_error: str | None = None
