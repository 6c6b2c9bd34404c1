"""Commands of AWS CLI about DRS, in the order in which they are run, and what each answers."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.e2e.foreign.clients import ACCOUNT, REGION, SERVERS, Expected

ONE, TWO, THREE, FOUR = SERVERS
ARN = f"arn:aws:drs:{REGION}:{ACCOUNT}"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")
USAGE = "usage"
"""The error of a command that lacks an argument."""
SQS = "sqs --endpoint-url $endpoint"
"""The CLI's first version takes no AWS_ENDPOINT_URL for SQS: it sends these calls to AWS."""
Row = tuple[str, Expected]


def row(command: str, fields: dict[str, Any] | None = None, **expected: Any) -> Row:
    """A command, without `aws`, and what its answer holds."""
    return command, Expected(fields=fields or {}, **expected)


SETUP = [
    row("sts get-caller-identity", {"Account": ACCOUNT}),
    row("drs describe-jobs", error="UninitializedAccountException"),
    row("drs initialize-service"),
    row("drs describe-jobs", {"items": []}),
    row("iam get-instance-profile --instance-profile-name AWSElasticDisasterRecoveryRecoveryInstanceRole",
        {"InstanceProfile.Roles[0].RoleName": "AWSElasticDisasterRecoveryRecoveryInstanceRole"}),
]  # fmt: skip

SOURCE_SERVERS = [
    row("drs describe-source-servers", {
        "length(items)": 4, "items[0].sourceServerID": ONE, "items[0].arn": f"{ARN}:source-server/{ONE}",
        "items[].dataReplicationInfo.dataReplicationState | [0]": "CONTINUOUS",
        "items[0].lifeCycle.addedToServiceDateTime": TIME,
    }),
    row("drs describe-source-servers --region us-west-2 --query 'items[].[sourceServerID, tags.Name]' --output text",
        {"@": "".join(f"{server}\tshop{number}\n" for number, server in enumerate(SERVERS, 1))}),
    row("drs describe-source-servers --max-items 3 --page-size 2",
        {"length(items)": 3, "items[2].sourceServerID": THREE}, keep={"token": "NextToken"}),
    row("drs describe-source-servers --starting-token $token", {"items[].sourceServerID": [FOUR]}),
    row(f"drs describe-source-servers --filters sourceServerIDs={TWO}",
        {"length(items)": 1, "items[0].tags.Environment": "test"}),
    row("drs describe-source-servers --filters hardwareId=none", {"items": []}),
    row("drs describe-source-servers --filters sourceServerIDs=short", error="Parameter validation failed:"),
    row("drs list-extensible-source-servers --staging-account-id 222222222222", error="AccessDeniedException"),
    row("drs list-staging-accounts", {"accounts": []}),
    row(f"drs list-tags-for-resource --resource-arn {ARN}:source-server/{ONE}", {"tags.Name": "shop1"}),
    row(f"drs tag-resource --resource-arn {ARN}:source-server/{ONE} --tags Owner=shop,Tier=db"),
    row(f"drs untag-resource --resource-arn {ARN}:source-server/{ONE} --tag-keys Tier"),
    row(f"drs list-tags-for-resource --resource-arn {ARN}:source-server/{ONE}",
        {"tags.Owner": "shop", "tags.Tier": None}),
    row(f"drs tag-resource --resource-arn {ARN}:source-server/s-{'f' * 17} --tags a=b",
        error="ResourceNotFoundException"),
    row(f"drs describe-recovery-snapshots --source-server-id {ONE} --order DESC --max-items 2",
        {"length(items)": 2, "items[0].snapshotID": re.compile("pit-[0-9a-f]{17}"), "length(items[0].ebsSnapshots)": 2},
        keep={"ebs": "items[0].ebsSnapshots[0]"}),
    row("ec2 describe-snapshots --snapshot-ids $ebs", {"Snapshots[0].State": "completed"}),
]  # fmt: skip

