"""Bindings: the real ids of a manifest's names in one environment.

In: a YAML or JSON file, or values from Python. Out: `Bindings`, whose `find` looks a name up. So one plan runs in
production and in the sandbox. A name may be bound for one account and region, for a region, or everywhere; the most
specific binding wins. Writing is stable: the same bindings give the same bytes.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from prefect_drs.core.canonical import digest
from prefect_drs.core.errors import Fault, FaultyInputError, Severity
from prefect_drs.core.models import FrozenModel
from prefect_drs.core.private_files import write_file
from prefect_drs.plan.read.document import Document, read_document
from prefect_drs.plan.read.fields import BINDING_KINDS, BINDINGS
from prefect_drs.plan.read.finding import Place, PlanFinding
from prefect_drs.plan.read.shape import NotUnderstoodError

Kind = Literal[
    "protectionGroups",
    "sourceServers",
    "subnets",
    "securityGroups",
    "instanceProfiles",
    "instanceTypes",
    "preparedInstances",
    "accounts",
]

_OF_ANOTHER_PLACE = re.compile(r"(\d{12}/)?[a-z]{2}(-[a-z]+)+-\d+/", re.ASCII)
_BARE_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]*", re.ASCII)

_WHAT = {
    "accounts": "12-digit AWS account ids",
    "protectionGroups": "a groupName (or groupId) of the manifest",
    "sourceServers": "DRS source server ids (s-…)",
    "subnets": "EC2 subnet ids",
    "securityGroups": "EC2 security group ids",
    "instanceProfiles": "IAM instance profile names",
    "instanceTypes": "EC2 instance types",
    "preparedInstances": "EC2 instance ids, by the name of the server that is launched into it",
}


class Bindings(FrozenModel):
    """The names of a manifest, each with its real id in one environment.

    Keys are a name as the manifest has it, or `region/name`, or `account/region/name`. Values are real ids; for
    `protection_groups`, a group name or id of the manifest.
    """

    accounts: Mapping[str, str] = Field(default_factory=dict)
    protection_groups: Mapping[str, str] = Field(default_factory=dict)
    source_servers: Mapping[str, str] = Field(default_factory=dict)
    subnets: Mapping[str, str] = Field(default_factory=dict)
    security_groups: Mapping[str, str] = Field(default_factory=dict)
    instance_profiles: Mapping[str, str] = Field(default_factory=dict)
    instance_types: Mapping[str, str] = Field(default_factory=dict)
    prepared_instances: Mapping[str, str] = Field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The SHA-256 of all bindings, as hex, however the file is written."""
        return digest(self)

    def of(self, kind: Kind) -> Mapping[str, str]:
        """All bindings of a kind."""
        found: Mapping[str, str] = getattr(self, BINDING_KINDS[kind])
        return found

    def find(self, kind: Kind, name: str, *, account: str | None = None, region: str | None = None) -> Bound | None:
        """What `name` is bound to in that account and region; None where nothing binds it.

        Looked for as `account/region/name`, then `region/name`, then `name`.
        """
        bound = self.of(kind)
        for key in _keys(name, account, region):
            if key in bound:
                return Bound(bound[key], kind, key)
        return None

    def table(self, kind: Kind, *, accounts: Iterable[str], region: str | None) -> dict[str, Bound]:
        """Every binding of a kind for an account and region, by name; the most specific binding of a name wins.

        A name may itself hold slashes, so that a key is taken for one of another account or region only where it
        begins as such a key does.

        Args:
            kind: of the names.
            accounts: the account, as bound and as written; none where it is the caller's own.
            region: the region.
        """
        own = [*(f"{account}/{region}/" for account in accounts), f"{region}/"]
        found: dict[str, Bound] = {}
        for key, value in self.of(kind).items():
            prefix = next((each for each in own if key.startswith(each)), "")
            if not prefix and _OF_ANOTHER_PLACE.match(key):
                continue
            name = key.removeprefix(prefix)
            if name not in found or len(key) > len(found[name].key):
                found[name] = Bound(value, kind, key)
        return found


@dataclass(frozen=True, slots=True)
class Bound:
    """The value that a name is bound to, and the key of the binding."""

    value: str
    kind: Kind
    key: str

    @property
    def at(self) -> Place:
        """Its place in the bindings file."""
        return (self.kind, self.key)


def _keys(name: str, account: str | None, region: str | None) -> Iterator[str]:
    if region is not None:
        if account is not None:
            yield f"{account}/{region}/{name}"
        yield f"{region}/{name}"
    yield name


def read_bindings(path: str | os.PathLike[str]) -> tuple[Bindings, Document, tuple[Fault, ...]]:
    """The bindings of a file as far as they can be understood, the document, and what is wrong with it."""
    document = read_document(path)
    findings: list[PlanFinding] = []
    values: dict[str, Mapping[str, str]] = {}
    if not document.faults or document.value is not None:
        try:
            entry = BINDINGS(document.value if document.value is not None else {}, (), findings)
            values = {kind: entry.values.get(kind) or {} for kind in BINDING_KINDS}
        except NotUnderstoodError:
            values = {}
    return Bindings.model_validate(values), document, (*document.faults, *document.faults_of(findings))


def load_bindings(path: str | os.PathLike[str]) -> Bindings:
    """The bindings of a file.

    Raises:
        FaultyInputError: the file cannot be read, or is no bindings file; with every fault.
    """
    bindings, _, faults = read_bindings(path)
    if any(fault.severity is Severity.ERROR for fault in faults):
        raise FaultyInputError(tuple(sorted(faults, key=lambda fault: fault.line)))
    return bindings


def write_bindings(bindings: Bindings, path: str | os.PathLike[str]) -> None:
    """Write bindings as YAML with a comment for each kind; the same bindings always give the same bytes.

    The file is readable by its owner only: it names accounts and servers.

    Raises:
        OSError: it cannot be written.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415 - only who writes needs it
    from ruamel.yaml.comments import CommentedMap  # noqa: PLC0415
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString  # noqa: PLC0415

    top = CommentedMap()
    top.yaml_set_start_comment(
        "Bindings: what the names in a manifest are called in this environment.\n"
        "A key is the name as the manifest has it, or region/name, or account/region/name; the most exact wins."
    )
    for kind, what in _WHAT.items():
        bound = bindings.of(kind)  # type: ignore[arg-type]  # _WHAT's keys are the kinds
        if bound:
            top[kind] = CommentedMap(
                {
                    key if _BARE_KEY.fullmatch(key) else DoubleQuotedScalarString(key): DoubleQuotedScalarString(
                        bound[key]
                    )
                    for key in sorted(bound)
                }
            )
            top.yaml_set_comment_before_after_key(kind, before=f"\n{kind}: to {what}")
    stream = io.StringIO()
    yaml = YAML()
    yaml.width = 4096
    yaml.dump(top, stream)
    write_file(Path(path), stream.getvalue().encode())
