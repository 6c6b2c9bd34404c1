"""Answers and inputs against the botocore model."""

from __future__ import annotations

from typing import Any

from prefect_drs.simulator.drs.validation import compile_check, service_model

SAMPLES = {
    "SourceServerID": "s-" + "a" * 17,
    "JobID": "drsjob-" + "a" * 17,
    "RecoveryInstanceID": "i-" + "a" * 17,
    "RecoverySnapshotID": "pit-" + "a" * 17,
    "LaunchConfigurationTemplateID": "lct-" + "a" * 17,
    "ReplicationConfigurationTemplateID": "rct-" + "a" * 17,
    "SourceNetworkID": "sn-" + "a" * 17,
    "LaunchActionResourceId": "s-" + "a" * 17,
    "LaunchActionId": "11111111-1111-4111-8111-111111111111",
    "SourceServerARN": "arn:aws:drs:us-east-1:222222222222:source-server/s-" + "a" * 17,
    "StrictDRSARN": "arn:aws:drs:us-east-1:123456789012:recovery-plan/rp-" + "a" * 17,
    "ARN": "arn:aws:drs:us-east-1:123456789012:source-server/s-" + "a" * 17,
    "AccountID": "222222222222",
    "AwsRegion": "us-east-1",
    "VpcID": "vpc-0123456789abcdef0",
    "SubnetID": "subnet-0123456789abcdef0",
    "CfnStackName": "stack",
    "SsmDocumentName": "AWS-RunShellScript",
    "LaunchActionVersion": "1",
    "LaunchActionName": "action",
    "LaunchActionDescription": "an action",
}


def sample(shape: Any) -> Any:
    """A value with the required members only."""
    if shape.type_name == "structure":
        if shape.name == "RecoveryPlanStepConfiguration":
            return {"waitStepConfiguration": {"waitDurationMinutes": 1}}
        return {name: sample(shape.members[name]) for name in shape.required_members}
    if shape.type_name == "list":
        return [sample(shape.member) for _ in range(shape.metadata.get("min", 0))]
    if shape.type_name == "map":
        return {}
    if shape.type_name == "boolean":
        return False
    if shape.type_name in {"integer", "long"}:
        return max(1, shape.metadata.get("min", 0))
    if "enum" in shape.metadata:
        return shape.metadata["enum"][0]
    return SAMPLES.get(shape.name, "name")


def misfits(shape: Any, answer: Any) -> list[str]:
    """What of an answer the model does not allow: wrong values, missing members, unknown members."""
    faults: dict[str, str] = {}
    compile_check(shape, {})(answer, "", faults)
    return [f"{name}: {text}" for name, text in faults.items()] + unknown_members(shape, answer, "")


def unknown_members(shape: Any, answer: Any, path: str) -> list[str]:
    found: list[str] = []
    if shape.type_name == "structure" and isinstance(answer, dict):
        for name, value in answer.items():
            if name in shape.members and not shape.members[name].serialization.get("location"):
                found += unknown_members(shape.members[name], value, f"{path}.{name}")
            else:
                found.append(f"{path}.{name}: not in the model's body")
    elif shape.type_name == "list" and isinstance(answer, list):
        for item in answer:
            found += unknown_members(shape.member, item, f"{path}[]")
    return found


def error_shape(operation: str, code: str) -> Any:
    """The shape of an error that the model lets an operation answer, or None."""
    for shape in service_model().operation_model(operation).error_shapes:
        if shape.name == code:
            return shape
    return None
