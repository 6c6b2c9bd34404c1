"""A plan's subscriptions: read from the manifest, checked with lines, carried into the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefect_drs.plan import Reading, check_manifest
from prefect_drs.plan.notify import Milestone, Notify

MANIFEST = """schemaVersion: "{version}"
protectionGroups:
  - {{groupName: g, region: us-west-2, sourceServerIds: [s-00000000000000001]}}
recoveryPlans:
  - planName: p
    waves: [{{waveName: w, waveNumber: 1, protectionGroupName: g}}]
    notify:
{notify}
"""
TOPIC = "arn:aws:sns:eu-west-1:123456789012:recoveries"
BUS = "arn:aws:events:eu-west-1:123456789012:event-bus/default"


def reading(tmp_path: Path, *notify: str, version: str = "1.1") -> Reading:
    file = tmp_path / "plan.yaml"
    file.write_text(MANIFEST.format(version=version, notify="\n".join(f"      {line}" for line in notify)))
    return check_manifest(file)


def test_subscriptions_are_read(tmp_path: Path) -> None:
    read = reading(
        tmp_path,
        f"topics: ['{TOPIC}']",
        "blocks: [slack-webhook/on-call]",
        "emails: [owner@example.com]",
        f"eventBuses: ['{BUS}']",
        "milestones: [wave.paused, execution.failed]",
    )
    assert read.faults == ()
    assert read.manifest is not None
    assert read.manifest.plan().notify == Notify(
        topics=(TOPIC,),
        blocks=("slack-webhook/on-call",),
        emails=("owner@example.com",),
        event_buses=(BUS,),
        milestones=(Milestone.WAVE_PAUSED, Milestone.FAILED),
    )


def test_a_plan_without_subscriptions_has_none(tmp_path: Path) -> None:
    read = reading(tmp_path, "topics: []")
    assert read.manifest is not None
    assert read.manifest.plan().notify == Notify()


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("topics: [recoveries]", "INVALID_TOPIC"),
        (f"topics: ['{TOPIC}.fifo']", "INVALID_TOPIC"),
        (f"topics: ['{BUS}']", "INVALID_TOPIC"),
        ("eventBuses: [default]", "INVALID_EVENT_BUS"),
        ("blocks: [on-call]", "INVALID_BLOCK"),
        ("emails: ['owner at example.com']", "INVALID_EMAIL"),
        ("milestones: [wave.done]", "INVALID_VALUE"),
        ("topics: recoveries", "WRONG_TYPE"),
    ],
)
def test_what_is_misshapen_is_a_fault_with_its_line(tmp_path: Path, line: str, code: str) -> None:
    assert [(fault.line, fault.code) for fault in reading(tmp_path, line).faults] == [(8, code)]


def test_a_file_of_schema_1_0_is_told_that_subscriptions_are_newer(tmp_path: Path) -> None:
    read = reading(tmp_path, f"topics: ['{TOPIC}']", version="1.0")
    assert [(fault.line, fault.code, fault.severity) for fault in read.faults] == [(7, "NEWER_FIELD", "warning")]
