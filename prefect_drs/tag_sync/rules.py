"""Which tags are copied, under which keys, and which may be removed.

In: a user's settings. Out: validated `TagRules`, which give the tags that a source server should have. Pure.

- A tag of an instance is copied if its key matches a pattern of `include` (any key, if there are none) and none of
  `exclude`. Patterns are shell patterns (`*`, `?`, `[ab]`) and case-sensitive. Keys with the prefix `aws:` are reserved
  by AWS and never copied.
- A mapping copies a tag under another key. It takes precedence over an instance's tag that already has that key.
- With `remove`, a tag of a source server is removed if its key is the target of a mapping and the instance has no tag
  for that mapping. Other keys may belong to somebody else and are never removed; the mapping `Owner` → `Owner` makes
  tag sync manage the key `Owner`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from prefect_drs.core.errors import UsageError

RESERVED = "aws:"
MAX_TAGS = 50  # per resource, without those of AWS (AWS General Reference, "Tagging AWS resources")
MAX_KEY_LENGTH = 128  # characters (same source; DRS's own model allows 256)
MAX_VALUE_LENGTH = 256  # characters (DRS model, TagValue)


@dataclass(frozen=True)
class TagRules:
    """How tag sync changes a source server's tags.

    Args:
        include: patterns of EC2 keys to copy; empty for all.
        exclude: patterns of EC2 keys not to copy.
        mappings: EC2 key → DRS key.
        remove: remove managed keys whose tag the instance no longer has.
        copy_tags: switch `copyTags` on in launch configurations, so that launched instances get the tags.

    Raises:
        UsageError: a pattern, a mapping or a key is invalid; the message lists all problems.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    mappings: Mapping[str, str] = field(default_factory=dict)
    remove: bool = False
    copy_tags: bool = True

    def __post_init__(self) -> None:
        if problems := [*self._faulty_patterns(), *self._faulty_mappings()]:
            raise UsageError("; ".join(problems))

    def _faulty_patterns(self) -> list[str]:
        named = {"include": self.include, "exclude": self.exclude}
        return [f"{name} has an empty pattern; remove it" for name, patterns in named.items() if "" in patterns]

    def _faulty_mappings(self) -> list[str]:
        problems = []
        sources: dict[str, str] = {}
        for source, target in self.mappings.items():
            for key in dict.fromkeys((source, target)):
                if not key or len(key) > MAX_KEY_LENGTH:
                    problems.append(f"mapping {source!r} → {target!r}: a key has 1 to {MAX_KEY_LENGTH} characters")
                elif is_reserved(key):
                    problems.append(f"mapping {source!r} → {target!r}: AWS reserves keys that begin with {RESERVED}")
            if (other := sources.setdefault(target, source)) != source:
                problems.append(f"{other!r} and {source!r} are both mapped to {target!r}; give them different keys")
        return problems

    def copies(self, key: str) -> bool:
        """Whether the instance's tag with this key is copied."""
        if is_reserved(key):
            return False
        included = not self.include or any(fnmatchcase(key, pattern) for pattern in self.include)
        return included and not any(fnmatchcase(key, pattern) for pattern in self.exclude)

    def target_tags(self, instance_tags: Mapping[str, str]) -> dict[str, str]:
        """The tags that a source server should have, given its instance's tags; sorted by key."""
        copied = {key: value for key, value in instance_tags.items() if self.copies(key)}
        plain = {key: value for key, value in copied.items() if key not in self.mappings}
        mapped = {self.mappings[key]: value for key, value in copied.items() if key in self.mappings}
        return dict(sorted((plain | mapped).items()))

    def managed_keys(self) -> frozenset[str]:
        """The DRS keys that tag sync may remove: the targets of mappings; none unless `remove` is set."""
        if not self.remove:
            return frozenset()
        return frozenset(target for source, target in self.mappings.items() if self.copies(source))


def is_reserved(key: str) -> bool:
    """Whether AWS reserves the key; the prefix is reserved in upper and lower case."""
    return key.lower().startswith(RESERVED)
