"""Misspelt fields: an unknown field that is similar to a known one must not be ignored, or a gate could be lost.

In: a name as written, and the known fields. Out: the field that is meant, or None for a foreign name, such as one that
another tool wrote.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

SHORT_AT_MOST = 5
"""Characters of a short name, in which one wrong letter weighs more."""
CLOSE, CLOSE_IF_SHORT = 0.85, 0.75
"""How similar names must be, by `difflib.SequenceMatcher.ratio`: one or two wrong letters in ten."""
LONGEST = 80
"""Characters of a name that is compared at all."""
KINDS = frozenset({"second", "id", "name", "number"})
FOREIGN = ("_", "$", "#", "/", "x-", "X-")
"""Prefixes of names that are deliberately no fields: comments, references, extensions."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def meant(name: str, known: Iterable[str]) -> str | None:
    """The field of `known` that `name` is a near miss of.

    A near miss differs from the field in case, underscores, hyphens or a plural only; or in one or two letters of ten;
    or it leaves out words (`dependsOn`, `groupNames`, `timeout`), or shortens or spells out words
    (`launchConfiguration`).
    """
    if name.startswith(FOREIGN) or len(name) > LONGEST:
        return None
    mine, plain = _words(name), {field: _words(field) for field in known}
    for is_near in (_same, _fewer_words, _other_lengths, _close):
        near = [field for field, words in plain.items() if is_near(mine, words)]
        if near:
            return max(near, key=lambda field: _likeness(name.lower(), field.lower()))
    return None


def _likeness(one: str, other: str) -> float:
    from difflib import SequenceMatcher  # noqa: PLC0415 - only a field that is unknown needs it

    return SequenceMatcher(None, one, other).ratio()


def _words(name: str) -> list[str]:
    """The words of a name in lower case and the singular, whether written in camel case or with separators."""
    return [_singular(word.lower()) for word in _WORD.findall(name)]


def _singular(word: str) -> str:
    return f"{word[:-3]}y" if word.endswith("ies") else word.removesuffix("s")


def _same(mine: list[str], field: list[str]) -> bool:
    return "".join(mine) == "".join(field)


def _fewer_words(mine: list[str], field: list[str]) -> bool:
    """Whether it is two or more of the field's words in their order, or all but a last word that names its kind."""
    if mine == field[:-1] and field[-1] in KINDS:
        return True
    if not 2 <= len(mine) < len(field) or not (mine[0] == field[0] or mine[-1] == field[-1]):
        return False
    left = iter(field)
    return all(word in left for word in mine)


def _other_lengths(mine: list[str], field: list[str]) -> bool:
    """Whether each word begins the field's word, or the other way round: `config` and `configuration`."""
    return len(mine) == len(field) > 1 and all(
        one.startswith(other) or other.startswith(one) for one, other in zip(mine, field, strict=True) if one and other
    )


def _close(mine: list[str], field: list[str]) -> bool:
    if mine[: len(field)] == field:
        return False  # one more word is another thing: launchTemplateId
    one, other = "".join(mine), "".join(field)
    is_short = max(len(one), len(other)) <= SHORT_AT_MOST
    alike = _likeness(one, other)
    return alike >= (CLOSE_IF_SHORT if is_short else CLOSE)
