"""How fast the sandbox is, and how much memory it takes: so that it is never what bounds another benchmark.

    python -m benchmarks.sandbox                # 4,000 servers, 5 accounts, 30 regions
    python -m benchmarks.sandbox --servers 400 --accounts 2 --regions 4

It starts a sandbox in a process of its own, as `sandbox start` does, and measures from this process:
- start: from the command until it answers;
- seed: a manifest of so many servers, in so many accounts and regions (each account has servers in each
  region);
- walk: DescribeSourceServers through all pages of all accounts and regions, with assumed roles;
- calls a second of one client and of four at once, for calls of DRS, EC2 and STS;
- a drill of 1,000 servers in 10 jobs at high speed, polled to its end;
- save and load of the state;
- memory of the sandbox's process after each step (resident set, MiB; Linux only).
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from rich.console import Console
from rich.table import Table

from prefect_drs.plan.model import Manifest, ProtectionGroup

CALLER = "123456789012"
JSON = {"Content-Type": "application/json"}
GROUP = 100


class Process:
    """A sandbox in a process of its own."""

    def __init__(self, home: Path, *, speed: float, state: Path | None = None) -> None:
        particulars = home / "sandbox.json"
        command = [sys.executable, "-m", "prefect_drs.simulator.server", "--speed", str(speed)]
        command += ["--particulars", str(particulars), *(["--state", str(state)] if state else [])]
        began = time.perf_counter()
        self.session = boto3.Session()
        self.process = subprocess.Popen(command)  # noqa: S603
        while not particulars.exists():
            if self.process.poll() is not None:
                raise SystemExit("the sandbox did not start")
            time.sleep(0.01)
        self.endpoint = json.loads(particulars.read_text())["endpointUrl"]
        self.ask("GET", "/")
        self.seconds_to_start = time.perf_counter() - began

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One question to the control endpoint."""
        data = json.dumps(body or {}).encode() if method != "GET" else None
        request = urllib.request.Request(f"{self.endpoint}/_sandbox{path}", data, method=method, headers=JSON)  # noqa: S310
        with urllib.request.urlopen(request, timeout=900) as answer:  # noqa: S310
            return json.load(answer)

    def memory(self) -> float:
        """Resident MiB; 0 where the system does not tell."""
        try:
            pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        except OSError:
            return 0.0
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def client(self, service: str, region: str, keys: dict[str, str] | None = None) -> Any:
        """A boto3 client of it."""
        return self.session.client(
            service,
            region_name=region,
            endpoint_url=self.endpoint,
            config=Config(retries={"max_attempts": 1}, max_pool_connections=50),
            **(keys or {"aws_access_key_id": "AKIASANDBOX000000000", "aws_secret_access_key": "sandbox"}),
        )

    def stop(self) -> None:
        """End it, saved where a state was asked for; idempotent."""
        if self.process.poll() is None:
            self.ask("POST", "/stop")
            self.process.wait(timeout=300)


def manifest_of(servers: int, accounts: int, regions: int) -> Manifest:
    """`servers` spread evenly over accounts and regions, in groups of at most 100, each with its subnet."""
    names = boto3.Session().get_available_regions("drs")[:regions]
    numbers = [CALLER, *(f"{n:012d}" for n in range(222222222222, 222222222222 + accounts - 1))]
    places = [(account, region) for account in numbers for region in names]
    groups = []
    for place, (account, region) in enumerate(places):
        count = servers // len(places) + (place < servers % len(places))
        for first in range(0, count, GROUP):
            groups.append(
                ProtectionGroup.model_validate(
                    {
                        "groupName": f"g-{account}-{region}-{first}",
                        "accountId": account,
                        "region": region,
                        "sourceServerIds": [f"p-{n:05d}" for n in range(first, min(first + GROUP, count))],
                        "launchConfig": {"subnetId": f"net-{first}", "securityGroupIds": ["sg-app"]},
                    }
                )
            )
    return Manifest(schema_version="1.1", protection_groups=tuple(groups), recovery_plans=())


def walk(sandbox: Process, manifest: Manifest) -> tuple[int, int]:
    """All source servers of all accounts and regions: how many, in how many calls."""
    found = calls = 0
    keys: dict[str, dict[str, str] | None] = {CALLER: None}
    for account, region in dict.fromkeys((str(g.account_id), g.region) for g in manifest.protection_groups):
        if account not in keys:
            role = f"arn:aws:iam::{account}:role/DRSOrchestrationRole"
            taken = sandbox.client("sts", region).assume_role(RoleArn=role, RoleSessionName="walk")["Credentials"]
            keys[account] = {
                "aws_access_key_id": taken["AccessKeyId"],
                "aws_secret_access_key": taken["SecretAccessKey"],
                "aws_session_token": taken["SessionToken"],
            }
        client = sandbox.client("drs", region, keys[account])
        for page in client.get_paginator("describe_source_servers").paginate():
            found += len(page["items"])
            calls += 1
    return found, calls


def calls_a_second(make: Callable[[], Callable[[], object]], threads: int, seconds: float = 3.0) -> float:
    """How often the call is answered, by so many threads of this process, each with a client of its own."""
    counts = [0] * threads
    clients = [make() for _ in range(threads)]
    for call in clients:
        call()
    end = time.perf_counter() + seconds

    def work(number: int) -> None:
        while time.perf_counter() < end:
            clients[number]()
            counts[number] += 1

    workers = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / seconds


