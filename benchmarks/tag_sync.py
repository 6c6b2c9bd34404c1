"""Tag sync beside one server at a time: time, calls and writes, on the sandbox over HTTP.

    python -m benchmarks.tag_sync                            # 4,000 servers, 5 accounts, 30 regions, 50 ms a call
    python -m benchmarks.tag_sync --servers 400 --latency 0  # smaller; without latency

A call to AWS takes tens of milliseconds, one to a sandbox on the same machine about one: so each request to DRS and EC2
waits `--latency` seconds before it is sent, for both sides alike. AssumeRole is not slowed and not counted.

Measured, each with new sessions, as each scheduled run is a new process:
- first: no server has its instance's tags, copyTags is off everywhere;
- second: nothing has changed;
- second, empty cache: the same with an empty cache of copyTags, so that every launch configuration is read.

"One at a time" reads the servers page by page and then, server by server: its instance, its tags if they differ in one
call, its launch configuration, copyTags if it is off. Both must leave the same tags and settings behind, read back by
plain boto3; the writes are those of the sandbox's own request log. Exit code 1 where the results differ, a second sync
writes, or with latency either is less than 10 times as fast.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.sandbox import CALLER, Process
from prefect_drs.aws.drs import describe_source_servers
from prefect_drs.aws.location import Location
from prefect_drs.aws.regions import drs_regions
from prefect_drs.aws.sessions import AccountAccess, Sessions
from prefect_drs.aws.tags import copies_tags, instance_tags, let_copy_tags, tag_server, untag_server
from prefect_drs.core.clock import WallClock
from prefect_drs.simulator.fleet import fleet
from prefect_drs.tag_sync import CopyTagsCache, TagRules, compare, synchronise

RULES = TagRules(exclude=("CostCenter",), mappings={"Environment": "DR-Environment"})
TARGET = 10


class SlowSessions(Sessions):
    """Sessions whose every request waits before it is sent."""

    def __init__(self, latency: float, **options: Any) -> None:
        super().__init__(**options)
        self.latency = latency
        self._slowed: set[int] = set()

    def client(self, *arguments: Any, **options: Any) -> Any:
        """The client, slowed when it is first asked for."""
        client: Any = super().client(*arguments, **options)
        if self.latency and id(client) not in self._slowed:
            self._slowed.add(id(client))
            client.meta.events.register("before-send", self._wait)
        return client

    def _wait(self, **_: Any) -> None:
        time.sleep(self.latency)


def one_at_a_time(sessions: Sessions, places: list[Location]) -> None:
    """The naive way; the same calls for one server that the sync makes."""
    for place in places:
        for server in describe_source_servers(sessions, place):
            origin = Location(str(server.origin_account_id), str(server.origin_region))
            tags = instance_tags(sessions, origin, [str(server.instance_id)])[str(server.instance_id)]
            difference = compare(server.tags, tags, RULES)
            if difference.removed:
                untag_server(sessions, place, server.arn, [change.key for change in difference.removed])
            if difference.written:
                tag_server(
                    sessions, place, server.arn, {change.key: change.after or "" for change in difference.written}
                )
            if not copies_tags(sessions, place, server.source_server_id):
                let_copy_tags(sessions, place, server.source_server_id)


class Bench:
    """The sandbox, and what both ways are measured on."""

    def __init__(self, sandbox: Process, servers: int, accounts: int, regions: int, latency: float) -> None:
        self.sandbox, self.latency = sandbox, latency
        self.accounts = [CALLER, *(f"{n:012d}" for n in range(222222222222, 222222222222 + accounts - 1))]
        self.regions = list(drs_regions()[:regions])
        self.places = [Location(account, region) for account in self.accounts for region in self.regions]
        self.estate = fleet(servers, accounts=self.accounts, regions=self.regions).model_dump(
            mode="json", by_alias=True
        )
        self.cache = CopyTagsCache()
        self.rows: dict[tuple[str, str], tuple[float, float, int, int]] = {}

    def seed(self) -> None:
        """The estate as it was at the beginning."""
        self.sandbox.ask("POST", "/reset")
        self.sandbox.ask("POST", "/seed", {"estate": self.estate})

    def sessions(self) -> Sessions:
        """New ones, as a new process has."""
        return SlowSessions(self.latency, accounts=[AccountAccess(account) for account in self.accounts])

    def synchronised(self, cache: CopyTagsCache) -> Callable[[Sessions], None]:
        """The sync, with what it remembers."""

        def work(sessions: Sessions) -> None:
            result = synchronise(sessions, RULES, clock=WallClock(), cache=cache)
            if result.errors:
                raise SystemExit(f"the sync failed: {result.errors[:3]}")

        return work

    def measured(self, way: str, what: str, work: Callable[[Sessions], None]) -> None:
        """Seconds, those of them that this process computed, calls, and the writes that the sandbox saw."""
        self.sandbox.ask("DELETE", "/requests")
        sessions = self.sessions()
        began, computed = time.perf_counter(), time.process_time()
        work(sessions)
        seconds, computed = time.perf_counter() - began, time.process_time() - computed
        seen = self.sandbox.ask("GET", "/requests?writes=true&limit=100000")["requests"]
        writes = sum(one["service"] in {"drs", "ec2"} for one in seen)
        calls = sessions.calls.snapshot().total()
        self.rows[way, what] = seconds, computed, calls, writes
        print(f"{way}, {what}: {seconds:.1f} s ({computed:.1f} CPU), {calls} calls, {writes} writes", file=sys.stderr)

    def left_behind(self) -> dict[str, tuple[dict[str, str], bool]]:
        """The tags and copyTags of every server, without latency."""
        sessions = Sessions([AccountAccess(account) for account in self.accounts])
        found = {}
        for place in self.places:
            for server in describe_source_servers(sessions, place):
                found[server.arn] = dict(server.tags), copies_tags(sessions, place, server.source_server_id)
        return found

    def table(self) -> Table:
        """Both ways side by side."""
        table = Table("sync", "way", "seconds", "CPU seconds", "calls", "writes", "times as fast")
        for (way, what), (seconds, computed, calls, writes) in self.rows.items():
            shown = f"{seconds:.1f}", f"{computed:.1f}", f"{calls:,}", f"{writes:,}"
            table.add_row(what, way, *shown, self.told(way, what))
        return table

    def told(self, way: str, what: str) -> str:
        """How many times as fast as one at a time."""
        if way == NAIVE:
            return "1"
        return f"{self.factor(what):.1f}"

    def factor(self, what: str) -> float:
        """One at a time's seconds over the sync's."""
        return self.rows[NAIVE, what.partition(",")[0]][0] / self.rows[SYNC, what][0]


NAIVE, SYNC = "one at a time", "tag sync"


def main() -> int:
    """Measure, compare, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", type=int, default=4_000)
    parser.add_argument("--accounts", type=int, default=5)
    parser.add_argument("--regions", type=int, default=30)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds a request waits before it is sent")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, contextlib.ExitStack() as ending:
        sandbox = Process(Path(home), speed=1)
        ending.callback(sandbox.stop)
        os.environ |= {
            "AWS_ENDPOINT_URL": sandbox.endpoint,
            "AWS_ACCESS_KEY_ID": "AKIASANDBOX000000000",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        bench = Bench(sandbox, given.servers, given.accounts, given.regions, given.latency)
        bench.seed()
        cache = CopyTagsCache()
        bench.measured(SYNC, "first", bench.synchronised(cache))
        bench.measured(SYNC, "second", bench.synchronised(cache))
        bench.measured(SYNC, "second, empty cache", bench.synchronised(CopyTagsCache()))
        ours = bench.left_behind()
        bench.seed()
        bench.measured(NAIVE, "first", lambda sessions: one_at_a_time(sessions, bench.places))
        bench.measured(NAIVE, "second", lambda sessions: one_at_a_time(sessions, bench.places))
        theirs = bench.left_behind()
    Console().print(bench.table())
    faults = []
    if ours != theirs or len(ours) != given.servers:
        faults.append("the two ways did not leave the same behind")
    if any(writes for (_, what), (*_, writes) in bench.rows.items() if what != "first"):
        faults.append("a second sync wrote")
    if given.latency and min(bench.factor("first"), bench.factor("second")) < TARGET:
        faults.append(f"less than {TARGET} times as fast")
    for fault in faults:
        print(f"missed: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
