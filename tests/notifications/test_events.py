"""Events: their documented schema is that of the code, and a payload says what its report says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from prefect_drs.notifications import payload
from prefect_drs.notifications.payload import PAYLOADS, ExecutionPayload
from prefect_drs.orchestration.flow.event_emitter import EVENT_PREFIX
from prefect_drs.plan.notify import Milestone
from tests.notifications import story

PAGE = (Path(__file__).parents[2] / "docs/events.md").read_text(encoding="utf-8")
MODELS = sorted({model.__name__ for model in PAYLOADS.values()})


def test_the_table_of_events_is_that_of_the_code() -> None:
    documented = dict(re.findall(rf"^\| `{EVENT_PREFIX}([\w.]+)` \|[^|]*\| `(\w+)` \|$", PAGE, re.MULTILINE))
    assert documented == {milestone: model.__name__ for milestone, model in PAYLOADS.items()}


@pytest.mark.parametrize("name", MODELS)
def test_the_fields_of_a_payload_are_those_of_the_code(name: str) -> None:
    model: type[ExecutionPayload] = getattr(payload, name)
    section = PAGE.split(f"\n### {name}\n", 1)[1].split("\n##", 1)[0]
    base = re.search(r"Besides those of (\w+):", section)
    inherited = getattr(payload, base[1]).model_fields if base else {}
    assert base is None or issubclass(model, getattr(payload, base[1]))
    assert re.findall(r"^\| `(\w+)` \| (.+) \|$", section, re.MULTILINE) == [
        (field.alias, field.description)
        for field_name, field in model.model_fields.items()
        if field_name not in inherited
    ]


@pytest.mark.parametrize("milestone", Milestone)
def test_a_payload_goes_to_json_and_back(milestone: Milestone) -> None:
    payload = story.all_messages()[milestone].payload
    data = payload.model_dump(mode="json", by_alias=True)
    assert PAYLOADS[milestone].model_validate_json(json.dumps(data)) == payload
    assert data["milestone"] == milestone
    assert data["schemaVersion"] == "1"
    assert len(json.dumps(data)) < 64 * 1024  # EventBridge takes four times as much


def test_a_payload_says_what_happened() -> None:
    messages = story.all_messages()
    failed = messages[Milestone.WAVE_FAILED].payload.model_dump(by_alias=True)
    assert failed["failedServers"] == (story.server(2, "app2").source_server_id,)
    assert (failed["waveLaunched"], failed["waveServers"], failed["launched"], failed["servers"]) == (1, 2, 3, 4)
    ended = messages[Milestone.FAILED].payload.model_dump(by_alias=True)
    assert ended["failedWaves"] == (2,)
    waiting = messages[Milestone.WAVE_PAUSED].payload.model_dump(by_alias=True)
    assert waiting["gateFlowRunId"] == story.GATE
    assert waiting["status"] == "PAUSED"
    assert messages[Milestone.PAUSED].payload.model_dump()["by"] == "grace@laptop"
