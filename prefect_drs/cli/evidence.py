"""`evidence`: the evidence of an execution as one file. `verify`: whether evidence, or a journal in place, holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from prefect_drs.cli.control import Execution
from prefect_drs.cli.output import print_json, print_stderr, print_stdout

if TYPE_CHECKING:
    from prefect_drs.evidence.faults import Verification
    from prefect_drs.evidence.keys import KeyRing

FAULTY = 1


def evidence(
    execution: Execution,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"], metavar="FILE", help="The file to write, a ZIP archive.")],
    force: Annotated[bool, Parameter(name="--force", negative="", help="Overwrite the file.")] = False,
) -> None:
    """Write the evidence of an execution to a file that only you can read.

    Plan, runbook, journal with its anchors, decisions of people, DRS jobs with their logs, report, versions; a manifest
    with the SHA-256 of each, signed where a key is configured (PREFECT_DRS_ANCHOR_KEY).
    """
    from prefect_drs.cli.prefect_api import require_permission, require_prefect_to_find
    from prefect_drs.core.errors import UsageError
    from prefect_drs.core.private_files import write_file

    if out.exists() and not force:
        raise UsageError(f"{out} exists; name another file, or give --force to overwrite it")
    require_prefect_to_find(execution)
    require_permission("get_evidence", execution_id=execution)
    from prefect_drs.operations.context import Context
    from prefect_drs.operations.evidence import execution_evidence

    made = execution_evidence(execution, Context())
    try:
        write_file(out, made.content)
    except OSError as error:
        raise UsageError(f"the evidence cannot be written to {out}: {error.strerror or error}") from None
    signed = "signed" if made.signed else "not signed: no key is configured (PREFECT_DRS_ANCHOR_KEY)"
    print_stderr(f"the evidence of execution {made.execution_id} was written to {out} ({signed})")
    missing: dict[str | None, list[str]] = {}
    for log in made.missing_logs:
        missing.setdefault(log.message, []).append(log.job_id)
    for why, jobs in missing.items():
        print_stderr(f"note: the evidence has no log of {', '.join(jobs)}: {why}")


def verify(
    subject: Annotated[
        str, Parameter(help="A file of evidence; or an execution's id, a unique beginning of it, or `latest`.")
    ],
    /,
    *,
    public_key: Annotated[
        tuple[Path, ...],
        Parameter(
            name="--public-key",
            metavar="FILE",
            help="A public key in PEM that you trust. May be given several times, for keys that were replaced.",
        ),
    ] = (),
    allow_open: Annotated[
        bool, Parameter(name="--allow-open", negative="", help="Accept an execution that has not ended.")
    ] = False,
    json: Annotated[bool, Parameter(name="--json", negative="", help="Print the result as JSON.")] = False,
) -> int:
    """Verify evidence, or the journal of an execution where it is stored. Exit code 0: intact; 1: it does not hold.

    A file is verified without a network. Each fault is one line: the place, a code, and why it does not hold.
    """
    from prefect_drs.evidence.keys import KeyRing

    ring, path = KeyRing.load(public_key), Path(subject)
    if path.is_file() or path.suffix.lower() == ".zip" or len(path.parts) > 1:
        result = _verified_file(path, ring, allow_open=allow_open)
    else:
        from prefect_drs.cli.prefect_api import require_permission, require_prefect_to_find
        from prefect_drs.operations.evidence import verified_execution

        require_prefect_to_find(subject)
        require_permission("verify_execution", execution_id=subject)
        result = verified_execution(subject, ring, allow_open=allow_open)
    if json:
        print_json(result.model_dump_json(by_alias=True, indent=2))
    else:
        _show(result)
    return 0 if result.intact else FAULTY


def _verified_file(path: Path, ring: KeyRing, *, allow_open: bool) -> Verification:
    from prefect_drs.core.errors import UsageError
    from prefect_drs.evidence.verification import verify_bundle

    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"the evidence cannot be read: {path}: {error.strerror or error}") from None
    return verify_bundle(content, ring, allow_open=allow_open)


def _show(result: Verification) -> None:
    for fault in result.faults:
        print_stdout(str(fault))
    for note in result.notes:
        print_stderr(f"note: {note}")
    if not result.intact:
        count = "1 fault" if len(result.faults) == 1 else f"{len(result.faults)} faults"
        print_stdout(f"not intact: {count} in the evidence of execution {result.execution_id or '(unknown)'}")
        return
    covered = f"anchored up to record {result.anchored_records} by {result.anchors} anchor(s)" if result.anchors else ""
    parts = (f"{result.records} records", covered, "closed" if result.closed else "not closed")
    print_stdout(f"intact: execution {result.execution_id}: {', '.join(part for part in parts if part)}")
