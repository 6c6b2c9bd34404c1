"""What DRS tells EventBridge: events on the default bus of the account and region, for rules and their targets.

In: what happened, when and to which resource. Out: an event, where somebody has a rule there. Told are the launch
result of a source server, and that its replication stalled or no longer does; of the other events that DRS has (point
in time taken, failback state, source networks) none is.

Source: DRS user guide, "Alarm events and EventBridge".
"""

from __future__ import annotations

import json
from datetime import datetime

from moto.events.models import events_backends

SOURCE = "aws.drs"
LAUNCH_RESULT = "DRS Source Server Launch Result"
STALLED_CHANGE = "DRS Source Server Data Replication Stalled Change"


def tell(account_id: str, region: str, at: datetime, kind: str, arn: str, **detail: str) -> None:
    """Put one event on the default bus.

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
    buses.put_events(
        [
            {
                "Source": SOURCE,
                "DetailType": kind,
                "Detail": json.dumps({name.replace("_", "-"): value for name, value in detail.items()}),
                "Resources": [arn],
                "Time": at.timestamp(),
            }
        ]
    )
