"""A server's effective launch settings, each value with its origin.

In: a group, the names of a server, and its current settings in the account. Out: values by the manifest's words, each
with its origin. A value that follows from another setting has the origin `rule`: a static address sets `copyPrivateIp`
to false, an instance type turns right-sizing off, a prepared instance does both and copies no tags, a new subnet
removes the address of the old one. Pure.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import JsonValue

from prefect_drs.core.models import FrozenModel
from prefect_drs.plan.model import LaunchSettings, Licensing, ProtectionGroup
from prefect_drs.plan.prepared import PreparedInstance

_NOTHING = LaunchSettings()
_NAMES = {field.alias or name: name for name, field in LaunchSettings.model_fields.items()}


class Origin(enum.StrEnum):
    """The origin of a value: the account, the group's defaults, the server's own settings, or a rule."""

    ACCOUNT = "account"
    GROUP = "group"
    SERVER = "server"
    RULE = "rule"


class EffectiveValue(FrozenModel):
    """A setting's value and its origin; None where a rule removes the account's value."""

    value: JsonValue
    origin: Origin


def effective(
    group: ProtectionGroup, *references: str, account: LaunchSettings = _NOTHING
) -> dict[str, EffectiveValue]:
    """The effective settings of the server known by any of `references` (DRS id, instance id, Name tag).

    Args:
        group: its protection group.
        references: its names.
        account: its current settings.

    Returns:
        Values by the manifest's word (`subnetId`); tags one by one (`tags.tier`), and `licensing.osByol`.
    """
    planned, override = group.settings_for(*references), group.override_for(*references)
    own, defaults = dict(_words(override or _NOTHING)), dict(_words(group.launch_config))
    values = {word: EffectiveValue(value=value, origin=Origin.ACCOUNT) for word, value in _words(account)}
    for word, value in _words(planned):
        given = (
            origin for origin, words in ((Origin.SERVER, own), (Origin.GROUP, defaults)) if words.get(word) == value
        )
        values[word] = EffectiveValue(value=value, origin=next(given, Origin.RULE))
    for word, value in _implied(planned, account):
        if word not in values or values[word].value != value:
            values[word] = EffectiveValue(value=value, origin=Origin.RULE)
    return dict(sorted(values.items()))


def _implied(planned: LaunchSettings, account: LaunchSettings) -> Iterator[tuple[str, JsonValue]]:
    """The settings that follow from the plan's settings."""
    if planned.static_private_ip is not None:
        yield "copyPrivateIp", False
    if planned.instance_type is not None:
        yield "targetInstanceTypeRightSizingMethod", "NONE"
    if planned.launch_into_instance is not None:  # DRS writes nothing of the source server to a prepared instance
        yield from (("copyPrivateIp", False), ("copyTags", False), ("targetInstanceTypeRightSizingMethod", "NONE"))
    moves = planned.subnet_id is not None and planned.subnet_id != account.subnet_id
    if moves and planned.static_private_ip is None and account.static_private_ip is not None:
        yield "staticPrivateIp", None


def _words(settings: LaunchSettings) -> Iterator[tuple[str, JsonValue]]:
    """The values that are given, by the manifest's words."""
    for name, field in LaunchSettings.model_fields.items():
        word, value = field.alias or name, getattr(settings, name)
        if value is None:
            continue
        if name == "tags":
            yield from ((f"{word}.{key}", text) for key, text in value.items())
        elif name == "launch_into_instance":
            yield word, value.text
        elif name == "licensing":
            if value.os_byol is not None:
                yield f"{word}.osByol", value.os_byol
        else:
            yield word, list(value) if isinstance(value, tuple) else value


def settings_of(values: Mapping[str, EffectiveValue]) -> LaunchSettings:
    """Effective values as launch settings again; not checked, since an account's values need not be valid in a plan."""
    plain: dict[str, Any] = {}
    tags: dict[str, Any] = {}
    for word, found in values.items():
        head, _, rest = word.partition(".")
        if head == "tags":
            tags[rest] = found.value
        elif head == "launchIntoInstance":
            plain["launch_into_instance"] = PreparedInstance.model_construct(instance_id=str(found.value))
        elif head == "licensing":
            plain["licensing"] = Licensing.model_validate({rest: found.value})
        else:
            plain[_NAMES[word]] = tuple(found.value) if isinstance(found.value, list) else found.value
    return LaunchSettings.model_construct(**plain, tags=tags or None)
