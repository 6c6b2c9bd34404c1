"""Unknown fields: a known one that is misspelt or misplaced would be lost, so it is a fault; a foreign one is told."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_drs.plan import check_manifest
from prefect_drs.plan.read.check_fields import _SHAPES as CHECKS
from prefect_drs.plan.read.fields import (
    BINDINGS,
    GROUP,
    LAUNCH_CONFIG,
    LAUNCH_TEMPLATE,
    MANIFEST,
    NOTIFY,
    PLAN,
    RETRY,
    SERVER,
    WAVE,
)
from prefect_drs.plan.read.shape import Shape
from prefect_drs.plan.read.spelling import meant
from tests.plan.files import EXAMPLES, check, codes, place, sound

SHAPES = (
    MANIFEST,
    GROUP,
    SERVER,
    LAUNCH_CONFIG,
    LAUNCH_TEMPLATE,
    PLAN,
    WAVE,
    RETRY,
    NOTIFY,
    BINDINGS,
    *CHECKS.values(),
)
DB, WAVE_1 = ("protectionGroups", 0), ("recoveryPlans", 0, "waves", 0)

NEAR = {
    "pauseBeforeWaves": "pauseBeforeWave",
    "pauseBefore": "pauseBeforeWave",
    "pauseWave": "pauseBeforeWave",
    "pause_before_wave": "pauseBeforeWave",
    "pause-before-wave": "pauseBeforeWave",
    "PauseBeforeWave": "pauseBeforeWave",
    "PAUSEBEFOREWAVE": "pauseBeforeWave",
    "puaseBeforeWave": "pauseBeforeWave",
    "gate": "pauseBeforeWave",
    "requiresApproval": "pauseBeforeWave",
    "dependsOn": "dependsOnWaves",
    "dependsOnWave": "dependsOnWaves",
    "dependOnWaves": "dependsOnWaves",
    "dependencies": "dependsOnWaves",
    "onFailure": "onServerFailure",
    "minHealthyPercentage": "minHealthyPercent",
    "healthcheck": "healthChecks",
    "preWaves": "preWave",
    "retries": "retry",
    "maxlag": "maxLag",
    "groupNames": "protectionGroupNames",
    "protectionGroups": "protectionGroupIds",
}


@pytest.mark.parametrize(("written", "field"), NEAR.items())
def test_a_near_miss_of_a_waves_field_is_a_fault_that_names_the_field(written: str, field: str, tmp_path: Path) -> None:
    manifest = sound()
    place(manifest, *WAVE_1)[written] = True
    reading = check(tmp_path, manifest)
    (fault,) = (fault for fault in reading.errors if fault.code == "UNKNOWN_FIELD")
    assert f'"{written}" is no field of a wave: write {field}, or remove it' in fault.message
    assert written in (tmp_path / "plan.json").read_text().splitlines()[fault.line - 1]
    assert reading.manifest is None


@pytest.mark.parametrize(
    ("path", "written", "said"),
    [
        (DB, "serverIds", "write sourceServerIds"),
        (DB, "account", "write accountId"),
        (DB, "launchConfiguration", "write launchConfig"),
        (DB, "serverTags", "write serverSelectionTags"),
        (DB, "subnetId", "of launchConfig (of a protection group) or launchTemplate (of a server)"),
        (DB, "pauseBeforeWave", "of a wave, not of a protection group"),
        (DB, "launchTemplate", "of a server, not of a protection group"),
        ((*DB, "launchConfig"), "securityGroups", "write securityGroupIds"),
        ((*DB, "launchConfig"), "privateIp", "Ip, or remove it"),
        ((*DB, "launchConfig"), "ImageId", "DRS makes the machine image"),
        ((*DB, "servers", 0), "staticPrivateIp", "or launchTemplate (of a server)"),
        ((*DB, "servers", 0), "useDefaults", "write useGroupDefaults"),
        (("recoveryPlans", 0), "dependsOnWaves", "of a wave, not of a recovery plan"),
        (("recoveryPlans", 0), "wave", "write waves"),
        (WAVE_1, "attempts", "of retry, not of a wave"),
        (WAVE_1, "notify", "of a recovery plan, not of a wave"),
        (WAVE_1, "sourceServerIds", "of a protection group, not of a wave"),
        ((), "recoveryPlan", "write recoveryPlans"),
        ((), "protection_groups", "write protectionGroups"),
    ],
)
def test_a_field_that_would_be_lost_is_a_fault_wherever_it_stands(
    path: tuple[str | int, ...], written: str, said: str, tmp_path: Path
) -> None:
    manifest = sound()
    place(manifest, *path)[written] = "x"
    reading = check(tmp_path, manifest)
    assert any(fault.code == "UNKNOWN_FIELD" and said in fault.message for fault in reading.errors), reading.faults


FOREIGN: dict[str, tuple[tuple[str | int, ...], tuple[str, ...]]] = {
    "manifest": ((), ("$schema", "comment", "version", "exportedBy", "x-owner", "_protectionGroup")),
    "group": (DB, ("owner", "status", "tags", "createdDate", "lastModified", "serverCount", "assumeRoleName", "arn")),
    "server": ((*DB, "servers", 0), ("hostname", "fqdn", "tags", "launchTemplateId", "os")),
    "launchConfig": ((*DB, "launchConfig"), ("volumeType", "postLaunchEnabled", "recoveryMode")),
    "plan": (("recoveryPlans", 0), ("id", "planId", "owner", "accountId", "status", "name")),
    "wave": (WAVE_1, ("description", "waveId", "status", "order", "_pauseBeforeWave", "x-gate", "region")),
}


@pytest.mark.parametrize("where", FOREIGN)
def test_a_foreign_field_is_told_and_refuses_nothing(where: str, tmp_path: Path) -> None:
    path, fields = FOREIGN[where]
    manifest = sound()
    place(manifest, *path).update(dict.fromkeys(fields, "x"))
    reading = check(tmp_path, manifest)
    assert codes(reading) == ["UNKNOWN_FIELD"] * len(fields)
    assert reading.errors == ()
    assert reading.manifest is not None


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.what)
def test_no_field_that_there_is_counts_as_another_misspelt(shape: Shape) -> None:
    every = [*shape.fields, *shape.refused]
    assert [meant(field, every) for field in every] == every
    assert not set(shape.synonyms) & set(every)
    assert set(shape.synonyms.values()) <= set(shape.fields)


@given(st.sampled_from(SHAPES), st.data())
def test_a_letter_too_many_too_few_or_swapped_is_a_near_miss(shape: Shape, data: st.DataObject) -> None:
    field = data.draw(st.sampled_from([name for name in shape.fields if len(name) >= 10]))
    at = data.draw(st.integers(1, len(field) - 2))
    written = data.draw(
        st.sampled_from(
            [
                field[:at] + field[at + 1 :],
                field[:at] + data.draw(st.sampled_from(string.ascii_lowercase)) + field[at:],
                field[:at] + field[at + 1] + field[at] + field[at + 2 :],
            ]
        )
    )
    if written not in shape.fields:
        assert meant(written, shape.fields) is not None


MANIFESTS = sorted(path for path in EXAMPLES.glob("*.[jy]*") if not path.stem.endswith("bindings"))


@pytest.mark.parametrize("example", MANIFESTS, ids=lambda path: path.name)
def test_the_examples_hold_no_unknown_field(example: Path) -> None:
    assert [fault for fault in check_manifest(example).faults if fault.code == "UNKNOWN_FIELD"] == []
