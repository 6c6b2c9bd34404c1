"""The options of a run in a request, as the commands `drill`, `recover` and `runbook` take them.

In: camelCase fields. Out: the same values in the forms that the engine takes. What cannot be parsed is refused before
anything is read.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AliasChoices, BeforeValidator, Field, model_validator

from prefect_drs.core.errors import UsageError
from prefect_drs.core.models import FrozenModel
from prefect_drs.plan.model import RecoveryMode
from prefect_drs.runbook.exclusions import parse_exclusions
from prefect_drs.runbook.points import LATEST_WORD, Points
from prefect_drs.runbook.waivers import parse_waivers


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


_DOCUMENTED = Literal["DRILL", "RECOVERY"]
_NAMED = AliasChoices("executionType", "mode")
_HELP = "DRILL or RECOVERY, in any case."

ModeField = Annotated[
    RecoveryMode,
    BeforeValidator(_lower, json_schema_input_type=_DOCUMENTED),
    Field(validation_alias=_NAMED, description=_HELP),
]
"""What a run is: `executionType` (DRILL, RECOVERY); also accepted as `mode` (drill, recovery)."""

OptionalMode = Annotated[
    RecoveryMode | None,
    BeforeValidator(_lower, json_schema_input_type=_DOCUMENTED | None),
    Field(validation_alias=_NAMED, description=_HELP),
]


class RunOptions(FrozenModel):
    """What a run launches from, and what a person let pass.

    Args:
        at: `latest`, or an ISO 8601 time with its zone: launch from the newest snapshot that is not after it.
        snapshots: snapshot ids of single servers, by server.
        waivers: findings of the preflight to let pass, code to reason.
        exclude: servers to leave out, server to reason.
    """

    at: str = LATEST_WORD
    snapshots: dict[str, str] = Field(default_factory=dict)
    waivers: dict[str, str] = Field(default_factory=dict)
    exclude: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _can_be_parsed(self) -> RunOptions:
        try:
            _ = self.points, self.accepted_waivers, self.excluded
        except UsageError as error:
            raise ValueError(error.message) from None
        return self

    @property
    def points(self) -> Points:
        """The snapshots to launch from."""
        return Points.parse(self.at, self.snapshots)

    @property
    def accepted_waivers(self) -> dict[str, str]:
        """The findings that are let pass, code to reason."""
        return parse_waivers(self.waivers)

    @property
    def excluded(self) -> dict[str, str]:
        """The servers that are left out, server to reason."""
        return parse_exclusions(self.exclude)
