"""What a wave does about servers that fail: read from the manifest, checked with lines, carried into the runbook."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefect_drs.plan import Bindings, check_manifest
from prefect_drs.plan.model import Retry

MANIFEST = """schemaVersion: "1.1"
protectionGroups:
  - {{groupName: g, region: us-west-2, sourceServerIds: [s-00000000000000001]}}
recoveryPlans:
  - planName: p
    waves:
      - waveName: w
        waveNumber: 1
        protectionGroupName: g
{policy}
"""


def written(tmp_path: Path, *policy: str) -> Path:
    file = tmp_path / "plan.yaml"
    file.write_text(MANIFEST.format(policy="\n".join(f"        {line}" for line in policy)))
    return file


def test_a_policy_is_read_and_its_subnets_are_bound(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "onServerFailure: continue",
        "minHealthyPercent: 80",
        "retry: {attempts: 2, snapshot: previous, instanceTypes: [r7a.large], subnetIds: [net-b]}",
    )
    reading = check_manifest(file, Bindings(subnets={"net-b": "subnet-0123456789abcdef0"}))
    assert reading.faults == ()
    assert reading.manifest is not None
    wave = reading.manifest.recovery_plans[0].waves[0]
    assert (wave.on_server_failure, wave.min_healthy, wave.min_healthy_percent) == ("continue", None, 80)
    assert wave.retry == Retry(
        attempts=2, snapshot="previous", instance_types=("r7a.large",), subnet_ids=("subnet-0123456789abcdef0",)
    )


def test_a_wave_may_say_how_far_its_replication_may_lag_behind(tmp_path: Path) -> None:
    manifest = check_manifest(written(tmp_path, "maxLag: PT15M")).manifest
    assert manifest is not None
    assert (manifest.plan().max_lag, manifest.plan().waves[0].max_lag) == (None, "PT15M")


@pytest.mark.parametrize(
    ("policy", "line", "code"),
    [
        (("minHealthy: 1",), 10, "CONTRADICTION"),
        (("onServerFailure: continue", "minHealthy: 1", "minHealthyPercent: 5"), 11, "CONTRADICTION"),
        (("onServerFailure: ignore",), 10, "INVALID_VALUE"),
        (("minHealthyPercent: 101", "onServerFailure: continue"), 10, "INVALID_VALUE"),
        (("retry: {attempts: 6}",), 10, "INVALID_VALUE"),
        (("retry: {snapshot: previous}",), 10, "MISSING_FIELD"),
        (("retry: {attempts: 1, instanceTypes: [big]}",), 10, "INVALID_INSTANCE_TYPE"),
        (("retry: {attempts: 1, subnetIds: [net-b]}",), 10, "INVALID_SUBNET_ID"),
    ],
)
def test_a_policy_that_makes_no_sense_is_a_fault_with_its_line(
    tmp_path: Path, policy: tuple[str, ...], line: int, code: str
) -> None:
    faults = check_manifest(written(tmp_path, *policy)).faults
    assert [(fault.line, fault.code) for fault in faults] == [(line, code)]
