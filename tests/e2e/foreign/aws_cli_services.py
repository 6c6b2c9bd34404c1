"""Commands of AWS CLI about the services around DRS, in the order in which they are run, and what each answers."""

from __future__ import annotations

import json
import re

from tests.e2e.foreign.aws_cli_drs import Row, row
from tests.e2e.foreign.clients import ACCOUNT, REGION, SERVERS

TRUST = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole",
     "Condition": {"StringEquals": {"sts:ExternalId": "shop"}}}]}  # fmt: skip
LOOK = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "drs:Describe*", "Resource": "*"}]}  # fmt: skip
AUDITOR = f"arn:aws:iam::{ACCOUNT}:role/Auditor"
READ_ONLY = "arn:aws:iam::aws:policy/AWSElasticDisasterRecoveryReadOnlyAccess"
DOCUMENT = {"schemaVersion": "0.3", "mainSteps": [
    {"name": "look", "action": "aws:executeAwsApi", "inputs": {"Service": "ec2"}}]}  # fmt: skip

IDENTITY = [
    row(f"sts assume-role --role-arn {AUDITOR} --role-session-name cli --external-id shop", error="AccessDenied"),
    row(f"iam create-role --role-name Auditor --assume-role-policy-document '{json.dumps(TRUST)}'",
        {"Role.Arn": AUDITOR, "Role.MaxSessionDuration": 3600}),
    row("iam get-role --role-name Auditor", {"Role.RoleName": "Auditor"}),
    row("iam get-role --role-name Nobody", error="NoSuchEntity"),
    row(f"iam put-role-policy --role-name Auditor --policy-name look --policy-document '{json.dumps(LOOK)}'"),
    row("iam list-role-policies --role-name Auditor", {"PolicyNames": ["look"]}),
    row(f"sts assume-role --role-arn {AUDITOR} --role-session-name cli --external-id other", error="AccessDenied"),
    row(f"sts assume-role --role-arn {AUDITOR} --role-session-name cli --external-id shop --duration-seconds 43200",
        error="ValidationError"),
    row(f"sts assume-role --role-arn {AUDITOR} --role-session-name cli --external-id shop",
        {"AssumedRoleUser.Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/Auditor/cli"},
        keep={"key": "Credentials.AccessKeyId", "secret": "Credentials.SecretAccessKey",
              "session": "Credentials.SessionToken"}),
    row("as-auditor sts get-caller-identity",
        {"Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/Auditor/cli"}),
    row("as-auditor drs describe-source-servers", {"length(items)": 3}),
    row(f"as-auditor drs start-recovery --source-servers sourceServerID={SERVERS[1]}", error="AccessDeniedException"),
    row("as-auditor ec2 describe-vpcs", error="UnauthorizedOperation"),
    row(f"iam simulate-principal-policy --policy-source-arn {AUDITOR} "
        "--action-names drs:DescribeJobs drs:StartRecovery",
        {"EvaluationResults[].EvalDecision": ["allowed", "implicitDeny"]}),
    row(f"iam get-policy --policy-arn {READ_ONLY}", {"Policy.Arn": READ_ONLY}),
    row(f"iam attach-role-policy --role-name Auditor --policy-arn {READ_ONLY}"),
    row("iam list-attached-role-policies --role-name Auditor", {"AttachedPolicies[].PolicyArn": [READ_ONLY]}),
    row("as-auditor drs describe-jobs", error="ExpiredTokenException", after=2 * 3600),
]  # fmt: skip

