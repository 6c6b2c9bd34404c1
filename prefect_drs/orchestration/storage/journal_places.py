"""Where the journals of this process are: on this machine, in a region, or in a place that nothing is known of.

In: `PREFECT_DRS_JOURNAL` and `PREFECT_DRS_JOURNAL_MIRROR`. Out: a `JournalPlace` for each. A bucket is asked for its
region (one call).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect.filesystems import LocalFileSystem

from prefect_drs.aws.buckets import bucket_region
from prefect_drs.aws.errors import aws_call
from prefect_drs.aws.time_limit import map_within
from prefect_drs.core.errors import AwsError
from prefect_drs.orchestration.settings import PrefectDrsSettings
from prefect_drs.orchestration.storage.journal_storage import is_bucket, named_store, names_block
from prefect_drs.orchestration.storage.s3_journal import NamedBucket
from prefect_drs.runbook.journal_place import JournalPlace

SECONDS = 5.0
"""How long buckets are asked for their regions: no recovery waits for one that hangs."""


def journal_places(*, blocks: bool = True, seconds: float = SECONDS) -> tuple[JournalPlace, ...]:
    """The place of the journals, and that of their mirror where there is one.

    Args:
        blocks: whether blocks may be loaded from the Prefect API; False where no Prefect API is to be asked: nothing is
            known then of the place of a block.
        seconds: real time for the buckets to say where they are.

    Raises:
        UsageError: a setting names no usable place.
    """
    settings = PrefectDrsSettings()
    stores: list[tuple[str, Any]] = []
    if blocks or not names_block(settings):
        stores.append((settings.journal, named_store(settings, blocks=blocks)))
    if settings.journal_mirror:
        stores.append((settings.journal_mirror, NamedBucket(settings.journal_mirror)))
    found = map_within(lambda store: _place(*store), stores, len(stores), seconds)
    places = (
        place or JournalPlace(setting, failure=AwsError(f"its bucket did not say in {seconds:g} s where it is"))
        for (setting, _), place in zip(stores, found, strict=True)
    )
    return (*places, *([JournalPlace(settings.journal)] if names_block(settings) and not blocks else []))


def _place(setting: str, named: Any) -> JournalPlace:
    if isinstance(named, Path):
        return JournalPlace(str(named), one_machine=True)
    if isinstance(named, LocalFileSystem):
        return JournalPlace(f"{setting} ({named.basepath})", one_machine=True)
    return _bucket(named) if is_bucket(named) else JournalPlace(f"{setting} ({type(named).__name__})")


def _bucket(named: Any) -> JournalPlace:
    name = f"s3://{named.bucket_name}"
    try:
        with aws_call("making a client for s3", None, ""):
            s3 = named.credentials.get_client("s3")
        return JournalPlace(name, region=bucket_region(s3, named.bucket_name))
    except AwsError as error:
        return JournalPlace(name, failure=error)
