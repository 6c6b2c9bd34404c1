"""The versions of EC2 launch templates, read from an account and region.

In: an EC2 client and template ids. Out: versions as `DescribeLaunchTemplateVersions` answers them, complete ones only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from prefect_drs.aws.errors import NotFoundError, aws_call
from prefect_drs.aws.launch_template import template_values
from prefect_drs.aws.parallel import map_parallel

if TYPE_CHECKING:
    from mypy_boto3_ec2.client import EC2Client

VERSIONS_A_PAGE = 200  # DescribeLaunchTemplateVersions, MaxResults: 1 to 200
BY_ID_UP_TO = 24  # templates read one by one; above, the region's are read in pages


def default_versions(
    ec2: EC2Client, template_ids: set[str], account_id: str, region: str, workers: int
) -> dict[str, Mapping[str, Any]]:
    """The default version of each of those templates, by template id; a template that does not exist is left out.

    Up to `BY_ID_UP_TO` templates are read by id, more in pages of the region's default versions.

    Raises:
        AwsError: EC2 refused or could not be reached.
    """
    found: dict[str, Mapping[str, Any]] = {}
    if len(template_ids) > BY_ID_UP_TO:
        with aws_call("DescribeLaunchTemplateVersions", account_id, region):
            paginator = ec2.get_paginator("describe_launch_template_versions")
            pages = paginator.paginate(Versions=["$Default"], PaginationConfig={"PageSize": VERSIONS_A_PAGE})
            for page in pages:
                found |= {
                    item["LaunchTemplateId"]: complete_version(item)
                    for item in page["LaunchTemplateVersions"]
                    if item["LaunchTemplateId"] in template_ids
                }
                if len(found) == len(template_ids):
                    break

    def by_id(template_id: str) -> Mapping[str, Any] | None:
        try:
            return read_versions(ec2, template_id, ["$Default"], account_id, region)[0]
        except NotFoundError:
            return None

    missing = sorted(template_ids - found.keys())
    for template_id, version in zip(missing, map_parallel(by_id, missing, workers), strict=True):
        if version is not None:
            found[template_id] = version
    return found


def read_versions(
    ec2: EC2Client, template_id: str, versions: list[str], account_id: str, region: str
) -> list[Mapping[str, Any]]:
    """Those versions of a template: numbers, `$Default` or `$Latest`.

    Raises:
        NotFoundError: the template or a version does not exist.
        AwsError: EC2 refused or could not be reached.
    """
    with aws_call("DescribeLaunchTemplateVersions", account_id, region, launch_template_id=template_id):
        answer = ec2.describe_launch_template_versions(LaunchTemplateId=template_id, Versions=versions)
        found: list[Mapping[str, Any]] = [complete_version(item) for item in answer["LaunchTemplateVersions"]]
        if not found:
            raise ValueError(f"no version of {template_id}")
        return found


def complete_version(version: Mapping[str, Any]) -> Mapping[str, Any]:
    """The version, if every part that is copied into a new version is there: a part that is missing would be lost.

    Raises:
        KeyError: its number, its data or a part of the data is missing.
    """
    data = version["LaunchTemplateData"]
    needed = [version["VersionNumber"], template_values(data)]
    needed += [tag["Key"] for tags in data.get("TagSpecifications") or [] for tag in tags.get("Tags") or []]
    for interface in data.get("NetworkInterfaces") or []:
        needed += [address["PrivateIpAddress"] for address in interface.get("PrivateIpAddresses") or []]
    return version
