"""A bundle: the evidence of one execution in one file.

In: the raw records and anchors of a journal, and the documents that do not follow from it. Out: an archive's bytes.
`manifest.json` has the size and SHA-256 of every other member, what the journal's head is, and the public keys of its
anchors; `signature.json` is the signature of the manifest. The same input gives the same bytes (with an Ed25519 key: a
signature by ECDSA differs each time). Dates are those of the journal's last event.

Must never: contain a secret. Journals and reports hold none; private keys, credentials and addresses of APIs are not
asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from prefect_drs.core.canonical import canonical_json, sha256
from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.core.models import FrozenModel
from prefect_drs.evidence.anchors import Anchor
from prefect_drs.evidence.archive import MANIFEST, write_archive
from prefect_drs.evidence.chain import Chain, check_anchors, check_chain
from prefect_drs.evidence.keys import KeyRing, PublicKey
from prefect_drs.evidence.signing import Signed, Signer, Statement
from prefect_drs.evidence.views import execution_facts, journal_views

FORMAT = "prefect-drs/evidence/1"
SEAL_TYPE = "prefect-drs/evidence-seal/1"
SIGNATURE = "signature.json"
VERSIONS = "versions.json"
README = "README.txt"
_README = """Evidence of one execution of prefect-drs, a disaster recovery on AWS Elastic Disaster Recovery.

manifest.json   what this file holds: the size and SHA-256 of every member, and the journal's head
signature.json  the signature of manifest.json, where a key was configured
journal/        the journal's records as they were stored: each has the SHA-256 of the one before
anchors/        signatures of the journal's head, made while the execution ran
plan.json       the plan, as resolved with the bindings
runbook.json    what the execution was to do, server by server
approvals.json  the decisions of people; `record` is the journal's record
jobs.json       the DRS jobs and their logs, as AWS told them when this file was made
report.json, report.html   what the execution reached
versions.json   the tool and its libraries

To check it, without a network: prefect-drs verify FILE.zip --public-key KEY.pem
"""


class DamagedEvidenceError(PrefectDrsError):
    """The journal does not hold: no evidence is made of it. `details["faults"]` lists what does not hold."""

    code = "JOURNAL_DAMAGED"
    exit_code = 1


class SealStatement(Statement):
    """That a manifest is the one that was made of an execution. `manifest_hash`: the SHA-256 of its bytes, as hex."""

    type: Literal["prefect-drs/evidence-seal/1"]
    execution_id: str
    manifest_hash: str


class Seal(Signed[SealStatement]):
    """The signature of a bundle's manifest."""


class Member(FrozenModel):
    """A member of a bundle: its name, size in bytes, SHA-256 as hex."""

    name: str
    bytes: int
    sha256: str


class JournalFacts(FrozenModel):
    """What a manifest says of the journal: how many records and events, the hash of the last record, its anchors.

    `anchored_records`: the records that anchors cover. `closed`: the last record is anchored as the execution's end.
    """

    records: int
    events: int
    head: str
    anchors: int
    anchored_records: int
    closed: bool


class KeyFact(FrozenModel):
    """A public key, so that a reader sees which one to ask for. Who trusts the file does not take the key from it."""

    key_id: str
    algorithm: str
    pem: str


class Manifest(FrozenModel):
    """What a bundle holds."""

    format: Literal["prefect-drs/evidence/1"]
    execution: dict[str, Any]
    journal: JournalFacts
    keys: tuple[KeyFact, ...]
    members: tuple[Member, ...]


@dataclass(frozen=True)
class Evidence:
    """What a bundle is made of.

    Args:
        execution_id: the execution.
        records: the journal's records, from the first on.
        anchors: its anchors, in any order.
        documents: further members by name: `jobs.json`, `report.html`, `versions.json`.
        keys: the public keys of the anchors, as far as they are known here.
        signer: signs the manifest; None where no key is configured.
        chain: of the records, where it was checked already.
    """

    execution_id: str
    records: Sequence[bytes]
    anchors: Sequence[bytes] = ()
    documents: Mapping[str, bytes] = field(default_factory=dict)
    keys: KeyRing = field(default_factory=KeyRing)
    signer: Signer | None = None
    chain: Chain | None = None


