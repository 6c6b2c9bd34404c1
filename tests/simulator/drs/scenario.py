"""One story that calls every operation of DRS, in the order in which an operator would.

In: boto3 clients of a sandbox and its clock. Out: nothing; the caller watches the answers.
"""

from __future__ import annotations

from typing import Any

from prefect_drs.simulator import Sandbox

from .rig import ACCOUNT, GIB, REGION, refused

STAGING = "222222222222"
ACTION = "11111111-1111-4111-8111-111111111111"
DISKS = [{"deviceName": "/dev/sda1", "bytes": 20 * GIB}, {"deviceName": "/dev/sdb", "bytes": 50 * GIB}]


def play(drs: Any, ec2: Any, sandbox: Sandbox) -> None:
    drs.initialize_service()
    backend = sandbox.backend(ACCOUNT, REGION)
    origin = sandbox.backend(ACCOUNT, "us-west-2")
    origin.initialize_service()
    servers = [
        backend.seed_source_server(
            hostname=f"app{n}", name_tag=f"App {n}", ram_bytes=16 * GIB, cpus=4, disks=DISKS, os="Windows",
            private_ips=[f"10.0.0.{n}"],
            **({} if n == 1 else {"source_account": ACCOUNT, "source_region": "us-west-2"}),
        )
        for n in range(1, 5)
    ]  # fmt: skip
    ids = [server.server_id for server in servers]
    configure(drs, ids)
    recover(drs, sandbox, ids)
    fail_back(drs, sandbox, ids)
    extend(drs, sandbox)
    networks(drs, ec2, sandbox)
    plans(drs, sandbox, servers[3].arn)
    replicate(drs, sandbox, ids)


def configure(drs: Any, ids: list[str]) -> None:
    template = drs.create_launch_configuration_template(
        exportBucketArn="arn:aws:s3:::drs-templates", tags={"team": "dr"}
    )["launchConfigurationTemplate"]["launchConfigurationTemplateID"]
    drs.describe_launch_configuration_templates()
    drs.update_launch_configuration_template(launchConfigurationTemplateID=template, copyTags=True)
    replication = drs.create_replication_configuration_template(
        stagingAreaSubnetId="subnet-0123456789abcdef0",
        replicationServersSecurityGroupsIDs=[],
        ebsEncryption="DEFAULT",
        bandwidthThrottling=0,
        stagingAreaTags={},
        pitPolicy=[
            {"ruleID": 1, "units": "MINUTE", "interval": 10, "retentionDuration": 60, "enabled": True},
            {"ruleID": 2, "units": "HOUR", "interval": 1, "retentionDuration": 24, "enabled": True},
            {"ruleID": 3, "units": "DAY", "interval": 1, "retentionDuration": 3, "enabled": True},
        ],
    )["replicationConfigurationTemplateID"]
    drs.describe_replication_configuration_templates()
    drs.update_replication_configuration_template(
        replicationConfigurationTemplateID=replication, useDedicatedReplicationServer=True
    )
    drs.get_launch_configuration(sourceServerID=ids[0])
    drs.update_launch_configuration(sourceServerID=ids[0], copyTags=True, postLaunchEnabled=True)
    drs.get_replication_configuration(sourceServerID=ids[0])
    drs.update_replication_configuration(sourceServerID=ids[0], bandwidthThrottling=10)
    drs.put_launch_action(
        resourceId=ids[0], actionCode="AWS-RunShellScript", order=2, actionId=ACTION, optional=True, active=True,
        name="check", actionVersion="1", category="VALIDATION", description="looks whether it is up",
        parameters={"commands": {"value": "uptime", "type": "SSM_STORE"}},
    )  # fmt: skip
    drs.list_launch_actions(resourceId=ids[0])


