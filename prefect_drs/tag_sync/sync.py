"""One synchronisation: read the servers, read their instances, compare, write what differs.

In: `Sessions`, `TagRules`, accounts and regions to keep to, a clock. Out: a `TagSyncResult`. The stages:

1. Source servers of all account-regions, several at a time; each page tells tags and instance, so no call a server.
2. Instances by the account and region they run in, 200 a call, whoever replicates them.
3. `compare`, server by server, without a call. Of servers that differ, nothing else is written.
4. Writing: one TagResource a server for all its tags. Account-regions take turns, with at most `LANES` calls at a time
   in each, under the adaptive rate of botocore's clients.

What fails stays where it is: an account-region that does not answer ends its own work, a refused server its own.
With `dry_run` it makes the same readings and no writing. It never writes to EC2, never touches `aws:` tags, and takes
nothing away from a server whose instance it has not read.
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
from prefect_drs.tag_sync.memory import CopyTagsMemory
from prefect_drs.tag_sync.model import ServerTagChange, ServerTagFault, TagSyncResult
from prefect_drs.tag_sync.rules import TagRules

LANES = 4  # calls at a time in one account-region; AWS publishes no rates for DRS
NOT_EC2 = "NOT_AN_EC2_INSTANCE"
GONE = "INSTANCE_NOT_FOUND"
ORIGIN_UNREAD = "INSTANCES_NOT_READ"
NOT_WRITTEN = "NOT_WRITTEN"

Step = Literal["tags", "copyTags"]


@dataclass(frozen=True, slots=True)
class _Task:
    """A source server, and how its tags differ from its instance's."""

    place: Location
    server: SourceServer
    difference: TagDifference
    looks_at_copy_tags: bool

    @property
    def calls_for_something(self) -> bool:
        return bool(self.difference.written or self.difference.removed or self.looks_at_copy_tags)


def synchronise(
    sessions: Sessions,
    rules: TagRules,
    *,
    clock: Clock,
    accounts: Sequence[AccountAccess] = (),
    regions: Sequence[str] = (),
    memory: CopyTagsMemory | None = None,
    workers: int = 16,
    dry_run: bool = False,
) -> TagSyncResult:
    """Carry tags of EC2 instances over to the source servers that replicate them.

    Args:
        sessions: the way into the accounts.
        rules: which tags, under which keys.
        clock: tells the times of the result.
        accounts: the accounts whose source servers are synchronised; none is those of `sessions`, or else the caller's.
        regions: keep to these; none is every region where DRS is set up.
        memory: which servers had copyTags on; brought up to date. None looks at every server.
        workers: calls at a time, everywhere together.
        dry_run: tell what would change, and write nothing.

    Raises:
        UsageError: DRS is not in one of `regions`.
        AwsError: the caller's own account could not be read.
    """
    before, started_at = sessions.calls.snapshot(), clock.now()
    memory = memory if memory is not None else CopyTagsMemory()
    asked = tuple(accounts) or accounts_to_read(sessions, sessions.accounts)
    places = locations_to_read(sessions, asked, regions)
    fleet = read_fleet(sessions, places, workers=workers)
    reading = _read_instances(sessions, fleet.servers, workers)
    tasks = [
        _Task(
            place,
            server,
            compare(server.tags, tags, rules),
            rules.copy_tags and memory.is_due(server.arn, started_at),
        )
        for place, server, tags in reading.matched
    ]
    writing = _Writing(sessions, memory, clock, dry_run)
    writing.carry_out(tasks, workers)
    memory.forget_older_than(started_at)
    calls = sessions.calls.snapshot() - before
    return TagSyncResult(
        dry_run=dry_run,
        started_at=started_at,
        ended_at=clock.now(),
        accounts=tuple(sorted({place.account_id for place in fleet.servers})),
        regions=tuple(sorted({place.region for place in fleet.servers})),
        servers_processed=len(tasks),
        failures=(*fleet.failures, *reading.failures, *writing.failures()),
        skipped=(*fleet.skipped, *reading.skipped, *writing.skipped()),
        calls=dict(sorted(calls.items())),
        writes=writes_in(calls),
        **_counted(writing.changes),
        faults=tuple(sorted(writing.faults, key=_order)),
    )


def _counted(changes: Iterable[ServerTagChange]) -> dict[str, object]:
    """The changes in order, and how many of each kind they are."""
    ordered = tuple(sorted(changes, key=_order))
    kinds = Counter("copyTags" if c.kind == "copyTags" else "set" if c.after is not None else "taken" for c in ordered)
    return {
        "changes": ordered,
        "servers_changed": len({(c.account_id, c.region, c.source_server_id) for c in ordered}),
        "tags_synchronized": kinds["set"],
        "tags_removed": kinds["taken"],
        "copy_tags_switched_on": kinds["copyTags"],
    }


def _order(item: ServerTagChange | ServerTagFault) -> tuple[str, ...]:
    last = (item.kind, item.key) if isinstance(item, ServerTagChange) else (item.code, item.message)
    return (item.account_id, item.region, item.source_server_id, *last)


@dataclass(frozen=True, slots=True)
class _Reading:
    """The source servers with their instances' tags, and what could not be matched."""

    matched: tuple[tuple[Location, SourceServer, Mapping[str, str]], ...]
    failures: tuple[Failure, ...]
    skipped: tuple[Skipped, ...]


