"""Guesses which protection group a reference means if no group has that name or id.

In: a `Manifest` read for rehearsal, whose waves may refer to `db-group-id` although the group is called
`DatabaseServersWaveGroup` and has no id. Out: one `GroupGuess` for every reference that is not a group's name, with its
evidence, so that a person can check it before it becomes a binding. Only the sandbox guesses. Never used in a real
recovery, and never calls AWS.

A name in another case, or a group's id, is certain. The other references are resolved together, as the best one-to-one
assignment to the remaining groups, by similarity of their words (`app` is a prefix of `Application`, the letters of
`db` are in `Database`) and of the names of the group's servers, its subnets and the waves that use the reference. Ties
are resolved by order of appearance.
"""

from __future__ import annotations

import difflib
import enum
import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import networkx as nx
from pydantic import ConfigDict
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass as pydantic_dataclass

from prefect_drs.plan.model import Manifest, ProtectionGroup, Wave

# Words without significance, because nearly every reference or group has them.
_EMPTY_WORDS = frozenset({
    *("group", "groups", "grp", "id", "ids", "pg", "protection", "server", "servers", "wave", "waves", "tier"),
    *("the", "of", "and", "sg", "subnet", "az", "s", "i"),
})  # fmt: skip
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_CANDIDATES = 6  # edges per node: enough for the best assignment, few enough for hundreds of groups
_EVIDENCE = 40  # servers of a group whose names are read
_ORDER_WEIGHT = 0.01


class Certainty(enum.StrEnum):
    """How a reference was resolved."""

    GROUP_ID = "group id"
    OTHER_CASE = "name in other case"
    LIKENESS = "likeness"
    ORDER = "order of appearance only"


@pydantic_dataclass(frozen=True, config=ConfigDict(alias_generator=to_camel, populate_by_name=True))
class GroupGuess:
    """The guessed meaning of a reference.

    Args:
        reference: the reference in the wave.
        group_name: the guessed group; None if no group is left.
        certainty: how it was resolved.
        score: from 0; comparable only between guesses of one file.
        evidence: the matching words, for a person to read.
    """

    reference: str
    group_name: str | None
    certainty: Certainty
    score: float
    evidence: str


@dataclass(frozen=True, slots=True)
class _Likeness:
    score: float
    evidence: tuple[str, ...]


def match_groups(manifest: Manifest) -> tuple[GroupGuess, ...]:
    """A guess for each wave reference that is not a group's name, in order of appearance.

    References that are exact group names need no guess and are omitted.
    """
    groups = manifest.protection_groups
    waves = [wave for plan in manifest.recovery_plans for wave in plan.waves]
    names = {group.group_name for group in groups}
    references = list(dict.fromkeys(reference for wave in waves for reference in wave.groups))
    taken = {reference for reference in references if reference in names}

    found: dict[str, GroupGuess] = {}
    for reference in references:
        if reference not in names and (certain := _certain(reference, groups)):
            found[reference] = certain
            taken.add(str(certain.group_name))

    open_references = [r for r in references if r not in names and r not in found]
    users = {r: [wave for wave in waves if r in wave.groups] for r in open_references}
    free = [group for group in groups if group.group_name not in taken]
    found.update(_assign(open_references, free, users))
    for reference in open_references:
        if reference not in found:  # more references than groups: one group goes by two names
            found[reference] = _best(reference, groups, users[reference])
    return tuple(found[reference] for reference in references if reference in found)


def _certain(reference: str, groups: Sequence[ProtectionGroup]) -> GroupGuess | None:
    folded = reference.casefold()
    for group in groups:
        if group.group_id and group.group_id.casefold() == folded:
            return GroupGuess(reference, group.group_name, Certainty.GROUP_ID, 1.0, f"groupId {group.group_id}")
    for group in groups:
        if group.group_name.casefold() == folded:
            return GroupGuess(reference, group.group_name, Certainty.OTHER_CASE, 1.0, "the same name")
    return None


def _assign(
    references: Sequence[str], groups: Sequence[ProtectionGroup], users: dict[str, list[Wave]]
) -> dict[str, GroupGuess]:
    """The one-to-one assignment with the greatest total similarity."""
    likeness: dict[tuple[int, int], _Likeness] = {}
    weights: dict[tuple[int, int], float] = {}
    words = [_GroupWords.of(group) for group in groups]
    for i, reference in enumerate(references):
        for j, offered in enumerate(words):
            likeness[i, j] = _likeness(reference, offered, users[reference])
            nearness = 1.0 - abs(i / len(references) - j / len(groups))
            weights[i, j] = likeness[i, j].score + _ORDER_WEIGHT * nearness
    graph: nx.Graph[tuple[str, int]] = nx.Graph()
    for i in range(len(references)):
        best = sorted(range(len(groups)), key=lambda j: (-weights[i, j], j))[:_CANDIDATES]
        graph.add_weighted_edges_from((("reference", i), ("group", j), weights[i, j]) for j in best)
    for j in range(len(groups)):
        best = sorted(range(len(references)), key=lambda i: (-weights[i, j], i))[:_CANDIDATES]
        graph.add_weighted_edges_from((("reference", i), ("group", j), weights[i, j]) for i in best)
    guesses: dict[str, GroupGuess] = {}
    for one, other in nx.max_weight_matching(graph, maxcardinality=True):
        (_, i), (_, j) = (one, other) if one[0] == "reference" else (other, one)
        guesses[references[i]] = _guess(references[i], groups[j], likeness[i, j])
    return guesses


