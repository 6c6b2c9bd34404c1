"""The operations of `prefect_drs.operations.audit` as methods. Written by `python -m tests.client.generator`; do not edit it."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, TypedDict

from prefect_drs.client.caller import UNSET, Caller, Unset
from prefect_drs.client.generated.shared_types import Identity

AuditOutcome = Literal["done", "admitted", "failed", "denied"]


class AuditAnswer(TypedDict):
    """Records, the newest first. `more`: there are older ones in that time."""

    records: list[AuditRecord]
    more: bool


class AuditChange(TypedDict):
    """What a call changed. `what`: the stored group, plan or policy. None: it was not, or is no longer, there."""

    what: str
    before: Any
    after: Any


class AuditRecord(TypedDict):
    """One call."""

    id: str
    at: str
    who: str
    identity: Identity | None
    operation: str
    permission: str
    outcome: AuditOutcome
    error: str
    reason: str
    origin: str
    named: dict[str, str]
    changes: list[AuditChange]


class AuditOperations(Caller):
    """Calls the operations."""

    def get_audit_log(
        self,
        *,
        since: datetime | str | Unset = UNSET,
        until: datetime | str | Unset = UNSET,
        who: str | Unset = UNSET,
        operation: str | Unset = UNSET,
        outcome: AuditOutcome | Unset = UNSET,
        execution_id: str | Unset = UNSET,
        limit: int | Unset = UNSET,
    ) -> AuditAnswer:
        """Return who did, or was denied, what, the newest first."""
        return self.call(
            "get_audit_log",
            {
                "since": since,
                "until": until,
                "who": who,
                "operation": operation,
                "outcome": outcome,
                "executionId": execution_id,
                "limit": limit,
            },
        )
