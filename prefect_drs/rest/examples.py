"""Examples of the OpenAPI document: a body for each operation that takes one, and a value for common parameters.

In: nothing. Out: plain values. `tests/rest` validates each body with the model of its operation.
"""

from __future__ import annotations

from typing import Any

PARAMETERS: dict[str, Any] = {
    "accountId": "123456789012",
    "targetAccountId": "123456789012",
    "stagingAccountId": "210987654321",
    "region": "us-west-2",
    "groupId": "web-servers",
    "planId": "three-tier",
    "serverId": "s-1234567890abcdef0",
    "executionId": "0d8f7a52-3c0e-4a1b-9f65-2b7c1d8e4f90",
    "waveNumber": 1,
}
"""Values of parameters in paths and queries."""

_SERVER = "s-1234567890abcdef0"
_STAGING = {"targetAccountId": "123456789012", "stagingAccountId": "210987654321", "accountName": "staging"}
_EXECUTION = {"executionId": "0d8f7a52-3c0e-4a1b-9f65-2b7c1d8e4f90"}
_MANIFEST = {
    "schemaVersion": "1.1",
    "protectionGroups": [{"groupName": "db-servers", "region": "us-west-2", "serverSelectionTags": {"tier": "db"}}],
    "recoveryPlans": [
        {
            "planName": "three-tier",
            "waves": [{"waveNumber": 0, "waveName": "database", "protectionGroupName": "db-servers"}],
        }
    ],
}

BODIES: dict[str, dict[str, Any]] = {
    "create_protection_group": {
        "name": "web-servers",
        "region": "us-west-2",
        "serverSelectionTags": {"tier": "web"},
        "launchConfiguration": {"copyTags": True},
    },
    "update_protection_group": {"groupId": "web-servers", "version": 1, "description": "front end"},
    "resolve_protection_group_tags": {"region": "us-west-2", "serverSelectionTags": {"tier": "web"}},
    "sync_launch_configs": {"groupIds": ["web-servers"], "dryRun": True},
    "apply_launch_configs": {"groupId": "web-servers", "dryRun": True},
    "bulk_update_server_configs": {
        "groupId": "web-servers",
        "version": 1,
        "servers": [{"serverId": _SERVER, "launchTemplate": {"instanceType": "m6i.large"}}],
    },
    "update_server_launch_config": {
        "groupId": "web-servers",
        "serverId": _SERVER,
        "version": 1,
        "launchTemplate": {"staticPrivateIp": "10.0.1.10"},
    },
    "validate_static_ip": {"groupId": "web-servers", "serverId": _SERVER, "staticPrivateIp": "10.0.1.10"},
    "create_recovery_plan": {
        "name": "three-tier",
        "waves": [
            {"waveNumber": 0, "name": "database", "protectionGroupNames": ["db-servers"]},
            {
                "waveNumber": 1,
                "name": "web",
                "protectionGroupNames": ["web-servers"],
                "dependsOnWaves": [0],
                "pauseBeforeWave": True,
            },
        ],
    },
    "update_recovery_plan": {"planId": "three-tier", "version": 1, "description": "front end and database"},
    "add_target_account": {"accountId": "123456789012", "accountName": "workloads", "regions": ["us-west-2"]},
    "update_target_account": {"accountId": "123456789012", "accountName": "workloads"},
    "validate_target_account": {"accountId": "123456789012"},
    "add_staging_account": _STAGING,
    "validate_staging_account": _STAGING,
    "sync_staging_accounts": {"targetAccountId": "123456789012"},
    "sync_extended_source_servers": {"targetAccountId": "123456789012", "dryRun": True},
    "import_configuration": {
        "manifest": _MANIFEST,
        "dryRun": True,
    },
    "update_tag_sync_settings": {"enabled": True, "schedule": 4, "regions": ["us-west-2"]},
    "trigger_tag_sync": {},
    "sync_source_server_inventory": {},
    "sync_recovery_instances": {},
    "set_access_policy": {
        "policy": {
            "grants": [
                {"role": "DRSOrchestrationAdmin", "arns": ["arn:aws:iam::123456789012:role/Admins"]},
                {
                    "role": "DRSOperator",
                    "issuer": "https://login.example.com",
                    "groups": ["dr-operators"],
                    "plans": ["three-tier"],
                },
            ],
            "issuers": [{"issuer": "https://login.example.com"}],
        },
        "version": 0,
    },
    "start_failback": {"planId": "three-tier", "initiatedBy": "ada"},
    "start_execution": {"planId": "three-tier", "executionType": "DRILL", "initiatedBy": "ada"},
    "cancel_execution": {**_EXECUTION, "reason": "the region is back"},
    "pause_execution": _EXECUTION,
    "resume_execution": _EXECUTION,
    "terminate_instances": _EXECUTION,
    "delete_executions": {"executionIds": [_EXECUTION["executionId"]]},
    "approve_gate": {**_EXECUTION, "waveNumber": 1, "comment": "database checked"},
    "reject_gate": {**_EXECUTION, "waveNumber": 1, "comment": "data is too old"},
    "validate_manifest": {"manifest": _MANIFEST},
    "show_plan": {"manifest": _MANIFEST},
    "get_runbook": {"planId": "three-tier", "mode": "drill"},
    "forecast_plan": {"planId": "three-tier", "offline": True},
    "diff_plan": {"old": "estate:", "new": _MANIFEST},
}
"""Bodies of operations, with the fields that a path may give."""
