"""The preflight of one large account and region: how long it takes, and how many calls to AWS it makes.

    python -m benchmarks.preflight                    # 4,000 servers
    python -m benchmarks.preflight --servers 400

In memory, on the simulator: its own time is in the figures, the network's is not. Every server has a subnet, security
groups, an instance type, a profile and a static address of its own, so every rule has something to look at; a tenth of
the addresses are held by somebody. Counted are the requests that botocore sends, by operation, retries included. Ends
with exit code 1 where there are more than 80 besides one GetLaunchConfiguration a server; 25 of those are
GetReplicationConfiguration, for the first 25 servers.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from ipaddress import IPv4Network

from rich.console import Console
from rich.table import Table

from prefect_drs.aws.sessions import Sessions
from prefect_drs.plan.model import Manifest
from prefect_drs.runbook import Runbook, resolve
from prefect_drs.simulator import Sandbox, mock_drs

REGION = "us-west-2"
CALLS_AT_MOST = 80
GIB = 2**30
A_SERVER = "drs:GetLaunchConfiguration"


def build(sandbox: Sandbox, sessions: Sessions, servers: int) -> Manifest:
    """An estate of so many servers in one account and region, and a plan of waves of 400 over it."""
    ec2, iam = sessions.client("ec2", region=REGION), sessions.client("iam", region=REGION)
    block = IPv4Network("10.64.0.0/16")
    vpc = ec2.create_vpc(CidrBlock=str(block))["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=str(block), AvailabilityZone=f"{REGION}a")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="all", Description="all", VpcId=vpc)["GroupId"]
    iam.create_instance_profile(InstanceProfileName="all")
    backend = sandbox.backend(sessions.caller_account_id, REGION)
    backend.initialize_service()
    ids = [
        str(
            backend.seed_source_server(
                hostname=f"server-{number:04d}",
                ram_bytes=4 * GIB,
                cpus=2,
                disks=[{"deviceName": "/dev/sda1", "bytes": 40 * GIB}],
            ).server_id
        )
        for number in range(servers)
    ]
    addresses = [str(block[16 + number]) for number in range(servers)]
    for address in addresses[::10]:
        ec2.create_network_interface(SubnetId=subnet, PrivateIpAddress=address)
    waves = [ids[begin : begin + 400] for begin in range(0, servers, 400)]
    own = dict(zip(ids, addresses, strict=True))
    return Manifest.model_validate(
        {
            "schemaVersion": "1.1",
            "protectionGroups": [
                {
                    "groupName": f"group {number}",
                    "region": REGION,
                    "sourceServerIds": wave,
                    "launchConfig": {
                        "subnetId": subnet,
                        "securityGroupIds": [group],
                        "instanceType": "m6i.large",
                        "instanceProfileName": "all",
                    },
                    "servers": [
                        {"sourceServerId": server, "launchTemplate": {"staticPrivateIp": own[server]}}
                        for server in wave
                    ],
                }
                for number, wave in enumerate(waves, 1)
            ],
            "recoveryPlans": [
                {
                    "planName": "all",
                    "maxLag": "PT15M",
                    "waves": [
                        {"waveNumber": number, "waveName": f"wave {number}", "groups": [f"group {number}"]}
                        for number in range(1, len(waves) + 1)
                    ],
                }
            ],
        }
    )


def measure(servers: int) -> tuple[float, Counter[str], Runbook]:
    """Seconds, calls by operation, and the runbook."""
    with mock_drs(default_images=False) as sandbox:
        manifest = build(sandbox, Sessions(), servers)
        sessions = Sessions()
        began = time.perf_counter()
        runbook = resolve(manifest, manifest.plan(), mode="drill", sessions=sessions, clock=sandbox.clock)
        return time.perf_counter() - began, sessions.calls.snapshot(), runbook


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", type=int, default=4000)
    servers = parser.parse_args().servers
    os.environ.update(AWS_ACCESS_KEY_ID="testing", AWS_SECRET_ACCESS_KEY="testing", AWS_DEFAULT_REGION=REGION)  # noqa: S106
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        os.environ.pop(name, None)
    seconds, calls, runbook = measure(servers)
    table = Table(title=f"{servers} servers: {seconds:.1f} s, {len(runbook.findings)} findings")
    table.add_column("call")
    table.add_column("times", justify="right")
    for name, count in calls.most_common():
        table.add_row(name, str(count))
    console = Console()
    console.print(table)
    others = calls.total() - calls[A_SERVER]
    console.print(f"besides {A_SERVER}: {others} (at most {CALLS_AT_MOST})")
    return int(others > CALLS_AT_MOST or calls[A_SERVER] > servers)


if __name__ == "__main__":
    sys.exit(main())
