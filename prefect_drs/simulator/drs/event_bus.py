"""DRS events for EventBridge, on the default bus of the account and region, for rules and their targets.

In: the kind, time and resource of an event. Out: an event on the bus, if the bus has a rule. The simulator sends all
six kinds that DRS has. AWS documents the detail of the first two; that of the others is `state`, with the values that
the model of DRS has for it, and the id of the snapshot or the job.

Sources: DRS user guide, "Alarm events and EventBridge"; EventBridge reference, "AWS Elastic Disaster Recovery events".
"""

from __future__ import annotations

import json
import logging
from datetime import datetime

from moto.events.models import events_backends

LOGGER = logging.getLogger(__name__)
SOURCE = "aws.drs"
LAUNCH_RESULT = "DRS Source Server Launch Result"
STALLED_CHANGE = "DRS Source Server Data Replication Stalled Change"
POINT_TAKEN = "DRS PIT Snapshot Taken"
FAILBACK_CHANGE = "DRS Recovery Instance Failback State Change"
NETWORK_CHANGE = "DRS Source Network Protection Status Change"
NETWORK_RESULT = "DRS Source Network Recovery Result"


def has_rules(account_id: str, region: str) -> bool:
    """Whether anybody may hear an event of this account and region."""
    buses = dict.get(dict.get(events_backends, account_id, {}), region)  # their own `get` makes one
    return buses is not None and any(bus.rules for bus in buses.event_buses.values())


def put_event(account_id: str, region: str, at: datetime, kind: str, arn: str, **detail: str) -> None:
    """Put one event on the default bus. Delivery is best effort: a target that fails never fails what happened.

    Args:
        account_id, region: where the resource is.
        at: when it happened, simulated.
        kind: the `detail-type`.
        arn: the resource.
        detail: the members of `detail`; an underscore stands for AWS's hyphen.
    """
    buses = dict.get(dict.get(events_backends, account_id, {}), region)  # their own `get` makes one
    if buses is None:
        return
    event = {
        "Source": SOURCE,
        "DetailType": kind,
        "Detail": json.dumps({name.replace("_", "-"): value for name, value in detail.items()}),
        "Resources": [arn],
        "Time": at.timestamp(),
    }
    try:
        buses.put_events([event])
    except Exception as error:  # a target that is gone, or one that moto cannot reach
        LOGGER.warning("%s of %s was not delivered: %s: %s", kind, arn, type(error).__name__, error)
