"""A manifest is exported without loss: every field of the model, whatever it holds."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from prefect_drs.plan import Manifest, check_manifest, check_values, export_manifest, load_manifest
from tests.plan.test_sample import BINDINGS, SAMPLE

LAUNCH = {
    "launchDisposition": "STOPPED",
    "targetInstanceTypeRightSizingMethod": "NONE",
    "copyPrivateIp": False,
    "copyTags": True,
    "licensing": {"osByol": False},
    "subnetId": "subnet-0a1b2c3d",
    "securityGroupIds": ["sg-0a1b2c3d", "sg-1a1b2c3d"],
    "instanceType": "r7a.large",
    "instanceProfileName": "recovery",
    "associatePublicIp": False,
    "monitoring": True,
    "ebsOptimized": False,
    "disableApiTermination": True,
    "tags": {"tier": "data", "no": "yes"},
    "creditSpecification": "unlimited",
}
COMMON = {"name": "a", "servers": ["db"], "timeoutSeconds": 60, "intervalSeconds": 5, "retries": 2, "required": False}
PLACE = {"accountId": "123456789012", "region": "us-west-2"}
DOCUMENT = {"documentName": "AWS-RunShellScript", "documentVersion": "3", "parameters": {"commands": ["true", ""]}}
CHECKS = [
    {"type": "ec2Status", **COMMON},
    {"type": "tcp", "port": 5432, "address": "public"} | COMMON | {"name": "b"},
    {
        "type": "http",
        "url": "https://{privateIp}/",
        "expectedStatus": [200, 204],
        "bodyPattern": "ok",
        "verifyTls": False,
    }
    | COMMON
    | {"name": "c"},
    {"type": "ssmCommand", **DOCUMENT} | COMMON | {"name": "d"},
    {"type": "ssmAutomation", **PLACE, **DOCUMENT} | COMMON | {"name": "e"},
    {"type": "postLaunchActions", "actions": ["one"]} | COMMON | {"name": "f"},
    {"type": "lambda", "functionName": "f", "qualifier": "2", "payload": {"a": [None, 1.5]}, "expectHealthy": True}
    | PLACE
    | COMMON
    | {"name": "g"},
    {"type": "python", "entryPoint": "rows", "parameters": {"atLeast": 3}} | COMMON | {"name": "h"},
]
HOOK = {"type": "ssmCommand", "instanceIds": ["i-0a1b2c3d"], **PLACE, **DOCUMENT, "timeoutSeconds": 30}
FULL: dict[str, Any] = {
    "schemaVersion": "1.1",
    "exportedAt": "2026-01-29T02:47:18Z",
    "sourceRegion": "us-east-1",
    "sourceAccount": "123456789012",
    "protectionGroups": [
        {
            "groupName": "Database",
            "groupId": "pg-1",
            "description": "tier: data\n#1",
            **PLACE,
            "sourceServerIds": ["s-00000000000000001", "s-00000000000000002"],
            "launchConfig": LAUNCH,
            "servers": [
                {"sourceServerId": "s-00000000000000001", "launchTemplate": LAUNCH | {"staticPrivateIp": "10.0.0.10"}},
                {
                    "instanceId": "i-0a1b2c3d",
                    "launchTemplate": {
                        "licensing": {},
                        "tags": {},
                        "launchIntoInstance": {"table": {"i-0a1b2c3d": "i-00000001"}},
                    },
                },
                {"name": "db-2", "useGroupDefaults": True},
            ],
        },
        {
            "groupName": "1.0",
            "region": "us-west-2",
            "serverSelectionTags": {"tier": "web", "null": "~"},
            "servers": [
                {"name": "web-1", "launchTemplate": {"launchIntoInstance": {"instanceId": "i-00000002"}}},
                {"name": "web-2", "launchTemplate": {"launchIntoInstance": {"tag": "role", "value": "web"}}},
            ],
        },
    ],
    "recoveryPlans": [
        {
            "planName": "Plan → all",
            "description": "",
            "approval": "signed",
            "drillIntoPreparedInstances": True,
            "maxLag": "PT1H",
            "rtoTarget": "PT4H",
            "rpoTarget": "PT1H",
            "notify": {
                "topics": ["arn:aws:sns:eu-west-1:123456789012:recoveries"],
                "blocks": ["slack-webhook/on-call"],
                "emails": ["owner@example.com"],
                "eventBuses": ["arn:aws:events:eu-west-1:123456789012:event-bus/default"],
                "milestones": ["wave.failed"],
            },
            "failbackWaves": [{"waveName": "All", "waveNumber": 1, "protectionGroupNames": ["Database", "1.0"]}],
            "failback": {
                "stopWrites": [HOOK],
                "handOver": [{"type": "http", "url": "https://example.com/"}],
                "protectForward": False,
                "launchIntoOriginal": True,
                "cleanUp": "disconnect",
            },
            "waves": [
                {
                    "waveName": "Database",
                    "waveNumber": 1,
                    "protectionGroupNames": ["Database"],
                    "onServerFailure": "continue",
                    "minHealthy": 0,
                    "maxLag": "PT15M",
                    "rtoTarget": "PT90M",
                    "rpoTarget": "PT0S",
                    "retry": {
                        "attempts": 2,
                        "snapshot": "previous",
                        "instanceTypes": ["m5.large"],
                        "subnetIds": ["subnet-1a1b2c3d"],
                    },
                    "healthChecks": [check | {"servers": ["s-00000000000000001"]} for check in CHECKS],
                    "preWave": [
                        HOOK,
                        {key: HOOK[key] for key in HOOK if key != "instanceIds"} | {"targets": {"tag:R": ["x"]}},
                    ],
                    "postWave": [{"type": "http", "url": "https://example.com/"}],
                },
                {
                    "waveName": "Web",
                    "waveNumber": 2,
                    "protectionGroupName": "1.0",
                    "pauseBeforeWave": True,
                    "approval": {"quorum": 2, "roles": ["DRSOperator"], "notStarter": True, "expiresAfter": "PT4H"},
                    "dependsOnWaves": [1],
                    "onServerFailure": "continue",
                    "minHealthyPercent": 50,
                    "retry": {"attempts": 0, "snapshot": "previous"},
                },
            ],
        }
    ],
}


def sound(value: object) -> Manifest:
    reading = check_values(value)
    assert reading.errors == ()
    assert reading.manifest is not None
    return reading.manifest


def models_of(kind: Any, found: set[type[BaseModel]]) -> set[type[BaseModel]]:
    """All models that a field may hold, and theirs."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if kind not in found:
            found.add(kind)
            for field in kind.model_fields.values():
                models_of(field.annotation, found)
        return found
    for inner in typing.get_args(kind):
        models_of(inner, found)
    return found


