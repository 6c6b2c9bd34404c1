"""The history of launch settings: who changed which setting of a server when, stored as Prefect artifacts.

In: changes by operations and executions, each with its old and new value. Out: a server's history, newest first. Each
record is a version of the artifact `launch-settings-ACCOUNT-REGION`, visible in the Prefect UI; only the newest
`MAX_RECORDS` versions are retained. A record that was written twice, because an execution was resumed, counts once. A
record contains settings and names, never a secret.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Literal, Self

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import Artifact
from prefect.client.schemas.sorting import ArtifactSort
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_logger
from pydantic import BaseModel, ConfigDict, JsonValue
from pydantic.alias_generators import to_camel

from prefect_drs.aws.drs import batches
from prefect_drs.aws.location import Location
from prefect_drs.execution.events import Event, ExecutionStarted, SettingsApplied
from prefect_drs.orchestration.client import prefect_client
from prefect_drs.orchestration.paging import entries
from prefect_drs.orchestration.storage.pages import DATA_TYPE
from prefect_drs.runbook import RunbookServer

KEY = "launch-settings-"
MAX_RECORDS = 500  # retained for each account and region
SERVERS_A_RECORD = 200
RECORDS_A_PAGE = 50

_logger = get_logger("prefect_drs.orchestration.storage.settings_history")


class HistoryModel(BaseModel):
    """The base model of records."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


class ChangedSetting(HistoryModel):
    """The change of one setting. `part` is where it is stored: `plan` (the stored group), `drs` or `ec2`."""

    part: Literal["plan", "drs", "ec2"]
    field: str
    before: JsonValue
    after: JsonValue


class SettingsHistoryEntry(HistoryModel):
    """The changes of one server at one time.

    Args:
        at: when.
        by: who, as claimed.
        action: the operation, or the mode of an execution.
        source: the group or the execution.
        changes: the changed settings.
    """

    at: datetime
    by: str
    action: str
    source: str
    changes: tuple[ChangedSetting, ...]


class Record(HistoryModel):
    """The changes at one time in one account and region, by source server id."""

    servers: dict[str, SettingsHistoryEntry]


def history_key(location: Location) -> str:
    """The key of the artifact whose versions are the records of an account and region."""
    return f"{KEY}{location.account_id}-{location.region}"


def record_changes(
    location: Location, entries: Mapping[str, SettingsHistoryEntry], *, retain: int = MAX_RECORDS
) -> None:
    """Append changes of servers of an account and region; without entries, do nothing.

    Args:
        location: the account and region.
        entries: the changes, by source server id.
        retain: number of records of the account and region to retain.

    Raises:
        httpx.HTTPError: the Prefect API refused or could not be reached.
    """
    if not entries:
        return
    with prefect_client() as client:
        for servers in batches(entries, SERVERS_A_RECORD):
            client.create_artifact(
                ArtifactCreate(
                    type=DATA_TYPE,
                    key=history_key(location),
                    description=f"launch settings of {len(servers)} server(s) in {location}",
                    data=Record(servers={server: entries[server] for server in servers}).model_dump(
                        mode="json", by_alias=True
                    ),
                )
            )
        _delete_old(client, location, retain)


def read_history(location: Location, source_server_id: str, *, limit: int) -> tuple[SettingsHistoryEntry, ...]:
    """The changes of a server, newest first, at most `limit` entries.

    Raises:
        httpx.HTTPError: the Prefect API refused or could not be reached.
    """
    found: dict[tuple[datetime, str, str], SettingsHistoryEntry] = {}
    with prefect_client() as client:
        for record in _records(client, location):
            if (entry := record.servers.get(source_server_id)) is not None:
                found.setdefault((entry.at, entry.action, entry.source), entry)
            if len(found) >= limit:
                break
    return tuple(sorted(found.values(), key=lambda entry: entry.at, reverse=True))


def _records(client: SyncPrefectClient, location: Location) -> Iterator[Record]:
    found = entries(lambda offset: _page(client, location, offset, RECORDS_A_PAGE), size=RECORDS_A_PAGE)
    return (Record.model_validate(artifact.data) for artifact in found)


def _page(client: SyncPrefectClient, location: Location, offset: int, limit: int) -> list[Artifact]:
    return client.read_artifacts(
        artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[history_key(location)])),
        sort=ArtifactSort.CREATED_DESC,
        offset=offset,
        limit=limit,
    )


def _delete_old(client: SyncPrefectClient, location: Location, retain: int) -> None:
    for artifact in _page(client, location, retain, RECORDS_A_PAGE):
        with suppress(ObjectNotFound):  # another process deleted it
            client.delete_artifact(artifact.id)


class SettingsRecorder:
    """Records the settings that an execution changed, when it ends or is suspended. A context manager.

    A failure to store the history is logged and does not delay the recovery.
    """

    def __init__(self, execution_id: str, by: str) -> None:
        self._execution_id = execution_id
        self._by = by
        self._action = "recovery"
        self._servers: dict[str, RunbookServer] = {}
        self._applied: list[SettingsApplied] = []

    def observe(self, event: Event) -> None:
        """Collect the changes of an event."""
        if isinstance(event, ExecutionStarted):
            self._action = event.runbook.mode
            self._servers = {server.source_server_id: server for wave in event.runbook.waves for server in wave.servers}
        elif isinstance(event, SettingsApplied):
            self._applied.append(event)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            for location, entries in self._entries():
                record_changes(location, entries)
        except Exception as failure:  # no failure of the history may fail the recovery
            _logger.warning("Prefect did not store the history of launch settings: %s", failure)

    def _entries(self) -> Iterator[tuple[Location, dict[str, SettingsHistoryEntry]]]:
        """The entries by account-region; a server that was changed several times is in several records."""
        rest: Sequence[SettingsApplied] = self._applied
        while rest:
            repeated: list[SettingsApplied] = []
            found: dict[Location, dict[str, SettingsHistoryEntry]] = {}
            for event in rest:
                server_id = event.source_server_id
                here = found.setdefault(self._servers[server_id].location, {})
                if server_id in here:
                    repeated.append(event)
                    continue
                changes = tuple(ChangedSetting.model_validate(change.model_dump()) for change in event.changes)
                here[server_id] = SettingsHistoryEntry(
                    at=event.at, by=self._by, action=self._action, source=self._execution_id, changes=changes
                )
            yield from found.items()
            rest = repeated
