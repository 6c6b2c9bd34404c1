"""The operations of `prefect_drs.operations.launch_configs` as methods. Written by `python -m tests.client.generator`; do not edit it."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict

from prefect_drs.client.caller import UNSET, Caller, Unset
from prefect_drs.client.generated.shared_types import SettingDifference, TemplateVersion

Origin = Literal["account", "group", "server", "rule"]


class EffectiveValue(TypedDict):
    """A setting's value and its origin; None where a rule removes the account's value."""

    value: Any
    origin: Origin


class ServerConfig(TypedDict):
    """A server's launch settings."""

    groupId: str
    groupName: str
    version: int
    serverId: str
    name: str
    accountId: str
    region: str
    effective: dict[str, EffectiveValue]
    own: dict[str, Any] | None
    inSync: bool
    differences: list[SettingDifference]
    template: TemplateVersion | None
    historyError: str | None


class ServerConfigs(TypedDict):
    """Servers' launch settings, after a change."""

    servers: list[ServerConfig]
    version: int
    historyError: str | None


class ServerSettingsFields(TypedDict):
    """Settings of one server: given values replace those it has, null removes a value."""

    serverId: str
    useGroupDefaults: NotRequired[bool | None]
    launchTemplate: NotRequired[dict[str, Any] | None]


class TriedAddress(TypedDict):
    """Whether the server could have the address, and all faults."""

    valid: bool
    faults: list[dict[str, Any]]


class LaunchConfigsOperations(Caller):
    """Calls the operations."""

    def bulk_update_server_configs(
        self, group_id: str, *, servers: Sequence[ServerSettingsFields], version: int | Unset | None = UNSET
    ) -> ServerConfigs:
        """Change many servers' own launch settings, all or nothing."""
        return self.call("bulk_update_server_configs", {"groupId": group_id, "servers": servers, "version": version})

    def delete_server_launch_config(
        self, group_id: str, server_id: str, *, version: int | Unset = UNSET
    ) -> ServerConfig:
        """Delete one server's own launch settings, so that its group's apply."""
        return self.call(
            "delete_server_launch_config", {"groupId": group_id, "serverId": server_id, "version": version}
        )

    def get_server_launch_config(self, group_id: str, server_id: str) -> ServerConfig:
        """Return a server's launch settings, each value with its origin."""
        return self.call("get_server_launch_config", {"groupId": group_id, "serverId": server_id})

    def update_server_launch_config(
        self,
        server_id: str,
        group_id: str,
        *,
        use_group_defaults: bool | Unset | None = UNSET,
        launch_template: Mapping[str, Any] | Unset | None = UNSET,
        version: int | Unset | None = UNSET,
    ) -> ServerConfig:
        """Change one server's own launch settings in its stored group."""
        return self.call(
            "update_server_launch_config",
            {
                "serverId": server_id,
                "groupId": group_id,
                "useGroupDefaults": use_group_defaults,
                "launchTemplate": launch_template,
                "version": version,
            },
        )

    def validate_static_ip(
        self, group_id: str, server_id: str, *, static_private_ip: str, subnet_id: str | Unset | None = UNSET
    ) -> TriedAddress:
        """Check whether a server could have a static address, and list all faults."""
        return self.call(
            "validate_static_ip",
            {"groupId": group_id, "serverId": server_id, "staticPrivateIp": static_private_ip, "subnetId": subnet_id},
        )
