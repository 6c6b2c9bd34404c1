"""The JSON schema of a block class, made once per process.

In: a class of Prefect blocks. Out: the same schema as Prefect's. Prefect makes it anew for each field of each block
that it saves (`Block._field_has_secrets`): half a second of CPU for one TargetAccount.
"""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any


class SchemaOnce:
    """Mixin for a block class, named before `Block`."""

    @classmethod
    def model_json_schema(cls, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Prefect's schema of this class, as a copy that the caller may change."""
        kind: Any = cls  # mypy: no class object is Hashable
        return deepcopy(_schema(kind, arguments, tuple(sorted(options.items()))))


@cache
def _schema(cls: Any, arguments: tuple[Any, ...], options: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    made: dict[str, Any] = super(SchemaOnce, cls).model_json_schema(*arguments, **dict(options))
    return made
