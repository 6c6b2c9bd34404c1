"""The audit log: who did, or wanted to do, what; stored beside the journals.

In: records. Out: records, filtered, the newest first. Each record is an object of its own, `audit/DAY/TIME-ID.json`,
which is created and never changed; whoever may write there can delete them (docs/access.md). A record holds no secret
and no request, only what the request names: ids of plans, groups, executions, accounts.

Must never: fail or delay what it records. What could not be stored is a warning in the log of this process.
"""

from __future__ import annotations

import enum
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

from prefect.logging import get_logger
from pydantic import AwareDatetime, Field, JsonValue, ValidationError

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.core.models import FrozenModel
from prefect_drs.identity.model import Identity
from prefect_drs.orchestration.storage.journal_storage import journal_storage
from prefect_drs.recovery.journal import AUDIT_FOLDER, Archive

_logger = get_logger("prefect_drs.orchestration.storage.audit_log")


class AuditOutcome(enum.StrEnum):
    """What became of a call."""

    DONE = "done"
    ADMITTED = "admitted"  # a command of this machine was allowed to begin; its journal has the rest
    FAILED = "failed"
    DENIED = "denied"  # no identity was proven, or its roles do not allow it


class AuditChange(FrozenModel):
    """What a call changed. `what`: the stored group, plan or policy. None: it was not, or is no longer, there."""

    what: str
    before: JsonValue = None
    after: JsonValue = None


class AuditRecord(FrozenModel):
    """One call.

    Args:
        id: of this record.
        at: when it ended.
        who: the proven name, or the name as claimed where nothing was proven.
        identity: the proof; None where there was none.
        operation: what was called.
        permission: what it needs.
        outcome: what became of it.
        error: the code of the error, if any.
        reason: of an identity that was not proven, why.
        origin: from where: the address of a request, or the interface.
        named: what the request names: ids of plans, groups, executions, accounts.
        changes: before and after.
    """

    id: str = Field(default_factory=lambda: uuid.uuid4().hex)
    at: AwareDatetime
    who: str
    identity: Identity | None = None
    operation: str
    permission: str = ""
    outcome: AuditOutcome
    error: str = ""
    reason: str = ""
    origin: str = ""
    named: dict[str, str] = Field(default_factory=dict)
    changes: tuple[AuditChange, ...] = ()


class AuditUnavailableError(PrefectDrsError):
    """The storage of the journals cannot list what it holds."""

    code = "JOURNAL_UNAVAILABLE"


class AuditLog:
    """The records of a storage.

    Args:
        storage: opens the storage; called when it is first needed.
    """

    def __init__(self, storage: Callable[[], Archive] = journal_storage) -> None:
        self._open = storage

    def record(self, record: AuditRecord) -> None:
        """Store a record; a failure is logged."""
        at = record.at.astimezone(UTC)
        name = f"{AUDIT_FOLDER}/{at:%Y-%m-%d}/{at:%H%M%S.%f}-{record.id}.json"
        try:
            self._open().create(name, record.model_dump_json(by_alias=True).encode())
        except Exception as error:  # the recovery goes on without its audit
            _logger.warning("The audit log does not hold %s of %s: %s", record.operation, record.at, error)

    def read(self, since: datetime, until: datetime) -> Iterator[AuditRecord]:
        """The records of a time, the newest first; what is no record is skipped with a warning.

        Raises:
            AuditUnavailableError: the storage cannot list.
            JournalUnavailableError: it cannot be read.
        """
        storage = self._open()
        for day in _days(since.astimezone(UTC).date(), until.astimezone(UTC).date()):
            folder = f"{AUDIT_FOLDER}/{day:%Y-%m-%d}"
            names = storage.listing(folder)
            if names is None:
                raise AuditUnavailableError(
                    "the storage of PREFECT_DRS_JOURNAL cannot list its objects: name an S3 bucket or a local folder"
                )
            for name in sorted((name for name in names if name.endswith(".json")), reverse=True):
                found = _parsed(storage.read(f"{folder}/{name}"), name)
                if found is not None and since <= found.at < until:
                    yield found


AUDIT = AuditLog()
"""The audit log of this process."""


def _days(first: date, last: date) -> Iterator[date]:
    for back in range((last - first).days + 1):
        yield last - timedelta(days=back)


def _parsed(content: bytes | None, name: str) -> AuditRecord | None:
    try:
        return None if content is None else AuditRecord.model_validate_json(content)
    except ValidationError:
        _logger.warning("%s in the audit log is no record", name)
        return None
