"""What the generated methods stand on: one call by name, and the items of all pages.

In: an operation and its values by their names in JSON. Out: JSON values.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal


class Unset(enum.Enum):
    """The type of `UNSET`."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return self.name


UNSET: Final[Literal[Unset.UNSET]] = Unset.UNSET
"""A parameter that is left out. None is a value: `update_…` removes a field by it."""


class Caller(ABC):
    """Calls operations by their names."""

    @abstractmethod
    def call(
        self, operation: str, values: Mapping[str, Any] | None = None, *, idempotency_key: str | None = None
    ) -> Any:
        """Call an operation."""

    def _items(self, operation: str, items: str, values: Mapping[str, Any]) -> Iterator[Any]:
        """The items of a list, page by page; a page is read when it is needed."""
        token: Any = UNSET
        while token is not None:
            page = self.call(operation, {**values, "nextToken": token})
            yield from page[items]
            token = page["nextToken"]
