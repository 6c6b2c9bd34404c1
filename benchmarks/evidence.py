"""The evidence of a drill of 1,000 servers: how long it takes to make, and whether every change of it is found.

    python -m benchmarks.evidence [--seed 1] [--changes 1000] [--chains 100] [--processes 2] [--out evidence.zip]

from the repository's root. The real engine drills a benchmark estate (`benchmarks.estates`, 1,000 servers in 40 waves)
on the simulator in virtual time, with a journal in a folder, anchored by a local Ed25519 key as the settings say.
Measured is what `prefect-drs evidence EXECUTION` does after its imports: reading the journal and its anchors, the logs
of all DRS jobs (from the simulator in this process), report and archive; and one verification. Then:

- `--changes` bundles with one other byte, anywhere in the file, half of them in its headers: each must be refused, and
  the first fault must name the member, the field and the record of the changed byte;
- `--chains` journals that were changed at a record and whose chain was computed again: each must be refused in place,
  with the records that were changed, and as a bundle signed by another key;
- as many journals whose last records were deleted, with and without the anchors of these: each must be refused.

The exit code is 1 where the evidence takes 30 s or more, anything is not found or not where it is, or an honest bundle
does not hold.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from benchmarks.drills import NoGate, estate_on_the_simulator, runbook_of
from benchmarks.estates import SMALL, draw_estate
from benchmarks.packing import expected_seconds
from prefect_drs.aws.sessions import Sessions
from prefect_drs.evidence.archive import read_archive
from prefect_drs.evidence.bundle import Evidence, write_bundle
from prefect_drs.evidence.faults import record_of
from prefect_drs.evidence.keys import KeyRing
from prefect_drs.evidence.signing import Signer, local_signer
from prefect_drs.evidence.verification import verify_bundle, verify_journal
from prefect_drs.plan.model import Retry
from prefect_drs.recovery.drivers import InlineExecutor, run_plainly
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.options import EngineOptions, EnginePorts
from tests.evidence.forgeries import Layout, recompute

TARGET_SECONDS = 30.0
EXECUTION = str(UUID(int=1))
BATCH = 25
FAIL_EVERY = 50


@cache
def key(seed: int) -> tuple[bytes, Signer]:
    """A private key in PEM, the same in every process, and its signer."""
    made = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem, local_signer(pem, "the benchmark's key")


def ring() -> KeyRing:
    """The public key that is trusted."""
    return KeyRing.of([key(1)[1].public_key])


def drilled(seed: int, folder: Path) -> tuple[bytes, float, float]:
    """Drill an estate, and make the evidence; the bundle, its wall and CPU seconds."""
    from prefect_drs.operations.context import Context  # noqa: PLC0415 - reads the settings
    from prefect_drs.operations.evidence import execution_evidence  # noqa: PLC0415
    from prefect_drs.orchestration.storage.journal_storage import open_journal  # noqa: PLC0415

    estate = draw_estate(SMALL, seed)
    runbook = runbook_of(estate)
    waves = tuple(wave.model_copy(update={"retry": Retry(attempts=1)}) for wave in runbook.waves)
    with estate_on_the_simulator(estate) as sandbox:
        sandbox.faults.add({"kind": "server", "server": "*", "effect": "fail", "every": FAIL_EVERY})
        ports = EnginePorts(Sessions(), sandbox.clock, open_journal(EXECUTION), InlineExecutor())
        options = EngineOptions(workers=1, expected=expected_seconds(estate), seed=seed)
        began = time.perf_counter()
        engine = Engine(EXECUTION, runbook.model_copy(update={"waves": waves}), ports, options)
        run_plainly(engine, NoGate(), sandbox.clock)
        print(f"drilled in {time.perf_counter() - began:.1f} s", flush=True)
        wall, cpu = time.perf_counter(), time.process_time()
        made = execution_evidence(EXECUTION, Context())
        return made.content, time.perf_counter() - wall, time.process_time() - cpu


@dataclass(frozen=True)
class Journal:
    """The journal of a bundle."""

    records: list[bytes]
    anchors: dict[str, bytes]
    anchored: list[int]

    @classmethod
    def of(cls, bundle: bytes) -> Journal:
        """The journal of a bundle."""
        members = read_archive(bundle).members
        records = [content for name, content in sorted(members.items()) if name.startswith("journal/")]
        anchors = {name: content for name, content in sorted(members.items()) if name.startswith("anchors/")}
        return cls(records, anchors, sorted(number for name in anchors if (number := record_of(name)) is not None))

    def refused(self, records: Sequence[bytes], anchors: dict[str, bytes]) -> tuple[str, int | None, str]:
        """The first fault of another journal in this one's place: its code, record and message."""
        faults = verify_journal(EXECUTION, dict(enumerate(records, 1)), anchors, ring()).faults
        return (faults[0].code, faults[0].record, faults[0].message) if faults else ("", None, "")


