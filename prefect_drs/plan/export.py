"""A manifest back in the form of its file: `load_manifest` of what is written here gives the same manifest.

In: a `Manifest`, or a group or plan of it. Out: JSON values as a person would write them, what is left at its default
left out; or their text, JSON or YAML. It walks the models and knows no field by name but those that a file spells
otherwise, so that a new field comes along by itself.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from prefect_drs.plan.model import Manifest, ProtectionGroup, RecoveryPlan, Wave

Format = Literal["json", "yaml"]

FILE_NAMES: Mapping[tuple[type[BaseModel], str], str] = {(Wave, "groups"): "protectionGroupNames"}
"""Fields that a file spells otherwise than the model."""
ALWAYS = frozenset({"type", "attempts", "protectionGroups", "recoveryPlans"})
"""Fields that a file needs, at their default too."""

_BARE = re.compile(r"[A-Za-z][A-Za-z0-9_.@/-]*( [A-Za-z0-9_.@/-]+)*", re.ASCII)
_YAML_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def export_manifest(manifest: Manifest) -> dict[str, Any]:
    """The whole file as JSON values."""
    return _values(manifest)


def export_group(group: ProtectionGroup) -> dict[str, Any]:
    """An item of `protectionGroups` as JSON values."""
    return _values(group)


def export_plan(plan: RecoveryPlan) -> dict[str, Any]:
    """An item of `recoveryPlans` as JSON values."""
    return _values(plan)


def manifest_text(values: Mapping[str, Any], form: Format = "json") -> str:
    """What `export_manifest` gives as the text of a file; the same values always give the same text."""
    return _yaml(values) if form == "yaml" else json.dumps(values, indent=2, ensure_ascii=False) + "\n"


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


def _yaml(values: Mapping[str, Any]) -> str:
    from ruamel.yaml import YAML  # noqa: PLC0415 - only who writes needs it

    yaml = YAML()
    yaml.width = 1 << 30  # a text is never folded
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(_quoted(values), stream)
    return stream.getvalue()


def _quoted(value: Any) -> Any:
    """The values with every text in quotes that YAML could take for something else."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString  # noqa: PLC0415

    if isinstance(value, Mapping):
        return {_quoted(key): _quoted(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_quoted(inner) for inner in value]
    if isinstance(value, str) and (not _BARE.fullmatch(value) or value.casefold() in _YAML_WORDS):
        return DoubleQuotedScalarString(value)
    return value
