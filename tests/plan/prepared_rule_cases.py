"""For every rule about prepared instances a change that breaks it, and one like it that keeps it."""

from __future__ import annotations

from typing import Any

from tests.plan.pair import Change, Pair, both
from tests.plan.test_broken_manifests import DB, TEMPLATE, set_

CONFIG = (*DB, "launchConfig")
HEX = "0123456789abcdef0"
DB1, DB2 = "s-00000000000000001", "s-00000000000000002"


def into(path: Any, choice: Any) -> Change:
    return set_(*path, "launchIntoInstance", to=choice)


PREPARED: dict[str, Pair] = {
    "prepared_instances_are_named_in_one_way": Pair(
        "PREPARED_INSTANCE_UNCLEAR",
        into(TEMPLATE, {"instanceId": f"i-{HEX}", "tag": "Name"}),
        into(TEMPLATE, {"tag": "Name"}),
    ),
    "prepared_instances_are_well_formed": Pair(
        "INVALID_PREPARED_INSTANCE",
        into(TEMPLATE, "db-prepared"),
        into(TEMPLATE, f"i-{HEX}"),
    ),
    "prepared_instances_are_of_servers": Pair(
        "PREPARED_INSTANCE_ON_GROUP",
        into(CONFIG, {"tag": "role", "value": "db"}),
        into(CONFIG, {"tag": "role"}),
    ),
    "prepared_instances_are_given_once": Pair(
        "DUPLICATE_PREPARED_INSTANCE",
        into(CONFIG, {"table": dict.fromkeys((DB1, DB2), f"i-{HEX}")}),
        into(CONFIG, {"table": {DB1: f"i-{HEX}", DB2: f"i-{HEX[::-1]}"}}),
    ),
    "prepared_instances_exclude_copies": Pair(
        "PREPARED_INSTANCE_CONTRADICTION",
        both(into(TEMPLATE, f"i-{HEX}"), set_(*TEMPLATE, "copyTags", to=True)),
        both(into(TEMPLATE, f"i-{HEX}"), set_(*TEMPLATE, "copyTags", to=False)),
    ),
}
