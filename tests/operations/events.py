"""Bodies that the tests of operations share."""

from __future__ import annotations

from typing import Any

SERVERS = [f"s-{number:017x}" for number in range(1, 4)]
MANIFEST: dict[str, Any] = {
    "schemaVersion": "1.1",
    "protectionGroups": [
        {"groupName": "db", "region": "us-west-2", "sourceServerIds": SERVERS[:1]},
        {"groupName": "web", "region": "us-west-2", "sourceServerIds": SERVERS[1:]},
    ],
    "recoveryPlans": [
        {
            "planName": "Shop",
            "waves": [
                {"waveNumber": 1, "waveName": "Data", "protectionGroupNames": ["db"]},
                {
                    "waveNumber": 2,
                    "waveName": "Web",
                    "protectionGroupNames": ["web"],
                    "dependsOnWaves": [1],
                    "pauseBeforeWave": True,
                },
            ],
        }
    ],
}
"""A plan of two waves, the second behind a gate."""
