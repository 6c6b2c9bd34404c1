"""Claims of servers in the journals' storage: which execution has which servers, for whoever uses the same storage.

In: an execution and the servers that its runbook launches. Out: a claim, or an error that names the execution which
has claimed one of them. Claims are numbered objects, `claims/claim-00000007.json`. A process reads all of them, checks,
and creates the next number; a number can be created once, so whoever creates one has seen every earlier claim. A claim
ends by an object beside it, `claims/claim-00000007.released`.

The process of an execution may end before it releases the claim: then the journal has an end that is newer than the
claim. A claim says how many records the journal had, so that one which a resume has just made is not taken for old. An
execution that has a claim and no journal has not begun; whoever cancels it stores the cancel first, which its process
reads before it launches anything.

Must never: let two executions claim one server, unless a person waived that; ignore a claim that could not be read.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from uuid import uuid4

from pydantic import AwareDatetime, ValidationError

from prefect_drs.core.clock import Clock, WallClock
from prefect_drs.core.errors import PrefectDrsError, PreflightRefusedError
from prefect_drs.core.models import FrozenModel
from prefect_drs.execution.replay import state_of
from prefect_drs.execution.state import ExecutionState
from prefect_drs.recovery.journal import CLAIMS_FOLDER, Archive, StoredJournal
from prefect_drs.runbook import FindingSeverity, OtherExecution, Runbook

CLAIM = re.compile(r"claim-(\d{8})\.json")
RELEASED = re.compile(r"claim-(\d{8})\.released")
FIRST_OPEN = f"{CLAIMS_FOLDER}/first"
"""Where a storage cannot list: a number below which every claim was released. Never too high, whoever writes it."""
PROBED = 8  # released claims that are looked at before that number is written anew
NAMED_SERVERS = 5  # in a message


class Claim(FrozenModel):
    """The content of a claim.

    Args:
        execution_id: who claims.
        plan_name: its plan.
        nonce: tells one attempt from another.
        claimed_at: when (UTC, by the machine's clock).
        servers: source server ids by `account/region`.
        records: how many records the execution's journal had.
        with_prefect: whether the execution has claimed them on its Prefect API too.
    """

    execution_id: str
    plan_name: str
    nonce: str
    claimed_at: AwareDatetime
    servers: dict[str, tuple[str, ...]]
    records: int
    with_prefect: bool

    @property
    def server_ids(self) -> frozenset[str]:
        """All servers that are claimed."""
        return frozenset(server for ids in self.servers.values() for server in ids)


@dataclass(frozen=True, slots=True)
class _Entry:
    number: int
    claim: Claim


class StoredClaims:
    """The claims in a storage.

    Args:
        storage: that of the journals.
        with_prefect: whether this process claims servers on a Prefect API too. Then claims that were made so are judged
            there, where it is known what became of their flow runs, and are no concern of this.
        clock: the machine's clock.
    """

    def __init__(self, storage: Archive, *, with_prefect: bool, clock: Clock | None = None) -> None:
        self._storage = storage
        self._with_prefect = with_prefect
        self._clock = clock or WallClock()
        self._own = ""  # the nonce of the claim that this process made

    def claim(self, execution_id: str, runbook: Runbook) -> None:
        """Claim the servers of a runbook; called whenever a process starts or resumes its execution.

        Args:
            execution_id: the execution; its own earlier claims are replaced.
            runbook: what it launches. Claims of executions that a person waived at the preflight are ignored.

        Raises:
            PreflightRefusedError: another execution that has not ended has claimed one of the servers.
            PrefectDrsError: the claims cannot be read or written; nothing may be launched.
        """
        claim = Claim(
            execution_id=execution_id,
            plan_name=runbook.plan_name,
            nonce=uuid4().hex,
            claimed_at=self._clock.now(),
            servers=_by_location(runbook),
            records=self._journal(execution_id)[1],
            with_prefect=self._with_prefect,
        )
        waived = frozenset(
            finding.execution_id
            for finding in runbook.findings
            if finding.severity is FindingSeverity.WAIVED and finding.execution_id is not None
        )
        while True:
            last, entries = self._open()
            self._require_unclaimed(claim, entries, waived)
            if self._storage.create(_claim_name(last + 1), claim.model_dump_json(by_alias=True).encode()):
                break
        self._own = claim.nonce
        self._release(entry for entry in entries if entry.claim.execution_id == execution_id)

    def release(self, execution_id: str) -> None:
        """Release the claims of an execution that has ended, or that must not begin.

        Where this process claimed, its own claim only: another process may have claimed since, to resume it.

        Raises:
            PrefectDrsError: the claims cannot be read or written.
        """
        _, entries = self._open()
        own = (entry for entry in entries if entry.claim.execution_id == execution_id)
        self._release(entry for entry in own if self._own in {"", entry.claim.nonce})

    def find(self, execution_id: str) -> Claim | None:
        """The claim of an execution; None where it has none.

        Raises:
            PrefectDrsError: the claims cannot be read.
        """
        found = (entry.claim for entry in self._open()[1] if entry.claim.execution_id == execution_id)
        return next(found, None)

    def others_than(self, execution_id: str | None) -> tuple[OtherExecution, ...]:
        """The other executions that have claimed servers, for the preflight.

        Raises:
            PrefectDrsError: the claims cannot be read.
        """
        _, entries = self._open()
        return tuple(
            OtherExecution(entry.claim.execution_id, entry.claim.plan_name, entry.claim.server_ids)
            for entry in entries
            if entry.claim.execution_id != execution_id and self._counts(entry)
        )

    def _require_unclaimed(self, wanted: Claim, entries: Iterable[_Entry], waived: Collection[str]) -> None:
        held: list[tuple[_Entry, list[str]]] = []
        for entry in entries:
            if entry.claim.execution_id == wanted.execution_id or entry.claim.execution_id in waived:
                continue
            shared = sorted(wanted.server_ids & entry.claim.server_ids)
            if shared and self._counts(entry):
                held.append((entry, shared))
        if not held:
            return
        lines = [_sentence(entry.claim, shared) for entry, shared in held]
        raise PreflightRefusedError(
            "\n".join(
                [f"execution {wanted.execution_id} was refused before any change: its servers are claimed", *lines]
            ),
            findings=[
                {"code": "SERVER_IN_OTHER_EXECUTION", "severity": "ERROR", "message": line, "sourceServerId": server_id}
                for line, (_, shared) in zip(lines, held, strict=True)
                for server_id in shared
            ],
        )

    def _counts(self, entry: _Entry) -> bool:
        """Whether a claim is in force; that of an execution which has ended since is released."""
        claim = entry.claim
        if self._with_prefect and claim.with_prefect:
            return False
        state, records = self._journal(claim.execution_id)
        if state is None or not state.ended or records <= claim.records:
            return True
        self._release([entry])
        return False

    def _journal(self, execution_id: str) -> tuple[ExecutionState | None, int]:
        """The state of an execution by its journal, None where there is none; the number of its records."""
        journal = StoredJournal(self._storage, execution_id)
        return state_of(journal.read()), journal.head.number

    def _open(self) -> tuple[int, list[_Entry]]:
        """The highest number of all claims (0: none), and the claims that were not released, in order."""
        numbers, released = self._numbers()
        entries = [_Entry(number, self._read(number)) for number in sorted(numbers - released)]
        return max(numbers, default=0), entries

    def _numbers(self) -> tuple[set[int], set[int]]:
        """The numbers of all claims, and of those that were released."""
        names = self._storage.listing(CLAIMS_FOLDER)
        if names is None:
            return self._probed()
        return _matching(CLAIM, names), _matching(RELEASED, names)

    def _probed(self) -> tuple[set[int], set[int]]:
        """The same of a storage that cannot list: from the first claim on that may not have been released."""
        first = int((self._storage.read(FIRST_OPEN) or b"1").decode())
        numbers, released = set[int](), set[int]()
        number = first
        while self._storage.read(_claim_name(number)) is not None:
            numbers.add(number)
            if self._storage.read(_released_name(number)) is not None:
                released.add(number)
            number += 1
        open_from = min(numbers - released, default=max(numbers, default=first))  # the highest number stays known
        if open_from >= first + PROBED:
            self._storage.replace(FIRST_OPEN, str(open_from).encode())
        return numbers, released

    def _read(self, number: int) -> Claim:
        content = self._storage.read(_claim_name(number))
        try:
            return Claim.model_validate_json(content or b"")
        except ValidationError:
            raise PrefectDrsError(
                f"{_claim_name(number)} in the journals' storage is no valid claim of servers: somebody changed it, or "
                "its process died while it was written; delete it when no execution is running that it may belong to"
            ) from None

    def _release(self, entries: Iterable[_Entry]) -> None:
        for entry in entries:
            self._storage.create(_released_name(entry.number), entry.claim.execution_id.encode())


def over_and_unknown(names: Collection[str], there: Collection[str]) -> frozenset[str]:
    """The objects of released claims that a copy does not have and does not need: all but the last claim's.

    Args:
        names: of the objects in the folder of claims.
        there: of those that the copy has.
    """
    numbers = _matching(CLAIM, names)
    over = (numbers & _matching(RELEASED, names)) - _matching(CLAIM, there) - {max(numbers, default=0)}
    paths = (path(number) for number in over for path in (_claim_name, _released_name))
    return frozenset(path.rpartition("/")[2] for path in paths)


def _matching(pattern: re.Pattern[str], names: Collection[str]) -> set[int]:
    return {int(found[1]) for name in names if (found := pattern.fullmatch(name))}


def _claim_name(number: int) -> str:
    return f"{CLAIMS_FOLDER}/claim-{number:08d}.json"


def _released_name(number: int) -> str:
    return f"{CLAIMS_FOLDER}/claim-{number:08d}.released"


def _by_location(runbook: Runbook) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = defaultdict(list)
    for server in _servers(runbook):
        found[f"{server[0]}/{server[1]}"].append(server[2])
    return {location: tuple(sorted(ids)) for location, ids in sorted(found.items())}


def _servers(runbook: Runbook) -> Iterator[tuple[str, str, str]]:
    for wave in runbook.waves:
        for server in wave.servers:
            yield server.location.account_id, server.location.region, server.source_server_id


def _sentence(claim: Claim, shared: list[str]) -> str:
    more = len(shared) - NAMED_SERVERS
    named = ", ".join(shared[:NAMED_SERVERS]) + (f" and {more} more" if more > 0 else "")
    holder = claim.execution_id
    return (
        f"SERVER_IN_OTHER_EXECUTION: execution {holder} of {claim.plan_name} claimed {named} at "
        f"{claim.claimed_at:%Y-%m-%d %H:%M:%S} UTC; wait until it ends, resume it "
        f"(prefect-drs resume {holder} --without-prefect) or cancel it (prefect-drs cancel {holder} --without-prefect)"
    )