@cache
def _read(path: Path) -> tuple[bytes, Layout, Journal]:
    bundle = path.read_bytes()
    return bundle, Layout(bundle), Journal.of(bundle)


def changes(path: Path, seeds: Sequence[int]) -> list[str]:
    """What was not found of one changed byte for each seed."""
    _, layout, _ = _read(path)
    missed = []
    for seed in seeds:
        changed = layout.change(random.Random(f"byte {seed}"))  # noqa: S311
        faults = verify_bundle(changed.content, ring()).faults
        found = (faults[0].member, faults[0].field, faults[0].record) if faults else None
        if found != (changed.member, changed.field, changed.record):
            missed.append(f"byte {changed.at}, in {changed[2:]}: found {found}")
    return missed


def chains(path: Path, seeds: Sequence[int]) -> list[str]:
    """What was not found of one re-computed chain and one deleted tail for each seed."""
    _, _, journal = _read(path)
    missed = []
    for seed in seeds:
        chance = random.Random(f"chain {seed}")  # noqa: S311
        forged = recompute(journal.records, chance)
        covering = min(number for number in journal.anchored if number >= forged.changed)
        before = max((number for number in journal.anchored if number < forged.changed), default=0)
        code, record, message = journal.refused(forged.records, journal.anchors)
        if (code, record) != ("CHAIN_RECOMPUTED", covering) or not message.startswith(f"records {before + 1} to "):
            missed.append(f"chain from record {forged.changed}: found {code} {record} {message}")
        fitting = {name: content for name, content in journal.anchors.items() if (record_of(name) or 0) <= before}
        if journal.refused(forged.records, fitting)[0] not in {"NOT_CLOSED", "NO_ANCHORS"}:
            missed.append(f"chain from record {forged.changed}, later anchors deleted: not found")
        evidence = Evidence(EXECUTION, forged.records, list(journal.anchors.values()), signer=key(2)[1])
        if verify_bundle(write_bundle(evidence).content, ring()).intact:
            missed.append(f"bundle of the chain from record {forged.changed}, signed by another key: not found")
        left = chance.randrange(1, len(journal.records))
        rest = journal.records[:left]
        if journal.refused(rest, journal.anchors)[:2] != ("TAIL_MISSING", left + 1):
            missed.append(f"tail from record {left + 1}: not found")
        fitting = {name: content for name, content in journal.anchors.items() if (record_of(name) or 0) <= left}
        if journal.refused(rest, fitting)[0] not in {"NOT_CLOSED", "NO_ANCHORS"}:
            missed.append(f"tail from record {left + 1}, its anchors deleted: not found")
    return missed


def main() -> int:
    """Print the figures; 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="the estate")
    parser.add_argument("--changes", type=int, default=1000, help="changed bytes")
    parser.add_argument("--chains", type=int, default=100, help="re-computed chains, and deleted tails")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, help="keep the evidence here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="evidence-") as name:
        folder = Path(name)
        (folder / "key.pem").write_bytes(key(1)[0])
        os.environ["PREFECT_DRS_HOME"] = str(folder)
        os.environ["PREFECT_DRS_ANCHOR_KEY"] = str(folder / "key.pem")
        path = (options.out or folder / "evidence.zip").resolve()
        bundle, wall, cpu = drilled(options.seed, folder)
        path.write_bytes(bundle)
        missed = [] if verified(bundle) else ["the honest bundle"]
        print(f"{SMALL.name}: evidence in {wall:.1f} s ({cpu:.1f} s of CPU), {len(bundle):,} bytes", flush=True)
        began = time.perf_counter()
        with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
            for what, check, count in (("changed bytes", changes, options.changes), ("chains", chains, options.chains)):
                found = [each for part in pool.map(partial(check, path), _batches(count)) for each in part]
                print(f"{count} {what}: {len(found)} not found, {time.perf_counter() - began:.0f} s", flush=True)
                missed += found
    for each in missed:
        print(f"MISSED {each}")
    return int(bool(missed) or wall >= TARGET_SECONDS)


def _batches(count: int) -> list[range]:
    return [range(first, min(first + BATCH, count)) for first in range(0, count, BATCH)]


def verified(bundle: bytes) -> bool:
    """Verify the honest bundle, and print how long it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = verify_bundle(bundle, ring())
    seconds = time.perf_counter() - wall, time.process_time() - cpu
    print(
        f"verified in {seconds[0]:.1f} s ({seconds[1]:.1f} s of CPU): {result.records} records, {result.anchors} "
        f"anchors, {'closed' if result.closed else 'not closed'}, {len(result.faults)} faults"
    )
    return result.intact and result.closed


if __name__ == "__main__":
    raise SystemExit(main())
