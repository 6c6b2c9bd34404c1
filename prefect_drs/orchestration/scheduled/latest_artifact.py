"""JSON that outlives the run that wrote it, for whoever reaches the same Prefect API: an artifact that is written over.

In: a key and JSON values. Out: the same values, and when they were written. Unlike other artifacts it has no former
versions: what is kept is large, and only its latest state is of use.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.client.schemas.filters import ArtifactFilterKey
from prefect.client.schemas.objects import Artifact

from prefect_drs.orchestration.client import prefect_client
from prefect_drs.orchestration.executions.reports import read_artifacts

JSON_TYPE = "json"


@dataclass(frozen=True, slots=True)
class LatestArtifact:
    """What was kept under a key, and when it was last written."""

    data: Any
    written_at: datetime | None


def save_latest(key: str, data: Any, *, description: str) -> None:
    """Keep JSON values under a key, in the place of what was there."""
    text = json.dumps(data, ensure_ascii=False)
    former = _latest(key)
    with prefect_client() as client:
        if former is None:
            client.create_artifact(ArtifactCreate(type=JSON_TYPE, key=key, description=description, data=text))
        else:
            client.update_artifact(former.id, ArtifactUpdate(data=text, description=description))


def read_latest(key: str) -> LatestArtifact | None:
    """What is kept under a key; None where nothing is."""
    artifact = _latest(key)
    if artifact is None or not isinstance(artifact.data, str):
        return None
    return LatestArtifact(json.loads(artifact.data), artifact.updated or artifact.created)


def _latest(key: str) -> Artifact | None:
    return next(iter(read_artifacts(ArtifactFilterKey(any_=[key]), limit=1)), None)
