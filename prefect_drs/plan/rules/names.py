"""Rules for the file as a whole: its version and metadata."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from prefect_drs.plan.model import SCHEMA_VERSIONS
from prefect_drs.plan.read.draft import Draft
from prefect_drs.plan.read.fields import METADATA_FIELDS
from prefect_drs.plan.read.finding import PlanFinding, quote, warning
from prefect_drs.plan.rules.forms import ACCOUNT_ID, REGION


def schema_version_is_known(draft: Draft) -> Iterator[PlanFinding]:
    """`schemaVersion` is given, at the top or under `metadata`, and is 1.0 or 1.1; `servers` are of 1.1."""
    version, at = draft.metadata_field("schemaVersion")
    known = " or ".join(f'"{each}"' for each in SCHEMA_VERSIONS)
    if version is None:
        if draft.entry.values.get("schemaVersion", "") == "":
            yield PlanFinding(
                (), "MISSING_FIELD", f"schemaVersion is missing; write {known} at the top or under metadata"
            )
    elif version not in SCHEMA_VERSIONS:
        yield PlanFinding(at, "UNKNOWN_SCHEMA_VERSION", f"schemaVersion {quote(version)} is not known; use {known}")
    elif version == "1.0":
        for group in draft.groups:
            if group.entries:
                yield warning(
                    group.entry.place("servers"),
                    "NEWER_FIELD",
                    f"servers of group {quote(group.label)} came with schemaVersion 1.1, the file says 1.0; "
                    "they are honoured, but say 1.1",
                )


def metadata_agrees(draft: Draft) -> Iterator[PlanFinding]:
    """A field that is given at the top and under `metadata` has the same value in both."""
    if draft.metadata is None:
        return
    for field in METADATA_FIELDS:
        top, below = draft.entry.text(field), draft.metadata.text(field)
        if top is not None and below is not None and top != below:
            yield PlanFinding(
                draft.metadata.place(field),
                "CONFLICTING_METADATA",
                f"{field} is {quote(top)} at the top but {quote(below)} under metadata; keep one",
                first=draft.entry.place(field),
            )


def metadata_is_well_formed(draft: Draft) -> Iterator[PlanFinding]:
    """`sourceRegion` looks like a region, `sourceAccount` like an account, `exportedAt` like a time (ISO 8601)."""
    region, at = draft.metadata_field("sourceRegion")
    if region is not None and not REGION.fullmatch(region):
        yield PlanFinding(
            at, "INVALID_REGION", f"sourceRegion {quote(region)} is no AWS region; write it like us-east-1"
        )
    account, at = draft.metadata_field("sourceAccount")
    if account is not None and not ACCOUNT_ID.fullmatch(account):
        yield PlanFinding(at, "INVALID_ACCOUNT_ID", f"sourceAccount {quote(account)} is not 12 digits")
    exported, at = draft.metadata_field("exportedAt")
    if exported is not None:
        try:
            datetime.fromisoformat(exported)
        except ValueError:
            yield warning(
                at, "INVALID_TIME", f"exportedAt {quote(exported)} is no ISO 8601 time like 2026-01-29T02:47:18Z"
            )
