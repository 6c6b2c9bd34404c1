"""The evidence of executions: made as one file, and its journal verified in place.

In: an execution. Out: a bundle, or a `Verification`. Making one reads the journal, the anchors,
and the logs of its DRS jobs; where AWS does not tell a log, the bundle says why. Changes nothing.
"""

from __future__ import annotations

import base64
import json
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from prefect.settings import get_current_settings

from prefect_drs.core.canonical import sha256
from prefect_drs.core.models import FrozenModel
from prefect_drs.evidence.bundle import VERSIONS, Evidence, record_member, write_bundle
from prefect_drs.evidence.chain import Chain, check_chain
from prefect_drs.evidence.faults import Verification
from prefect_drs.evidence.keys import KeyRing, public_key_of_pem
from prefect_drs.evidence.stored import read_stored
from prefect_drs.evidence.verification import verify_journal
from prefect_drs.execution.view import report_of
from prefect_drs.operations.context import Context, configured_sessions
from prefect_drs.operations.execution_report import html_document, no_journal
from prefect_drs.operations.executions import ExecutionReference
from prefect_drs.operations.job_logs import OK, JobLog, read_job_logs
from prefect_drs.operations.registry import OperationKind, operation
from prefect_drs.orchestration.executions.names import named_execution
from prefect_drs.orchestration.executions.reports import read_report
from prefect_drs.orchestration.storage.anchor_settings import (
    configured_keys,
    configured_signer,
    locked_anchors,
    trusted_keys,
)
from prefect_drs.orchestration.storage.journal_storage import journal_storage
from prefect_drs.report.model import JobReport, WaveReport

LIBRARIES = ("prefect-drs", "prefect", "prefect-aws", "boto3", "botocore", "pydantic", "networkx", "cryptography")


class EvidenceAnswer(FrozenModel):
    """The evidence of an execution as one ZIP file.

    `document`: its bytes as base64. `sha256`: of the bytes, as hex. `closed`: the execution had ended, and its end is
    anchored. `signed`: a key is configured, and signed it. `missing_logs`: of DRS jobs, each with why AWS did not tell
    it.
    """

    execution_id: str
    file_name: str
    media_type: str
    size: int
    sha256: str
    closed: bool
    signed: bool
    missing_logs: tuple[JobLog, ...]
    document: str


class VerifyExecution(ExecutionReference):
    """An execution whose journal is verified where it is stored.

    Args:
        public_keys: public keys in PEM that are trusted; by default those of the settings. Without any, only the
            journal's chain is checked.
        allow_open: accept a journal that is not closed: the execution has not ended.
    """

    public_keys: tuple[str, ...] = ()
    allow_open: bool = False


class Bundle(NamedTuple):
    """A bundle, and what is known of it: whether its journal is closed and whether it is signed.

    `missing_logs`: of DRS jobs, each with why it is missing.
    """

    execution_id: str
    content: bytes
    closed: bool
    signed: bool
    missing_logs: tuple[JobLog, ...] = ()


@operation(kind=OperationKind.EXECUTION, permission="view_executions")
def get_evidence(context: Context, request: ExecutionReference) -> EvidenceAnswer:
    """Return the evidence of an execution as one signed ZIP file.

    Raises:
        UnknownExecutionError: this Prefect API knows no such execution.
        UsageError: its journal is not here, or the configured key cannot be used.
        DamagedEvidenceError: its journal does not hold.
        JournalUnavailableError: the journal or its anchors cannot be read.
    """
    made = execution_evidence(request.execution_id, context)
    return EvidenceAnswer(
        execution_id=made.execution_id,
        file_name=f"evidence-{made.execution_id}.zip",
        media_type="application/zip",
        size=len(made.content),
        sha256=sha256(made.content),
        closed=made.closed,
        signed=made.signed,
        missing_logs=made.missing_logs,
        document=base64.b64encode(made.content).decode(),
    )


@operation(kind=OperationKind.EXECUTION, permission="view_executions")
def verify_execution(context: Context, request: VerifyExecution) -> Verification:
    """Verify an execution's journal in place: its chain, and the signatures of its anchors.

    Raises:
        UnknownExecutionError: this Prefect API knows no such execution.
        UsageError: its journal is not here, or a public key cannot be read.
        JournalUnavailableError: the journal or its anchors cannot be read.
    """
    given = KeyRing.of(public_key_of_pem(pem.encode()) for pem in request.public_keys)
    return verified_execution(request.execution_id, given, allow_open=request.allow_open)


def execution_evidence(name: str, context: Context) -> Bundle:
    """Make the evidence of an execution.

    Args:
        name: its id, a unique beginning of it, or `latest`.
        context: the way into the accounts, for the logs of jobs.

    Raises:
        UsageError, DamagedEvidenceError, JournalUnavailableError, AwsError: see `get_evidence`.
    """
    execution_id = named_execution(name)
    records, anchors = _stored(execution_id)
    chain = check_chain(records, record_member)
    signer = configured_signer()
    logs = _logs(chain, context)
    documents = {} if chain.faults else _documents(chain, logs)
    ordered = [records[number] for number in sorted(records)]
    keys = configured_keys()
    evidence = Evidence(execution_id, ordered, tuple(anchors.values()), documents, keys, signer, chain)
    written = write_bundle(evidence)
    missing = tuple(log for log in logs if log.status != OK)
    return Bundle(execution_id, written.content, written.closed, signer is not None, missing)


def verified_execution(name: str, ring: KeyRing, *, allow_open: bool = False) -> Verification:
    """Verify an execution's journal in place.

    Args:
        name: its id, a unique beginning of it, or `latest`.
        ring: the public keys that are trusted; those of the settings where there are none.
        allow_open: accept a journal that is not closed.

    Raises:
        UsageError, JournalUnavailableError: see `verify_execution`.
    """
    execution_id = named_execution(name)
    records, anchors = _stored(execution_id)
    return verify_journal(execution_id, records, anchors, ring or trusted_keys(), allow_open=allow_open)


def _stored(execution_id: str) -> tuple[dict[int, bytes], dict[str, bytes]]:
    """The records and anchors of an execution, those in the bucket with object lock first."""
    locked = locked_anchors()
    anchors = locked.read(execution_id) if locked else {}
    stored = read_stored(journal_storage(), execution_id)
    if not stored.records and not anchors:
        if get_current_settings().api.url:
            read_report(execution_id)  # refuses an execution that is unknown or has not started
        raise no_journal(execution_id)
    return stored.records, anchors | stored.anchors


def _documents(chain: Chain, logs: Sequence[JobLog]) -> dict[str, bytes]:
    """The members that do not follow from the journal alone."""
    page = html_document(chain.events, max(event.at for event in chain.events))
    jobs = [
        {**job.model_dump(mode="json", by_alias=True), **log.model_dump(mode="json", by_alias=True)}
        for (_, job), log in zip(_jobs(chain), logs, strict=True)
    ]
    return {
        "report.html": page.encode(),
        "jobs.json": _document({"jobs": jobs}),
        VERSIONS: _document(_versions()),
    }


def _jobs(chain: Chain) -> list[tuple[WaveReport, JobReport]]:
    return [(wave, job) for wave in report_of(chain.events).waves for job in wave.jobs]


def _logs(chain: Chain, context: Context) -> list[JobLog]:
    """The logs of the jobs, read once.

    Where no Prefect API is configured there are no saved accounts; the context would start a server to look for them.
    """
    if chain.faults or not (jobs := _jobs(chain)):
        return []
    sessions = context.sessions if get_current_settings().api.url else configured_sessions()
    return read_job_logs(sessions, jobs)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _document(value: object) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n"
