"""DRS events for EventBridge, on the default bus of the account and region, for rules and their targets.

In: the kind, time and resource of an event. Out: an event on the bus, if the bus has a rule. The simulator sends the
launch results of source servers, and the start and end of a stall of their replication. It does not send the other
events of DRS (point in time taken, failback state, source networks).

Source: DRS user guide, "Alarm events and EventBridge".
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
