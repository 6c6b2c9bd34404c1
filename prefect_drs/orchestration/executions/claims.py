"""Claims: which execution has claimed which source servers, visible to every execution on the same Prefect API.

In: an execution and the servers that its runbook launches. Out: a claim, or an error that names the execution which has
claimed one of them. Claims guarantee "nothing is launched twice" between executions: an execution claims its servers
before it launches anything, and again whenever a process starts or resumes it.

Claims are numbered Prefect variables, `prefect-drs-claim-00000007`. A process reads all of them, checks, and creates
the next number; the Prefect server's database refuses a name that exists. So the creator of a number has read every
earlier claim: check and claim are one atomic step, without a lock that could be lost with a process or when the server
restarts (Prefect stores its concurrency leases in memory by default). The server ids, which may be thousands and do not
fit in a variable, are an input of the execution's flow run, stored before the claim.

A claim is released when its execution ends. If the process of an execution dies, the claim remains, since the execution
may be resumed; to release it, cancel the execution.

Must never: let two executions claim one server, unless a person waived that; ignore a claim that could not be read.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from uuid import UUID, uuid4

from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import PrefectHTTPStatusError
from prefect.logging import get_logger
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from prefect_drs.aws.location import Location
from prefect_drs.coordination.claims import StoredClaims
from prefect_drs.coordination.process import last_mark
from prefect_drs.core.clock import WallClock
from prefect_drs.core.errors import PrefectDrsError, PreflightRefusedError
from prefect_drs.execution.replay import state_of
from prefect_drs.orchestration.approvals.form import create_input, input_of
from prefect_drs.orchestration.client import prefect_client
from prefect_drs.orchestration.executions.lease import is_held
from prefect_drs.orchestration.executions.reports import (
    all_flow_runs_of,
    find_report,
    home_run,
    is_set_aside,
    pending_launches,
    settle_former_runs,
)
from prefect_drs.orchestration.storage.journal_storage import journal_storage
from prefect_drs.recovery.journal import StoredJournal
from prefect_drs.runbook import FindingSeverity, OtherExecution, PendingLaunch, Runbook

PREFIX = "prefect-drs-claim-"
SERVERS_KEY = "prefect-drs-servers"
TAGS = ["prefect-drs"]
PAGE = 200  # variables per request, the limit of the API
KEEP_RELEASED = timedelta(days=1)  # much longer than any process takes from reading the claims to creating its own
NAME_LENGTH = 200  # characters of a plan's name; a variable's value may have 5,000
NAMED_SERVERS = 5  # in a message

_logger = get_logger("prefect_drs.orchestration.executions.claims")


class _Claim(BaseModel):
    """The value of the variable. `nonce` distinguishes this attempt from others of the same execution."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)

    execution_id: str
    plan_name: str
    nonce: str
    claimed_at: AwareDatetime
    released_at: AwareDatetime | None = None


@dataclass(frozen=True, slots=True)
class _Entry:
    """A claim with its number and the id of its variable."""

    number: int
    variable_id: UUID
    claim: _Claim


def claim_servers(execution_id: str, runbook: Runbook) -> None:
    """Claim the servers of a runbook for an execution; called whenever a process starts or resumes it.

    Args:
        execution_id: the execution; its own earlier claims are replaced.
        runbook: the servers to launch. Claims of other executions that a person waived at the preflight are ignored.

    Raises:
        PreflightRefusedError: another execution that has not ended has claimed one of the servers.
        PrefectDrsError: the claims could not be read or written; nothing may be launched.
    """
    wanted = frozenset(server.source_server_id for wave in runbook.waves for server in wave.servers)
    waived = frozenset(
        finding.execution_id
        for finding in runbook.findings
        if finding.severity is FindingSeverity.WAIVED and finding.execution_id is not None
    )
    try:
        _claim_servers(execution_id, runbook, wanted, waived)
        try:
            StoredClaims(journal_storage(), with_prefect=True).claim(execution_id, runbook)
        except PrefectDrsError:
            _release_in_prefect(execution_id)  # it launches nothing now
            raise
    except PrefectHTTPStatusError as error:
        raise PrefectDrsError(f"the servers of execution {execution_id} could not be claimed: {error}") from error


def _claim_servers(execution_id: str, runbook: Runbook, wanted: frozenset[str], waived: frozenset[str]) -> None:
    nonce = uuid4().hex
    with prefect_client() as client:
        _store_servers(client, execution_id, runbook)
        while True:
            entries = _entries(client)
            if any(entry.claim.nonce == nonce for entry in entries):  # our request succeeded, but its answer was lost
                break
            own = [entry for entry in entries if entry.claim.execution_id == execution_id]
            _require_unclaimed(client, execution_id, wanted, entries, waived)
            claim = _Claim(
                execution_id=execution_id,
                plan_name=runbook.plan_name[:NAME_LENGTH],
                nonce=nonce,
                claimed_at=datetime.now(UTC),
            )
            if _create(client, max((entry.number for entry in entries), default=0) + 1, claim):
                break
        for entry in own:
            _release(client, entry)
        _prune(client, entries)


