"""What differs between a source server's tags and those it is to have. Pure: no call, no clock.

In: the tags of both, and the rules. Out: a `TagDifference`: what to write, what to take away, and what cannot be
written although it is wanted, each with a name. What is carried out is always something that AWS accepts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prefect_drs.tag_sync.rules import LONGEST_KEY, LONGEST_VALUE, MOST_TAGS, TagRules, is_reserved

KEY_TOO_LONG = "TAG_KEY_TOO_LONG"
VALUE_TOO_LONG = "TAG_VALUE_TOO_LONG"
LIMIT_EXCEEDED = "TAG_LIMIT_EXCEEDED"


@dataclass(frozen=True, slots=True)
class TagChange:
    """One tag before and after; `before` None where it is new, `after` None where it is taken away."""

    key: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class TagFault:
    """Why tags are not written, and what to do."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class TagDifference:
    """What to do about one server; empty where nothing differs."""

    written: tuple[TagChange, ...] = ()
    removed: tuple[TagChange, ...] = ()
    faults: tuple[TagFault, ...] = ()


def compare(server_tags: Mapping[str, str], instance_tags: Mapping[str, str], rules: TagRules) -> TagDifference:
    """What makes the server's tags what the rules want of the instance's.

    Where there is not room for all new tags, none of them is written, so that it is no matter of luck which ones a
    server has; values of tags that it has already are written all the same.

    Args:
        server_tags: as DRS has them.
        instance_tags: as EC2 has them.
        rules: what is carried over.
    """
    wanted = rules.wanted(instance_tags)
    fitting, faults = _fitting(wanted)
    removed = tuple(
        TagChange(key, server_tags[key], None) for key in sorted(rules.own_keys() & server_tags.keys() - wanted.keys())
    )
    differing = [
        TagChange(key, server_tags.get(key), value) for key, value in fitting.items() if server_tags.get(key) != value
    ]
    after = {key for key in server_tags if not is_reserved(key)} - {change.key for change in removed} | fitting.keys()
    if len(after) > MOST_TAGS and any(change.before is None for change in differing):
        new = [change.key for change in differing if change.before is None]
        faults.append(
            TagFault(
                LIMIT_EXCEEDED,
                f"it would have {len(after)} tags, a source server has at most {MOST_TAGS}; none of its {len(new)} new "
                f"tags is written: leave keys out with an exclude pattern, or take tags of the server away",
            )
        )
        differing = [change for change in differing if change.before is not None]
    return TagDifference(tuple(differing), removed, tuple(faults))


def _fitting(wanted: Mapping[str, str]) -> tuple[dict[str, str], list[TagFault]]:
    fitting: dict[str, str] = {}
    faults = []
    for key, value in wanted.items():
        if len(key) > LONGEST_KEY:
            faults.append(
                TagFault(KEY_TOO_LONG, f"the key {key[:32]}… has {len(key)} characters, at most {LONGEST_KEY}: map it")
            )
        elif len(value) > LONGEST_VALUE:
            faults.append(
                TagFault(
                    VALUE_TOO_LONG,
                    f"the value of {key} has {len(value)} characters, at most {LONGEST_VALUE}: shorten or exclude it",
                )
            )
        else:
            fitting[key] = value
    return fitting, faults
