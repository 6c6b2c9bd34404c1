"""How the checks of a wave went: one result for each check and server, in the journal and in the report."""

from __future__ import annotations

import enum
from datetime import datetime

from prefect_drs.core.models import FrozenModel


class CheckPhase(enum.StrEnum):
    """When it is made: before the wave's launches, to say that it is healthy, or after it."""

    PRE_WAVE = "preWave"
    HEALTH = "healthChecks"
    POST_WAVE = "postWave"


class CheckResult(FrozenModel):
    """One check of one server, or of the wave as a whole (`source_server_id` None), when it was over.

    Args:
        phase: when it was made.
        name: unique in its phase of its wave.
        type: its kind, as the manifest writes it.
        required: whether the wave fails with it.
        source_server_id: whose check it is.
        passed: the result.
        attempts: attempts begun; 0 where it was not made, since a hook before it failed.
        detail: what was seen last, one line.
        started_at: when its first attempt began.
        ended_at: when it was over.
    """

    phase: CheckPhase
    name: str
    type: str
    required: bool
    source_server_id: str | None
    passed: bool
    attempts: int
    detail: str
    started_at: datetime | None
    ended_at: datetime

    @property
    def key(self) -> tuple[CheckPhase, str, str | None]:
        """What names it within its wave."""
        return (self.phase, self.name, self.source_server_id)
