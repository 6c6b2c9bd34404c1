"""Behaviours of DRS with their sources: each is a test, each stands in docs/simulator-behaviours.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
BEHAVIOURS: dict[str, str] = {}

API = "https://docs.aws.amazon.com/drs/latest/APIReference/"
GUIDE = "https://docs.aws.amazon.com/drs/latest/userguide/"
QUOTAS = "https://docs.aws.amazon.com/general/latest/gr/drs.html"
EVENTS = "https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-drs.html"
MODEL = "botocore model drs 2020-02-26, "


def documented(source: str) -> Callable[[F], F]:
    """Note a test as a documented behaviour; its name is the sentence."""

    def note(test: F) -> F:
        BEHAVIOURS[sentence_of(test.__name__)] = source
        return test

    return note


def sentence_of(name: str) -> str:
    return name.removeprefix("test_").replace("_", " ")
