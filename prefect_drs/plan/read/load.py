"""From a manifest file to a checked `Manifest`, with all faults of the file at once.

In: a path (or the values of a file), and bindings. Out: a `Reading`, or the manifest alone. Never reaches AWS, Prefect
or the network; whatever the file holds, the result is faults with lines, never another exception.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from pydantic import ValidationError

from prefect_drs.core.errors import Fault, FaultyInputError, Severity
from prefect_drs.plan.model import Manifest
from prefect_drs.plan.read.bindings import Bindings, read_bindings
from prefect_drs.plan.read.document import Document, GivenValues, document_of_text, read_document
from prefect_drs.plan.read.draft import Draft
from prefect_drs.plan.read.drafting import Drafting
from prefect_drs.plan.read.fields import MANIFEST
from prefect_drs.plan.read.finding import FINDINGS_AT_MOST, PlanFinding, quote
from prefect_drs.plan.read.shape import NotUnderstoodError
from prefect_drs.plan.rules import RULES, UNRESOLVED_CODES
from prefect_drs.plan.rules.unbound import summarize_unbound

FAULTS_AT_MOST = 1_000
"""Faults of one file that are listed; a file with more is the wrong file."""

BindingsSource = str | os.PathLike[str] | Bindings


@dataclass(frozen=True, slots=True)
class Reading:
    """What a check of a manifest found.

    Args:
        manifest: the manifest, None where a fault refuses it.
        faults: all faults of the manifest and its bindings, warnings too, by file and line.
    """

    manifest: Manifest | None
    faults: tuple[Fault, ...]

    @property
    def errors(self) -> tuple[Fault, ...]:
        """The faults that refuse the file."""
        return tuple(fault for fault in self.faults if fault.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Fault, ...]:
        """The faults that do not refuse the file."""
        return tuple(fault for fault in self.faults if fault.severity is Severity.WARNING)

    def strictly(self) -> Reading:
        """The same with every warning as a fault that refuses the file."""
        if not self.warnings:
            return self
        return Reading(None, tuple(replace(fault, severity=Severity.ERROR) for fault in self.faults))

    def accepted(self, on_warning: Callable[[Fault], object] | None = None, *, strict: bool = False) -> Manifest:
        """The manifest.

        Args:
            on_warning: called with each warning, also where a fault refuses the file; by default it goes to the log.
            strict: a warning refuses the file too.

        Raises:
            FaultyInputError: with every fault.
        """
        reading = self.strictly() if strict else self
        for warning in reading.warnings:
            (on_warning or _log)(warning)
        if reading.manifest is None:
            raise FaultyInputError(reading.faults)
        return reading.manifest


def _log(warning: Fault) -> None:
    import logging  # noqa: PLC0415 - `validate` prints its faults

    logging.getLogger("prefect_drs.plan").warning(warning)


def load_manifest(
    path: str | os.PathLike[str], bindings: BindingsSource | None = None, *, strict: bool = False
) -> Manifest:
    """The manifest at `path`, with its names resolved by `bindings`. Warnings go to the log `prefect_drs.plan`.

    Args:
        path: a JSON or YAML file.
        bindings: a bindings file, or the bindings themselves.
        strict: warnings are faults.

    Raises:
        FaultyInputError: with every fault of the manifest and of the bindings.
    """
    return check_manifest(path, bindings).accepted(strict=strict)


def check_manifest(
    path: str | os.PathLike[str], bindings: BindingsSource | None = None, *, rehearsal: bool = False
) -> Reading:
    """Check the manifest at `path`; raises nothing, whatever is there.

    Args:
        path: a JSON or YAML file.
        bindings: a bindings file, or the bindings themselves. Without any, the names that need one are one fault
            together (`NAMES_WITHOUT_BINDING`); with them, a name that they lack is a fault of its own.
        rehearsal: accept names that no binding resolves (groups, servers, subnets, security groups, accounts) as
            written: to show a plan, and to seed an estate that has them.
    """
    return _check(read_document(path), bindings, rehearsal=rehearsal, summarize=bindings is None)


def check_text(
    text: str, bindings: BindingsSource | None = None, *, name: str = "manifest", rehearsal: bool = False
) -> Reading:
    """Check a manifest given as JSON or YAML text. Raises nothing, whatever it is.

    Args:
        text: the content of a file.
        bindings: as in `check_manifest`.
        name: what its faults name as their file.
        rehearsal: as in `check_manifest`.
    """
    document = document_of_text(name, text)
    return _check(document, bindings, rehearsal=rehearsal, summarize=bindings is None)


def check_values(value: object, bindings: BindingsSource | None = None, *, rehearsal: bool = False) -> Reading:
    """Check a manifest given as JSON values, by the same rules. Raises nothing, whatever they are.

    A fault has, for its path, the place where it is found: `groups.NAME.launchConfig.subnetId`,
    `plans.NAME.waves[2].dependsOnWaves[0]`.

    Args:
        value: the content of a file.
        bindings: as in `check_manifest`.
        rehearsal: as in `check_manifest`.
    """
    return _check(GivenValues("", value), bindings, rehearsal=rehearsal, summarize=False)


def _check(document: Document, bindings: BindingsSource | None, *, rehearsal: bool, summarize: bool) -> Reading:
    bound, bound_document, faults = _bindings(bindings)
    manifest: Manifest | None = None
    if document.value is not None or not document.faults:
        draft, findings = _examine(document.value, bound)
        if rehearsal:
            findings = [f for f in findings if f.code not in UNRESOLVED_CODES]
        elif summarize and draft is not None:
            findings = summarize_unbound(findings, draft)
        if (
            bound_document is None
        ):  # bindings from Python have no lines; their faults are reported at the start of the file
            findings = [PlanFinding((), f.code, f.message, f.severity) if f.in_bindings else f for f in findings]
        findings = _first(findings)
        faults += document.faults_of(f for f in findings if not f.in_bindings)
        if bound_document is not None:
            faults += bound_document.faults_of({f: None for f in findings if f.in_bindings})
        if draft is not None and not _refused((*faults, *document.faults)):
            manifest, unexpected = _build(draft, document)
            faults += unexpected
            if manifest is not None and bindings is not None:
                manifest = manifest.bound_by(bound.digest)
    faults += document.faults
    elsewhere = bound_document.path if bound_document is not None else None
    return Reading(
        manifest,
        tuple(sorted(faults, key=lambda f: (f.path == elsewhere, f.path, f.line, f.severity, f.code))),
    )


def _bindings(source: BindingsSource | None) -> tuple[Bindings, Document | None, tuple[Fault, ...]]:
    if source is None or isinstance(source, Bindings):
        return source or Bindings(), None, ()
    return read_bindings(source)


def _refused(faults: tuple[Fault, ...]) -> bool:
    return any(fault.severity is Severity.ERROR for fault in faults)


def _first(findings: list[PlanFinding]) -> list[PlanFinding]:
    """The first thousand faults and the first thousand warnings, and how many more there are."""
    listed: list[PlanFinding] = []
    for severity in Severity:
        every = [f for f in findings if f.severity is severity]
        listed += every[:FAULTS_AT_MOST]
        more = len(every) - FAULTS_AT_MOST
        if more > 0:
            message = f"{more} {severity}s or more are not shown; mend these first"
            listed.append(PlanFinding((), "TOO_MANY_FAULTS", message, severity))
    return listed


def _examine(value: object, bindings: Bindings) -> tuple[Draft | None, list[PlanFinding]]:
    findings: list[PlanFinding] = []
    try:
        entry = MANIFEST(value, (), findings)
    except NotUnderstoodError:
        return None, findings
    if len(findings) > FINDINGS_AT_MOST:
        message = f"more than {FINDINGS_AT_MOST:,} things are wrong, the rest was not looked at; is this a manifest?"
        return None, [PlanFinding((), "NO_MANIFEST", message), *findings]
    draft = Drafting(bindings).draft(entry)
    findings += islice(_by_rules(draft), FINDINGS_AT_MOST)
    return draft, findings


def _by_rules(draft: Draft) -> Iterator[PlanFinding]:
    for rule in RULES:
        yield from rule(draft)


def _build(draft: Draft, document: Document) -> tuple[Manifest | None, tuple[Fault, ...]]:
    """The model of a draft without faults; a value that only the model refuses is a fault like any other."""
    try:
        return draft.manifest(), ()
    except ValidationError as error:
        return None, document.faults_of(
            PlanFinding(tuple(problem["loc"]), "INVALID_VALUE", f"{problem['msg']}: {quote(problem.get('input'))}")
            for problem in error.errors(include_url=False)
        )
