"""What our block classes share: their pictures and links, and a JSON schema that is made once per process.

In: a class of Prefect blocks. Out: the same schema as Prefect's. Prefect makes it anew for each field of each block
that it saves (`Block._field_has_secrets`): half a second of CPU for one TargetAccount.
"""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any

from pydantic import HttpUrl, TypeAdapter

_URL = TypeAdapter(HttpUrl)
LOGO_URL: HttpUrl = _URL.validate_python(
    "https://cdn.sanity.io/images/3ugk85nk/production/d74b16fe84ce626345adf235a47008fea2869a60-225x225.png"
)
DOCUMENTATION_URL: HttpUrl = _URL.validate_python("https://docs.aws.amazon.com/drs/latest/userguide/what-is-drs.html")


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