def recover(drs: Any, sandbox: Sandbox, ids: list[str]) -> None:
    drs.describe_source_servers(maxResults=2)
    point = drs.describe_recovery_snapshots(sourceServerID=ids[1], order="DESC")["items"][0]["snapshotID"]
    job = drs.start_recovery(
        sourceServers=[{"sourceServerID": ids[0]}, {"sourceServerID": ids[1], "recoverySnapshotID": point}],
        tags={"why": "contract"},
    )["job"]
    sandbox.clock.advance(30)
    drs.describe_jobs()
    sandbox.clock.advance(3600)
    drs.describe_jobs(filters={"jobIDs": [job["jobID"]]})
    drs.describe_job_log_items(jobID=job["jobID"])
    drs.describe_recovery_instances()
    drs.describe_source_servers()
    drs.tag_resource(resourceArn=job["arn"], tags={"seen": "yes"})
    drs.list_tags_for_resource(resourceArn=job["arn"])
    drs.untag_resource(resourceArn=job["arn"], tagKeys=["seen"])
    drs.delete_launch_action(resourceId=ids[0], actionId=ACTION)
    drs.delete_job(jobID=job["jobID"])


def fail_back(drs: Any, sandbox: Sandbox, ids: list[str]) -> None:
    found = drs.describe_recovery_instances()["items"]
    by_server = {item["sourceServerID"]: item["recoveryInstanceID"] for item in found}
    first, second = by_server[ids[0]], by_server[ids[1]]
    drs.get_failback_replication_configuration(recoveryInstanceID=first)
    drs.update_failback_replication_configuration(recoveryInstanceID=first, usePrivateIP=True)
    sandbox.backend(ACCOUNT, REGION).pair_failback_client(first)
    sandbox.clock.advance(4 * 3600)
    drs.start_failback_launch(recoveryInstanceIDs=[first], tags={"way": "back"})
    sandbox.clock.advance(3600)
    drs.describe_recovery_instances()
    drs.reverse_replication(recoveryInstanceID=second)
    drs.stop_failback(recoveryInstanceID=second)
    drs.disconnect_recovery_instance(recoveryInstanceID=second)
    drs.describe_recovery_instances()
    drs.delete_recovery_instance(recoveryInstanceID=second)
    drs.terminate_recovery_instances(recoveryInstanceIDs=[first])
    sandbox.clock.advance(600)
    drs.describe_jobs()


def extend(drs: Any, sandbox: Sandbox) -> None:
    staging = sandbox.backend(STAGING, REGION)
    staging.initialize_service()
    staging.seed_source_server(hostname="far", ram_bytes=8 * GIB, cpus=2, disks=DISKS)
    (item,) = drs.list_extensible_source_servers(stagingAccountID=STAGING)["items"]
    drs.create_extended_source_server(sourceServerArn=item["arn"], tags={"from": "staging"})
    drs.list_staging_accounts()


def networks(drs: Any, ec2: Any, sandbox: Sandbox) -> None:
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")
    network = drs.create_source_network(vpcID=vpc, originAccountID=ACCOUNT, originRegion=REGION)["sourceNetworkID"]
    drs.start_source_network_replication(sourceNetworkID=network)
    sandbox.clock.advance(300)
    drs.describe_source_networks()
    drs.export_source_network_cfn_template(sourceNetworkID=network)
    drs.start_source_network_recovery(sourceNetworks=[{"sourceNetworkID": network}])
    sandbox.clock.advance(600)
    drs.associate_source_network_stack(sourceNetworkID=network, cfnStackName="stack")
    sandbox.clock.advance(600)
    job = drs.describe_jobs(maxResults=1)["items"][0]
    drs.describe_job_log_items(jobID=job["jobID"])
    drs.describe_source_networks()
    drs.stop_source_network_replication(sourceNetworkID=network)
    drs.delete_source_network(sourceNetworkID=network)


