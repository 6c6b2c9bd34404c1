"""The base model of values that are passed between rooms and written as JSON."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class FrozenModel(BaseModel):
    """A frozen model that refuses unknown fields; camelCase in JSON, snake_case in Python.

    The JSON Schema of an answer requires every field, since all are written, also those with a default.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        json_schema_serialization_defaults_required=True,
    )
