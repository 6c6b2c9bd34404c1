"""The roles and the Lambda function of prefect-drs as a CDK app.

    npm install --global aws-cdk
    pip install prefect-drs 'aws-cdk-lib>=2.100,<3'
    cdk synth --app 'python examples/cdk/app.py' \
        --context orchestrator=111111111111 --context targets=222222222222,333333333333 --context externalId=WORD

One stack for the orchestrator's account, one for each target account. The target role's policy comes from
`prefect_drs.aws.permissions`, so that an update of the package brings the permissions that it needs.
"""

from __future__ import annotations

from typing import Any

from aws_cdk import App, CfnOutput, Duration, Environment, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from prefect_drs.aws.permissions import policy_document

ROLE = "prefect-drs"
TARGET_ROLE = "DRSOrchestrationRole"
ZIP = "dist/prefect-drs-lambda.zip"
"""Built by `make lambda`."""


class TargetAccountStack(Stack):
    """The role that prefect-drs assumes in a target account.

    Args:
        orchestrator: the id of the orchestrator's account.
        external_id: the ExternalId of the account's TargetAccount block.
    """

    def __init__(self, scope: Construct, name: str, *, orchestrator: str, external_id: str, **stack: Any) -> None:
        super().__init__(scope, name, **stack)
        role = iam.Role(
            self,
            "OrchestrationRole",
            role_name=TARGET_ROLE,
            description="Assumed by prefect-drs to recover servers with AWS Elastic Disaster Recovery.",
            assumed_by=iam.ArnPrincipal(f"arn:{self.partition}:iam::{orchestrator}:role/{ROLE}"),
            external_ids=[external_id],
            inline_policies={"prefect-drs": iam.PolicyDocument.from_json(policy_document())},
        )
        CfnOutput(self, "RoleArn", value=role.role_arn, description="For the TargetAccount block.")


class OrchestratorStack(Stack):
    """The role that the flows and the function run with, the journal's bucket, and the function of the operations.

    Args:
        targets: the ids of the accounts whose role may be assumed.
        code: the zip of the function.
        variables: of the function: PREFECT_API_URL, PREFECT_DRS_JOURNAL, PREFECT_DRS_DEPLOYMENT.
    """

    def __init__(
        self, scope: Construct, name: str, *, targets: list[str], code: str, variables: dict[str, str], **stack: Any
    ) -> None:
        super().__init__(scope, name, **stack)
        journal = s3.Bucket(
            self,
            "Journal",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            versioned=True,
            removal_policy=RemovalPolicy.RETAIN,
        )
        role = iam.Role(
            self,
            "Role",
            role_name=ROLE,
            description="Carries executions of prefect-drs and answers its operations.",
            assumed_by=iam.CompositePrincipal(
                iam.ServicePrincipal("lambda.amazonaws.com"), iam.ServicePrincipal("ecs-tasks.amazonaws.com")
            ),
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["sts:AssumeRole"],
                resources=[f"arn:{self.partition}:iam::{account}:role/{TARGET_ROLE}" for account in targets],
            )
        )
        role.add_to_policy(iam.PolicyStatement(actions=["s3:ListBucket"], resources=[journal.bucket_arn]))
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
                resources=[journal.arn_for_objects("journal/*")],
            )
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["events:PutEvents"],
                resources=[f"arn:{self.partition}:events:{self.region}:{self.account}:event-bus/default"],
            )
        )
        function_logs = logs.LogGroup(self, "Logs", retention=logs.RetentionDays.THREE_MONTHS)
        function_logs.grant_write(role)
        function = lambda_.Function(
            self,
            "Operations",
            function_name="prefect-drs",
            description="The operations of prefect-drs.",
            runtime=lambda_.Runtime.PYTHON_3_12,
            handler="prefect_drs.lambda_handler.handler",
            code=lambda_.Code.from_asset(code),
            role=role,
            memory_size=1024,
            timeout=Duration.minutes(15),
            log_group=function_logs,
            environment=variables,
        )
        CfnOutput(self, "FunctionArn", value=function.function_arn, description="For EventBridge and Step Functions.")


def build(app: App) -> App:
    """Add the stacks that the app's context asks for."""

    def context(key: str, default: str | None = None) -> str:
        value = app.node.try_get_context(key) or default
        if value is None:
            raise SystemExit(f"--context {key}=… is missing")
        return str(value)

    orchestrator, targets = context("orchestrator"), context("targets").split(",")
    region = context("region", "us-east-1")
    OrchestratorStack(
        app,
        "prefect-drs-orchestrator",
        targets=targets,
        code=context("zip", ZIP),
        variables={
            "PREFECT_API_URL": context("prefectApiUrl", "https://prefect.example.com/api"),
            "PREFECT_DRS_JOURNAL": context("journal", "s3-bucket/drs-journal"),
            "PREFECT_DRS_DEPLOYMENT": context("deployment", "recover/production"),
        },
        env=Environment(account=orchestrator, region=region),
    )
    for account in targets:
        TargetAccountStack(
            app,
            f"prefect-drs-target-{account}",
            orchestrator=orchestrator,
            external_id=context("externalId"),
            env=Environment(account=account, region=region),
        )
    return app


if __name__ == "__main__":
    build(App()).synth()