def release_servers(execution_id: str) -> None:
    """Release the claims of an execution that has ended. If Prefect does not answer, log a warning; never raise.

    A claim that was not released is recognised later: the report of its execution says that it ended.
    """
    try:
        _release_in_prefect(execution_id)
        StoredClaims(journal_storage(), with_prefect=True).release(execution_id)
    except (PrefectDrsError, PrefectHTTPStatusError) as error:
        _logger.warning("the claim of execution %s could not be released: %s", execution_id, error)


def _release_in_prefect(execution_id: str) -> None:
    with prefect_client() as client:
        for entry in _entries(client):
            if entry.claim.execution_id == execution_id:
                _release(client, entry)


def others_than(execution_id: str | None) -> tuple[OtherExecution, ...]:
    """The other executions that have claimed servers, for the preflight.

    Args:
        execution_id: the execution that is about to start, whose own claims are omitted; None for a dry run.

    Raises:
        PrefectDrsError: the claims could not be read.
    """
    with prefect_client() as client:
        holders = {entry.claim.execution_id: entry for entry in _entries(client) if entry.claim.released_at is None}
        found = tuple(
            OtherExecution(holder, entry.claim.plan_name, servers, _still_to_launch(holder))
            for holder, entry in holders.items()
            if holder != execution_id and (servers := _servers(client, holder)) and not _is_void(client, entry)
        )
    stored = StoredClaims(journal_storage(), with_prefect=True).others_than(execution_id)
    return found + tuple(other for other in stored if other.execution_id not in holders)


class Holders:
    """Counts the executions with claimed servers in an account and region; the servers of each are read once."""

    def __init__(self) -> None:
        self._locations: dict[str, frozenset[str]] = {}

    def count(self, location: Location) -> int:
        """The number of executions with claimed servers there.

        Raises:
            PrefectDrsError: the claims could not be read.
        """
        with prefect_client() as client:
            holders = {entry.claim.execution_id for entry in _entries(client) if entry.claim.released_at is None}
            for holder in holders - self._locations.keys():
                self._locations[holder] = frozenset(_stored_servers(client, holder))
        return sum(f"{location.account_id}/{location.region}" in self._locations[holder] for holder in holders)


def _still_to_launch(execution_id: str) -> tuple[PendingLaunch, ...]:
    report = find_report(execution_id)
    return () if report is None else tuple(pending_launches(report))


def _require_unclaimed(
    client: SyncPrefectClient,
    execution_id: str,
    wanted: frozenset[str],
    entries: Iterable[_Entry],
    waived: frozenset[str],
) -> None:
    """Raise if another execution has claimed one of the servers."""
    holders: dict[str, tuple[_Entry, list[str]]] = {}
    for entry in entries:
        holder = entry.claim.execution_id
        if holder == execution_id or holder in waived or entry.claim.released_at is not None or holder in holders:
            continue
        shared = sorted(wanted & _servers(client, holder))
        if shared and not _is_void(client, entry):
            holders[holder] = entry, shared
    if not holders:
        return
    lines = [_sentence(entry, shared) for entry, shared in holders.values()]
    raise PreflightRefusedError(
        "\n".join([f"execution {execution_id} was refused before any change: its servers are claimed", *lines]),
        findings=[
            {"code": "SERVER_IN_OTHER_EXECUTION", "severity": "ERROR", "message": line, "sourceServerId": server_id}
            for line, (_, shared) in zip(lines, holders.values(), strict=True)
            for server_id in shared
        ],
    )


def _sentence(entry: _Entry, shared: list[str]) -> str:
    more = len(shared) - NAMED_SERVERS
    named = ", ".join(shared[:NAMED_SERVERS]) + (f" and {more} more" if more > 0 else "")
    holder, since = entry.claim.execution_id, entry.claim.claimed_at.astimezone(UTC)
    return (
        f"SERVER_IN_OTHER_EXECUTION: execution {holder} of {entry.claim.plan_name} claimed {named} at "
        f"{since:%Y-%m-%d %H:%M:%S} UTC; wait until it ends, resume it (prefect-drs resume {holder}) or "
        f"cancel it (prefect-drs cancel {holder})"
    )


def _is_void(client: SyncPrefectClient, entry: _Entry) -> bool:
    """Whether a claim that was not released is stale; a stale claim is released.

    A claim is stale if the execution's flow runs were deleted; or if it was carried to its end without Prefect; or it
    ended and its process died before it released the claim; or its latest flow run was cancelled in Prefect and no
    process holds its lease: nothing is launched for it unless somebody overrides the cancel, and then its servers are
    claimed again.
    """
    holder = entry.claim.execution_id
    runs = all_flow_runs_of(client, holder)
    if runs and _ended_without_prefect(holder):
        settle_former_runs(holder, outcome="the execution was carried to its end without Prefect")
        _release(client, entry)
        return True
    if runs and any(run.state is None or not run.state.is_final() for run in runs):
        return False
    if runs:
        latest = max(runs, key=lambda run: run.created.timestamp() if run.created else 0.0)
        cancelled = latest.state is not None and latest.state.is_cancelled() and not is_set_aside(latest.state)
        report = find_report(holder)
        ended = report is not None and report.ended_at is not None and report.ended_at >= entry.claim.claimed_at
        if not ended and not (cancelled and not is_held(holder)):
            return False
    _release(client, entry)
    return True


