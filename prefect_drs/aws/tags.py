"""Tags of EC2 instances, read; tags and `copyTags` of DRS source servers, read and written.

In: `Sessions`, a `Location`, ids. Out: plain values, or an `AwsError`. Each function makes the calls that its docstring
names, and no more. All writes are idempotent, so botocore may retry them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prefect_drs.aws.errors import aws_call
from prefect_drs.aws.instances import iterate_instances
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions

_GONE = frozenset({"terminated", "shutting-down"})


def instance_tags(sessions: Sessions, origin: Location, instance_ids: Iterable[str]) -> dict[str, dict[str, str]]:
    """The tags of instances by instance id; one that does not exist any more is left out.

    One DescribeInstances for 200 instances. DescribeTags would take more calls, since it lists 1,000 tags a page, and
    would not distinguish an instance without tags from a terminated one.

    Raises:
        AwsError: EC2 refused or could not be reached.
    """
    return {
        instance["InstanceId"]: {tag["Key"]: tag.get("Value", "") for tag in instance.get("Tags", []) if "Key" in tag}
        for instance in iterate_instances(sessions, origin, instance_ids)
        if instance.get("State", {}).get("Name") not in _GONE
    }


def tag_server(sessions: Sessions, location: Location, arn: str, tags: Mapping[str, str]) -> None:
    """Add and overwrite tags of a source server: one TagResource for all of them.

    Raises:
        AwsError: DRS refused or could not be reached.
    """
    with aws_call("TagResource", location.account_id, location.region, resource_arn=arn):
        sessions.client("drs", **location._asdict()).tag_resource(resourceArn=arn, tags=dict(tags))


def untag_server(sessions: Sessions, location: Location, arn: str, keys: Iterable[str]) -> None:
    """Take tags of a source server away: one UntagResource for all of them.

    Raises:
        AwsError: DRS refused or could not be reached.
    """
    with aws_call("UntagResource", location.account_id, location.region, resource_arn=arn):
        sessions.client("drs", **location._asdict()).untag_resource(resourceArn=arn, tagKeys=list(keys))


def copies_tags(sessions: Sessions, location: Location, source_server_id: str) -> bool:
    """Whether DRS gives the server's tags to what it launches: one GetLaunchConfiguration.

    Raises:
        AwsError: DRS refused or could not be reached.
    """
    with aws_call("GetLaunchConfiguration", *location, source_server_id=source_server_id):
        drs = sessions.client("drs", **location._asdict())
        return bool(drs.get_launch_configuration(sourceServerID=source_server_id).get("copyTags"))


def let_copy_tags(sessions: Sessions, location: Location, source_server_id: str) -> None:
    """Have DRS give the server's tags to what it launches: one UpdateLaunchConfiguration, of copyTags alone.

    Raises:
        AwsError: DRS refused or could not be reached.
    """
    with aws_call("UpdateLaunchConfiguration", *location, source_server_id=source_server_id):
        drs = sessions.client("drs", **location._asdict())
        drs.update_launch_configuration(sourceServerID=source_server_id, copyTags=True)
