"""The content of a JSON or YAML file: its values, and the line of each.

In: a path. Out: a `Document`; a file that cannot be read is a fault, never an exception. At most `BYTES_AT_MOST` bytes
are read, whatever the path leads to.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefect_drs.core.errors import Fault, Severity
from prefect_drs.plan.read.finding import Place, PlanFinding, quote
from prefect_drs.plan.read.json_text import TextFault, json_lines, read_json

BYTES_AT_MOST = 64 * 1024 * 1024
YAML_BYTES_AT_MOST = 8 * 1024 * 1024
"""YAML is read some thirty times slower than JSON; the plan of a full account (4,000 servers) is below 2 MiB."""


@dataclass(slots=True)
class Document:
    """The content of a file.

    Args:
        path: as the person named it.
        value: the values; None where the text could not be read.
        faults: what is wrong with the text itself.
        find_lines: the line of each place it is given, as far as the text has it.
    """

    path: str
    value: Any = None
    faults: tuple[Fault, ...] = ()
    find_lines: Callable[[Collection[Place]], dict[Place, int]] = field(default=lambda _: {}, repr=False)

    def faults_of(self, findings: Iterable[PlanFinding]) -> tuple[Fault, ...]:
        """The findings as faults with their lines; a place the text lacks has the line of what would hold it."""
        every = list(findings)
        wanted = {place[:depth] for f in every for place in (f.at, f.first or ()) for depth in range(1, len(place) + 1)}
        lines = self.find_lines(wanted) if every else {}

        def line(place: Place) -> int:
            return next((lines[place[:d]] for d in range(len(place), 0, -1) if place[:d] in lines), 1)

        return tuple(
            Fault(
                self.path,
                line(f.at),
                f.code,
                f.message if f.first is None else f"{f.message} (first at line {line(f.first)})",
                f.severity,
            )
            for f in every
        )


class GivenValues(Document):
    """Values that come from no file. Instead of a path, their faults have the place, by names of groups and plans."""

    __slots__ = ()

    def faults_of(self, findings: Iterable[PlanFinding]) -> tuple[Fault, ...]:
        """The findings as faults with their places."""
        return tuple(
            Fault(
                self._path(f.at),
                0,
                f.code,
                f.message if f.first is None else f"{f.message} (first at {self._path(f.first)})",
                f.severity,
            )
            for f in findings
        )

    def _path(self, place: Place) -> str:
        words = ""
        value = self.value
        for depth, step in enumerate(place):
            value = _inner(value, step)
            if depth == 0 and step in _LISTS:
                words = _LISTS[str(step)][0]
            elif isinstance(step, int):
                name = _inner(value, _LISTS[str(place[0])][1]) if depth == 1 and place[0] in _LISTS else None
                words += f".{name}" if isinstance(name, str) and name.isprintable() and name else f"[{step}]"
            else:
                name = step if step.isprintable() else quote(step)
                words += f".{name}" if words else name
        return words or "manifest"


_LISTS = {"protectionGroups": ("groups", "groupName"), "recoveryPlans": ("plans", "planName")}
"""The names of a manifest's lists in places, and the field that names an item."""


def _inner(value: Any, step: str | int) -> Any:
    """The value at that step; None where there is none."""
    try:
        return value[step]
    except (KeyError, IndexError, TypeError):
        return None


def read_document(path: str | os.PathLike[str]) -> Document:
    """The document at `path`. Its suffix says whether it is JSON or YAML, else its first character."""
    name = os.fspath(path)
    try:
        data = _read(name)
        if len(data) > BYTES_AT_MOST:
            return _refused(name, "TOO_LARGE", f"larger than {BYTES_AT_MOST >> 20} MiB; is this a manifest?")
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        wide = data[:2] in {b"\xff\xfe", b"\xfe\xff"}
        what = "this is UTF-16" if wide else f"byte {data[error.start]:#04x} is not UTF-8"
        return _refused(name, "NOT_UTF8", f"{what}; save the file as UTF-8", line)
    except FileNotFoundError:
        return _refused(name, "NO_SUCH_FILE", "there is no such file; check the path")
    except IsADirectoryError:
        return _refused(name, "NOT_A_FILE", "this is a directory; name the file in it")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return _refused(name, "UNREADABLE", f"the file cannot be read: {reason}; check the path and its permissions")
    return document_of_text(name, text)


def document_of_text(name: str, text: str) -> Document:
    """The document of a text; its faults name `name`, whose suffix says whether it is JSON or YAML."""
    if "\0" in text:
        return _refused(
            name, "NOT_TEXT", "the file holds NUL bytes, so it is not text", text[: text.index("\0")].count("\n") + 1
        )
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        return _refused(
            name, "EMPTY_FILE", "the file is empty; a manifest has schemaVersion, protectionGroups, recoveryPlans"
        )
    return _json(name, text) if _is_json(name, text) else _yaml(name, text)


def _read(name: str) -> bytes:
    descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK)  # a pipe without a writer must not hang us
    with os.fdopen(descriptor, "rb") as file:
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            os.set_blocking(descriptor, True)
        return file.read(BYTES_AT_MOST + 1)


def _is_json(name: str, text: str) -> bool:
    suffix = Path(name).suffix.lower()
    if suffix in {".yaml", ".yml"}:
        return False
    return suffix == ".json" or text.lstrip()[:1] in {"{", "["}


def _json(name: str, text: str) -> Document:
    value, faults = read_json(text)
    return Document(name, value, _faults(name, text, faults), lambda wanted: json_lines(text, wanted))


def _yaml(name: str, text: str) -> Document:
    from prefect_drs.plan.read.yaml_text import YamlDocument  # noqa: PLC0415 - JSON does not need it

    if len(text) > YAML_BYTES_AT_MOST:
        return _refused(
            name, "TOO_LARGE", f"larger than {YAML_BYTES_AT_MOST >> 20} MiB of YAML; write a plan of this size as JSON"
        )
    document = YamlDocument(text)
    return Document(name, document.value, _faults(name, text, document.faults), document.lines)


def _faults(name: str, text: str, faults: Iterable[TextFault]) -> tuple[Fault, ...]:
    last = max(
        1, text.count("\n") + (not text.endswith("\n"))
    )  # what is missing at the end is reported on the last line
    return tuple(Fault(name, min(fault.line, last), fault.code, fault.message) for fault in faults)


def _refused(name: str, code: str, message: str, line: int = 1) -> Document:
    return Document(name, None, (Fault(name, line, code, message, Severity.ERROR),))
