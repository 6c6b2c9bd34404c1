"""DRS without the sandbox around it: a service of moto like any other."""

from __future__ import annotations

import subprocess
import sys

STORY = """
import boto3
from moto import mock_aws
from prefect_drs.simulator.drs import drs_backends
from prefect_drs.simulator.drs.registration import register

assert register() and not register()
with mock_aws():
    drs = boto3.client("drs", region_name="us-east-1")
    try:
        drs.describe_jobs()
    except drs.exceptions.UninitializedAccountException:
        drs.initialize_service()
    backend = drs_backends["123456789012"]["us-east-1"]
    server = backend.seed_source_server(
        hostname="db01", ram_bytes=8 * 2**30, cpus=2, disks=[{"deviceName": "/dev/sda1", "bytes": 2**30}]
    )
    job = drs.start_recovery(sourceServers=[{"sourceServerID": server.server_id}], isDrill=True)["job"]
    print(drs.describe_jobs(filters={"jobIDs": [job["jobID"]]})["items"][0]["status"])
"""


def test_drs_runs_in_plain_moto_by_the_machines_clock() -> None:
    story = subprocess.run([sys.executable, "-c", STORY], capture_output=True, text=True, check=False)
    assert (story.stdout, story.returncode) == ("PENDING\n", 0), story.stderr
