"""Verification: does evidence hold, and if not, what exactly does not.

In: the bytes of a bundle, or the records and anchors of a stored journal; public keys. Out: a `Verification`. A bundle
needs nothing else: no network, no Prefect, no AWS. The checks, in their order:

1. the archive is canonical, byte for byte;
2. the manifest is canonical, and signed by a known key;
3. every member has the size and SHA-256 that the manifest says, and there are no others;
4. the journal's chain holds;
5. the anchors are signed by known keys, and the journal is the one that they anchored, to its end;
6. what the manifest, the plan, the runbook, the approvals and the report say is what the journal says.

Without public keys, signatures are checked with the keys that the bundle itself names, which proves nothing about who
made it; the result says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from json import loads

from pydantic import ValidationError

from prefect_drs.core.canonical import canonical_json, sha256
from prefect_drs.core.errors import PrefectDrsError, UsageError
from prefect_drs.evidence.archive import MANIFEST, dos_time, read_archive
from prefect_drs.evidence.bundle import (
    SIGNATURE,
    VERSIONS,
    Manifest,
    Seal,
    journal_facts,
    record_member,
)
from prefect_drs.evidence.chain import Anchoring, Chain, check_anchors, check_chain
from prefect_drs.evidence.faults import EvidenceFault, Verification, record_of, unique
from prefect_drs.evidence.keys import KeyRing, public_key_of_pem
from prefect_drs.evidence.signing import UnsignedError, open_signed
from prefect_drs.evidence.views import execution_facts, journal_views

ONLY_CHAIN = (
    "there are no anchors: only the journal's chain was checked, which anybody who can write the journal can re-compute"
)
NOT_GIVEN = (
    "no public key was given: signatures were checked with the keys that the bundle names, which says nothing about "
    "who made it; give --public-key"
)
NO_KEYS = "no public key was given: the anchors were not checked, only the journal's chain; give --public-key"
UNSIGNED = "the bundle is not signed: whoever has it can change it and its manifest"


def verify_bundle(content: bytes, ring: KeyRing, *, allow_open: bool = False) -> Verification:
    """Verify a bundle. Raises nothing, whatever the bytes are.

    Args:
        content: the file.
        ring: the public keys that are trusted; none to check with the bundle's own.
        allow_open: accept a journal that is not closed: evidence of an execution that had not ended.
    """
    archive = read_archive(content)
    faults = [
        EvidenceFault(
            code="ARCHIVE_ALTERED" if fault.member or fault.field != "end of central directory" else "NOT_A_BUNDLE",
            member=fault.member,
            record=record_of(fault.member),
            field=fault.field,
            message=fault.message,
        )
        for fault in archive.faults
    ]
    members = archive.members
    manifest, found = _manifest(members)
    faults += found
    notes: list[str] = []
    trusted, execution_id = ring, ""
    if manifest is not None:
        execution_id = str(manifest.execution.get("executionId", ""))
        if not ring:
            trusted = _named_keys(manifest)
            notes += [NOT_GIVEN] if SIGNATURE in members or manifest.journal.anchors else []
        faults += _seal_faults(members, execution_id, trusted, demanded=bool(ring))
        faults += _member_faults(manifest, members)
    if SIGNATURE not in members and not ring:
        notes.append(UNSIGNED)
    records = {
        n: c for name, c in members.items() if name.startswith("journal/") and (n := record_of(name)) is not None
    }
    anchors = {name: c for name, c in sorted(members.items()) if name.startswith("anchors/")}
    checked = _check_journal(execution_id, records, anchors, trusted, record_member, bool(ring), allow_open)
    if manifest is not None and not checked.chain.faults:
        facts = journal_facts(execution_id, checked.chain, anchors, trusted | _named_keys(manifest))
        faults += _manifest_faults(manifest, checked.chain, facts.model_dump(by_alias=True))
        found, told = _view_faults(members, checked.chain)
        faults, notes = faults + found, notes + told
        if archive.at != dos_time(max(event.at for event in checked.chain.events)):
            why = "the date of the members is not that of the journal's last event"
            faults.append(EvidenceFault(code="ARCHIVE_ALTERED", member="", field="date", message=why))
    return _result(execution_id, (*faults, *checked.faults), (*notes, *checked.notes), checked, trusted)


def verify_journal(
    execution_id: str,
    records: Mapping[int, bytes],
    anchors: Mapping[str, bytes],
    ring: KeyRing,
    *,
    allow_open: bool = False,
) -> Verification:
    """Verify a journal where it is stored.

    Args:
        execution_id: whose it is.
        records: bytes by number.
        anchors: bytes by where they are; read before the records, so that none is newer than the last record.
        ring: the public keys that are trusted; without any, only the chain is checked.
        allow_open: accept a journal that is not closed: the execution has not ended.
    """
    usable = anchors if ring else {}

    def member(number: int) -> str:
        return f"{execution_id}/{number:08d}.json"

    checked = _check_journal(execution_id, records, usable, ring, member, bool(ring), allow_open)
    notes = (NO_KEYS,) if anchors and not ring else checked.notes
    started = checked.chain.events[0] if checked.chain.events else None
    faults = list(checked.faults)
    if started is not None and getattr(started, "execution_id", None) != execution_id:
        why = f"the journal begins with {getattr(started, 'execution_id', started.kind)}, not with this execution"
        faults.append(
            EvidenceFault(
                code="JOURNAL_OF_ANOTHER",
                member=member(1),
                record=1,
                field="events.0",
                message=why,
            )
        )
    return _result(execution_id, tuple(faults), notes, checked, ring)


class _Checked:
    """A journal with its anchors, checked."""

    def __init__(self, chain: Chain, anchoring: Anchoring, faults: list[EvidenceFault], notes: tuple[str, ...]) -> None:
        self.chain = chain
        self.anchoring = anchoring
        self.faults = faults
        self.notes = notes


def _check_journal(
    execution_id: str,
    records: Mapping[int, bytes],
    anchors: Mapping[str, bytes],
    ring: KeyRing,
    member: Callable[[int], str],
    demanded: bool,
    allow_open: bool,
) -> _Checked:
    """Check a journal and its anchors. `demanded`: there must be anchors, since a public key was given."""
    chain = check_chain(records, member)
    anchoring = check_anchors(execution_id, chain, anchors, ring, member)
    faults = [*chain.faults, *anchoring.faults]
    last = len(chain.hashes)
    if not anchors:
        if demanded:
            why = "there are no anchors, but a public key was given: they were deleted, or no key was configured"
            faults.append(EvidenceFault(code="NO_ANCHORS", member="", message=why))
        return _Checked(chain, anchoring, faults, () if demanded else (ONLY_CHAIN,))
    if anchoring.closes(last) or anchoring.faults:
        return _Checked(chain, anchoring, faults, ())
    why = _open_end(anchoring.covered, last)
    if not allow_open:
        faults.append(EvidenceFault(code="NOT_CLOSED", member=member(last), record=last, message=why))
    return _Checked(chain, anchoring, faults, (why,) if allow_open else ())


def _open_end(covered: int, last: int) -> str:
    """Why a journal is not closed."""
    rest = f"record {last} has no anchor" if covered == last - 1 else f"records {covered + 1} to {last} have no anchor"
    if covered == last:
        rest = "its last anchor is not that of an end"
    return f"the journal is not closed ({rest}): the execution has not ended, or its end was not signed or was deleted"


def _manifest(members: Mapping[str, bytes]) -> tuple[Manifest | None, list[EvidenceFault]]:
    def fault(code: str, field: str | None, why: str) -> list[EvidenceFault]:
        return [EvidenceFault(code=code, member=MANIFEST, field=field, message=why)]

    if (content := members.get(MANIFEST)) is None:
        return None, fault("NOT_A_BUNDLE", None, "the archive has no manifest: it is no evidence of prefect-drs")
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return None, fault("MALFORMED", ".".join(map(str, first["loc"])) or None, str(first["msg"]))
    if canonical_json(manifest) + b"\n" != content:
        return manifest, fault("MALFORMED", None, "its bytes are not the canonical form of what they say")
    return manifest, []


def _named_keys(manifest: Manifest) -> KeyRing:
    keys = []
    for fact in manifest.keys:
        try:
            keys.append(public_key_of_pem(fact.pem.encode()))
        except UsageError:
            continue  # `_manifest_faults` reports it
    return KeyRing.of(keys)


def _seal_faults(
    members: Mapping[str, bytes], execution_id: str, ring: KeyRing, *, demanded: bool
) -> Iterator[EvidenceFault]:
    def fault(code: str, field: str | None, why: str) -> EvidenceFault:
        return EvidenceFault(code=code, member=SIGNATURE, field=field, message=why)

    if (content := members.get(SIGNATURE)) is None:
        if demanded:
            yield fault("NOT_SIGNED", None, "the bundle is not signed, but a public key was given")
        return
    try:
        seal = open_signed(content, Seal, ring)
    except UnsignedError as error:
        yield fault(error.code, error.field or None, str(error))
        return
    if seal.manifest_hash != sha256(members[MANIFEST]):
        yield EvidenceFault(
            code="MANIFEST_ALTERED", member=MANIFEST, message="it is not the manifest that signature.json signs"
        )
    if seal.execution_id != execution_id:
        yield fault("ANCHOR_OF_ANOTHER", "statement.executionId", f"it signs execution {seal.execution_id}")


def _member_faults(manifest: Manifest, members: Mapping[str, bytes]) -> Iterator[EvidenceFault]:
    listed = {member.name: member for member in manifest.members}
    for name, member in listed.items():
        record, content = record_of(name), members.get(name)
        if content is None:
            yield EvidenceFault(code="MEMBER_MISSING", member=name, record=record, message="the manifest lists it")
        elif sha256(content) != member.sha256 or len(content) != member.bytes:
            why = "its SHA-256 is not the one in the manifest: one of the two was altered"
            yield EvidenceFault(code="MEMBER_ALTERED", member=name, record=record, field="content", message=why)
    for name in sorted(members.keys() - listed.keys() - {MANIFEST, SIGNATURE}):
        yield EvidenceFault(
            code="MEMBER_UNKNOWN", member=name, record=record_of(name), message="the manifest does not list it"
        )


def _manifest_faults(manifest: Manifest, chain: Chain, journal: Mapping[str, object]) -> Iterator[EvidenceFault]:
    """Where the manifest says of the execution what its journal does not."""
    said = {f"journal.{key}": value for key, value in manifest.journal.model_dump(by_alias=True).items()}
    true = {f"journal.{key}": value for key, value in journal.items()}
    said |= {f"execution.{key}": value for key, value in manifest.execution.items()}
    try:
        true |= {f"execution.{key}": value for key, value in execution_facts(chain.events).items()}
    except (PrefectDrsError, StopIteration) as error:
        yield EvidenceFault(code="JOURNAL_UNREADABLE", member=record_member(1), record=1, message=str(error))
        return
    for field in sorted(said.keys() | true.keys()):
        if said.get(field) != true.get(field):
            why = f"it says {said.get(field)!r}, the journal {true.get(field)!r}"
            yield EvidenceFault(code="MANIFEST_ALTERED", member=MANIFEST, field=field, message=why)
    for number, fact in enumerate(manifest.keys):
        try:
            key = public_key_of_pem(fact.pem.encode())
            fits = (key.key_id, key.algorithm, key.pem) == (fact.key_id, fact.algorithm, fact.pem)
        except UsageError:
            fits = False
        if not fits:
            why = "the key does not have the id and algorithm that are said of it"
            yield EvidenceFault(code="MANIFEST_ALTERED", member=MANIFEST, field=f"keys.{number}", message=why)


def _view_faults(members: Mapping[str, bytes], chain: Chain) -> tuple[list[EvidenceFault], list[str]]:
    """Where plan, runbook, approvals and report are not what the journal gives."""
    try:
        made_by = loads(members[VERSIONS])["prefect-drs"]
    except (KeyError, TypeError, ValueError, RecursionError):
        made_by = "another release"
    if made_by != version("prefect-drs"):
        told = f"made by prefect-drs {made_by}: plan, runbook, approvals and report were not compared with the journal"
        return [], [told]
    try:
        views = journal_views(chain.events, chain.event_records)
    except (PrefectDrsError, StopIteration) as error:
        why = f"the journal cannot be replayed: {error}"
        return [EvidenceFault(code="JOURNAL_UNREADABLE", member=record_member(1), record=1, message=why)], []
    return [
        EvidenceFault(code="VIEW_ALTERED", member=name, message="it is not what the journal gives")
        for name, content in views.items()
        if members.get(name) != content
    ], []


def _result(
    execution_id: str, faults: tuple[EvidenceFault, ...], notes: tuple[str, ...], checked: _Checked, ring: KeyRing
) -> Verification:
    anchoring = checked.anchoring
    return Verification(
        execution_id=execution_id,
        intact=not faults,
        faults=unique(faults),
        notes=notes,
        records=len(checked.chain.hashes),
        anchors=len(anchoring.valid),
        anchored_records=anchoring.covered,
        closed=anchoring.closes(len(checked.chain.hashes)),
        keys=tuple(sorted({anchor.key_id for anchor in anchoring.valid} or ring.keys)),
    )
