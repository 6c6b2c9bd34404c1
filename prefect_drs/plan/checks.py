"""Health checks of a wave's servers, and hooks before and after it, as a person writes them.

In: values already read from a file and checked. Out: frozen models, one for each `type`. A check is
*attempted*: one attempt is polled every `intervalSeconds` until it passes, fails, or `timeoutSeconds` are over;
after an attempt that failed there are at most `retries` more. Nothing here knows how a kind is carried out: that is
`prefect_drs.recovery.checks`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel as _BaseModel
from pydantic import ConfigDict, Field, JsonValue, StringConstraints
from pydantic.alias_generators import to_camel

TIMEOUT_SECONDS = (1, 86_400)
INTERVAL_SECONDS = (1, 3_600)
RETRIES = (0, 20)
PORTS = (1, 65_535)
STATUSES = (100, 599)

WAVE_VARIABLES = ("executionId", "planName", "mode", "waveNumber", "waveName", "attemptId", "accountId", "region")
"""Variables that a text of a hook or a check may have in braces."""
SERVER_VARIABLES = ("privateIp", "publicIp", "instanceId", "name", "sourceServerId")
"""More variables of a health check's text: of the recovery instance, and of its source server."""

ENTRY_POINT_GROUP = "prefect_drs.checks"
"""Where callables of type `python` are found."""

VARIABLE = re.compile(r"(?<!\$)\{([A-Za-z][A-Za-z0-9]*)\}")
"""`{word}`; `${word}` is the shell's own and is left alone."""

Name = Annotated[str, StringConstraints(min_length=1)]


class CheckModel(_BaseModel):
    """The fields of all types.

    Args:
        name: its name in the report; None is its type and its position in the list.
        servers: the servers it is made for, by source server id, EC2 instance id or name; none is all of the wave.
        timeout_seconds: how long one attempt may take.
        interval_seconds: between polls of an attempt, and between attempts.
        retries: attempts after one that failed.
        required: whether the wave fails with it; otherwise a failure is only reported.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        defer_build=True,  # a plan validates its checks within its waves; no type needs a validator of its own
    )

    name: str | None = None
    servers: tuple[str, ...] = ()
    timeout_seconds: int = Field(default=600, ge=TIMEOUT_SECONDS[0], le=TIMEOUT_SECONDS[1])
    interval_seconds: int = Field(default=10, ge=INTERVAL_SECONDS[0], le=INTERVAL_SECONDS[1])
    retries: int = Field(default=0, ge=RETRIES[0], le=RETRIES[1])
    required: bool = True


class PlacedModel(CheckModel):
    """A kind that calls a service. Account and region None: those of the server, or of the wave where it has one."""

    account_id: str | None = None
    region: str | None = None


class Ec2StatusCheck(CheckModel):
    """EC2's own two checks of the recovery instance are `ok` (`DescribeInstanceStatus`)."""

    type: Literal["ec2Status"] = "ec2Status"


class TcpCheck(CheckModel):
    """A port accepts a connection from where this runs. `address`: `private`, `public`, or a text with variables."""

    type: Literal["tcp"] = "tcp"
    port: int = Field(ge=PORTS[0], le=PORTS[1])
    address: Name = "private"


class HttpCheck(CheckModel):
    """A GET answers with an expected status, and a body in which `body_pattern` is found."""

    type: Literal["http"] = "http"
    url: Name
    expected_status: tuple[int, ...] = (200,)
    body_pattern: str | None = None
    verify_tls: bool = True


class SsmCommandCheck(PlacedModel):
    """An SSM command succeeds: on each server's recovery instance; as a hook, on `instance_ids` or `targets`."""

    type: Literal["ssmCommand"] = "ssmCommand"
    document_name: Name
    document_version: str | None = None
    parameters: dict[str, tuple[str, ...]] = {}
    instance_ids: tuple[str, ...] = ()
    targets: dict[str, tuple[str, ...]] = {}


class SsmAutomationCheck(PlacedModel):
    """An SSM automation succeeds, started once for each server, or once for the wave."""

    type: Literal["ssmAutomation"] = "ssmAutomation"
    document_name: Name
    document_version: str | None = None
    parameters: dict[str, tuple[str, ...]] = {}


class PostLaunchActionsCheck(CheckModel):
    """DRS's post-launch actions succeeded. `actions`: names or ids; none is all active ones that are not optional."""

    type: Literal["postLaunchActions"] = "postLaunchActions"
    actions: tuple[str, ...] = ()


class LambdaCheck(PlacedModel):
    """A Lambda function answers without an error; with `expect_healthy`, with `{"healthy": true}`."""

    type: Literal["lambda"] = "lambda"
    function_name: Name
    qualifier: str | None = None
    payload: dict[str, JsonValue] = {}
    expect_healthy: bool = False


class PythonCheck(CheckModel):
    """A callable of the entry-point group `prefect_drs.checks` says so."""

    type: Literal["python"] = "python"
    entry_point: Name
    parameters: dict[str, JsonValue] = {}


Check = Annotated[
    Ec2StatusCheck
    | TcpCheck
    | HttpCheck
    | SsmCommandCheck
    | SsmAutomationCheck
    | PostLaunchActionsCheck
    | LambdaCheck
    | PythonCheck,
    Field(discriminator="type"),
]
Hook = Annotated[
    HttpCheck | SsmCommandCheck | SsmAutomationCheck | LambdaCheck | PythonCheck, Field(discriminator="type")
]
"""The kinds that need no recovery instance, run once a wave."""


def _types(union: Any) -> tuple[str, ...]:
    return tuple(kind.model_fields["type"].default for kind in get_args(get_args(union)[0]))


CHECK_TYPES = _types(Check)
HOOK_TYPES = _types(Hook)


def check_type(check: CheckModel) -> str:
    """Its `type` in the manifest."""
    return str(type(check).model_fields["type"].default)


def check_name(name: str | None, kind: str, position: int) -> str:
    """A check's name in the report: its own, or its type and its position in the list, from 1."""
    return name or f"{kind}-{position}"


def hook_places(
    home: Collection[tuple[str, str]], account_id: str | None, region: str | None
) -> tuple[frozenset[str], frozenset[str]]:
    """The accounts and the regions that a hook could mean.

    Args:
        home: account and region of each of the wave's groups.
        account_id: what the hook says; None where it does not.
        region: likewise.
    """
    fitting = [place for place in home if account_id in {None, place[0]} and region in {None, place[1]}] or list(home)
    accounts = frozenset({account_id} if account_id else (place[0] for place in fitting))
    regions = frozenset({region} if region else (place[1] for place in fitting))
    return accounts, regions
