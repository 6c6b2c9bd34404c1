"""One synchronisation within a flow run: by the saved settings, one at a time on a Prefect API, told by artifacts.

In: accounts and regions to keep to, or a dry run. Out: a `TagSyncResult`, or an error that carries it where something
is not synchronised. The lock is a global concurrency limit with a lease, so that a deployment's run and the command
line exclude each other, and a dead process does so for 75 seconds at most. A dry run needs no lock and leaves no mark
on what `get_tag_sync_status` tells.
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
from prefect_drs.orchestration.blocks import load_target_accounts, open_sessions
from prefect_drs.orchestration.executions.lease import hold, is_held, limit_name
from prefect_drs.orchestration.scheduled.latest_artifact import read_latest, save_latest
from prefect_drs.orchestration.scheduled.pages import changes_page, sync_page
from prefect_drs.orchestration.scheduled.settings import load_settings
from prefect_drs.orchestration.settings import PrefectDrsSettings
from prefect_drs.tag_sync import CopyTagsMemory, TagSyncResult, synchronise

LOCK = "tag-sync"
PATIENCE = timedelta(seconds=5)  # for the Prefect API to answer, not for another sync to end
LAST_KEY = "tag-sync-last"
MEMORY_KEY = "tag-sync-memory"
CHANGES_KEY = "tag-sync-changes"
STATUS_KEY = "tag-sync-status"
KEPT_CHANGES = 100  # of the last result; the page of changes shows more


class TagSyncBusyError(PrefectDrsError):
    """Another synchronisation is running."""

    code = "CONFLICT_ERROR"
    exit_code = 4


class TagSyncIncompleteError(PrefectDrsError):
    """Something could not be synchronised; the rest is. `result` says what."""

    code = "TAG_SYNC_INCOMPLETE"

    def __init__(self, message: str, *, result: TagSyncResult) -> None:
        super().__init__(message)
        self.result = result


def run_tag_sync(*, accounts: Sequence[str] = (), regions: Sequence[str] = (), dry_run: bool = False) -> TagSyncResult:
    """Synchronise now, within the running flow run.

    Args:
        accounts: keep to these accounts; none is those of the settings.
        regions: keep to these regions; none is those of the settings.
        dry_run: tell what would change, and write nothing.

    Raises:
        TagSyncBusyError: another synchronisation is running.
        TagSyncIncompleteError: account-regions or servers are not synchronised; carries the result.
        UsageError: settings, accounts or regions that cannot be.
        AwsError: the caller's own account could not be read.
    """
    if dry_run:
        result = _synchronised(accounts, regions, dry_run=True)
    else:
        busy = TagSyncBusyError(
            "another tag sync is running, or its process died less than 75 seconds ago; this one did nothing: wait for "
            "it, `prefect-drs op get_tag_sync_status` tells how it stands"
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
    narrowed = bool(accounts or regions)
    memory = _memory()
    clock = configured_clock()
    began = clock.now()
    try:
        known = load_target_accounts() if PREFECT_API_URL.value() else ()
        sessions = open_sessions(known, session_name="prefect-drs-tag-sync")
        result = synchronise(
            sessions,
            settings.rules(),
            clock=clock,
            accounts=accounts_to_read(sessions, known, accounts or settings.accounts),
            regions=regions or settings.regions,
            memory=memory,
            workers=PrefectDrsSettings().workers,
            dry_run=dry_run,
        )
    except AwsError as error:
        if not dry_run and not narrowed:
            _keep_last(began, clock.now(), [f"{error.code}: {error.message}"], None)
        raise
    for line in result.errors:
        logger.error(line)
    _publish(result)
    if not dry_run:
        save_latest(
            MEMORY_KEY, memory.to_json(), description="Servers whose copyTags was on, and when they were looked at"
        )
        if not narrowed:
            _keep_last(result.started_at, result.ended_at, list(result.errors), result)
    return result


def _memory() -> CopyTagsMemory:
    kept = read_latest(MEMORY_KEY)
    return CopyTagsMemory.from_json(kept.data if kept else None)


def _keep_last(began: datetime, ended: datetime, errors: list[str], result: TagSyncResult | None) -> None:
    """What `get_tag_sync_status` tells of the last synchronisation of everything."""
    bounded: Any = None
    if result is not None:
        bounded = result.model_dump(mode="json", by_alias=True)
        bounded["changes"] = bounded["changes"][:KEPT_CHANGES]
    told = {
        "startedAt": began.isoformat(),
        "endedAt": ended.isoformat(),
        "errors": errors,
        "flowRunId": prefect.runtime.flow_run.get_id(),
        "result": bounded,
    }
    save_latest(LAST_KEY, told, description="The last synchronisation of everything")


def _publish(result: TagSyncResult) -> None:
    for key, page, what in (
        (CHANGES_KEY, changes_page(result), "what changed"),
        (STATUS_KEY, sync_page(result), "how it went"),
    ):
        create_markdown_artifact(markdown=page, key=key, description=f"Tag sync: {what}")


def _incomplete(result: TagSyncResult) -> str:
    places = ", ".join(failure.place for failure in result.failures)
    parts = [f"{len(result.failures)} of the accounts and regions failed ({places})"] if result.failures else []
    if result.faults:
        parts.append(f"{len(result.faults)} server fault(s), the first: {result.faults[0].message}")
    return f"tag sync is not complete: {'; '.join(parts)}; the artifact {STATUS_KEY} says what to do, the rest is done"