def plans(drs: Any, sandbox: Sandbox, arn: str) -> None:
    plan = drs.create_recovery_plan(name="Plan A", description="first", tags={"tier": "1"})["recoveryPlan"]
    at = {"recoveryPlanArn": plan["recoveryPlanArn"]}
    servers = {"serverStepConfiguration": {"servers": [{"serverArn": arn, "impactLevel": "CRITICAL"}]}}
    wait = {"waitStepConfiguration": {"waitDurationMinutes": 5}}
    first = drs.create_recovery_plan_step(**at, stepName="launch", configuration=servers)["recoveryPlanStep"]
    second = drs.create_recovery_plan_step(**at, stepName="wait", configuration=wait)["recoveryPlanStep"]
    third = drs.create_recovery_plan_step(**at, stepName="more", configuration=wait)["recoveryPlanStep"]
    drs.get_recovery_plan_step(recoveryPlanStepArn=first["recoveryPlanStepArn"])
    drs.update_recovery_plan_step(recoveryPlanStepArn=second["recoveryPlanStepArn"], stepName="pause")
    drs.list_recovery_plan_steps(**at)
    steps = [third, first, second]
    drs.reorder_recovery_plan_steps(**at, orderedStepArns=[step["recoveryPlanStepArn"] for step in steps])
    drs.delete_recovery_plan_step(recoveryPlanStepArn=third["recoveryPlanStepArn"])
    drs.get_recovery_plan(**at)
    drs.update_recovery_plan(**at, description="better")
    drs.list_recovery_plans()
    executions(drs, sandbox, at, arn)
    drs.delete_recovery_plan(**at)


def executions(drs: Any, sandbox: Sandbox, at: dict[str, str], arn: str) -> None:
    fault = sandbox.faults.fail_server(arn.rsplit("/", 1)[-1], "conversion", times=1)
    run = drs.start_recovery_plan_execution(**at, mode="DRILL", tags={"n": "1"})["recoveryPlanExecution"]
    of = {"recoveryPlanExecutionArn": run["recoveryPlanExecutionArn"]}
    sandbox.clock.advance(3600)
    drs.get_recovery_plan_execution(**of)
    first, second = drs.list_recovery_plan_execution_steps(**of)["recoveryPlanExecutionSteps"]
    step = {"recoveryPlanExecutionStepArn": first["recoveryPlanExecutionStepArn"]}
    drs.get_recovery_plan_execution_step(**step)
    drs.retry_recovery_plan_execution_step(**step)
    sandbox.faults.remove(fault)
    drs.update_recovery_plan_execution_step(
        recoveryPlanExecutionStepArn=second["recoveryPlanExecutionStepArn"], waitDurationMinutes=7
    )
    sandbox.clock.advance(3600)
    drs.list_recovery_plan_executions(**at, status="COMPLETED")
    again = drs.start_recovery_plan_execution(**at, mode="DRILL")["recoveryPlanExecution"]
    drs.cancel_recovery_plan_execution(recoveryPlanExecutionArn=again["recoveryPlanExecutionArn"])
    drs.delete_recovery_plan_execution(**of)


def replicate(drs: Any, sandbox: Sandbox, ids: list[str]) -> None:
    server = {"sourceServerID": ids[2]}
    drs.stop_replication(**server)
    drs.start_replication(**server)
    sandbox.clock.advance(200)
    drs.describe_source_servers()
    sandbox.clock.advance(4 * 3600)
    backend = sandbox.backend(ACCOUNT, REGION)
    backend.stall_replication(backend.servers[ids[2]])
    drs.describe_source_servers()
    drs.retry_data_replication(**server)
    drs.disconnect_source_server(**server)
    drs.describe_source_servers()
    drs.delete_source_server(**server)
    template = drs.describe_replication_configuration_templates()["items"][0]["replicationConfigurationTemplateID"]
    with refused("ConflictException"):
        drs.delete_replication_configuration_template(replicationConfigurationTemplateID=template)
    backend.servers.clear()
    drs.delete_replication_configuration_template(replicationConfigurationTemplateID=template)
    template = drs.describe_launch_configuration_templates()["items"][0]["launchConfigurationTemplateID"]
    drs.delete_launch_configuration_template(launchConfigurationTemplateID=template)
