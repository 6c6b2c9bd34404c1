"""AWS answers with members missing or values that nobody knows: what the wire may bring, before it is understood.

In: a change of answers, by operation. Out: a boto3 session in whose clients each answer is changed after botocore has
parsed it (botocore's own `after-call` event), so that everything above it is the real thing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import boto3

from prefect_drs.aws.assume_role import caller_session

Change = Callable[[str, dict[str, Any]], None]


def session_with(change: Change, services: tuple[str, ...] = ("drs", "ec2")) -> boto3.Session:
    """A session whose answers are changed by `change`, called with the operation and the answer."""

    def after_call(parsed: dict[str, Any], model: Any, **_: Any) -> None:
        metadata = parsed.pop("ResponseMetadata", None)
        if "Error" not in parsed:
            change(model.name, parsed)
        if metadata is not None:
            parsed["ResponseMetadata"] = metadata

    session = caller_session()
    for service in services:
        session.events.register(f"after-call.{service}", after_call)
    return session


def paths(value: Any, above: str = "") -> Iterator[str]:
    """Every member of an answer as a path; members of lists are of all their items, keys of tags are data."""
    if isinstance(value, dict):
        for name, below in value.items():
            yield f"{above}.{name}"
            if name not in {"tags", "Tags"}:
                yield from paths(below, f"{above}.{name}")
    elif isinstance(value, list):
        for item in value:
            yield from paths(item, above)


def without(value: Any, path: str, above: str = "") -> None:
    """Take a member away everywhere."""
    if isinstance(value, dict):
        for name in list(value):
            if f"{above}.{name}" == path:
                del value[name]
            elif name not in {"tags", "Tags"}:
                without(value[name], path, f"{above}.{name}")
    elif isinstance(value, list):
        for item in value:
            without(item, path, above)


def thinned(value: Any, chance: random.Random, share: float) -> None:
    """Take members away at random."""
    if isinstance(value, dict):
        for name in list(value):
            if chance.random() < share:
                del value[name]
            else:
                thinned(value[name], chance, share)
    elif isinstance(value, list):
        for item in value:
            thinned(item, chance, share)
