"""What was not sent, in the report: as JSON, on a terminal, in Markdown, in the log and in the last message."""

from __future__ import annotations

import io
import json

from rich.console import Console

from prefect_drs.execution.events import Notified
from prefect_drs.execution.view import report_of
from prefect_drs.report.markdown import report_summary
from prefect_drs.report.model import RecoveryReport
from prefect_drs.report.terminal import report_view
from tests.notifications import story

TOPIC = "arn:aws:sns:eu-west-1:222222222222:shop"
SENT = Notified(at=story.at(1), milestone="execution.started", occasion="a", channel=TOPIC)
UNSENT = Notified(
    at=story.at(2), milestone="wave.failed", occasion="b", wave_number=2, channel=TOPIC, error="Publish | failed"
)
LINE = f"not sent: wave.failed of wave 2 to {TOPIC}: Publish | failed"


def report() -> RecoveryReport:
    return report_of([*story.beginning(), SENT, UNSENT, *story.ending()])


def test_json_lists_what_was_not_sent_and_counts_the_rest() -> None:
    told = json.loads(report().to_json())["notifications"]
    assert told == {
        "sent": 1,
        "failed": [
            {
                "milestone": "wave.failed",
                "waveNumber": 2,
                "channel": TOPIC,
                "error": "Publish | failed",
                "at": "2026-11-25T02:02:00Z",
            }
        ],
    }
    assert RecoveryReport.model_validate_json(report().to_json()) == report()


def test_a_report_of_a_former_version_is_read_still() -> None:
    data = json.loads(report().to_json())
    del data["notifications"]
    assert RecoveryReport.model_validate(data).notifications.sent == 0


def test_people_see_it_on_a_terminal_in_the_ui_and_in_the_log() -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(report_view(report()))
    assert LINE in console.export_text()
    assert LINE.replace("|", "\\|") in report_summary(report())
    assert UNSENT.text == f"Notification wave.failed to {TOPIC} failed: Publish | failed"
    assert SENT.text is None


def test_the_last_message_counts_it() -> None:
    last = story.messages([*story.beginning(), UNSENT, *story.ending()])[-1]
    assert "1 notification(s) could not be sent" in last.text
