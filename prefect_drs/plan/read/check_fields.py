"""The fields of health checks and hooks, as tables: one shape for each type.

Sources: `prefect_drs.plan.checks`; the SSM and Lambda fields are those of `SendCommand`, `StartAutomationExecution` and
`Invoke` that a plan may set.
"""

from __future__ import annotations

from prefect_drs.plan.checks import CHECK_TYPES, HOOK_TYPES, INTERVAL_SECONDS, PORTS, RETRIES, STATUSES, TIMEOUT_SECONDS
from prefect_drs.plan.read.shape import (
    Field,
    Shape,
    a_flag,
    a_text,
    by_type,
    json_object,
    list_of,
    one_or_list,
    text_lists,
    whole_number,
)

_TEXT = Field(a_text)
_NEEDED_TEXT = Field(a_text, required=True)
_FLAG = Field(a_flag)
_TEXTS = Field(list_of(a_text))

_COMMON = {
    "type": _NEEDED_TEXT,
    "name": _TEXT,
    "servers": _TEXTS,
    "timeoutSeconds": Field(whole_number(*TIMEOUT_SECONDS)),
    "intervalSeconds": Field(whole_number(*INTERVAL_SECONDS)),
    "retries": Field(whole_number(*RETRIES)),
    "required": _FLAG,
}
_PLACE = {"accountId": _TEXT, "region": _TEXT}
_DOCUMENT = {"documentName": _NEEDED_TEXT, "documentVersion": _TEXT, "parameters": Field(text_lists)}

_OWN_FIELDS = {
    "ec2Status": {},
    "tcp": {"port": Field(whole_number(*PORTS), required=True), "address": _TEXT},
    "http": {
        "url": _NEEDED_TEXT,
        "expectedStatus": Field(one_or_list(whole_number(*STATUSES))),
        "bodyPattern": _TEXT,
        "verifyTls": _FLAG,
    },
    "ssmCommand": {**_PLACE, **_DOCUMENT, "instanceIds": _TEXTS, "targets": Field(text_lists)},
    "ssmAutomation": {**_PLACE, **_DOCUMENT},
    "postLaunchActions": {"actions": _TEXTS},
    "lambda": {
        **_PLACE,
        "functionName": _NEEDED_TEXT,
        "qualifier": _TEXT,
        "payload": Field(json_object),
        "expectHealthy": _FLAG,
    },
    "python": {"entryPoint": _NEEDED_TEXT, "parameters": Field(json_object)},
}
_ELSEWHERE = {
    field: f"a check of type {' or '.join(kind for kind in CHECK_TYPES if field in _OWN_FIELDS[kind])}"
    for kind in CHECK_TYPES
    for field in _OWN_FIELDS[kind]
}
_SHAPES = {
    kind: Shape(f"a check of type {kind}", {**_COMMON, **_OWN_FIELDS[kind]}, elsewhere=_ELSEWHERE)
    for kind in CHECK_TYPES
}

CHECK = by_type("a health check", _SHAPES)
HOOK = by_type(
    "a hook",
    {kind: _SHAPES[kind] for kind in HOOK_TYPES},
    {
        kind: "it looks at a recovery instance, and a hook runs once for the whole wave; put it under healthChecks"
        for kind in CHECK_TYPES
        if kind not in HOOK_TYPES
    },
)

CHECK_LISTS = {
    "healthChecks": Field(list_of(CHECK)),
    "preWave": Field(list_of(HOOK)),
    "postWave": Field(list_of(HOOK)),
}
"""The lists of a wave."""
FAILBACK_LISTS = {"stopWrites": Field(list_of(HOOK)), "handOver": Field(list_of(HOOK))}
"""The lists of a plan's `failback`."""