def raw_calls_a_second(sandbox: Process, region: str, seconds: float = 3.0) -> float:
    """DescribeJobs over one kept connection, signed once: what the server does where the client costs nothing."""
    body = b"{}"
    request = AWSRequest(
        "POST", f"{sandbox.endpoint}/DescribeJobs", data=body, headers={"Content-Type": "application/json"}
    )
    SigV4Auth(Credentials("AKIASANDBOX000000000", "sandbox"), "drs", region).add_auth(request)
    headers = dict(request.headers.items())
    connection = http.client.HTTPConnection(urlsplit(sandbox.endpoint).netloc)
    count, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        connection.request("POST", "/DescribeJobs", body, headers)
        connection.getresponse().read()
        count += 1
    connection.close()
    return count / seconds


def drill(sandbox: Process, region: str, servers: int) -> tuple[float, float]:
    """A drill in jobs of 100 until all are LAUNCHED: real seconds, simulated seconds."""
    drs = sandbox.client("drs", region)
    ids = [s["sourceServerID"] for p in drs.get_paginator("describe_source_servers").paginate() for s in p["items"]]
    waiting = [ids[n : n + GROUP] for n in range(0, min(servers, len(ids)), GROUP)]
    began, simulated = time.perf_counter(), sandbox.ask("GET", "/clock")["now"]
    running: list[str] = []
    while waiting or running:
        while waiting and len(running) < 5:
            batch = [{"sourceServerID": i} for i in waiting.pop()]
            running.append(drs.start_recovery(sourceServers=batch, isDrill=True)["job"]["jobID"])
        jobs = drs.describe_jobs(filters={"jobIDs": running})["items"]
        running = [job["jobID"] for job in jobs if job["status"] != "COMPLETED"]
        ended_as = [s["launchStatus"] for j in jobs if j["status"] == "COMPLETED" for s in j["participatingServers"]]
        if set(ended_as) - {"LAUNCHED"}:
            raise SystemExit(f"the drill did not launch every server: {sorted(set(ended_as))}")
    ended = datetime.fromisoformat(sandbox.ask("GET", "/clock")["now"])
    return time.perf_counter() - began, (ended - datetime.fromisoformat(simulated)).total_seconds()


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", type=int, default=4_000)
    parser.add_argument("--accounts", type=int, default=5)
    parser.add_argument("--regions", type=int, default=30)
    parser.add_argument("--drill", type=int, default=1_000)
    given = parser.parse_args()
    table = Table("step", "result", "seconds", "MiB")
    with tempfile.TemporaryDirectory() as home, contextlib.ExitStack() as ending:
        state = Path(home) / "states" / "state"
        sandbox = Process(Path(home), speed=1, state=state)
        ending.callback(sandbox.stop)
        table.add_row("start", "", f"{sandbox.seconds_to_start:.2f}", f"{sandbox.memory():.0f}")

        def timed(name: str, work: Callable[[], str]) -> None:
            began = time.perf_counter()
            result = work()
            table.add_row(name, result, f"{time.perf_counter() - began:.2f}", f"{sandbox.memory():.0f}")

        manifest = manifest_of(given.servers, given.accounts, given.regions)
        wire = {"manifests": [manifest.model_dump(mode="json", by_alias=True)]}
        timed("seed", lambda: f"{sum(r['new'] for r in sandbox.ask('POST', '/seed', wire)['regions']):,} resources")
        timed(
            "seed again", lambda: f"{sum(r['new'] for r in sandbox.ask('POST', '/seed', wire)['regions']):,} resources"
        )
        timed("walk", lambda: "{:,} servers in {:,} calls".format(*walk(sandbox, manifest)))
        region = manifest.protection_groups[0].region
        kinds = {
            "DescribeJobs": lambda: sandbox.client("drs", region).describe_jobs,
            "DescribeSubnets": lambda: sandbox.client("ec2", region).describe_subnets,
            "GetCallerIdentity": lambda: sandbox.client("sts", region).get_caller_identity,
        }
        for name, make in kinds.items():
            for threads in (1, 4):
                rate = calls_a_second(make, threads)
                table.add_row(f"{name}, {threads} client(s)", f"{rate:,.0f} calls a second", "", "")
        table.add_row("DescribeJobs, raw", f"{raw_calls_a_second(sandbox, region):,.0f} calls a second", "", "")
        drilled = manifest_of(given.drill, 1, 1)
        wire_of_drill = {"manifests": [drilled.model_dump(mode="json", by_alias=True)]}
        timed("seed the drill", lambda: str(sandbox.ask("POST", "/seed", wire_of_drill)["regions"][0]["new"]))
        sandbox.ask("POST", "/clock", {"speed": 3_600})
        timed(
            f"drill of {given.drill:,}",
            lambda: "{:.1f} s, {:,.0f} s simulated".format(*drill(sandbox, region, given.drill)),
        )
        timed("save", lambda: str(sandbox.ask("POST", "/state", {"path": str(state)})["stateFile"])[:0])
        table.add_row("state file", f"{state.stat().st_size / 2**20:.1f} MiB", "", "")
        sandbox.stop()
        sandbox = Process(Path(home), speed=0, state=state)
        ending.callback(sandbox.stop)
        table.add_row("start from it", "", f"{sandbox.seconds_to_start:.2f}", f"{sandbox.memory():.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
