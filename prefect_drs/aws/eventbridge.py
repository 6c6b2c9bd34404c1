"""EventBridge as notifications need it: one event put on a bus, and whether the bus is there.

In: `Sessions` and a bus's ARN, which says its account and region. Out: the event's id, or an `AwsError`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from prefect_drs.aws.errors import aws_call
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import AwsError, UsageError
from prefect_drs.plan.notify import EVENT_BUS_ARN

SOURCE = "prefect-drs"
"""What rules match with `{"source": ["prefect-drs"]}`."""


def bus_location(bus_arn: str) -> Location:
    """The account and region of an event bus.

    Raises:
        UsageError: it is no event bus's ARN.
    """
    if (match := EVENT_BUS_ARN.fullmatch(bus_arn)) is None:
        raise UsageError(
            f"{bus_arn!r} is no ARN of an event bus, such as arn:aws:events:eu-west-1:123456789012:event-bus/default"
        )
    return Location(match["account"], match["region"])


def find_bus(sessions: Sessions, bus_arn: str) -> None:
    """Look whether a bus is there and readable.

    Raises:
        UsageError: it is no event bus's ARN.
        AwsError: there is no such bus, EventBridge refused, or it could not be reached.
    """
    location = bus_location(bus_arn)
    with aws_call("DescribeEventBus", location.account_id, location.region, bus_arn=bus_arn):
        sessions.client("events", **location._asdict()).describe_event_bus(Name=bus_arn)


def put_event(sessions: Sessions, bus_arn: str, detail_type: str, detail: Mapping[str, Any], at: datetime) -> str:
    """Put one event on a bus: its id.

    Raises:
        UsageError: it is no event bus's ARN.
        AwsError: EventBridge refused, did not take the event, or could not be reached.
    """
    location = bus_location(bus_arn)
    with aws_call("PutEvents", location.account_id, location.region, bus_arn=bus_arn):
        answer = sessions.client("events", **location._asdict()).put_events(
            Entries=[
                {
                    "Time": at,
                    "Source": SOURCE,
                    "DetailType": detail_type,
                    "Detail": json.dumps(detail, ensure_ascii=False),
                    "EventBusName": bus_arn,
                }
            ]
        )
    (entry,) = answer["Entries"]
    if "EventId" not in entry:  # PutEvents answers 200 although it did not take an entry
        raise AwsError(
            f"PutEvents did not take an event for {bus_arn}: {entry.get('ErrorCode')}: {entry.get('ErrorMessage')}; "
            "correct what AWS names",
            aws_code=str(entry.get("ErrorCode", "")),
            account_id=location.account_id,
            region=location.region,
        )
    return str(entry["EventId"])
