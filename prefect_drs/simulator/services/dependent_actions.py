"""The actions that a call to DRS needs beside its own: AWS's "dependent actions", and TagResource where it gives tags.

In: an operation, its resources and tags. Out: the further actions, each with what it is evaluated for. DRS makes the
calls in the caller's name, so that they have `aws:ViaAWSService`. Their own resources are unknown here, as those of all
other services are; they carry DRS's tag.

Source: Service Authorization Reference, "Actions, resources, and condition keys for AWS Elastic Disaster Recovery",
columns "Dependent actions" and "API operations".
"""

from __future__ import annotations

from collections.abc import Iterator

from .drs_resources import UNKNOWN, Asked

_TEMPLATE_OF_NETWORK = (
    "cloudformation:DescribeStackResource",
    "cloudformation:DescribeStacks",
    "drs:GetLaunchConfiguration",
    "ec2:CreateLaunchTemplateVersion",
    "ec2:DescribeLaunchTemplateVersions",
    "ec2:DescribeLaunchTemplates",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "ec2:ModifyLaunchTemplate",
)
_REPLICATION = (
    "ec2:CreateSecurityGroup",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:GetEbsDefaultKmsKeyId",
    "ec2:GetEbsEncryptionByDefault",
    "kms:CreateGrant",
    "kms:DescribeKey",
)
_LAUNCH = (
    "drs:CreateRecoveryInstanceForDrs",
    "drs:ListTagsForResource",
    "ec2:AttachVolume",
    "ec2:AuthorizeSecurityGroupEgress",
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:CreateLaunchTemplate",
    "ec2:CreateLaunchTemplateVersion",
    "ec2:CreateSnapshot",
    "ec2:CreateTags",
    "ec2:CreateVolume",
    "ec2:DeleteLaunchTemplateVersions",
    "ec2:DeleteSnapshot",
    "ec2:DeleteVolume",
    "ec2:DescribeAccountAttributes",
    "ec2:DescribeAvailabilityZones",
    "ec2:DescribeImages",
    "ec2:DescribeInstanceAttribute",
    "ec2:DescribeInstanceStatus",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeInstances",
    "ec2:DescribeLaunchTemplateVersions",
    "ec2:DescribeLaunchTemplates",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSnapshots",
    "ec2:DescribeSubnets",
    "ec2:DescribeVolumes",
    "ec2:DetachVolume",
    "ec2:ModifyInstanceAttribute",
    "ec2:ModifyLaunchTemplate",
    "ec2:RevokeSecurityGroupEgress",
    "ec2:RunInstances",
    "ec2:StartInstances",
    "ec2:StopInstances",
    "ec2:TerminateInstances",
    "iam:PassRole",
)
DEPENDENT_ACTIONS = {
    "AssociateSourceNetworkStack": _TEMPLATE_OF_NETWORK,
    "CreateExtendedSourceServer": ("drs:DescribeSourceServers", "drs:GetReplicationConfiguration"),
    "CreateReplicationConfigurationTemplate": _REPLICATION,
    "CreateSourceNetwork": ("ec2:DescribeInstances", "ec2:DescribeVpcs"),
    "DescribeRecoveryInstances": ("drs:DescribeSourceServers", "ec2:DescribeInstances"),
    "ExportSourceNetworkCfnTemplate": ("s3:GetBucketLocation", "s3:GetObject", "s3:PutObject"),
    "InitializeService": (
        "iam:AddRoleToInstanceProfile",
        "iam:CreateInstanceProfile",
        "iam:CreateServiceLinkedRole",
        "iam:GetInstanceProfile",
    ),
    "ListExtensibleSourceServers": ("drs:DescribeSourceServers",),
    "PutLaunchAction": ("ssm:DescribeDocument",),
    "ReverseReplication": (
        "drs:DescribeReplicationConfigurationTemplates",
        "drs:DescribeSourceServers",
        "ec2:DescribeInstances",
    ),
    "StartRecovery": _LAUNCH,
    "StartSourceNetworkRecovery": (
        "cloudformation:CreateStack",
        "cloudformation:UpdateStack",
        "s3:GetObject",
        "s3:PutObject",
        *_TEMPLATE_OF_NETWORK,
    ),
    "TerminateRecoveryInstances": (
        "drs:DescribeSourceServers",
        "ec2:DeleteVolume",
        "ec2:DescribeInstances",
        "ec2:DescribeVolumes",
        "ec2:TerminateInstances",
    ),
    "UpdateLaunchConfiguration": ("ec2:DescribeInstances",),
    "UpdateReplicationConfiguration": _REPLICATION,
    "UpdateReplicationConfigurationTemplate": _REPLICATION,
}
"""By operation of DRS; the others demand none."""
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
    for action in DEPENDENT_ACTIONS.get(operation, ()):
        yield action, (Asked(asked.resources) if action in ON_THE_SAME_RESOURCES else UNKNOWN), BY_DRS
    if asked.request_tags and operation != "TagResource":
        yield "drs:TagResource", Asked(request_tags=asked.request_tags), {"drs:createaction": [operation]}
