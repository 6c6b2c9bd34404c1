"""A sync of launch settings, counted: how many calls the first makes, and that the second writes nothing.

    python -m benchmarks.settings_sync                 # 500 servers
    python -m benchmarks.settings_sync --servers 60

boto3 against the simulator in this process; every request is counted as botocore sends it, retries included. Each
server gets both halves of its settings: DRS's own (disposition, tags) and the launch template's (subnet, groups, a
static address of its own, type, tags). Then: a second sync, ten servers changed by hand, and a third that mends those
alone. Left out: AWS's own latency. Ends with exit code 1 where the first sync makes more than 3 writing calls a server,
the second any, or the third one for a server that nobody changed.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from dataclasses import dataclass
from ipaddress import IPv4Network

from prefect_drs.aws.call_count import writes_in
from prefect_drs.aws.launch_sync import SyncState, compare_settings, write_settings
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.plan.model import LaunchSettings
from prefect_drs.simulator import Sandbox, mock_drs

HERE = Location("123456789012", "eu-west-1")
MOST_WRITES_A_SERVER = 3
CHANGED_BY_HAND = 10
GIB = 2**30


@dataclass(frozen=True)
class Measured:
    """One sync: what became of the servers, which requests were sent, and how long it took."""

    states: Counter[SyncState]
    calls: Counter[str]
    seconds: float

    @property
    def writes(self) -> int:
        """Requests that write."""
        return writes_in(self.calls)


def wanted_settings(servers: list[str]) -> dict[str, LaunchSettings]:
    """Settings for each server, an address of its own among them."""
    addresses = list(IPv4Network("10.0.0.0/16").hosts())[10:]
    return {
        server: LaunchSettings(
            launch_disposition="STARTED",
            target_instance_type_right_sizing_method="NONE",
            copy_tags=True,
            subnet_id="subnet-0123456789abcdef0",
            security_group_ids=("sg-0123456789abcdef0",),
            static_private_ip=str(address),
            instance_type="m6i.large",
            tags={"recovered-by": "prefect-drs"},
        )
        for server, address in zip(servers, addresses, strict=False)
    }


def seed(sandbox: Sandbox, count: int) -> list[str]:
    """Source servers."""
    backend = sandbox.backend(*HERE)
    backend.initialize_service()
    disks = [{"deviceName": "/dev/sda1", "bytes": 8 * GIB}]
    return [
        backend.seed_source_server(hostname=f"app{number:04d}", ram_bytes=4 * GIB, cpus=2, disks=disks).server_id
        for number in range(count)
    ]


def sync(sessions: Sessions, wanted: dict[str, LaunchSettings]) -> Measured:
    """One sync, counted."""
    before, began = sessions.calls.snapshot(), time.perf_counter()
    synced = write_settings(sessions, HERE, wanted, compare_settings(sessions, HERE, wanted))
    return Measured(
        Counter(one.state for one in synced.values()),
        sessions.calls.snapshot() - before,
        time.perf_counter() - began,
    )


def change_by_hand(sessions: Sessions, servers: list[str]) -> None:
    """Somebody switches tag copying off for a few servers."""
    drs = sessions.client("drs", **HERE._asdict())
    for server in servers:
        drs.update_launch_configuration(sourceServerID=server, copyTags=False)


def measure(count: int) -> dict[str, Measured]:
    """The three syncs."""
    with mock_drs(default_images=False) as sandbox:
        servers = seed(sandbox, count)
        wanted, sessions = wanted_settings(servers), Sessions()
        found = {"first": sync(sessions, wanted), "second": sync(sessions, wanted)}
        change_by_hand(sessions, servers[:CHANGED_BY_HAND])
        return found | {"after changes by hand": sync(sessions, wanted)}


def misses(found: dict[str, Measured], count: int) -> list[str]:
    """The targets that were missed."""
    first, second, third = found.values()
    return [
        told
        for told, missed in {
            f"the first sync makes at most {MOST_WRITES_A_SERVER} writing calls a server": first.writes
            > MOST_WRITES_A_SERVER * count,
            "the first sync writes every server": first.states != {SyncState.WRITTEN: count},
            "the second sync makes no writing call": second.writes > 0,
            "the second sync finds every server in sync": second.states != {SyncState.IN_SYNC: count},
            "changes by hand are mended, and nothing else is written": third.writes != min(CHANGED_BY_HAND, count),
        }.items()
        if missed
    ]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", type=int, default=500)
    count = parser.parse_args().servers
    os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    os.environ["AWS_DEFAULT_REGION"] = HERE.region
    found = measure(count)
    for name, one in found.items():
        states = ", ".join(f"{number} {state}" for state, number in one.states.items())
        calls = ", ".join(f"{number} {call}" for call, number in one.calls.most_common())
        print(f"{name}: {states}; {one.writes} calls that write, of {one.calls.total()}, in {one.seconds:.1f} s")
        print(f"    {calls}")
    missed = misses(found, count)
    for told in missed:
        print(f"missed: {told}")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