def _best(reference: str, groups: Sequence[ProtectionGroup], users: Sequence[Wave]) -> GroupGuess:
    scored = [(group, _likeness(reference, _GroupWords.of(group), users)) for group in groups]
    if not scored:
        return GroupGuess(reference, None, Certainty.ORDER, 0.0, "the file has no protection groups")
    group, likeness = max(scored, key=lambda pair: pair[1].score)
    if likeness.score == 0.0:
        return GroupGuess(reference, None, Certainty.ORDER, 0.0, "nothing in the file is like it")
    return _guess(reference, group, likeness)


def _guess(reference: str, group: ProtectionGroup, likeness: _Likeness) -> GroupGuess:
    if likeness.score == 0.0:
        return GroupGuess(reference, group.group_name, Certainty.ORDER, 0.0, "nothing but its place in the file")
    score = round(likeness.score, 3)
    return GroupGuess(reference, group.group_name, Certainty.LIKENESS, score, "; ".join(likeness.evidence))


@dataclass(frozen=True, slots=True)
class _GroupWords:
    """The words of a group by source (name, servers, subnets, …), with the weight of each source."""

    name: tuple[str, ...]
    others: tuple[tuple[float, str, tuple[str, ...]], ...]

    @classmethod
    def of(cls, group: ProtectionGroup) -> _GroupWords:
        entries = group.servers[:_EVIDENCE]
        subnets = [group.launch_config.subnet_id, *(entry.launch_template.subnet_id for entry in entries)]
        servers = [*group.source_server_ids[:_EVIDENCE], *(entry.reference for entry in entries)]
        tags = [f"{key} {value}" for key, value in group.server_selection_tags.items()]
        return cls(
            _words(group.group_name),
            (
                (1.0, "servers", _words(*servers)),
                (1.0, "tags", _words(*tags)),
                (0.75, "subnets", _words(*(subnet or "" for subnet in subnets))),
                (0.5, "description", _words(group.description or "")),
            ),
        )


def _likeness(reference: str, group: _GroupWords, waves: Sequence[Wave]) -> _Likeness:
    """The similarity of `reference` and `group`: names weigh most, then servers, subnets, waves, description."""
    wanted = _words(reference)
    wave_words = _words(*(wave.wave_name for wave in waves))
    score = 0.0
    evidence: list[str] = []
    sources = ((3.0, "name", wanted, group.name), (1.0, "wave name", wave_words, group.name))
    for weight, source, mine, theirs in (*sources, *((w, s, wanted, words) for w, s, words in group.others)):
        part, pair = _overlap(mine, theirs)
        score += weight * part
        if pair:
            evidence.append(f"{source}: {pair[0]} ~ {pair[1]}")
    return _Likeness(score, tuple(evidence))


def _overlap(mine: Sequence[str], theirs: Sequence[str]) -> tuple[float, tuple[str, str] | None]:
    """The mean similarity of my words with their best match, and the most similar pair."""
    if not mine or not theirs:
        return 0.0, None
    best = [max(((_alike(word, other), word, other) for other in theirs), key=lambda t: t[0]) for word in mine]
    top = max(best, key=lambda t: t[0])
    return sum(b[0] for b in best) / len(best), (top[1], top[2]) if top[0] > 0 else None


@functools.lru_cache(maxsize=65536)
def _alike(a: str, b: str) -> float:
    """0 to 1: equal, a prefix, a subsequence of letters, or similar."""
    if a == b:
        return 1.0
    if a.isdigit() or b.isdigit():
        return 1.0 if a.isdigit() and b.isdigit() and int(a) == int(b) else 0.0
    short, long = sorted((a, b), key=len)
    if len(short) >= 2 and long.startswith(short):
        return 0.9
    if len(short) >= 2 and short[0] == long[0] and _runs_through(short, long):
        return 0.6
    ratio = difflib.SequenceMatcher(None, a, b).ratio()
    return ratio * 0.7 if ratio >= 0.75 else 0.0


def _runs_through(short: str, long: str) -> bool:
    letters = iter(long)
    return all(letter in letters for letter in short)


@functools.lru_cache(maxsize=4096)
def _words(*texts: str) -> tuple[str, ...]:
    """The significant words of `texts`, in lower case, once each; all words if none is significant."""
    words: Iterable[str] = (word.lower() for text in texts for word in _WORD.findall(text))
    unique = tuple(dict.fromkeys(words))
    return tuple(word for word in unique if word not in _EMPTY_WORDS) or unique
