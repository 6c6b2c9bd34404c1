"""JSON that outlives the run that wrote it, readable through the same Prefect API: an artifact that is overwritten.

In: a key and JSON values. Out: the same values, and when they were written. Unlike other artifacts, it has no earlier
versions: the values are large, and only the latest are used.
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
from prefect_drs.orchestration.storage.pages import DATA_TYPE


@dataclass(frozen=True, slots=True)
class LatestArtifact:
    """The JSON values stored under a key, and when they were last written."""

    data: Any
    written_at: datetime | None


def save_latest(key: str, data: Any, *, description: str) -> None:
    """Store JSON values under a key, replacing the former ones."""
    text = json.dumps(data, ensure_ascii=False)
    former = _latest(key)
    with prefect_client() as client:
        if former is None:
            client.create_artifact(ArtifactCreate(type=DATA_TYPE, key=key, description=description, data=text))
        else:
            client.update_artifact(former.id, ArtifactUpdate(data=text, description=description))


def read_latest(key: str) -> LatestArtifact | None:
    """The values stored under a key; None if there are none."""
    artifact = _latest(key)
    if artifact is None or not isinstance(artifact.data, str):
        return None
    return LatestArtifact(json.loads(artifact.data), artifact.updated or artifact.created)


def _latest(key: str) -> Artifact | None:
    return next(iter(read_artifacts(ArtifactFilterKey(any_=[key]), limit=1)), None)
