"""EC2 as the preflight sees it: what an instance holds.

In: `Sessions` and a `Location`. Out: plain values, or an `AwsError`. Reads only.
"""

from __future__ import annotations

from collections.abc import Sequence

from prefect_drs.aws.drs import batches
from prefect_drs.aws.errors import aws_call
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions

INSTANCES_A_FILTER = 200  # EC2 takes up to 200 values a filter (EC2 user guide, "Filter resources")


def private_addresses(sessions: Sessions, location: Location, instance_ids: Sequence[str]) -> dict[str, frozenset[str]]:
    """The private IPv4 addresses that instances hold, by instance id; an instance that is gone is left out.

    Raises:
        AwsError: EC2 refused or could not be reached.
    """
    held: dict[str, frozenset[str]] = {}
    with aws_call("DescribeInstances", location.account_id, location.region):
        paginator = sessions.client("ec2", **location._asdict()).get_paginator("describe_instances")
        for batch in batches(instance_ids, INSTANCES_A_FILTER):
            for page in paginator.paginate(Filters=[{"Name": "instance-id", "Values": batch}]):
                for reservation in page["Reservations"]:
                    for instance in reservation["Instances"]:
                        held[instance["InstanceId"]] = frozenset(
                            address["PrivateIpAddress"]
                            for interface in instance.get("NetworkInterfaces", [])
                            for address in interface.get("PrivateIpAddresses", [])
                        )
    return held
