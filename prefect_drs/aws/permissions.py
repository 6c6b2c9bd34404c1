"""The permissions that the role in a target account needs: one list, for the preflight and for the documentation.

In: the kinds of checks and hooks that a plan has. Out: actions by their purpose, or an IAM policy. Pure data.

Sources: the calls of this package; for what DRS does in the caller's name while it launches or terminates, the
dependent actions of `StartRecovery` and `TerminateRecoveryInstances` (Service Authorization Reference, "Actions,
resources, and condition keys for AWS Elastic Disaster Recovery").
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Purpose:
    """What some actions are for.

    Args:
        sid: names the policy's statement.
        why: in a sentence.
        actions: of IAM, sorted.
        via_drs: made by DRS in the caller's name (forward access sessions, `aws:ViaAWSService`).
        check_types: only where a plan has checks or hooks of these types; empty: every plan.
        beside: not needed to recover, only for other features.
    """

    sid: str
    why: str
    actions: tuple[str, ...]
    via_drs: bool = False
    check_types: frozenset[str] = frozenset()
    beside: bool = False


PURPOSES: tuple[Purpose, ...] = (
    Purpose(
        "ReadDrs",
        "see servers, jobs, snapshots and recovery instances",
        (
            "drs:DescribeJobLogItems",
            "drs:DescribeJobs",
            "drs:DescribeLaunchConfigurationTemplates",
            "drs:DescribeRecoveryInstances",
            "drs:DescribeRecoverySnapshots",
            "drs:DescribeSourceServers",
            "drs:GetLaunchConfiguration",
        ),
    ),
    Purpose(
        "ReadNetworks",
        "check launch settings against the account, and the instances that came up",
        (
            "ec2:DescribeInstanceStatus",
            "ec2:DescribeInstanceTypeOfferings",
            "ec2:DescribeInstanceTypes",
            "ec2:DescribeInstances",
            "ec2:DescribeLaunchTemplateVersions",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
        ),
    ),
    Purpose(
        "ReadIam",
        "check instance profiles, and this very list",
        ("iam:GetInstanceProfile", "iam:GetRole", "iam:ListInstanceProfiles", "iam:SimulatePrincipalPolicy"),
    ),
    Purpose(
        "WriteLaunchSettings",
        "write what a plan changes before its launch",
        (
            "drs:UpdateLaunchConfiguration",
            "ec2:CreateLaunchTemplateVersion",
            "ec2:DeleteLaunchTemplateVersions",
            "ec2:ModifyLaunchTemplate",
        ),
    ),
    Purpose(
        "Recover",
        "start jobs, find them again by their tags, and end what a drill left",
        ("drs:StartRecovery", "drs:TagResource", "drs:TerminateRecoveryInstances"),
    ),
    Purpose(
        "RecoverByDrs",
        "what DRS does in the caller's name while it launches and terminates",
        (
            "drs:CreateRecoveryInstanceForDrs",
            "drs:ListTagsForResource",
            "ec2:AttachVolume",
            "ec2:AuthorizeSecurityGroupEgress",
            "ec2:AuthorizeSecurityGroupIngress",
            "ec2:CreateLaunchTemplate",
            "ec2:CreateSnapshot",
            "ec2:CreateTags",
            "ec2:CreateVolume",
            "ec2:DeleteSnapshot",
            "ec2:DeleteVolume",
            "ec2:DescribeAccountAttributes",
            "ec2:DescribeAvailabilityZones",
            "ec2:DescribeImages",
            "ec2:DescribeInstanceAttribute",
            "ec2:DescribeLaunchTemplates",
            "ec2:DescribeSnapshots",
            "ec2:DescribeVolumes",
            "ec2:DetachVolume",
            "ec2:ModifyInstanceAttribute",
            "ec2:RevokeSecurityGroupEgress",
            "ec2:RunInstances",
            "ec2:StartInstances",
            "ec2:StopInstances",
            "ec2:TerminateInstances",
            "iam:PassRole",
        ),
        via_drs=True,
    ),
    Purpose(
        "RunCommands",
        "checks and hooks of type `ssmCommand`",
        ("ssm:GetCommandInvocation", "ssm:ListCommands", "ssm:SendCommand"),
        check_types=frozenset({"ssmCommand"}),
    ),
    Purpose(
        "RunAutomations",
        "checks and hooks of type `ssmAutomation`",
        ("ssm:GetAutomationExecution", "ssm:StartAutomationExecution"),
        check_types=frozenset({"ssmAutomation"}),
    ),
    Purpose(
        "InvokeFunctions",
        "checks and hooks of type `lambda`",
        ("lambda:InvokeFunction",),
        check_types=frozenset({"lambda"}),
    ),
    Purpose(
        "ReadLaunchActions",
        "checks of type `postLaunchActions`",
        ("drs:ListLaunchActions",),
        check_types=frozenset({"postLaunchActions"}),
    ),
    Purpose(
        "ReadLimits",
        "check vCPU quotas and the keys of encrypted volumes; where it is missing, the preflight only says so",
        (
            "drs:DescribeReplicationConfigurationTemplates",
            "drs:GetReplicationConfiguration",
            "ec2:GetEbsDefaultKmsKeyId",
            "kms:DescribeKey",
            "servicequotas:GetServiceQuota",
        ),
        beside=True,
    ),
    Purpose(
        "FailBack",
        "failbacks, in the account of the recovery and in that of the origin",
        ("drs:DisconnectRecoveryInstance", "drs:ReverseReplication", "drs:StartFailbackLaunch", "drs:StopReplication"),
        beside=True,
    ),
    Purpose(
        "SyncTags",
        "tag sync, which also takes tags away",
        ("drs:UntagResource",),
        beside=True,
    ),
    Purpose(
        "ExtendServers",
        "staging accounts and extended source servers",
        (
            "drs:CreateExtendedSourceServer",
            "drs:GetReplicationConfiguration",
            "drs:ListExtensibleSourceServers",
            "drs:ListStagingAccounts",
        ),
        beside=True,
    ),
    Purpose(
        "TellOthers",
        "subscriptions to milestones, in the account of the topic or bus",
        (
            "events:DescribeEventBus",
            "events:PutEvents",
            "sns:GetSubscriptionAttributes",
            "sns:ListSubscriptionsByTopic",
            "sns:Publish",
            "sns:SetSubscriptionAttributes",
            "sns:Subscribe",
        ),
        beside=True,
    ),
)


def needed_actions(check_types: Collection[str] = ()) -> tuple[str, ...]:
    """The actions that a plan with checks and hooks of those types needs in a target account, sorted."""
    return tuple(
        sorted(
            action
            for purpose in PURPOSES
            if not purpose.beside and (not purpose.check_types or purpose.check_types & set(check_types))
            for action in purpose.actions
        )
    )


def policy_document(purposes: Iterable[Purpose] = PURPOSES) -> dict[str, Any]:
    """The IAM policy of the role in a target account: a statement a purpose, by default all of them."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": purpose.sid,
                "Effect": "Allow",
                "Action": list(purpose.actions),
                "Resource": "*",
                **({"Condition": {"Bool": {"aws:ViaAWSService": "true"}}} if purpose.via_drs else {}),
            }
            for purpose in purposes
        ],
    }