SETTINGS = [
    row(f"drs get-launch-configuration --source-server-id {ONE}",
        {"launchDisposition": "STARTED", "sourceServerID": ONE}, keep={"template": "ec2LaunchTemplateID"}),
    row(f"drs update-launch-configuration --source-server-id {ONE} --no-copy-private-ip "
        "--target-instance-type-right-sizing-method NONE",
        {"copyPrivateIp": False, "targetInstanceTypeRightSizingMethod": "NONE"}),
    row(f"drs update-launch-configuration --source-server-id {ONE} --launch-disposition ASLEEP",
        error="ValidationException"),
    row(f"drs get-replication-configuration --source-server-id {ONE}", {"sourceServerID": ONE}),
    row("drs describe-launch-configuration-templates", {"items": []}),
    row("drs create-launch-configuration-template --launch-disposition STOPPED --tags Team=shop",
        {"launchConfigurationTemplate.launchDisposition": "STOPPED"},
        keep={"settings": "launchConfigurationTemplate.launchConfigurationTemplateID"}),
    row("drs create-launch-configuration-template", error="ServiceQuotaExceededException"),
    row("drs update-launch-configuration-template --launch-configuration-template-id $settings --copy-tags",
        {"launchConfigurationTemplate.copyTags": True}),
    row("drs delete-launch-configuration-template --launch-configuration-template-id $settings"),
    row("ec2 describe-launch-template-versions --launch-template-id $template --versions '$$Default'",
        {"length(LaunchTemplateVersions)": 1, "LaunchTemplateVersions[0].VersionNumber": 1}),
    row("ec2 create-launch-template-version --launch-template-id $template --source-version 1 "
        "--launch-template-data InstanceType=m5.large",
        {"LaunchTemplateVersion.VersionNumber": 2,
         "LaunchTemplateVersion.LaunchTemplateData.InstanceType": "m5.large"}),
    row("ec2 modify-launch-template --launch-template-id $template --default-version 2",
        {"LaunchTemplate.DefaultVersionNumber": 2}),
    row("ec2 delete-launch-template-versions --launch-template-id $template --versions 1 7",
        {"SuccessfullyDeletedLaunchTemplateVersions[].VersionNumber": [1],
         "UnsuccessfullyDeletedLaunchTemplateVersions[].VersionNumber": [7]}),
    row("ec2 describe-launch-templates --page-size 2", {"length(LaunchTemplates)": 4}),
    row(f"drs put-launch-action --resource-id {ONE} --action-id {'0' * 8}-0000-0000-0000-{'0' * 11}1 "
        "--action-code AWS-RunShellScript --action-version 1 --order 1001 --active --no-optional --name disk "
        "--description checks --category VALIDATION", {"order": 1001, "active": True}),
    row(f"drs list-launch-actions --resource-id {ONE}", {"items[].name": ["disk"]}),
    row(f"drs delete-launch-action --resource-id {ONE} --action-id {'0' * 8}-0000-0000-0000-{'0' * 11}1"),
]  # fmt: skip

