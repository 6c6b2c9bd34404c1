"""The empty request, and fields of requests that callers spell in more than one way.

The first spelling of each is documented and in answers; the others are accepted in requests, since other tools for DRS
use them. A request that has two spellings of one field is refused. The base of all requests and answers is
`prefect_drs.core.models.FrozenModel`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AliasChoices, Field, JsonValue

from prefect_drs.core.models import FrozenModel
from prefect_drs.orchestration.accounts import ACCOUNT_ID

AccountId = Annotated[str, Field(pattern=ACCOUNT_ID)]
"""An AWS account id in a request: 12 digits, as text."""

DeploymentName = Annotated[str, Field(pattern="^[^/]+/[^/]+$")]
"""A deployment as Prefect names it: FLOW/NAME."""

GroupId = Annotated[str, Field(validation_alias=AliasChoices("groupId", "protectionGroupId"))]
PlanId = Annotated[str, Field(validation_alias=AliasChoices("planId", "recoveryPlanId"))]
ServerId = Annotated[str, Field(validation_alias=AliasChoices("serverId", "sourceServerId"))]
NamedAccountId = Annotated[
    str, Field(pattern=ACCOUNT_ID, validation_alias=AliasChoices("accountId", "targetAccountId"))
]
OptionalAccountId = Annotated[AccountId | None, Field(validation_alias=AliasChoices("accountId", "targetAccountId"))]
TargetAccountId = Annotated[
    str, Field(pattern=ACCOUNT_ID, validation_alias=AliasChoices("targetAccountId", "accountId"))
]
OptionalTargetAccountId = Annotated[
    AccountId | None, Field(validation_alias=AliasChoices("targetAccountId", "accountId"))
]
StagingAccountId = Annotated[
    str, Field(pattern=ACCOUNT_ID, validation_alias=AliasChoices("stagingAccountId", "accountId"))
]
"""Beside a target account, `accountId` is the staging account."""
NewGroupName = Annotated[JsonValue, Field(validation_alias=AliasChoices("name", "groupName"))]
NewPlanName = Annotated[JsonValue, Field(validation_alias=AliasChoices("name", "planName"))]
GroupLaunchSettings = Annotated[JsonValue, Field(validation_alias=AliasChoices("launchConfiguration", "launchConfig"))]


class EmptyRequest(FrozenModel):
    """The request of an operation that takes no parameters."""
