"""Compares a source server's tags with its instance's. Pure: no call, no clock.

In: the tags of both, and the rules. Out: a `TagDifference`: tags to write, tags to remove, and a fault for each tag
that AWS would not accept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prefect_drs.tag_sync.rules import MAX_KEY_LENGTH, MAX_TAGS, MAX_VALUE_LENGTH, TagRules, is_reserved

KEY_TOO_LONG = "TAG_KEY_TOO_LONG"
VALUE_TOO_LONG = "TAG_VALUE_TOO_LONG"
LIMIT_EXCEEDED = "TAG_LIMIT_EXCEEDED"


@dataclass(frozen=True, slots=True)
class TagChange:
    """The change of one tag; `before` is None for a new tag, `after` is None for a removed one."""

    key: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class TagFault:
    """Why tags are not written, and the remedy."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class TagDifference:
    """The changes of one server; empty if its tags are as required."""

    written: tuple[TagChange, ...] = ()
    removed: tuple[TagChange, ...] = ()
    faults: tuple[TagFault, ...] = ()


def compare(server_tags: Mapping[str, str], instance_tags: Mapping[str, str], rules: TagRules) -> TagDifference:
    """The changes that give the server the tags that the rules require.

    If the new tags would exceed the limit, none of them is written, so that the result does not depend on their order.
    Changed values of existing tags are written nevertheless.

    Args:
        server_tags: the source server's tags in DRS.
        instance_tags: the instance's tags in EC2.
        rules: which tags are copied, and under which keys.
    """
    target = rules.target_tags(instance_tags)
    valid, faults = _valid(target)
    removed = tuple(
        TagChange(key, server_tags[key], None)
        for key in sorted(rules.managed_keys() & server_tags.keys() - target.keys())
    )
    written = [
        TagChange(key, server_tags.get(key), value) for key, value in valid.items() if server_tags.get(key) != value
    ]
    after = {key for key in server_tags if not is_reserved(key)} - {change.key for change in removed} | valid.keys()
    new = [change.key for change in written if change.before is None]
    if len(after) > MAX_TAGS and new:
        faults.append(
            TagFault(
                LIMIT_EXCEEDED,
                f"the server would have {len(after)} tags, the limit is {MAX_TAGS}; none of its {len(new)} new tags is "
                "written: exclude keys with an exclude pattern, or remove tags from the server",
            )
        )
        written = [change for change in written if change.before is not None]
    return TagDifference(tuple(written), removed, tuple(faults))


def _valid(target: Mapping[str, str]) -> tuple[dict[str, str], list[TagFault]]:
    """The tags that AWS accepts, and a fault for each of the others."""
    valid: dict[str, str] = {}
    faults = []
    for key, value in target.items():
        if len(key) > MAX_KEY_LENGTH:
            message = f"the key {key[:32]}… has {len(key)} characters, the limit is {MAX_KEY_LENGTH}: map it"
            faults.append(TagFault(KEY_TOO_LONG, message))
        elif len(value) > MAX_VALUE_LENGTH:
            message = (
                f"the value of {key} has {len(value)} characters, the limit is {MAX_VALUE_LENGTH}: shorten or "
                "exclude it"
            )
            faults.append(TagFault(VALUE_TOO_LONG, message))
        else:
            valid[key] = value
    return valid, faults
