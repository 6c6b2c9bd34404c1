"""The addresses of recovery instances: one paginated `DescribeInstances` an account-region, whoever asks.

In: a location, an instance and which address. Out: the address, None where there is none yet. Thread-safe.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from prefect_drs.aws.instances import iterate_instances
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.clock import Clock

FRESH = timedelta(seconds=5)  # a missing address is looked for again after that


def describe_addresses(
    sessions: Sessions, location: Location, instance_ids: Iterable[str]
) -> dict[str, dict[str, str]]:
    """Each instance that EC2 knows, with its `private` and `public` address as far as it has one.

    Raises:
        AwsError: EC2 refused or could not be reached.
    """
    found: dict[str, dict[str, str]] = {}
    for instance in iterate_instances(sessions, location, instance_ids):
        addresses = {"private": instance.get("PrivateIpAddress"), "public": instance.get("PublicIpAddress")}
        found[instance["InstanceId"]] = {kind: text for kind, text in addresses.items() if text}
    return found


@dataclass(slots=True)
class _Reading:
    """What one account-region's instances have."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    known: dict[str, dict[str, str]] = field(default_factory=dict)
    read_at: datetime | None = None


class Addresses:
    """The addresses of a wave's recovery instances.

    Args:
        sessions: the way into the accounts.
        clock: the time.
        instances: all instances whose address may be needed, by location; they are read together.
    """

    def __init__(self, sessions: Sessions, clock: Clock, instances: Mapping[Location, Iterable[str]]) -> None:
        self._sessions = sessions
        self._clock = clock
        self._instances = {location: tuple(ids) for location, ids in instances.items()}
        self._readings = {location: _Reading() for location in self._instances}

    def of(self, location: Location, instance_id: str, kind: str) -> str | None:
        """Its `private` or `public` address; a missing one is read anew at most every five seconds.

        Raises:
            AwsError: EC2 refused or could not be reached.
        """
        reading = self._readings[location]
        with reading.lock:
            now = self._clock.now()
            missing = kind not in reading.known.get(instance_id, {})
            if missing and (reading.read_at is None or now - reading.read_at >= FRESH):
                reading.known = describe_addresses(self._sessions, location, self._instances[location])
                reading.read_at = now
            return reading.known.get(instance_id, {}).get(kind)