def _ended_without_prefect(execution_id: str) -> bool:
    """Whether a process without Prefect has brought the execution to its end, and none has taken it up since.

    A process marks itself before it claims, so that the claim of one that resumes is not taken for stale; where its
    mark is late, its claim beside the journals counts all the same.
    """
    storage = journal_storage()
    mark = last_mark(storage, execution_id)
    if mark is None or mark.with_prefect or mark.alive(WallClock().now()):
        return False
    state = state_of(StoredJournal(storage, execution_id).read())
    return state is not None and state.ended


def _store_servers(client: SyncPrefectClient, execution_id: str, runbook: Runbook) -> None:
    """Store the execution's server ids with its flow run, once: a runbook does not change."""
    by_location: dict[Location, list[str]] = defaultdict(list)
    for wave in runbook.waves:
        for server in wave.servers:
            by_location[server.location].append(server.source_server_id)
    value = json.dumps({f"{at.account_id}/{at.region}": sorted(ids) for at, ids in sorted(by_location.items())})
    if (home := home_run(client, execution_id)) is None:
        raise PrefectDrsError(f"no flow run of execution {execution_id} is in this Prefect API any more")
    create_input(client, home, SERVERS_KEY, value)


def _servers(client: SyncPrefectClient, execution_id: str) -> frozenset[str]:
    """The servers that an execution claims; none if its flow run was deleted.

    Raises:
        PrefectDrsError: they cannot be read.
    """
    try:
        return frozenset(server for ids in _stored_servers(client, execution_id).values() for server in ids)
    except (ValueError, AttributeError, TypeError, PrefectHTTPStatusError) as error:
        raise PrefectDrsError(
            f"the claim of execution {execution_id} cannot be read ({error}); no other execution can start: wait until "
            "it ends, or delete its flow run in Prefect"
        ) from error


def _stored_servers(client: SyncPrefectClient, execution_id: str) -> Mapping[str, list[str]]:
    """The server ids that an execution claims, by `account/region`."""
    home = home_run(client, execution_id)
    stored = input_of(client, home, SERVERS_KEY) if home is not None else None
    return {} if stored is None else json.loads(stored.value)


def _entries(client: SyncPrefectClient) -> list[_Entry]:
    """All claims, in the order of their numbers.

    Raises:
        PrefectDrsError: one cannot be read.
    """
    entries: list[_Entry] = []
    offset = 0
    while True:
        body = {"variables": {"name": {"like_": PREFIX}}, "sort": "NAME_ASC", "limit": PAGE, "offset": offset}
        page = client.request("POST", "/variables/filter", json=body).json()
        for each in page:
            if not each["name"].startswith(PREFIX):
                continue
            try:
                number, claim = int(each["name"].removeprefix(PREFIX)), _Claim.model_validate(each["value"])
            except (ValueError, ValidationError):
                raise PrefectDrsError(
                    f"the Prefect variable {each['name']!r} is not a valid claim of servers: somebody changed it; "
                    "delete it when no execution is running that it may belong to"
                ) from None
            entries.append(_Entry(number, UUID(each["id"]), claim))
        if len(page) < PAGE:
            return sorted(entries, key=lambda entry: entry.number)
        offset += PAGE


def _create(client: SyncPrefectClient, number: int, claim: _Claim) -> bool:
    """Create the claim of that number; False if the number exists."""
    value = claim.model_dump(mode="json", by_alias=True)
    try:
        client.request("POST", "/variables/", json={"name": f"{PREFIX}{number:08d}", "value": value, "tags": TAGS})
    except PrefectHTTPStatusError as error:
        if error.response.status_code == HTTPStatus.CONFLICT:
            return False
        raise
    return True


def _release(client: SyncPrefectClient, entry: _Entry) -> None:
    if entry.claim.released_at is not None:
        return
    released = entry.claim.model_copy(update={"released_at": datetime.now(UTC)})
    body = {"value": released.model_dump(mode="json", by_alias=True)}
    try:
        client.request("PATCH", "/variables/{id}", path_params={"id": entry.variable_id}, json=body)
    except PrefectHTTPStatusError as error:
        if error.response.status_code != HTTPStatus.NOT_FOUND:
            raise


def _prune(client: SyncPrefectClient, entries: list[_Entry]) -> None:
    """Delete claims that were released long ago. The highest number stays, so that no number is used twice."""
    before = datetime.now(UTC) - KEEP_RELEASED
    for entry in entries[:-1]:
        if entry.claim.released_at is not None and entry.claim.released_at < before:
            try:
                client.request("DELETE", "/variables/{id}", path_params={"id": entry.variable_id})
            except PrefectHTTPStatusError as error:  # another process deleted it
                _logger.debug("claim %s was already deleted: %s", entry.number, error)
