"""Tags of all resources with an ARN.

The model allows keys of 0 to 256 characters. AWS's tagging rules, which apply to all services, allow 1 to 128 and
reserve keys that begin with `aws:`, case-insensitive; reserved tags do not count against the limit of 50.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from .exceptions import ResourceNotFoundException, ValidationException
from .wire import Params, Wire

MOST_TAGS = 50
"""Tags a resource may have (AWS tagging rules)."""
LONGEST_KEY = 128
"""Characters of a tag's key (AWS tagging rules)."""


class Tagged(Protocol):
    """A resource with tags."""

    arn: str
    tags: dict[str, str]


@dataclass(slots=True)
class Tagging:
    """TagResource, UntagResource and ListTagsForResource.

    Args:
        _stores: the resources that have tags, by id or ARN.
    """

    _stores: Sequence[Mapping[str, Tagged]]

    def _tags_of(self, arn: str) -> dict[str, str]:
        kind, _, name = arn.split(":", 5)[-1].partition("/")
        found = next((store[key] for store in self._stores for key in (name, arn) if key in store), None)
        if found is None or found.arn != arn:
            raise ResourceNotFoundException(kind or "Resource", arn)
        return found.tags

    def tag_resource(self, params: Params) -> Wire:
        """TagResource: adds and overwrites."""
        tags = self._tags_of(params["resourceArn"])
        _check_keys(params["tags"])
        if sum(not _is_reserved(key) for key in {**tags, **params["tags"]}) > MOST_TAGS:
            raise ValidationException(f"A resource may have at most {MOST_TAGS} tags.")
        tags.update(params["tags"])
        return {}

    def untag_resource(self, params: Params) -> Wire:
        """UntagResource: unknown keys are ignored."""
        tags = self._tags_of(params["resourceArn"])
        for key in params["tagKeys"]:
            tags.pop(key, None)
        return {}

    def list_tags_for_resource(self, params: Params) -> Wire:
        """ListTagsForResource."""
        return {"tags": dict(self._tags_of(params["resourceArn"]))}


def _check_keys(tags: dict[str, str]) -> None:
    for key in tags:
        if _is_reserved(key):
            raise ValidationException(f"The tag key {key!r} is reserved: it begins with 'aws:'.")
        if not 1 <= len(key) <= LONGEST_KEY:
            raise ValidationException(f"The tag key {key!r} must have 1 to {LONGEST_KEY} characters.")


def _is_reserved(key: str) -> bool:
    return key.lower().startswith("aws:")