EC2 = [
    row("ec2 describe-vpcs --filters Name=is-default,Values=true", {"length(Vpcs)": 1},
        keep={"default": "Vpcs[0].VpcId"}),
    row("ec2 describe-subnets --filters Name=vpc-id,Values=$default Name=availability-zone,Values=us-west-2a",
        {"length(Subnets)": 1}, keep={"subnet": "Subnets[0].SubnetId"}),
    row("ec2 create-security-group --group-name shop --description shop --vpc-id $default",
        {"GroupId": re.compile("sg-[0-9a-f]+")}, keep={"group": "GroupId"}),
    row("ec2 describe-security-groups --group-ids $group", {"SecurityGroups[0].GroupName": "shop"}),
    row("ec2 describe-security-groups --group-ids sg-00000000000000000", error="InvalidGroup.NotFound"),
    row("ec2 describe-instance-type-offerings --location-type availability-zone "
        "--filters Name=instance-type,Values=m5.large Name=location,Values=us-west-2a",
        {"InstanceTypeOfferings[].InstanceType": ["m5.large"]}),
    row("ec2 describe-instance-types --instance-types m5.large",
        {"InstanceTypes[0].VCpuInfo.DefaultVCpus": 2}),
    row("ec2 get-ebs-default-kms-key-id", {"KmsKeyId": re.compile("alias/aws/ebs|arn:aws:kms:.*")}),
    row("ec2 describe-locked-snapshots", error="OperationNotSimulated"),
    row("mgn describe-source-servers", error="OperationNotSimulated"),
    row("service-quotas get-service-quota --service-code ec2 --quota-code L-1216C47A", {"Quota.Value": 20000.0}),
]  # fmt: skip

OPERATIONS = [
    row(f"ssm create-document --name Shop-Look --document-type Automation --content '{json.dumps(DOCUMENT)}'",
        {"DocumentDescription.Name": "Shop-Look"}),
    row("ssm start-automation-execution --document-name Shop-Look", keep={"automation": "AutomationExecutionId"}),
    row("ssm get-automation-execution --automation-execution-id $automation",
        {"AutomationExecution.AutomationExecutionStatus": "InProgress"}),
    row("ssm get-automation-execution --automation-execution-id $automation",
        {"AutomationExecution.AutomationExecutionStatus": "Success",
         "AutomationExecution.StepExecutions[].StepName": ["look"]}, after=60),
    row(f"ssm get-automation-execution --automation-execution-id {'0' * 8}-0000-0000-0000-{'0' * 12}",
        error="AutomationExecutionNotFoundException"),
    row("ssm describe-automation-step-executions --automation-execution-id $automation",
        error="OperationNotSimulated"),
    row("ssm create-ops-item --title stalled --description shop1 --source prefect-drs", keep={"item": "OpsItemId"}),
    row("ssm get-ops-item --ops-item-id $item", {"OpsItem.Title": "stalled", "OpsItem.Status": "Open"}),
    row("ssm describe-ops-items --ops-item-filters Key=Status,Values=Open,Operator=Equal",
        {"OpsItemSummaries[].Title": ["stalled"]}),
    row("ssm put-parameter --name /shop/external-id --value shop --type SecureString", {"Version": 1}),
    row("ssm get-parameter --name /shop/external-id --with-decryption", {"Parameter.Value": "shop"}),
    row("ssm get-parameter --name /shop/none", error="ParameterNotFound"),
    row("sns create-topic --name dr", {"TopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:dr"}),
    row(f"sns subscribe --topic-arn arn:aws:sns:{REGION}:{ACCOUNT}:dr --protocol sqs "
        f"--notification-endpoint arn:aws:sqs:{REGION}:{ACCOUNT}:results",
        {"SubscriptionArn": re.compile("arn:aws:sns:.*")}),
    row(f"sns publish --topic-arn arn:aws:sns:{REGION}:{ACCOUNT}:dr --message 'wave 1 launched'",
        {"MessageId": re.compile("[0-9a-f-]{36}")}),
    row(f"sns publish --topic-arn arn:aws:sns:{REGION}:{ACCOUNT}:none --message hello", error="NotFound"),
    row("kms create-key --key-spec ECC_NIST_P256 --key-usage SIGN_VERIFY", {"KeyMetadata.KeySpec": "ECC_NIST_P256"},
        keep={"kms": "KeyMetadata.KeyId"}),
    row("kms get-public-key --key-id $kms", {"SigningAlgorithms": ["ECDSA_SHA_256"]}),
    row(f"s3api create-bucket --bucket journals --create-bucket-configuration LocationConstraint={REGION}",
        {"Location": re.compile(".*journals.*")}),
    row("s3api list-objects-v2 --bucket journals"),
    row("s3api head-object --bucket journals --key none", error="404"),
    row("s3 ls", {"@": re.compile(r"(?s).* journals\n")}),
]  # fmt: skip

ROWS: list[Row] = [*IDENTITY, *EC2, *OPERATIONS]
