"""Every operation through all four faces: the same answers, and the same errors shown as each face shows them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from prefect_drs.operations import OPERATIONS
from prefect_drs.rest.errors import status_of
from prefect_drs.rest.routes import ROUTES
from tests.conftest import PrefectServer
from tests.operations.faces.callers import Outcome, faces
from tests.operations.faces.cases import CASES
from tests.operations.faces.world import World, opened_world

NAMES = [operation.name for operation in OPERATIONS]
UNKNOWN = {"colour": "red"}
OF_A_PAGE = {"totalCount", "nextToken"}
LISTS = {route.operation for route in ROUTES if route.items}
VOLATILE = re.compile(
    r"""own-(?:py|op|fn|rest)-\d{3}                                  # names of things of a face
    | \b4\d0000000\d{3}\b                                           # accounts of a face
    | [0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}                   # executions, flow runs, blocks
    | \d{4}-\d\d-\d\d(?:T|\ )\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|\+00:00|\ UTC)?  # times
    | \b(?:i|s|drsjob|subnet|vol|lt)-[0-9A-Za-z]{17}\b             # ids of AWS
    | gated-\d | (?<="waveNumber":\ )\d+                            # gates of a face
    | (?<="ageSeconds":\ )[\d.e-]+
    """,
    re.VERBOSE,
)


@pytest.fixture(scope="module")
def world(prefect_server: PrefectServer) -> Iterator[World]:
    with opened_world() as opened:
        yield opened


@pytest.fixture(autouse=True)
def tidy(world: World) -> Iterator[None]:
    yield
    world.forget_own()


def comparable(name: str, answer: Any) -> Any:
    """An answer without what differs between two calls; a list without its order, which REST chooses."""
    if name in LISTS:
        answer = {key: value for key, value in answer.items() if key not in OF_A_PAGE}
        answer = {
            key: sorted(map(json.dumps, value)) if isinstance(value, list) else value for key, value in answer.items()
        }
    return json.loads(VOLATILE.sub("0", json.dumps(answer, sort_keys=True, ensure_ascii=False)))


def require_one_refusal(found: dict[str, Outcome]) -> Outcome:
    """All faces give the same code and fields, with the exit code of that error and the status of its code."""
    first = found["py"]
    assert first.error is not None
    told = {face: (each.error, each.fields) for face, each in found.items()}
    assert told == dict.fromkeys(found, (first.error, first.fields))
    assert found["op"].shown == first.shown != 0
    assert found["rest"].shown in {status_of(first.error), status_of(first.error, conditional=True)}
    assert 400 <= (found["rest"].shown or 0) < 500
    return first


def test_every_operation_has_a_case():
    assert sorted(CASES) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_operation_answers_the_same_through_every_face(world: World, name: str):
    answers = {}
    for face, call in faces(world.client):
        outcome = call(name, CASES[name].good(world, face))
        assert outcome.error is None, f"{face}: {outcome}"
        assert outcome.shown in {None, 0}
        answers[face] = comparable(name, outcome.answer)
        if (undo := CASES[name].undo) is not None:
            undo(world)
    for face, answer in answers.items():
        assert answer == answers["py"], face


@pytest.mark.parametrize("name", NAMES)
def test_a_fault_of_a_body_is_told_the_same_through_every_face(world: World, name: str):
    body = CASES[name].good(world, "py")
    unknown = require_one_refusal({face: call(name, {**body, **UNKNOWN}) for face, call in faces(world.client)})
    assert (unknown.error, unknown.fields) == ("VALIDATION_ERROR", ("colour",))
    case = CASES[name]
    for refused in (*filter(None, (case.refused,)), *case.also):
        told = require_one_refusal(
            {face: call(name, {**body, **refused.changes}) for face, call in faces(world.client)}
        )
        assert (told.error, told.fields) == (refused.code, tuple(sorted(refused.fields)))
