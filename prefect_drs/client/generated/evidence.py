"""The operations of `prefect_drs.operations.evidence` as methods. Written by `python -m tests.client.generator`; do not edit it."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from prefect_drs.client.caller import UNSET, Caller, Unset
from prefect_drs.client.generated.shared_types import JobLog


class EvidenceAnswer(TypedDict):
    """The evidence of an execution as one ZIP file."""

    executionId: str
    fileName: str
    mediaType: str
    size: int
    sha256: str
    closed: bool
    signed: bool
    missingLogs: list[JobLog]
    document: str


class EvidenceFault(TypedDict):
    """Something that does not hold."""

    code: str
    member: str
    record: int | None
    field: str | None
    message: str


class Verification(TypedDict):
    """What was verified, and with what result."""

    executionId: str
    intact: bool
    faults: list[EvidenceFault]
    notes: list[str]
    records: int
    anchors: int
    anchoredRecords: int
    closed: bool
    keys: list[str]


class EvidenceOperations(Caller):
    """Calls the operations."""

    def get_evidence(self, execution_id: str) -> EvidenceAnswer:
        """Return the evidence of an execution as one signed ZIP file."""
        return self.call("get_evidence", {"executionId": execution_id})

    def verify_execution(
        self, execution_id: str, *, public_keys: Sequence[str] | Unset = UNSET, allow_open: bool | Unset = UNSET
    ) -> Verification:
        """Verify an execution's journal in place: its chain, and the signatures of its anchors."""
        return self.call(
            "verify_execution", {"executionId": execution_id, "publicKeys": public_keys, "allowOpen": allow_open}
        )
