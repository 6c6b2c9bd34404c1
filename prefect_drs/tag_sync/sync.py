"""One synchronisation: read the servers, read their instances, compare, write what differs.

In: `Sessions`, `TagRules`, accounts and regions, a clock. Out: a `TagSyncResult`. The stages:

1. Read the source servers of all account-regions in parallel; each page has tags and instance ids, so there is no call
   per server.
2. Read the instances' tags by the account and region that they run in, 200 instances a call.
3. `compare` server by server, without a call. Only tags that differ are written.
4. Write: one TagResource call a server for all its tags. Calls alternate between account-regions, with at most
   `CALLS_A_LOCATION` calls at a time in each, limited by the adaptive retry mode of botocore's clients.

Failures are isolated: an account-region that does not answer is reported and the others continue; likewise a server
that AWS refuses. A `dry_run` makes the same reads and no write. Tag sync never writes to EC2, never changes `aws:`
tags, and removes no tag from a server whose instance it could not read.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from prefect_drs.aws.call_count import writes_in
from prefect_drs.aws.drs import SourceServer
from prefect_drs.aws.errors import ConflictError, NotFoundError, PermissionDeniedError
from prefect_drs.aws.fan_out import fan_out
from prefect_drs.aws.location import Location
from prefect_drs.aws.locations import Failure, Skipped, accounts_to_read, failures_of, locations_to_read, read_fleet
from prefect_drs.aws.parallel import map_parallel
from prefect_drs.aws.sessions import AccountAccess, Sessions
from prefect_drs.aws.tags import copies_tags, instance_tags, let_copy_tags, tag_server, untag_server
from prefect_drs.core.clock import Clock
from prefect_drs.core.errors import AwsError
from prefect_drs.tag_sync.compare import TagChange, TagDifference, compare
from prefect_drs.tag_sync.copy_tags_cache import CopyTagsCache
from prefect_drs.tag_sync.model import ServerTagChange, ServerTagFault, TagSyncResult
from prefect_drs.tag_sync.rules import TagRules

CALLS_A_LOCATION = 4  # at a time in one account-region; AWS publishes no request rates for DRS
NOT_EC2 = "NOT_AN_EC2_INSTANCE"
GONE = "INSTANCE_NOT_FOUND"
ORIGIN_UNREAD = "INSTANCES_NOT_READ"
NOT_WRITTEN = "NOT_WRITTEN"

Step = Literal["tags", "copyTags"]


@dataclass(frozen=True, slots=True)
class _Task:
    """A source server, how its tags differ from its instance's, and whether to read its copyTags."""

    location: Location
    server: SourceServer
    difference: TagDifference
    reads_copy_tags: bool

    @property
    def needs_calls(self) -> bool:
        return bool(self.difference.written or self.difference.removed or self.reads_copy_tags)


def synchronise(
    sessions: Sessions,
    rules: TagRules,
    *,
    clock: Clock,
    accounts: Sequence[AccountAccess] = (),
    regions: Sequence[str] = (),
    cache: CopyTagsCache | None = None,
    workers: int = 16,
    dry_run: bool = False,
) -> TagSyncResult:
    """Copy tags of EC2 instances to the source servers that replicate them.

    Args:
        sessions: give clients for the accounts.
        rules: which tags are copied, and under which keys.
        clock: time for the result.
        accounts: the accounts of the source servers; by default those of `sessions`, else the caller's own.
        regions: only these regions; by default every region in which DRS is set up.
        cache: which servers had copyTags on; updated. None reads every launch configuration.
        workers: maximum number of calls at a time, in all accounts and regions together.
        dry_run: report what would change, and write nothing.

    Raises:
        UsageError: DRS is not available in one of `regions`.
        AwsError: the caller's own account could not be read.
    """
    before, started_at = sessions.calls.snapshot(), clock.now()
    cache = cache if cache is not None else CopyTagsCache()
    asked = tuple(accounts) or accounts_to_read(sessions, sessions.accounts)
    places = locations_to_read(sessions, asked, regions)
    fleet = read_fleet(sessions, places, workers=workers)
    instances = _read_instances(sessions, fleet.servers, workers)
    tasks = [
        _Task(
            location,
            server,
            compare(server.tags, tags, rules),
            rules.copy_tags and cache.is_due(server.arn, started_at),
        )
        for location, server, tags in instances.matched
    ]
    writer = _Writer(sessions, cache, clock, dry_run)
    writer.write(tasks, workers)
    cache.drop_expired(started_at)
    calls = sessions.calls.snapshot() - before
    return TagSyncResult(
        dry_run=dry_run,
        started_at=started_at,
        ended_at=clock.now(),
        accounts=tuple(sorted({location.account_id for location in fleet.servers})),
        regions=tuple(sorted({location.region for location in fleet.servers})),
        servers_processed=len(tasks),
        failures=(*fleet.failures, *instances.failures, *writer.failures()),
        skipped=(*fleet.skipped, *instances.skipped, *writer.skipped()),
        calls=dict(sorted(calls.items())),
        writes=writes_in(calls),
        **_counted(writer.changes),
        faults=tuple(sorted(writer.faults, key=_order)),
    )


