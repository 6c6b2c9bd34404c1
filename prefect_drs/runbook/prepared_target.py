"""The prepared instance that a choice of a plan means now, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from prefect_drs.aws.location import Location
from prefect_drs.aws.prepared_instances import TargetInstance
from prefect_drs.plan.prepared import PreparedInstance

WORD = "launchIntoInstance"
"""The manifest's word."""


@dataclass(frozen=True, slots=True)
class FoundTarget:
    """What a choice means now.

    Args:
        choice: as made.
        instance_id: the instance that it means; None where it means none, or several.
        instance: as EC2 has it in the server's account and region; None where EC2 has it not.
        matches: how many instances carry the tag.
        unmatched: why the choice means no instance.
        elsewhere: another account and region of the plan that has the instance.
        read: whether EC2 could be asked.
    """

    choice: PreparedInstance
    instance_id: str | None = None
    instance: TargetInstance | None = None
    matches: tuple[str, ...] = ()
    unmatched: str = ""
    elsewhere: Location | None = None
    read: bool = True
