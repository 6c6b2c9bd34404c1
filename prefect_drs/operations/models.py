"""The base of the operations' requests and answers, and the empty request."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class FrozenModel(BaseModel):
    """A value: frozen, without unknown fields, camelCase in JSON, snake_case in Python."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class EmptyRequest(FrozenModel):
    """The request of an operation that takes no parameters."""
