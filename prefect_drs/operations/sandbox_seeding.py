"""Seed the sandbox: the estate that manifests ask for, and the bindings from their names to its ids.

In: manifests and, for what no manifest says, a file about accounts. Out: what the sandbox made, and a bindings file.
Seeding the same files again changes nothing. Prints nothing.

Must never: write over a manifest, or over bindings that somebody wrote by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect_drs.core.errors import Fault, FaultyInputError, UsageError
from prefect_drs.core.private_files import make_folder, write_file
from prefect_drs.operations.sandbox import require_running
from prefect_drs.plan import Bindings, check_manifest, write_bindings

MARK = "# Written by `prefect-drs sandbox seed`; the next one may write it anew."
"""First line of a bindings file that may be written over."""
SEED_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class SeededEstate:
    """The result of a seeding.

    Args:
        made: what the sandbox made, as its control endpoint returns it.
        warnings: warnings about the manifests.
        unresolved: errors that the manifests still have with the bindings.
    """

    made: dict[str, Any]
    warnings: tuple[Fault, ...]
    unresolved: tuple[Fault, ...]


def seed_sandbox(
    files: list[Path],
    bindings: Path,
    *,
    external_id: str | None = None,
    accounts: Path | None = None,
    overwrite: bool = False,
) -> SeededEstate:
    """Build the estate that manifests ask for in the running sandbox, and write the bindings.

    Args:
        files: the manifests.
        bindings: the file to write.
        external_id: the ExternalId that the orchestration roles of other accounts require.
        accounts: a file about accounts, see `read_accounts`.
        overwrite: write over bindings that `seed_sandbox` did not write.

    Raises:
        FaultyInputError: a manifest has faults; all of them.
        UsageError: no sandbox is running, or a file cannot be read or written.
    """
    readings = [check_manifest(file, rehearsal=True) for file in files]
    faults = tuple(fault for reading in readings for fault in reading.faults)
    manifests = [reading.manifest for reading in readings if reading.manifest is not None]
    if len(manifests) < len(files):
        raise FaultyInputError(faults)
    _require_writable(bindings, files, overwrite=overwrite)
    body = {
        "manifests": [manifest.model_dump(mode="json", by_alias=True) for manifest in manifests],
        "externalId": external_id,
        "accounts": read_accounts(accounts) if accounts else {},
    }
    made = require_running().ask("POST", "/seed", body, timeout=SEED_SECONDS)
    _write(Bindings.model_validate(made["bindings"]), bindings)
    unresolved = tuple(fault for file in files for fault in check_manifest(file, bindings).errors)
    return SeededEstate(made, faults, unresolved)


def read_accounts(file: Path) -> dict[str, Any]:
    """The entries under `accounts` of a file, by account id or name; the sandbox itself validates them.

    Raises:
        UsageError: the file cannot be read, or has no `accounts`.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415 - only a few seedings need it
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    try:
        found = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
    except (OSError, YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    if not isinstance(found, dict) or set(found) != {"accounts"} or not isinstance(found["accounts"], dict):
        raise UsageError(f"{file} must hold `accounts:`, and under it each account's id or name; see docs/sandbox.md")
    entries = found["accounts"].items()
    return {str(name).zfill(12) if isinstance(name, int) else name: entry for name, entry in entries}


def _write(bound: Bindings, target: Path) -> None:
    try:
        make_folder(target.absolute().parent)
        write_bindings(bound, target)
        write_file(target, f"{MARK}\n{target.read_text(encoding='utf-8')}".encode())
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror or error}") from error


def _require_writable(target: Path, files: list[Path], *, overwrite: bool) -> None:
    if target.is_dir():
        raise UsageError(f"--bindings {target} is a directory; name a file")
    if not target.exists() or target.stat().st_size == 0:  # such as `mktemp` creates
        return
    if any(file.exists() and target.samefile(file) for file in files):
        raise UsageError(f"--bindings {target} is the manifest itself; name another file")
    with target.open(encoding="utf-8", errors="replace") as file:
        is_ours = file.readline().rstrip("\n") == MARK
    if not is_ours and not overwrite:
        raise UsageError(f"{target} was not written by `sandbox seed`; name another file, or use --overwrite")
