"""A manifest as the values of a file: `check_values` of the result gives the same manifest.

In: a `Manifest`, or a group or plan of it. Out: JSON values as a person would write them, without fields at their
default. It walks the models and names only the fields that a file spells differently, so a new field needs no change
here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from prefect_drs.plan.model import Manifest, ProtectionGroup, RecoveryPlan, Wave

FILE_NAMES: Mapping[tuple[type[BaseModel], str], str] = {(Wave, "groups"): "protectionGroupNames"}
"""Fields that a file spells differently from the model."""
ALWAYS = frozenset({"type", "attempts", "protectionGroups", "recoveryPlans"})
"""Fields that a file must have even at their default."""


def export_manifest(manifest: Manifest) -> dict[str, Any]:
    """The whole file as JSON values."""
    return _values(manifest)


def export_group(group: ProtectionGroup) -> dict[str, Any]:
    """An item of `protectionGroups` as JSON values."""
    return _values(group)


def export_plan(plan: RecoveryPlan) -> dict[str, Any]:
    """An item of `recoveryPlans` as JSON values."""
    return _values(plan)


def _values(model: BaseModel) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        written = FILE_NAMES.get((type(model), name), field.alias or name)
        default = field.get_default(call_default_factory=True, validated_data={})
        if written in ALWAYS or default is PydanticUndefined or value != default:
            found[written] = _plain(value)
    return {"type": found.pop("type"), **found} if "type" in found else found


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return _values(value)
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, str) else value  # a StrEnum as its text
