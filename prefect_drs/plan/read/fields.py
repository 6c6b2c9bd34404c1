"""The fields of a manifest and of a bindings file, as tables.

Sources: the seed's sample (schemaVersion 1.1) and its importer (metadata under `metadata`); the launch fields are those
of DRS `UpdateLaunchConfiguration` and of the EC2 launch template that DRS keeps for each server.
"""

from __future__ import annotations

from typing import Any, get_args

from prefect_drs.plan.approval import ANY, APPROVER_ROLES, QUORUM_AT_MOST, SIGNED
from prefect_drs.plan.model import CleanUp, LaunchDisposition, RightSizingMethod
from prefect_drs.plan.notify import Milestone
from prefect_drs.plan.read.check_fields import CHECK_LISTS, FAILBACK_LISTS
from prefect_drs.plan.read.finding import Place, PlanFinding
from prefect_drs.plan.read.shape import (
    Field,
    Shape,
    ShapeEntry,
    a_flag,
    a_text,
    a_version,
    a_wave_number,
    lines_of_text,
    list_of,
    one_of,
    text_map,
    whole_number,
)

_TEXT = Field(a_text)
_NEEDED_TEXT = Field(a_text, required=True)
_FLAG = Field(a_flag)

DRS_MANAGED = {
    "imageId": "DRS makes the machine image from the server's snapshot at each launch; remove it",
    "userData": "DRS keeps its own boot data there; use a post-launch action in DRS instead",
    "blockDeviceMappings": "DRS maps the replicated disks itself; set disk types in DRS's launch settings",
    "placementGroup": "DRS owns the template's placement; remove it",
    "availabilityZone": "the zone is that of the subnet; choose it by subnetId",
    "keyName": "the server keeps the keys it was replicated with; remove it",
}
"""Launch-template fields that DRS writes itself, each with the reason and what to do instead."""

_CREDITS = one_of("standard", "unlimited")
_CREDIT_SPECIFICATION = Shape("creditSpecification", {"cpuCredits": Field(_CREDITS, required=True)})


def _credit_specification(value: Any, at: Place, out: list[PlanFinding]) -> str:
    """`standard` or `unlimited`, bare or as EC2 writes it (`CreditSpecificationRequest`: `{"cpuCredits": …}`)."""
    if isinstance(value, dict):
        return _CREDIT_SPECIFICATION(value, at, out).text("cpuCredits") or ""
    return _CREDITS(value, at, out)


PREPARED_INSTANCE = Shape(
    "launchIntoInstance",
    {
        "instanceId": _TEXT,
        "tag": _TEXT,
        "value": _TEXT,
        "table": Field(text_map),
        "fromBindings": _FLAG,
    },
)


def _launch_into_instance(value: Any, at: Place, out: list[PlanFinding]) -> ShapeEntry:
    """An instance id or a name for it, bare; or an object that says how the instance is found."""
    if isinstance(value, dict):
        return PREPARED_INSTANCE(value, at, out)
    return ShapeEntry(at, {"instanceId": a_text(value, at, out)})


_LAUNCH = {
    "launchDisposition": Field(one_of(*get_args(LaunchDisposition))),
    "targetInstanceTypeRightSizingMethod": Field(one_of(*get_args(RightSizingMethod))),
    "copyPrivateIp": _FLAG,
    "copyTags": _FLAG,
    "licensing": Field(Shape("licensing", {"osByol": _FLAG})),
    "launchIntoInstance": Field(_launch_into_instance),
    "subnetId": _TEXT,
    "securityGroupIds": Field(list_of(a_text)),
    "staticPrivateIp": _TEXT,
    "instanceType": _TEXT,
    "instanceProfileName": _TEXT,
    "associatePublicIp": _FLAG,
    "monitoring": _FLAG,
    "ebsOptimized": _FLAG,
    "disableApiTermination": _FLAG,
    "tags": Field(text_map),
    "creditSpecification": Field(_credit_specification),
}

_ELSEWHERE: dict[str, str] = {}
"""Fields with an effect on a recovery, each with the object it belongs to; filled in below."""

LAUNCH_CONFIG = Shape("launchConfig", _LAUNCH, DRS_MANAGED, elsewhere=_ELSEWHERE)
LAUNCH_TEMPLATE = Shape("launchTemplate", _LAUNCH, DRS_MANAGED, elsewhere=_ELSEWHERE)

SERVER = Shape(
    "a server",
    {
        "sourceServerId": _TEXT,
        "instanceId": _TEXT,
        "name": _TEXT,
        "useGroupDefaults": _FLAG,
        "launchTemplate": Field(LAUNCH_TEMPLATE),
    },
    elsewhere=_ELSEWHERE,
)

GROUP = Shape(
    "a protection group",
    {
        "groupName": _NEEDED_TEXT,
        "groupId": _TEXT,
        "description": Field(lines_of_text),
        "region": _NEEDED_TEXT,
        "accountId": _TEXT,
        "sourceServerIds": Field(list_of(a_text)),
        "serverSelectionTags": Field(text_map),
        "launchConfig": Field(LAUNCH_CONFIG),
        "servers": Field(list_of(SERVER)),
    },
    elsewhere=_ELSEWHERE,
)

RETRY = Shape(
    "retry",
    {
        "attempts": Field(whole_number(0, 5), required=True),
        "snapshot": Field(one_of("latest", "previous")),
        "instanceTypes": Field(list_of(a_text)),
        "subnetIds": Field(list_of(a_text)),
    },
    elsewhere=_ELSEWHERE,
)