def _counted(changes: Iterable[ServerTagChange]) -> dict[str, object]:
    """The changes in order, and the number of each kind."""
    ordered = tuple(sorted(changes, key=_order))
    kinds = Counter("copyTags" if c.kind == "copyTags" else "removed" if c.after is None else "set" for c in ordered)
    return {
        "changes": ordered,
        "servers_changed": len({(c.account_id, c.region, c.source_server_id) for c in ordered}),
        "tags_synchronized": kinds["set"],
        "tags_removed": kinds["removed"],
        "copy_tags_switched_on": kinds["copyTags"],
    }


def _order(item: ServerTagChange | ServerTagFault) -> tuple[str, ...]:
    last = (item.kind, item.key) if isinstance(item, ServerTagChange) else (item.code, item.message)
    return (item.account_id, item.region, item.source_server_id, *last)


@dataclass(frozen=True, slots=True)
class _MatchedServers:
    """The source servers with their instances' tags, and the servers without one."""

    matched: tuple[tuple[Location, SourceServer, Mapping[str, str]], ...]
    failures: tuple[Failure, ...]
    skipped: tuple[Skipped, ...]


def _read_instances(
    sessions: Sessions, servers: Mapping[Location, tuple[SourceServer, ...]], workers: int
) -> _MatchedServers:
    """Match source servers to instances by the instance id, account and region of their cloud properties."""
    wanted: dict[Location, dict[str, None]] = defaultdict(dict)
    for server in itertools.chain.from_iterable(servers.values()):
        if (origin := _origin(server)) is not None and server.instance_id is not None:
            wanted[origin][server.instance_id] = None
    answers = fan_out(sorted(wanted), lambda origin: instance_tags(sessions, origin, wanted[origin]), workers=workers)
    matched = []
    skipped: Counter[tuple[Location, str, str]] = Counter()
    for location, found in servers.items():
        for server in found:
            origin = _origin(server)
            answer = answers.get(origin) if origin is not None else None
            if answer is None:
                skipped[location, NOT_EC2, "the server replicates no EC2 instance"] += 1
            elif isinstance(answer, AwsError):
                skipped[location, ORIGIN_UNREAD, f"the instances of {origin} could not be read"] += 1
            elif server.instance_id not in answer:
                skipped[location, GONE, f"the instance no longer exists in {origin}"] += 1
            else:
                matched.append((location, server, answer[server.instance_id]))
    return _MatchedServers(
        tuple(matched),
        failures_of({origin: answer for origin, answer in answers.items() if isinstance(answer, AwsError)}),
        tuple(_skipped(location, code, why, count) for (location, code, why), count in sorted(skipped.items())),
    )


def _origin(server: SourceServer) -> Location | None:
    if server.instance_id is None or server.origin_account_id is None or server.origin_region is None:
        return None
    return Location(server.origin_account_id, server.origin_region)


def _skipped(location: Location, code: str, reason: str, servers: int) -> Skipped:
    return Skipped(account_id=location.account_id, region=location.region, code=code, reason=reason, servers=servers)