class WrittenBundle(NamedTuple):
    """A bundle: its bytes, and whether its journal is closed."""

    content: bytes
    closed: bool


def record_member(number: int) -> str:
    """The name of a record in a bundle."""
    return f"journal/{number:08d}.json"


def write_bundle(evidence: Evidence) -> WrittenBundle:
    """Make a bundle.

    Raises:
        DamagedEvidenceError: the journal's chain does not hold.
        EvidenceTooLargeError: it does not fit into one archive.
    """
    chain = evidence.chain or check_chain(dict(enumerate(evidence.records, 1)), record_member)
    if chain.faults:
        raise DamagedEvidenceError(
            f"no evidence is made of a journal that does not hold: {chain.faults[0]}",
            faults=[fault.model_dump(mode="json", by_alias=True) for fault in chain.faults],
        )
    members = {record_member(number): content for number, content in enumerate(evidence.records, 1)}
    anchors = _named(evidence.anchors)
    members |= anchors
    members |= journal_views(chain.events, chain.event_records)
    members |= evidence.documents
    members[README] = _README.encode()
    ring = evidence.keys | KeyRing.of([evidence.signer.public_key] if evidence.signer else [])
    facts = journal_facts(evidence.execution_id, chain, anchors, ring)
    manifest = canonical_json(_manifest(chain, facts, ring, members)) + b"\n"
    members[MANIFEST] = manifest
    if evidence.signer is not None:
        members[SIGNATURE] = _seal(evidence.execution_id, manifest, evidence.signer)
    return WrittenBundle(write_archive(members, max(event.at for event in chain.events)), facts.closed)


def journal_facts(execution_id: str, chain: Chain, anchors: Mapping[str, bytes], ring: KeyRing) -> JournalFacts:
    """What is said of a journal."""
    anchoring = check_anchors(execution_id, chain, anchors, ring, record_member)
    return JournalFacts(
        records=len(chain.hashes),
        events=len(chain.events),
        head=chain.hashes[-1] if chain.hashes else "",
        anchors=len(anchors),
        anchored_records=anchoring.covered,
        closed=anchoring.closes(len(chain.hashes)),
    )


def _manifest(chain: Chain, facts: JournalFacts, ring: KeyRing, members: Mapping[str, bytes]) -> Manifest:
    return Manifest(
        format=FORMAT,
        execution=execution_facts(chain.events),
        journal=facts,
        keys=tuple(_key_fact(ring.keys[key_id]) for key_id in sorted(ring.keys)),
        members=tuple(
            Member(name=name, bytes=len(content), sha256=sha256(content)) for name, content in sorted(members.items())
        ),
    )


def _key_fact(key: PublicKey) -> KeyFact:
    return KeyFact(key_id=key.key_id, algorithm=key.algorithm, pem=key.pem)


def _named(anchors: Sequence[bytes]) -> dict[str, bytes]:
    """Anchors by their names in a bundle; one that cannot be read is kept too."""
    named: dict[str, bytes] = {}
    for content in sorted(set(anchors)):
        stem = f"anchors/{_anchored_record(content):08d}"
        count = sum(name.startswith(stem) for name in named)
        named[f"{stem}.json" if not count else f"{stem}-{count + 1}.json"] = content
    return named


def _anchored_record(content: bytes) -> int:
    try:
        return max(0, min(99_999_999, Anchor.model_validate_json(content).statement.record_number))
    except ValueError:
        return 0


def _seal(execution_id: str, manifest: bytes, signer: Signer) -> bytes:
    return signer.sign(
        SealStatement(
            type=SEAL_TYPE,
            key_id=signer.public_key.key_id,
            key=signer.key,
            execution_id=execution_id,
            manifest_hash=sha256(manifest),
        )
    )
