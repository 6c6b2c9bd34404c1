"""A drill with a gate and a retry on the simulator in virtual time, its journal anchored; and its evidence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from importlib.metadata import version
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from prefect_drs.core.clock import Clock
from prefect_drs.evidence.anchoring import AnchoredJournal, Anchoring, AnchorSink
from prefect_drs.evidence.anchors import stored_anchors
from prefect_drs.evidence.bundle import Evidence, write_bundle
from prefect_drs.evidence.keys import KeyRing
from prefect_drs.evidence.signing import Signer, local_signer
from prefect_drs.recovery.drivers import InlineExecutor
from prefect_drs.recovery.journal import FolderStorage, StoredJournal
from tests.rig import Rig, WaveSpec

EXECUTION = "exec-1"
WAVES = {1: WaveSpec(3, policy={"retry": {"attempts": 1}}), 2: WaveSpec(2, (1,), gate=True), 3: WaveSpec(1, (2,))}


@cache
def private_pem(seed: int = 1) -> bytes:
    """A private key that is the same in every run."""
    key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def signer(seed: int = 1) -> Signer:
    return local_signer(private_pem(seed), "the test's key")


def ring(*seeds: int) -> KeyRing:
    return KeyRing.of(signer(seed).public_key for seed in seeds or (1,))


def anchored(folder: Path, clock: Clock, reported: list[str] | None = None, seed: int = 1) -> AnchoredJournal:
    """The journal of the drill, its anchors beside it, signed at once."""
    storage = FolderStorage(folder)
    sink = AnchorSink("the journal", lambda name, content: storage.create(f"{EXECUTION}/{name}", content))
    how = Anchoring(
        lambda: signer(seed), (sink,), clock, ([] if reported is None else reported).append, executor=InlineExecutor()
    )
    return AnchoredJournal(StoredJournal(storage, EXECUTION, holder="test"), EXECUTION, how)


def drill(rig: Rig, folder: Path) -> None:
    """Carry the drill out."""
    runbook = rig.runbook(WAVES)
    rig.sandbox.faults.fail_server(runbook.wave(1).servers[0].source_server_id, times=1)
    rig.run(rig.engine(runbook, EXECUTION, anchored(folder, rig.clock)))
    rig.clock.wait(timedelta(minutes=1).total_seconds())


def records_in(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((folder / EXECUTION).glob("0*.json"))]


def anchors_in(folder: Path) -> dict[str, bytes]:
    return stored_anchors(FolderStorage(folder), EXECUTION, len(records_in(folder)))


def evidence(records: Sequence[bytes], anchors: Sequence[bytes], signed_by: Signer | None) -> Evidence:
    documents = {
        "jobs.json": b'{"jobs":[]}\n',
        "report.html": b"<!doctype html><title>Report</title>\n",
        "versions.json": json.dumps({"prefect-drs": version("prefect-drs")}).encode() + b"\n",
    }
    return Evidence(EXECUTION, records, anchors, documents, ring(), signed_by)


def bundle(folder: Path) -> bytes:
    return write_bundle(evidence(records_in(folder), list(anchors_in(folder).values()), signer())).content
