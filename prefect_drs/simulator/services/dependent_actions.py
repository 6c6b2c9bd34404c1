"""The actions that a call to DRS needs beside its own: AWS's "dependent actions", and TagResource where it gives tags.

In: an operation, its resources and tags. Out: the further actions, each with what it is evaluated for. DRS makes the
calls in the caller's name, so that they have `aws:ViaAWSService`. Their own resources are unknown here, as those of all
other services are; they carry DRS's tag.

Source: Service Authorization Reference, "Actions, resources, and condition keys for AWS Elastic Disaster Recovery",
columns "Dependent actions" and "API operations". Of network recoveries and replication settings only DRS's own action
is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator

from .drs_resources import UNKNOWN, Asked

DEPENDENT: dict[str, tuple[str, ...]] = {
    "StartRecovery": (
        "drs:CreateRecoveryInstanceForDrs", "drs:ListTagsForResource", "ec2:AttachVolume",
        "ec2:AuthorizeSecurityGroupEgress", "ec2:AuthorizeSecurityGroupIngress", "ec2:CreateLaunchTemplate",
        "ec2:CreateLaunchTemplateVersion", "ec2:CreateSnapshot", "ec2:CreateTags", "ec2:CreateVolume",
        "ec2:DeleteLaunchTemplateVersions", "ec2:DeleteSnapshot", "ec2:DeleteVolume", "ec2:DescribeAccountAttributes",
        "ec2:DescribeAvailabilityZones", "ec2:DescribeImages", "ec2:DescribeInstanceAttribute",
        "ec2:DescribeInstanceStatus", "ec2:DescribeInstanceTypes", "ec2:DescribeInstances",
        "ec2:DescribeLaunchTemplateVersions", "ec2:DescribeLaunchTemplates", "ec2:DescribeSecurityGroups",
        "ec2:DescribeSnapshots", "ec2:DescribeSubnets", "ec2:DescribeVolumes", "ec2:DetachVolume",
        "ec2:ModifyInstanceAttribute", "ec2:ModifyLaunchTemplate", "ec2:RevokeSecurityGroupEgress", "ec2:RunInstances",
        "ec2:StartInstances", "ec2:StopInstances", "ec2:TerminateInstances", "iam:PassRole",
    ),
    "TerminateRecoveryInstances": (
        "drs:DescribeSourceServers", "ec2:DeleteVolume", "ec2:DescribeInstances", "ec2:DescribeVolumes",
        "ec2:TerminateInstances",
    ),
    "UpdateLaunchConfiguration": ("ec2:DescribeInstances",),
}  # fmt: skip
ON_THE_SAME_RESOURCES = frozenset({"drs:CreateRecoveryInstanceForDrs", "drs:ListTagsForResource"})
"""Those whose resources are the source servers of the call."""
BY_DRS = {
    "aws:viaawsservice": ["true"],
    "aws:calledvia": ["drs.amazonaws.com"],
    "iam:passedtoservice": ["ec2.amazonaws.com"],
    "aws:resourcetag/awselasticdisasterrecoverymanaged": ["drs.amazonaws.com"],
    "ec2:resourcetag/awselasticdisasterrecoverymanaged": ["drs.amazonaws.com"],
    "aws:requesttag/awselasticdisasterrecoverymanaged": ["drs.amazonaws.com"],
    "ec2:createaction": ["RunInstances"],
}
"""Condition keys of the calls that DRS makes in the caller's name."""


def dependent_actions(operation: str, asked: Asked) -> Iterator[tuple[str, Asked, dict[str, list[str]]]]:
    """Each further action of a call to DRS, what it is evaluated for, and the condition keys that it has."""
    for action in DEPENDENT.get(operation, ()):
        yield action, (Asked(asked.resources) if action in ON_THE_SAME_RESOURCES else UNKNOWN), BY_DRS
    if asked.request_tags and operation != "TagResource":
        yield "drs:TagResource", Asked(request_tags=asked.request_tags), {"drs:createaction": [operation]}
