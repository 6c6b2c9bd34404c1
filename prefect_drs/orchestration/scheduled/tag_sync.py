"""One synchronisation in a flow run, with the saved settings, one at a time per Prefect API; publishes artifacts.

In: accounts and regions, or a dry run. Out: a `TagSyncResult`, or an error that has it if something could not be
synchronised. The lock is a global concurrency limit with a lease, so that runs of the deployment and of the command
line exclude each other; the lease of a dead process expires after at most 75 seconds. A dry run takes no lock and does
not affect `get_tag_sync_status`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import prefect.runtime.flow_run
from prefect.artifacts import create_markdown_artifact
from prefect.logging import get_run_logger
from prefect.settings import PREFECT_API_URL

from prefect_drs.aws.locations import accounts_to_read
from prefect_drs.core.clock import configured_clock
from prefect_drs.core.errors import AwsError, PrefectDrsError
from prefect_drs.orchestration.accounts import load_target_accounts, open_sessions
from prefect_drs.orchestration.executions.lease import hold, is_held, limit_name
from prefect_drs.orchestration.scheduled.latest_artifact import read_latest, save_latest
from prefect_drs.orchestration.scheduled.pages import changes_page, sync_page
from prefect_drs.orchestration.scheduled.settings import load_settings
from prefect_drs.orchestration.settings import PrefectDrsSettings
from prefect_drs.tag_sync import CopyTagsCache, TagSyncResult, synchronise

LOCK = "tag-sync"
PATIENCE = timedelta(seconds=5)  # for the Prefect API to answer, not for another sync to end
LAST_KEY = "tag-sync-last"
CACHE_KEY = "tag-sync-memory"  # the key of release 0.1.0
CHANGES_KEY = "tag-sync-changes"
STATUS_KEY = "tag-sync-status"
STORED_CHANGES = 100  # of the last result; the page of changes shows more


class TagSyncBusyError(PrefectDrsError):
    """Another synchronisation is running."""

    code = "CONFLICT_ERROR"
    exit_code = 4


class TagSyncIncompleteError(PrefectDrsError):
    """Some servers or account-regions could not be synchronised; `result` lists them. The others are done."""

    code = "TAG_SYNC_INCOMPLETE"

    def __init__(self, message: str, *, result: TagSyncResult) -> None:
        super().__init__(message)
        self.result = result


def run_tag_sync(*, accounts: Sequence[str] = (), regions: Sequence[str] = (), dry_run: bool = False) -> TagSyncResult:
    """Synchronise now, within the running flow run.

    Args:
        accounts: only these accounts; by default those of the settings.
        regions: only these regions; by default those of the settings.
        dry_run: report what would change, and write nothing.

    Raises:
        TagSyncBusyError: another synchronisation is running.
        TagSyncIncompleteError: account-regions or servers could not be synchronised; has the result.
        UsageError: settings, accounts or regions are invalid.
        AwsError: the caller's own account could not be read.
    """
    if dry_run:
        result = _synchronised(accounts, regions, dry_run=True)
    else:
        busy = TagSyncBusyError(
            "another tag sync is running, or its process died less than 75 seconds ago; this one did nothing: wait for "
            "it, `prefect-drs op get_tag_sync_status` shows its status"
        )
        with hold(limit_name(LOCK), PATIENCE, busy):
            result = _synchronised(accounts, regions, dry_run=False)
    if result.exit_code:
        raise TagSyncIncompleteError(_incomplete(result), result=result)
    return result


def is_running() -> bool:
    """Whether a synchronisation is running anywhere on this Prefect API, or died less than about 75 s ago."""
    return is_held(LOCK)


def _synchronised(accounts: Sequence[str], regions: Sequence[str], *, dry_run: bool) -> TagSyncResult:
    settings, logger = load_settings(), get_run_logger()
    complete = not (accounts or regions)
    cache = _read_cache()
    clock = configured_clock()
    started_at = clock.now()
    try:
        known = load_target_accounts() if PREFECT_API_URL.value() else ()
        sessions = open_sessions(known, session_name="prefect-drs-tag-sync")
        result = synchronise(
            sessions,
            settings.rules(),
            clock=clock,
            accounts=accounts_to_read(sessions, known, accounts or settings.accounts),
            regions=regions or settings.regions,
            cache=cache,
            workers=PrefectDrsSettings().workers,
            dry_run=dry_run,
        )
    except AwsError as error:
        if not dry_run and complete:
            _store_last(started_at, clock.now(), [f"{error.code}: {error.message}"], None)
        raise
    for line in result.errors:
        logger.error(line)
    _publish(result)
    if not dry_run:
        save_latest(CACHE_KEY, cache.to_json(), description="Servers with copyTags on, and when that was read")
        if complete:
            _store_last(result.started_at, result.ended_at, list(result.errors), result)
    return result


def _read_cache() -> CopyTagsCache:
    stored = read_latest(CACHE_KEY)
    return CopyTagsCache.from_json(stored.data if stored else None)


def _store_last(started_at: datetime, ended_at: datetime, errors: list[str], result: TagSyncResult | None) -> None:
    """Store the result of the last complete synchronisation for `get_tag_sync_status`."""
    bounded: Any = None
    if result is not None:
        bounded = result.model_dump(mode="json", by_alias=True)
        bounded["changes"] = bounded["changes"][:STORED_CHANGES]
    last = {
        "startedAt": started_at.isoformat(),
        "endedAt": ended_at.isoformat(),
        "errors": errors,
        "flowRunId": prefect.runtime.flow_run.get_id(),
        "result": bounded,
    }
    save_latest(LAST_KEY, last, description="The last synchronisation of all accounts and regions")


def _publish(result: TagSyncResult) -> None:
    for key, page, what in (
        (CHANGES_KEY, changes_page(result), "changes"),
        (STATUS_KEY, sync_page(result), "status"),
    ):
        create_markdown_artifact(markdown=page, key=key, description=f"Tag sync: {what}")


def _incomplete(result: TagSyncResult) -> str:
    failed = ", ".join(failure.place for failure in result.failures)
    parts = [f"{len(result.failures)} of the accounts and regions failed ({failed})"] if result.failures else []
    if result.faults:
        parts.append(f"{len(result.faults)} server fault(s), the first: {result.faults[0].message}")
    return (
        f"tag sync is not complete: {'; '.join(parts)}; everything else is done. The artifact {STATUS_KEY} says what "
        "to do"
    )
