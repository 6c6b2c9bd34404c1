"""The journal store: whether it can be written, and where it is on the day that a region falls.

In: `PREFECT_DRS_JOURNAL`, and the stored plans. Out: findings. It writes one object, `audit/doctor`: in a folder it is
taken away again; in a bucket it stays, since whoever may write a journal need not be allowed to delete it.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Any, cast

from prefect.settings import get_current_settings

from prefect_drs.aws.drs import describe_source_servers
from prefect_drs.aws.location import Location
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import UsageError
from prefect_drs.estate.model import Estate
from prefect_drs.operations.doctor.findings import Finding, Report
from prefect_drs.orchestration.settings import PrefectDrsSettings
from prefect_drs.orchestration.storage.block_journal import FileSystemBlock
from prefect_drs.orchestration.storage.journal_places import journal_places
from prefect_drs.orchestration.storage.journal_storage import journal_storage, named_store, names_block
from prefect_drs.plan.read.finding import listed
from prefect_drs.recovery.journal import AUDIT_FOLDER, FolderStorage, JournalUnavailableError, one_line
from prefect_drs.runbook.journal_place import JournalPlace

PROBE = f"{AUDIT_FOLDER}/doctor/probe"
CONTENT = b"prefect-drs doctor looked whether it can write here\n"
ELSEWHERE = "store journals in an S3 bucket in a region that no plan recovers from: PREFECT_DRS_JOURNAL=s3://BUCKET"


def check_writable(report: Report) -> Iterator[Finding]:
    """Write to the store what a journal would, and read it back."""
    settings = PrefectDrsSettings()
    if names_block(settings) and not get_current_settings().api.url:
        yield _needs_prefect(report, settings.journal)
        return
    try:
        storage = journal_storage()
        if isinstance(storage, FolderStorage):
            folder = f"{PROBE}-{uuid.uuid4().hex}"
            storage.create(f"{folder}/1", CONTENT)
            storage.delete(folder)
        elif storage.atomic:
            storage.create(PROBE, CONTENT)  # a store that has it already refuses the second one, after the permission
            storage.read(PROBE)
        else:
            _write_over(named_store(settings, blocks=True))
    except (JournalUnavailableError, UsageError) as error:
        yield report.failed(error)
        return
    yield report.ok(f"{_name(settings)} can be written")


def _write_over(block: Any) -> None:
    """Write by a block that cannot create conditionally.

    Raises:
        JournalUnavailableError: the block failed.
    """
    try:
        cast("FileSystemBlock", block).write_path(PROBE, CONTENT)
    except Exception as error:  # each block raises the errors of its library
        raise JournalUnavailableError(
            f"the journal cannot be written: {PROBE} on {type(block).__name__}: {one_line(error)}; correct the block "
            "that PREFECT_DRS_JOURNAL names, or its storage"
        ) from None


def check_place(report: Report, sessions: Sessions, estate: Estate | None) -> Iterator[Finding]:
    """Where the store is: on one machine, in a region that a stored plan recovers from, or elsewhere.

    Args:
        report: of the check.
        sessions: the way into the accounts of the plans.
        estate: the stored plans; None if they could not be read.
    """
    settings = PrefectDrsSettings()
    if names_block(settings) and not get_current_settings().api.url:
        yield _needs_prefect(report, settings.journal)
        return
    places = journal_places()
    plans: dict[str, set[str]] = defaultdict(set)
    if estate is not None and any(place.region for place in places):
        for plan, origin in _origins(sessions, estate):
            plans[origin].add(plan)
    for place in places:
        if estate is None and place.region is not None:
            yield report.unchecked(
                f"{place.name} is in {place.region}; whether a stored plan recovers from there is not known, since the "
                "plans could not be read",
                "correct what the check `stored` names",
            )
        else:
            safe = estate is not None and any(each.survives(plans) for each in places)
            yield _judge(report, place, plans, safe=safe)


def _judge(report: Report, place: JournalPlace, plans: Mapping[str, Collection[str]], *, safe: bool) -> Finding:
    """What a place is good for, given the plans by the region that they recover from.

    `safe`: the other store of the journals is there when this machine and these regions are lost.
    """
    if place.failure is not None:
        return report.failed(place.failure)
    if place.region is not None and place.region not in plans:
        origins = f"stored plans recover from {', '.join(sorted(plans))}"
        return report.ok(
            f"{place.name} is in {place.region}; {origins if plans else 'no stored plan recovers servers of AWS'}"
        )
    if place.region is not None:
        where = f"{place.name} is in {place.region}, which these stored plans recover from: "
        where += listed(sorted(plans[place.region]))
    else:
        where = f"{place.name}: {place.loss}"
    return report.ok(f"{where}; their other store is elsewhere") if safe else report.warning(where, ELSEWHERE)


def _origins(sessions: Sessions, estate: Estate) -> Iterator[tuple[str, str]]:
    """The stored plans with the regions that their servers replicate from.

    Raises:
        AwsError: DRS did not answer in an account and region of a plan.
    """
    wanted: dict[Location, dict[str, set[str] | None]] = defaultdict(dict)
    for plan in estate.plans:
        for group in estate.groups_of(plan):
            account = str(group.definition.get("accountId") or sessions.caller_account_id)
            ids = group.definition.get("sourceServerIds")
            location = Location(account, str(group.definition["region"]))
            known = wanted[location].setdefault(plan.name, set())
            wanted[location][plan.name] = known | set(ids) if ids and known is not None else None
    for location, members in wanted.items():
        for server in describe_source_servers(sessions, location):
            for name, ids in members.items():  # a group that selects by tags: any server there
                if server.origin_region and (ids is None or server.source_server_id in ids):
                    yield name, server.origin_region


def _name(settings: PrefectDrsSettings) -> str:
    return settings.journal or str(settings.home.expanduser() / "journal")


def _needs_prefect(report: Report, reference: str) -> Finding:
    return report.unchecked(
        f"PREFECT_DRS_JOURNAL names {reference}, a block, and no Prefect API is configured to read it from",
        "set PREFECT_API_URL, or name the bucket itself: PREFECT_DRS_JOURNAL=s3://BUCKET/FOLDER",
    )
