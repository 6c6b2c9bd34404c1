"""EC2 instances as EC2 tells them, whatever of them is wanted.

In: `Sessions`, a `Location`, instance ids. Out: EC2's own answers, one by one, or an `AwsError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prefect_drs.aws.drs import batches
from prefect_drs.aws.errors import aws_call
from prefect_drs.aws.location import Location
from prefect_drs.aws.networks import VALUES_A_FILTER
from prefect_drs.aws.sessions import Sessions


def iterate_instances(
    sessions: Sessions, location: Location, instance_ids: Iterable[str]
) -> Iterator[Mapping[str, Any]]:
    """The instances of those ids that EC2 still knows: one DescribeInstances for 200 of them.

    By filter, since an unknown id in `InstanceIds` would fail the whole call.

    Raises:
        AwsError: EC2 refused or could not be reached.
    """
    with aws_call("DescribeInstances", location.account_id, location.region):
        paginator = sessions.client("ec2", **location._asdict()).get_paginator("describe_instances")
        for batch in batches(instance_ids, VALUES_A_FILTER):
            for page in paginator.paginate(Filters=[{"Name": "instance-id", "Values": batch}]):
                for reservation in page["Reservations"]:
                    yield from reservation["Instances"]