QUORUM = Shape(
    "approval",
    {
        "quorum": Field(whole_number(1, QUORUM_AT_MOST), required=True),
        "roles": Field(list_of(one_of(*APPROVER_ROLES))),
        "notStarter": _FLAG,
        "expiresAfter": _TEXT,
    },
    elsewhere=_ELSEWHERE,
)
_KIND_OF_APPROVAL = one_of(ANY, SIGNED)


def _approval(value: Any, at: Place, out: list[PlanFinding]) -> ShapeEntry | str:
    """`any`, `signed`, or an object with a quorum."""
    return QUORUM(value, at, out) if isinstance(value, dict) else _KIND_OF_APPROVAL(value, at, out)


GATE_FIELD, ORDER_FIELD = "pauseBeforeWave", "dependsOnWaves"
WAVE = Shape(
    "a wave",
    {
        "waveName": _NEEDED_TEXT,
        "waveNumber": Field(a_wave_number, required=True),
        "protectionGroupId": _TEXT,
        "protectionGroupIds": Field(list_of(a_text)),
        "protectionGroupName": _TEXT,
        "protectionGroupNames": Field(list_of(a_text)),
        "groupId": _TEXT,
        GATE_FIELD: _FLAG,
        "approval": Field(_approval),
        ORDER_FIELD: Field(list_of(a_wave_number)),
        "onServerFailure": Field(one_of("fail", "continue")),
        "minHealthy": Field(whole_number(0, 4000)),
        "minHealthyPercent": Field(whole_number(0, 100)),
        "maxLag": _TEXT,
        "rtoTarget": _TEXT,
        "rpoTarget": _TEXT,
        "retry": Field(RETRY),
        **CHECK_LISTS,
    },
    synonyms={
        **dict.fromkeys(("gate", "approve", "needsApproval", "requiresApproval", "pause"), GATE_FIELD),
        **dict.fromkeys(("after", "dependencies", "dependency", "needs", "waitFor", "waitsFor"), ORDER_FIELD),
    },
    elsewhere=_ELSEWHERE,
)

NOTIFY = Shape(
    "notify",
    {
        "topics": Field(list_of(a_text)),
        "blocks": Field(list_of(a_text)),
        "emails": Field(list_of(a_text)),
        "eventBuses": Field(list_of(a_text)),
        "milestones": Field(list_of(one_of(*Milestone))),
    },
    elsewhere=_ELSEWHERE,
)

FAILBACK = Shape(
    "failback",
    {
        **FAILBACK_LISTS,
        "protectForward": _FLAG,
        "launchIntoOriginal": _FLAG,
        "cleanUp": Field(one_of(*get_args(CleanUp))),
    },
    elsewhere=_ELSEWHERE,
)

PLAN = Shape(
    "a recovery plan",
    {
        "planName": _NEEDED_TEXT,
        "description": Field(lines_of_text),
        "waves": Field(list_of(WAVE), required=True),
        "approval": Field(_approval),
        "drillIntoPreparedInstances": _FLAG,
        "maxLag": _TEXT,
        "rtoTarget": _TEXT,
        "rpoTarget": _TEXT,
        "notify": Field(NOTIFY),
        "failbackWaves": Field(list_of(WAVE)),
        "failback": Field(FAILBACK),
    },
    elsewhere=_ELSEWHERE,
)

METADATA_FIELDS = {
    "schemaVersion": Field(a_version),
    "exportedAt": _TEXT,
    "sourceRegion": _TEXT,
    "sourceAccount": _TEXT,
}
METADATA = Shape("metadata", METADATA_FIELDS)

MANIFEST = Shape(
    "a manifest",
    {
        **METADATA_FIELDS,
        "metadata": Field(METADATA),
        "protectionGroups": Field(list_of(GROUP), required=True),
        "recoveryPlans": Field(list_of(PLAN), required=True),
    },
    elsewhere=_ELSEWHERE,
)

_GENERIC = frozenset({"name", "description", "tags", "region", "accountId", "servers", "snapshot", "groupId"})
"""Fields that other tools put on anything: of no object in particular."""

for _what, _fields in (
    ("launchConfig (of a protection group) or launchTemplate (of a server)", _LAUNCH),
    (GROUP.what, {"sourceServerIds", "serverSelectionTags", "launchConfig"}),
    (SERVER.what, {"useGroupDefaults", "launchTemplate"}),
    (WAVE.what, WAVE.fields.keys() - {"waveName", "waveNumber"}),
    (RETRY.what, RETRY.fields),
    (QUORUM.what, QUORUM.fields),
    (NOTIFY.what, NOTIFY.fields),
    (FAILBACK.what, FAILBACK.fields),
    (PLAN.what, {"waves", "notify", "drillIntoPreparedInstances", "failbackWaves", "failback"}),
    (MANIFEST.what, {"protectionGroups", "recoveryPlans"}),
):
    _ELSEWHERE.update((_field, _what) for _field in sorted(_fields) if _field not in _GENERIC | _ELSEWHERE.keys())

BINDING_KINDS = {
    "protectionGroups": "protection_groups",
    "sourceServers": "source_servers",
    "subnets": "subnets",
    "securityGroups": "security_groups",
    "instanceProfiles": "instance_profiles",
    "instanceTypes": "instance_types",
    "preparedInstances": "prepared_instances",
    "accounts": "accounts",
}
"""The kinds of names that bindings resolve: as in the file, and as `Bindings` calls them."""

BINDINGS = Shape("a bindings file", {kind: Field(text_map) for kind in BINDING_KINDS})
