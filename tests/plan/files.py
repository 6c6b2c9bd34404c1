"""Files for the plan tests: a sound manifest to break, and a way to write and check one."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from prefect_drs.plan import Reading, check_manifest

EXAMPLES = Path(__file__).parents[2] / "examples"
SAMPLE = EXAMPLES / "three-tier.json"

_SOUND: dict[str, Any] = {
    "schemaVersion": "1.1",
    "exportedAt": "2026-01-29T02:47:18Z",
    "sourceRegion": "us-east-1",
    "protectionGroups": [
        {
            "groupName": "Database",
            "groupId": "pg-1",
            "region": "us-west-2",
            "accountId": "123456789012",
            "sourceServerIds": ["s-00000000000000001", "s-00000000000000002"],
            "launchConfig": {
                "subnetId": "subnet-0a1b2c3d",
                "securityGroupIds": ["sg-0a1b2c3d"],
                "instanceType": "r7a.large",
                "tags": {"tier": "data"},
            },
            "servers": [
                {"sourceServerId": "s-00000000000000001", "launchTemplate": {"staticPrivateIp": "10.0.0.10"}},
                {"sourceServerId": "s-00000000000000002", "launchTemplate": {"staticPrivateIp": "10.0.0.11"}},
            ],
        },
        {
            "groupName": "Web",
            "region": "us-west-2",
            "accountId": "123456789012",
            "serverSelectionTags": {"tier": "web"},
        },
    ],
    "recoveryPlans": [
        {
            "planName": "Plan",
            "waves": [
                {"waveName": "Database", "waveNumber": 1, "protectionGroupIds": ["pg-1"]},
                {
                    "waveName": "Web",
                    "waveNumber": 2,
                    "protectionGroupName": "Web",
                    "pauseBeforeWave": True,
                    "dependsOnWaves": [1],
                },
            ],
        }
    ],
}


def sound() -> dict[str, Any]:
    """A manifest without a fault, to be changed at will."""
    return copy.deepcopy(_SOUND)


def place(manifest: Any, *path: str | int) -> Any:
    """What stands at that path."""
    for step in path:
        manifest = manifest[step]
    return manifest


def check(tmp_path: Path, manifest: Any, bindings: Any = None, **options: Any) -> Reading:
    """Write a manifest as JSON and check it."""
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(manifest, indent=2), encoding="utf-8")
    return check_manifest(file, bindings, **options)


def codes(reading: Reading) -> list[str]:
    """The codes of its faults, in order."""
    return [fault.code for fault in reading.faults]
