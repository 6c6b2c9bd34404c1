"""Notifications as they arrive: a queue that is subscribed to a topic, and a bare shell to try commands in."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from typing import Any

from prefect_drs.notifications.text import END
from tests.e2e.rehearsal import ACCOUNT, Rehearsal, until

BARE_SHELL = {"PATH": os.environ["PATH"]}


@dataclass
class Inbox:
    """A queue that is subscribed to a topic, and what has arrived in it so far."""

    sqs: Any
    url: str
    topic_arn: str
    messages: list[dict[str, Any]] = field(default_factory=list)

    def arrived(self) -> list[dict[str, Any]]:
        """Every notification so far, as SNS sends it to a queue."""
        while found := self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                self.messages.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return self.messages

    def awaited(self, milestone: str) -> dict[str, Any]:
        """Wait for the notification of a milestone."""

        def look() -> dict[str, Any] | None:
            return next((m for m in self.arrived() if milestone_of(m) == milestone), None)

        return until(look, f"a notification of {milestone}")


def milestone_of(message: dict[str, Any]) -> str:
    return str(message["MessageAttributes"]["milestone"]["Value"])


def inbox(rehearsal: Rehearsal, region: str) -> Inbox:
    sns, sqs = rehearsal.client("sns", region), rehearsal.client("sqs", region)
    topic = sns.create_topic(Name="recoveries")["TopicArn"]
    url = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{region}:{ACCOUNT}:inbox")
    return Inbox(sqs, url, topic)


def cut_out(text: str, heading: str) -> str:
    """The command between the lines to cut along."""
    return text.split(f"\n{heading}\n", 1)[1].split(f"\n{END}\n", 1)[0]


def as_it_stands(command: str) -> subprocess.CompletedProcess[str]:
    """Run it in a shell that knows nothing but where programs are."""
    return subprocess.run(
        ["sh", "-c", command], env=BARE_SHELL, capture_output=True, text=True, timeout=90, check=False, cwd="/"
    )
