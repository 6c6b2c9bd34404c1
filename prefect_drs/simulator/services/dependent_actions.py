"""The actions that a call to DRS demands of its caller beyond its own.

In: an operation of DRS and whether the call gives tags. Out: the actions, which DRS takes in the caller's name
(`aws:ViaAWSService` is true in them), and `drs:TagResource` for tags of a new resource.

Source: Service Authorization Reference, "Actions, resources, and condition keys for AWS Elastic Disaster Recovery",
column "Dependent actions".
"""

from __future__ import annotations

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
