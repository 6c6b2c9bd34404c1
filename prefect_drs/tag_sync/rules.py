"""Which tags are carried over, under which keys, and which may be taken away again.

In: what a person sets. Out: `TagRules`, checked, that answer what a server's tags are to be. Pure.

- A key of an instance is carried over where it fits a pattern of `include` (all, where there are none) and none of
  `exclude`. Patterns are those of the shell (`*`, `?`, `[ab]`), and case counts. `aws:` keys belong to AWS: never.
- A mapping carries a key over under another name. Where the instance has a tag of that name too, the mapping wins.
- With `remove`, a tag of a source server is taken away where a mapping makes its key the sync's own, and the instance
  has no tag that gives it. A key that no mapping names may be somebody's own and is never taken away; the mapping
  `Owner` → `Owner` hands that key over to the sync.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from prefect_drs.core.errors import UsageError

RESERVED = "aws:"
MOST_TAGS = 50  # of a resource, those of AWS not counted (AWS General Reference, "Tagging AWS resources")
LONGEST_KEY = 128  # characters (same source; DRS's own model allows 256)
LONGEST_VALUE = 256  # characters (DRS model, TagValue)


@dataclass(frozen=True)
class TagRules:
    """What tag sync does to a source server's tags.

    Args:
        include: patterns of EC2 keys; empty is all.
        exclude: patterns of EC2 keys that stay behind.
        mappings: EC2 key → DRS key.
        remove: take the sync's own keys away where the instance has no such tag any more.
        copy_tags: switch `copyTags` on, so that what DRS launches carries the tags.

    Raises:
        UsageError: a pattern, a mapping or a key that cannot be; all that is wrong is told.
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
        return [f"{name} has an empty pattern; leave it out" for name, patterns in named.items() if "" in patterns]

    def _faulty_mappings(self) -> list[str]:
        problems = []
        sources: dict[str, str] = {}
        for source, target in self.mappings.items():
            for key in dict.fromkeys((source, target)):
                if not key or len(key) > LONGEST_KEY:
                    problems.append(f"mapping {source!r} → {target!r}: a key has 1 to {LONGEST_KEY} characters")
                elif is_reserved(key):
                    problems.append(f"mapping {source!r} → {target!r}: keys that begin with {RESERVED} belong to AWS")
            if (other := sources.setdefault(target, source)) != source:
                problems.append(f"{other!r} and {source!r} are both mapped to {target!r}; give them different keys")
        return problems

    def carries(self, key: str) -> bool:
        """Whether a tag of an instance is carried over."""
        if is_reserved(key):
            return False
        included = not self.include or any(fnmatchcase(key, pattern) for pattern in self.include)
        return included and not any(fnmatchcase(key, pattern) for pattern in self.exclude)

    def wanted(self, instance_tags: Mapping[str, str]) -> dict[str, str]:
        """The tags that a source server is to have by its instance's, sorted by key."""
        carried = {key: value for key, value in instance_tags.items() if self.carries(key)}
        plain = {key: value for key, value in carried.items() if key not in self.mappings}
        mapped = {self.mappings[key]: value for key, value in carried.items() if key in self.mappings}
        return dict(sorted((plain | mapped).items()))

    def own_keys(self) -> frozenset[str]:
        """The DRS keys that are the sync's own, to be taken away as it gave them: none where removal is off."""
        if not self.remove:
            return frozenset()
        return frozenset(target for source, target in self.mappings.items() if self.carries(source))


def is_reserved(key: str) -> bool:
    """Whether the key is AWS's own; AWS reserves the prefix in any case of its letters."""
    return key.lower().startswith(RESERVED)
