"""What is remembered of copyTags, and for how long."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta

from prefect_drs.tag_sync import CopyTagsMemory

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ARNS = [f"arn:aws:drs:us-west-2:123456789012:source-server/s-{n:017d}" for n in range(200)]
DAY = timedelta(hours=24)


def remembering() -> CopyTagsMemory:
    memory = CopyTagsMemory()
    for arn in ARNS:
        memory.note(arn, NOW)
    return memory


def test_a_server_that_is_not_remembered_is_looked_at() -> None:
    assert CopyTagsMemory().is_due(ARNS[0], NOW)


def test_within_half_a_day_no_server_is_looked_at_again_and_within_a_day_every_one() -> None:
    memory = remembering()
    due = [sum(memory.is_due(arn, NOW + timedelta(hours=hours)) for arn in ARNS) for hours in range(25)]
    assert due[11] == 0
    assert due[24] == len(ARNS)
    assert due == sorted(due)


def test_servers_fall_due_in_turns() -> None:
    memory = remembering()
    due = [sum(memory.is_due(arn, NOW + timedelta(hours=hours)) for arn in ARNS) for hours in range(12, 25)]
    assert max(after - before for before, after in itertools.pairwise(due)) < len(ARNS) / 4


def test_a_clock_that_went_back_makes_it_look_again() -> None:
    assert remembering().is_due(ARNS[0], NOW - timedelta(hours=1))


def test_zero_looks_every_time() -> None:
    memory = CopyTagsMemory(looked_at_again_after=timedelta(0))
    memory.note(ARNS[0], NOW)
    assert memory.is_due(ARNS[0], NOW)


def test_it_survives_as_json_and_anything_else_is_an_empty_one() -> None:
    kept = json.loads(json.dumps(remembering().to_json()))
    assert CopyTagsMemory.from_json(kept).to_json() == kept
    for broken in (None, [], "x", {"arn": "yesterday"}):
        assert CopyTagsMemory.from_json(broken).to_json() == {}


def test_servers_that_are_gone_are_forgotten() -> None:
    memory = remembering()
    memory.note(ARNS[0], NOW + 2 * DAY)
    memory.forget_older_than(NOW + 3 * DAY)
    assert list(memory.to_json()) == [ARNS[0]]