LAUNCH = [
    row(SQS + " create-queue --queue-name results", {"QueueUrl": re.compile(".*/results")}, keep={"queue": "QueueUrl"}),
    row(SQS + " get-queue-attributes --queue-url $queue --attribute-names QueueArn",
        {"Attributes.QueueArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:results"}),
    row("events put-rule --name results --event-pattern '"
        + json.dumps({"source": ["aws.drs"], "detail-type": ["DRS Source Server Launch Result"]}) + "'",
        {"RuleArn": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/results"}),
    row(f"events put-targets --rule results --targets Id=1,Arn=arn:aws:sqs:{REGION}:{ACCOUNT}:results",
        {"FailedEntryCount": 0}),
    row("events list-rules", {"Rules[].Name": ["results"]}),
    row(f"drs start-recovery --is-drill --tags Reason=cli --source-servers sourceServerID={ONE} sourceServerID={TWO}",
        {"job.jobID": re.compile("drsjob-[0-9a-f]{17}"), "job.status": "PENDING", "job.initiatedBy": "START_DRILL",
         "length(job.participatingServers)": 2, "job.tags.Reason": "cli"}, keep={"job": "job.jobID"}),
    row(f"drs start-recovery --is-drill --source-servers sourceServerID={ONE}", error="ConflictException"),
    row("drs start-recovery --is-drill", error=USAGE),
    row("drs delete-job --job-id $job", error="ConflictException"),
    row("drs describe-jobs --filters jobIDs=$job", {"items[0].status": "STARTED"}, after=60),
    row("drs describe-jobs --filters jobIDs=$job",
        {"items[0].status": "COMPLETED", "items[0].participatingServers[].launchStatus": ["LAUNCHED", "LAUNCHED"],
         "items[0].endDateTime": TIME}, after=4 * 3600,
        keep={"instance": "items[0].participatingServers[0].recoveryInstanceID"}),
    row("drs describe-job-log-items --job-id $job --query 'items[-1].event' --output text", {"@": "JOB_END\n"}),
    row(f"drs describe-job-log-items --job-id drsjob-{'f' * 17}", error="ValidationException"),
    row(SQS + " receive-message --queue-url $queue --max-number-of-messages 10 "
        "--query 'Messages[].Body | [0]' --output text",
        {'"detail-type"': "DRS Source Server Launch Result", "detail.state": "RECOVERY_LAUNCH_SUCCEEDED"}),
    row("drs describe-recovery-instances --filters sourceServerIDs=" + ONE,
        {"items[0].isDrill": True, "items[0].ec2InstanceState": "RUNNING", "items[0].sourceServerID": ONE}),
    row("ec2 describe-instances --instance-ids $instance",
        {"Reservations[0].Instances[0].State.Name": "running",
         "length(Reservations[0].Instances[0].BlockDeviceMappings)": 2}),
    row("ec2 wait instance-running --instance-ids $instance"),
    row("ec2 describe-instance-status --instance-ids $instance",
        {"InstanceStatuses[0].InstanceStatus.Status": "ok"}),
    row("ec2 describe-volumes --filters Name=attachment.instance-id,Values=$instance",
        {"length(Volumes)": 2, "sort(Volumes[].Size)": [40, 100]}),
    row("drs get-failback-replication-configuration --recovery-instance-id $instance",
        {"recoveryInstanceID": re.compile("i-[0-9a-f]{17}")}),
    row(f"drs start-recovery --source-servers sourceServerID={THREE}", {"job.initiatedBy": "START_RECOVERY"}),
    row("drs terminate-recovery-instances --recovery-instance-ids $instance",
        {"job.type": "TERMINATE"}, keep={"end": "job.jobID"}),
    row("drs describe-jobs --filters jobIDs=$end", {"items[0].status": "COMPLETED"}, after=3600),
    row("ec2 wait instance-terminated --instance-ids $instance"),
    row("drs delete-job --job-id $job"),
    row("drs describe-jobs --filters jobIDs=$job", {"items": []}),
]  # fmt: skip

REPLICATION = [
    row(f"drs retry-data-replication --source-server-id {FOUR}", error="ValidationException"),
    row(f"drs stop-replication --source-server-id {FOUR}",
        {"sourceServer.dataReplicationInfo.dataReplicationState": "STOPPED"}),
    row(f"drs start-replication --source-server-id {FOUR}",
        {"sourceServer.sourceServerID": FOUR}),
    row(f"drs delete-source-server --source-server-id {FOUR}", error="ConflictException"),
    row(f"drs disconnect-source-server --source-server-id {FOUR}",
        {"dataReplicationInfo.dataReplicationState": "DISCONNECTED"}),
    row(f"drs delete-source-server --source-server-id {FOUR}"),
    row(f"drs get-launch-configuration --source-server-id {FOUR}", error="ResourceNotFoundException"),
    row("ec2 create-vpc --cidr-block 10.9.0.0/16", {"Vpc.CidrBlock": "10.9.0.0/16"}, keep={"vpc": "Vpc.VpcId"}),
    row("ec2 create-subnet --vpc-id $vpc --cidr-block 10.9.1.0/24 --availability-zone us-west-2b",
        {"Subnet.AvailableIpAddressCount": 251}),
    row(f"drs create-source-network --origin-account-id {ACCOUNT} --origin-region {REGION} --vpc-id $vpc",
        {"sourceNetworkID": re.compile("sn-[0-9a-f]{17}")}, keep={"network": "sourceNetworkID"}),
    row("drs describe-source-networks", {"items[].replicationStatus": ["STOPPED"]}),
    row("drs delete-source-network --source-network-id $network"),
]  # fmt: skip

ROWS: list[Row] = [*SETUP, *SOURCE_SERVERS, *SETTINGS, *LAUNCH, *REPLICATION]