def given_fields(value: Any) -> Iterator[tuple[type[BaseModel], str]]:
    """The fields that have another value than their default, anywhere within."""
    if isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            inner = getattr(value, name)
            if inner != field.get_default(call_default_factory=True, validated_data={}):
                yield type(value), name
            yield from given_fields(inner)
    elif isinstance(value, tuple):
        for item in value:
            yield from given_fields(item)


def test_the_fullest_manifest_gives_every_field_of_every_model() -> None:
    every = {(model, name) for model in models_of(Manifest, set()) for name in model.model_fields if name != "type"}
    assert every - set(given_fields(sound(FULL))) == set(), "give them in FULL, so that the tests below hold for them"


def test_nothing_of_the_fullest_manifest_is_lost(tmp_path: Path) -> None:
    manifest = sound(FULL)
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(export_manifest(manifest)), encoding="utf-8")
    reading = check_manifest(file)
    assert reading.errors == ()
    assert reading.manifest == manifest


def test_the_sample_is_written_with_its_real_ids(tmp_path: Path) -> None:
    manifest = load_manifest(SAMPLE, BINDINGS)
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(export_manifest(manifest)), encoding="utf-8")
    assert load_manifest(file) == manifest


def test_what_is_left_at_its_default_is_left_out() -> None:
    plain = {
        "schemaVersion": "1.1",
        "protectionGroups": [{"groupName": "g", "region": "us-west-2", "serverSelectionTags": {"a": "b"}}],
        "recoveryPlans": [
            {"planName": "p", "waves": [{"waveNumber": 0, "waveName": "w", "protectionGroupNames": ["g"]}]}
        ],
    }
    assert export_manifest(sound(plain)) == plain


any_text = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
words = st.sampled_from(
    ["true", "No", "null", "~", "1.0", "0x1F", "1e3", "- a", "a: b", "#", "", " x ", "<<", "=", "é"]
)
texts = any_text | words
descriptions = words | st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Cf", "Zl", "Zp"), include_characters="\n\r\t"), max_size=20
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
names = st.text(st.characters(categories=("L", "N", "P", "Zs")), min_size=1, max_size=40).filter(str.strip)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    group=names,
    wave=names,
    descriptions=st.tuples(descriptions, descriptions),
    tags=st.dictionaries(names.filter(lambda key: not key.lower().startswith("aws:")), any_text, max_size=4),
    payload=st.dictionaries(texts, values, max_size=4),
    settings_given=st.sets(st.sampled_from(sorted(LAUNCH))),
    gate=st.booleans(),
)
def test_whatever_a_manifest_holds_comes_back(
    group: str,
    wave: str,
    descriptions: tuple[str, str],
    tags: dict[str, str],
    payload: dict[str, Any],
    settings_given: set[str],
    gate: bool,
) -> None:
    manifest = sound(
        {
            "schemaVersion": "1.1",
            "protectionGroups": [
                {
                    "groupName": group,
                    "description": descriptions[0],
                    "region": "us-west-2",
                    "sourceServerIds": ["s-00000000000000001"],
                    "launchConfig": {name: LAUNCH[name] for name in settings_given} | {"tags": tags},
                }
            ],
            "recoveryPlans": [
                {
                    "planName": wave,
                    "description": descriptions[1],
                    "waves": [
                        {
                            "waveName": wave,
                            "waveNumber": 0,
                            "protectionGroupName": group,
                            "pauseBeforeWave": gate,
                            "preWave": [{"type": "python", "entryPoint": "x", "parameters": payload}],
                        }
                    ],
                }
            ],
        }
    )
    assert sound(json.loads(json.dumps(export_manifest(manifest)))) == manifest
