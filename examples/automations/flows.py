"""Flows that the automations in prefect.yaml start."""

from __future__ import annotations

import json
import re

from prefect import flow, get_run_logger

from prefect_drs.aws.errors import aws_call
from prefect_drs.operations.termination import terminate_execution
from prefect_drs.orchestration.accounts import open_sessions

SERVER_ARN = re.compile(r"arn:[\w-]+:drs:(?P<region>[\w-]+):(?P<account>\d{12}):source-server/(?P<server>s-\w+)")


@flow(name="tidy-up", flow_run_name="tidy up {execution_id}", persist_result=False)
def tidy_up(execution_id: str) -> None:
    """Terminate the drill instances of an execution that has ended.

    Args:
        execution_id: the execution's id from the event's payload.
    """
    result = terminate_execution(execution_id, by="tidy-up", confirm=lambda found: found.report.mode == "drill")
    if result is None:
        raise RuntimeError(f"{execution_id} is a recovery: production may run on its instances; none was terminated")
    if result.left:
        raise RuntimeError(f"not all drill instances of {execution_id} are gone; run prefect-drs terminate again")


@flow(name="open-ops-item", flow_run_name="OpsItem for {server_arn}", persist_result=False)
def open_ops_item(server_arn: str, stalled_at: str) -> str:
    """Open an OpsItem for a source server whose replication has stalled, unless one is already open.

    Args:
        server_arn: the source server.
        stalled_at: the time that DRS reported.

    Returns:
        The OpsItem's id.
    """
    if (found := SERVER_ARN.fullmatch(server_arn)) is None:
        raise ValueError(f"{server_arn!r} is not the ARN of a DRS source server")
    account, region, server = found["account"], found["region"], found["server"]
    with aws_call("CreateOpsItem", account, region):
        ssm = open_sessions(session_name="prefect-drs-ops-item").client("ssm", account_id=account, region=region)
        answer = ssm.create_ops_item(
            Title=f"Source server {server} has stalled",
            Description=f"DRS reported at {stalled_at} that replication of {server} in {account}/{region} has stalled: "
            "data written since then cannot be recovered. Check the server and its replication agent.",
            Source="prefect-drs",
            Category="Availability",
            Severity="2",
            OperationalData={
                "/aws/resources": {"Value": json.dumps([{"arn": server_arn}]), "Type": "SearchableString"},
                "/aws/dedup": {"Value": json.dumps({"dedupString": server_arn}), "Type": "SearchableString"},
            },
        )
    get_run_logger().info("OpsItem %s is open for %s", answer["OpsItemId"], server_arn)
    return str(answer["OpsItemId"])