@dataclass
class _Writer:
    """Writes the differences, and collects the changes, faults and failures.

    If AWS refuses a step (tags, copyTags) for a whole account-region, it is not tried for the remaining servers there.
    """

    sessions: Sessions
    cache: CopyTagsCache
    clock: Clock
    dry_run: bool
    changes: list[ServerTagChange] = field(default_factory=list)
    faults: list[ServerTagFault] = field(default_factory=list)
    stopped: dict[tuple[Location, Step], AwsError] = field(default_factory=dict)
    not_written: Counter[tuple[Location, Step]] = field(default_factory=Counter)

    def write(self, tasks: Iterable[_Task], workers: int) -> None:
        """Process all tasks, alternating between account-regions; appending to a list is thread-safe."""
        by_location: dict[Location, list[_Task]] = defaultdict(list)
        for task in tasks:
            for fault in task.difference.faults:
                self._fault(task, fault.code, fault.message)
            if task.needs_calls:
                by_location[task.location].append(task)
        lanes = [
            [there[first::CALLS_A_LOCATION] for first in range(min(CALLS_A_LOCATION, len(there)))]
            for there in by_location.values()
        ]
        turns = itertools.chain.from_iterable(itertools.zip_longest(*lanes, fillvalue=()))
        map_parallel(self._lane, turns, workers)

    def _lane(self, tasks: Iterable[_Task]) -> None:
        for task in tasks:
            if task.difference.written or task.difference.removed:
                self._step(task, "tags", self._write_tags)
            if task.reads_copy_tags:
                self._step(task, "copyTags", self._switch_copy_tags_on)

    def _step(self, task: _Task, step: Step, work: Callable[[_Task], None]) -> None:
        if (task.location, step) in self.stopped:
            self.not_written[task.location, step] += 1
            return
        try:
            work(task)
        except AwsError as error:
            if _is_of_one_server(error):
                self._fault(task, error.code, error.message)
                return
            self.not_written[task.location, step] += 1
            self.stopped.setdefault((task.location, step), error)
            if not isinstance(error, PermissionDeniedError):  # the other step would fail there as well
                for other in ("tags", "copyTags"):
                    self.stopped.setdefault((task.location, other), error)

    def _write_tags(self, task: _Task) -> None:
        difference, server = task.difference, task.server
        if difference.removed:
            if not self.dry_run:
                untag_server(self.sessions, task.location, server.arn, [change.key for change in difference.removed])
            self._changed(task, difference.removed)
        if difference.written:
            if not self.dry_run:
                tags = {change.key: change.after or "" for change in difference.written}
                tag_server(self.sessions, task.location, server.arn, tags)
            self._changed(task, difference.written)

    def _switch_copy_tags_on(self, task: _Task) -> None:
        server_id = task.server.source_server_id
        if not copies_tags(self.sessions, task.location, server_id):
            if not self.dry_run:
                let_copy_tags(self.sessions, task.location, server_id)
            self._changed(task, (TagChange("copyTags", "false", "true"),), "copyTags")
            if self.dry_run:
                return
        self.cache.record(task.server.arn, self.clock.now())

    def _changed(self, task: _Task, changes: Iterable[TagChange], kind: Literal["tag", "copyTags"] = "tag") -> None:
        self.changes.extend(
            ServerTagChange(
                account_id=task.location.account_id,
                region=task.location.region,
                source_server_id=task.server.source_server_id,
                name=task.server.name,
                kind=kind,
                key=change.key,
                before=change.before,
                after=change.after,
            )
            for change in changes
        )

    def _fault(self, task: _Task, code: str, message: str) -> None:
        self.faults.append(
            ServerTagFault(
                account_id=task.location.account_id,
                region=task.location.region,
                source_server_id=task.server.source_server_id,
                name=task.server.name,
                code=code,
                message=message,
            )
        )

    def failures(self) -> tuple[Failure, ...]:
        """The errors of whole account-regions, each once."""
        stopped = sorted(self.stopped.items(), key=_location_and_step)
        errors = {(location, error.message): error for (location, _), error in stopped}
        return tuple(Failure.of(error, location.account_id, location.region) for (location, _), error in errors.items())

    def skipped(self) -> tuple[Skipped, ...]:
        """How many servers were not written because of these errors."""
        return tuple(
            _skipped(location, NOT_WRITTEN, f"{step} not written: {self.stopped[location, step].code}", count)
            for (location, step), count in sorted(self.not_written.items())
        )


def _location_and_step(item: tuple[tuple[Location, Step], AwsError]) -> tuple[Location, Step]:
    return item[0]


def _is_of_one_server(error: AwsError) -> bool:
    """Whether the error concerns this server only, so that the call may succeed for others."""
    return type(error) is AwsError or isinstance(error, ConflictError | NotFoundError)
