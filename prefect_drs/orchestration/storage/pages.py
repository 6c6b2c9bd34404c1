"""Pages for people as Prefect artifacts: made once for each flow run, changed in place, and not often.

In: `RunPage`s. Out: Markdown artifacts that the UI lists on the page of a flow run. A later process of the same flow
run changes the artifacts of the former one, so that a flow run has one page of each name.

Must never: write a page that has not changed; be called by anything that a launch waits for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterKey
from prefect.client.schemas.objects import Artifact
from prefect.client.schemas.sorting import ArtifactSort
from prefect.exceptions import PrefectHTTPStatusError

from prefect_drs.report.run_page import RunPage

PAGES_EVERY = 15.0
"""Seconds (real time) between two versions of a page, unless it is the last one."""
MARKDOWN = "markdown"
DATA_TYPE = "result"
"""The type of artifacts that programs read. The pages of flow runs in the Prefect UI leave it out
(`type: {not_any_: ["result"]}`); a type that the UI does not know would be listed there as UNKNOWN."""
_PAGE = 200  # artifacts; the most that the API gives at once


class RunPages:
    """The pages of an execution, on the pages of its flow runs.

    Args:
        flow_run_ids: the flow runs that show them.
    """

    def __init__(self, flow_run_ids: Iterable[UUID]) -> None:
        self._runs = tuple(dict.fromkeys(flow_run_ids))
        self._written: dict[tuple[UUID, str], tuple[UUID, RunPage | None]] | None = None
        self._last: float | None = None

    def seconds_left(self, now: float) -> float:
        """How long the next version has to wait. `now`: seconds of any clock that never goes back."""
        return 0.0 if self._last is None else max(0.0, self._last + PAGES_EVERY - now)

    def publish(self, client: SyncPrefectClient, pages: Mapping[str, RunPage], now: float) -> None:
        """Write those that have changed.

        Args:
            client: the Prefect API.
            pages: by artifact key.
            now: as in `seconds_left`.
        """
        if self._written is None:
            former = find_pages(client, self._runs, pages)
            self._written = {place: (artifact.id, page_of(artifact)) for place, artifact in former.items()}
        self._last = now
        for key, page in pages.items():
            for run_id in self._runs:
                id, written = self._written.get((run_id, key), (None, None))
                if page != written:
                    self._written[run_id, key] = store_page(client, run_id, key, page, id), page


def find_pages(
    client: SyncPrefectClient, flow_run_ids: Iterable[UUID], keys: Iterable[str]
) -> dict[tuple[UUID, str], Artifact]:
    """The newest artifact of each flow run and key.

    The API is asked directly, for the reason that `executions.reports.read_artifacts` has.
    """
    wanted = ArtifactFilter(
        flow_run_id=ArtifactFilterFlowRunId(any_=list(flow_run_ids)), key=ArtifactFilterKey(any_=list(keys))
    )
    answer = client.request(
        "POST",
        "/artifacts/filter",
        json={
            "artifacts": wanted.model_dump(mode="json", exclude_unset=True),
            "sort": ArtifactSort.CREATED_DESC.value,
            "limit": _PAGE,
        },
    )
    found: dict[tuple[UUID, str], Artifact] = {}
    for artifact in Artifact.model_validate_list(answer.json()):
        if artifact.flow_run_id is not None and artifact.key is not None:
            found.setdefault((artifact.flow_run_id, artifact.key), artifact)
    return found


def store_page(client: SyncPrefectClient, run_id: UUID, key: str, page: RunPage, id: UUID | None = None) -> UUID:
    """Change the artifact of that id, or create one where there is none; return its id."""
    if id is not None:
        try:
            client.update_artifact(id, ArtifactUpdate(data=page.markdown, description=page.card))
            return id
        except PrefectHTTPStatusError as error:
            if error.response.status_code != HTTPStatus.NOT_FOUND:  # otherwise somebody deleted it in the UI
                raise
    created = ArtifactCreate(type=MARKDOWN, key=key, description=page.card, data=page.markdown, flow_run_id=run_id)
    return client.create_artifact(created).id


def page_of(artifact: Artifact) -> RunPage | None:
    """The page that an artifact shows; None where it is something else."""
    if artifact.description is None or not isinstance(artifact.data, str):
        return None
    return RunPage(artifact.description, artifact.data)