def _read_instances(sessions: Sessions, servers: Mapping[Location, tuple[SourceServer, ...]], workers: int) -> _Reading:
    """Match source servers to instances by the instance id, account and region of their cloud properties."""
    wanted: dict[Location, dict[str, None]] = defaultdict(dict)
    for server in itertools.chain.from_iterable(servers.values()):
        if (origin := _origin(server)) is not None and server.instance_id is not None:
            wanted[origin][server.instance_id] = None
    answers = fan_out(sorted(wanted), lambda origin: instance_tags(sessions, origin, wanted[origin]), workers=workers)
    matched = []
    left: Counter[tuple[Location, str, str]] = Counter()
    for place, there in servers.items():
        for server in there:
            origin = _origin(server)
            answer = answers.get(origin) if origin is not None else None
            if answer is None:
                left[place, NOT_EC2, "it replicates no EC2 instance"] += 1
            elif isinstance(answer, AwsError):
                left[place, ORIGIN_UNREAD, f"the instances of {origin} could not be read"] += 1
            elif server.instance_id not in answer:
                left[place, GONE, f"the instance is not in {origin} any more"] += 1
            else:
                matched.append((place, server, answer[server.instance_id]))
    return _Reading(
        tuple(matched),
        failures_of({origin: answer for origin, answer in answers.items() if isinstance(answer, AwsError)}),
        tuple(_left_out(place, code, why, count) for (place, code, why), count in sorted(left.items())),
    )


def _origin(server: SourceServer) -> Location | None:
    if server.instance_id is None or server.origin_account_id is None or server.origin_region is None:
        return None
    return Location(server.origin_account_id, server.origin_region)


def _left_out(place: Location, code: str, reason: str, servers: int) -> Skipped:
    return Skipped(account_id=place.account_id, region=place.region, code=code, reason=reason, servers=servers)


@dataclass
class _Writing:
    """Carries out what differs, and keeps what came of it.

    A step (tags, copyTags) that is refused to all servers of a place alike is not tried with the rest of them.
    """

    sessions: Sessions
    memory: CopyTagsMemory
    clock: Clock
    dry_run: bool
    changes: list[ServerTagChange] = field(default_factory=list)
    faults: list[ServerTagFault] = field(default_factory=list)
    stopped: dict[tuple[Location, Step], AwsError] = field(default_factory=dict)
    untried: Counter[tuple[Location, Step]] = field(default_factory=Counter)

    def carry_out(self, tasks: Iterable[_Task], workers: int) -> None:
        """All tasks, account-regions in turn; appending to a list is safe between threads."""
        by_place: dict[Location, list[_Task]] = defaultdict(list)
        for task in tasks:
            for fault in task.difference.faults:
                self._fault(task, fault.code, fault.message)
            if task.calls_for_something:
                by_place[task.place].append(task)
        lanes = [[there[first::LANES] for first in range(min(LANES, len(there)))] for there in by_place.values()]
        turns = itertools.chain.from_iterable(itertools.zip_longest(*lanes, fillvalue=()))
        map_parallel(self._lane, turns, workers)

    def _lane(self, tasks: Iterable[_Task]) -> None:
        for task in tasks:
            if task.difference.written or task.difference.removed:
                self._step(task, "tags", self._write_tags)
            if task.looks_at_copy_tags:
                self._step(task, "copyTags", self._look_at_copy_tags)

    def _step(self, task: _Task, step: Step, work: Callable[[_Task], None]) -> None:
        if (task.place, step) in self.stopped:
            self.untried[task.place, step] += 1
            return
        try:
            work(task)
        except AwsError as error:
            if _is_the_servers_own(error):
                self._fault(task, error.code, error.message)
                return
            self.untried[task.place, step] += 1
            self.stopped.setdefault((task.place, step), error)
            if not isinstance(error, PermissionDeniedError):  # nothing else will be answered there either
                for other in ("tags", "copyTags"):
                    self.stopped.setdefault((task.place, other), error)

    def _write_tags(self, task: _Task) -> None:
        difference, server = task.difference, task.server
        if difference.removed:
            if not self.dry_run:
                untag_server(self.sessions, task.place, server.arn, [change.key for change in difference.removed])
            self._changed(task, difference.removed)
        if difference.written:
            if not self.dry_run:
                tags = {change.key: change.after or "" for change in difference.written}
                tag_server(self.sessions, task.place, server.arn, tags)
            self._changed(task, difference.written)

    def _look_at_copy_tags(self, task: _Task) -> None:
        server_id = task.server.source_server_id
        if not copies_tags(self.sessions, task.place, server_id):
            if not self.dry_run:
                let_copy_tags(self.sessions, task.place, server_id)
            self._changed(task, (TagChange("copyTags", "false", "true"),), "copyTags")
            if self.dry_run:
                return
        self.memory.note(task.server.arn, self.clock.now())

    def _changed(self, task: _Task, changes: Iterable[TagChange], kind: Literal["tag", "copyTags"] = "tag") -> None:
        self.changes.extend(
            ServerTagChange(
                account_id=task.place.account_id,
                region=task.place.region,
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
                account_id=task.place.account_id,
                region=task.place.region,
                source_server_id=task.server.source_server_id,
                name=task.server.name,
                code=code,
                message=message,
            )
        )

    def failures(self) -> tuple[Failure, ...]:
        """What stopped whole account-regions, each error once."""
        told = {(place, error.message): error for (place, _), error in sorted(self.stopped.items(), key=_by_place)}
        return tuple(Failure.of(error, place.account_id, place.region) for (place, _), error in told.items())

    def skipped(self) -> tuple[Skipped, ...]:
        """How many servers were left as they were for it."""
        return tuple(
            _left_out(place, NOT_WRITTEN, f"{step} not written: {self.stopped[place, step].code}", count)
            for (place, step), count in sorted(self.untried.items())
        )


def _by_place(item: tuple[tuple[Location, Step], AwsError]) -> tuple[Location, Step]:
    return item[0]


def _is_the_servers_own(error: AwsError) -> bool:
    """Whether AWS refused, or failed over, this server alone: another one may fare better."""
    return type(error) is AwsError or isinstance(error, ConflictError | NotFoundError)
