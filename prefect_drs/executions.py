"""Executions as any machine that reaches the Prefect API sees them: their reports and how they stand.

In: an execution's id. Out: the RecoveryReport that the running (or ended) flow keeps as an artifact. Nothing here
starts, changes or stops anything.
"""

from __future__ import annotations

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import Artifact
from prefect.client.schemas.sorting import ArtifactSort

from prefect_drs.artifacts import REPORT_KEY, report_key
from prefect_drs.errors import UsageError
from prefect_drs.report.model import RecoveryReport


def read_report(execution_id: str) -> RecoveryReport:
    """The report of an execution as last published.

    Raises:
        UsageError: this Prefect API knows no such execution.
    """
    reports = _reports(ArtifactFilterKey(any_=[report_key(execution_id)]), limit=1)
    if not reports:
        known = ", ".join(report.execution_id for report in list_reports(limit=5)) or "none"
        raise UsageError(f"this Prefect API knows no execution {execution_id}; the latest are: {known}")
    return reports[0]


def list_reports(limit: int = 50) -> list[RecoveryReport]:
    """The reports of the latest executions, the newest first."""
    return _reports(ArtifactFilterKey(like_=f"{REPORT_KEY}%"), limit=limit)


def read_artifacts(key: ArtifactFilterKey, limit: int = 200) -> list[Artifact]:
    """The artifacts of that key, the newest first.

    The API is asked directly: the client's own `read_artifacts` sends a null for each filter that is left out, which
    the server of Prefect 3.8 refuses, and an empty filter instead leaves out artifacts of flow runs.
    """
    with get_client(sync_client=True) as client:
        answer = client.request(
            "POST",
            "/artifacts/filter",
            json={
                "artifacts": ArtifactFilter(key=key).model_dump(mode="json", exclude_unset=True),
                "sort": ArtifactSort.CREATED_DESC.value,
                "limit": limit,
            },
        )
    return Artifact.model_validate_list(answer.json())


def _reports(key: ArtifactFilterKey, limit: int) -> list[RecoveryReport]:
    latest: dict[str, RecoveryReport] = {}
    for artifact in read_artifacts(key, limit):
        if isinstance(artifact.data, str):
            report = RecoveryReport.model_validate_json(artifact.data)
            latest.setdefault(report.execution_id, report)
    return list(latest.values())
