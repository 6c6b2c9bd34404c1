"""Forged and misdirected answers, seeded, at gates that wait on a real Prefect server: none counts; honest ones do.

Each goes one of the five ways: the form, the command, curl, REST, the raw Prefect API. 26 of them, or
`PREFECT_DRS_FORGERIES=N`.
"""

from __future__ import annotations

import os
import random
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING, Any

import pytest

from prefect_drs.orchestration.storage.access_policy import PolicyReader, PolicyVersion
from prefect_drs.orchestration.storage.audit_log import AuditLog
from prefect_drs.recovery.journal import FolderStorage
from prefect_drs.recovery.resume import Starter
from prefect_drs.rest.options import RestOptions
from tests.e2e.forged_ways import Sent, Ways
from tests.e2e.rehearsal import until
from tests.identity.issuer import Issuer, running_issuer
from tests.orchestration.test_signed_gates import passing
from tests.recovery.forgeries import DEMAND, Forger
from tests.recovery.signed_gates import Gates, People, holds_no_token, oidc_token, policy
from tests.rest.server import running_server

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

    from prefect_drs.orchestration.approvals.gate import PendingGate
    from tests.conftest import PrefectServer, Programs

pytestmark = [pytest.mark.prefect, pytest.mark.usefixtures("sandbox")]
FORGERIES = int(os.environ.get("PREFECT_DRS_FORGERIES", "26"))
A_GATE = 13  # forgeries at one gate, after one honest approval and before the other
AT_ONCE = 4  # gates
# Many writers on one SQLite: a request may find it locked for a minute, several times in a row.
SECONDS = 600.0
OPEN = timedelta(hours=2)  # a gate waits for all its answers, however busy the server is
TWICE = "the same person twice"
OWN_KEYS = {
    "the starter": ("starter", {}),
    "a reader": ("mallory", {"role": "Readers"}),
    "an admin without the role": ("mallory", {"role": "Admins"}),
    "an operator of another plan": ("mallory", {"role": "Elsewhere"}),
    "the role of another account": ("mallory", {"account": "999999999999"}),
    TWICE: ("ada", {}),
}
"""Kinds of forgeries whose sender runs the command with credentials of his own, and whose they are."""


class Site:
    """Gates that wait, and who answers them."""

    def __init__(self, ways: Ways, people: People, issuer: Issuer, foreign: Issuer, beside: Any) -> None:
        self.ways, self.people, self.issuer, self.foreign, self.beside = ways, people, issuer, foreign, beside
        self.seen, self.refused, self.honest = Counter[tuple[str, str]](), 0, 0

    def besiege(self, number: int) -> None:
        """One gate: an honest approval, forgeries, another honest approval."""
        draw = random.Random(f"15-{number}")
        gates = Gates(
            DEMAND,
            document=policy(self.issuer),
            starter=Starter(People.arn("starter"), True),
            execution_id=str(uuid.UUID(int=draw.getrandbits(128), version=4)),
        )
        opened: Queue[PendingGate] = Queue()
        run = self.beside(passing, gates, opened, None, OPEN)
        gate = opened.get(timeout=SECONDS)
        order = draw.sample(list(self.ways.all), len(self.ways.all))
        self._honest(gates, gate, "ada", order[0], draw)
        until(lambda: gates.counted or None, "the first approval counts", SECONDS)
        forger = Forger(gates, self.people, self.issuer, self.foreign, draw)
        for forged in range(A_GATE):
            before = len(gates.attempts)
            gate = _waiting(gates)
            way, kind = order[forged % len(order)], draw.choice(list(forger.kinds))
            sent = self._forged(forger, kind, way, draw)
            if self.ways.all[way](gate, sent, draw):
                until(lambda before=before: len(gates.attempts) > before or None, kind, SECONDS)  # type: ignore[misc]
            else:
                self.refused += 1
            assert len(gates.counted) == 1, (kind, way)
            assert not run.done(), (kind, way)
            assert holds_no_token(gates, sent.token), (kind, way)
            self.seen[way, kind] += 1
        gate = _waiting(gates)
        assert gates.engine.wave_run(1).broken_glass is None
        self._honest(gates, gate, "bob", order[-1], draw)
        assert run.result(timeout=SECONDS) is True, order[-1]
        assert len(gates.counted) == 2

    def _forged(self, forger: Forger, kind: str, way: str, draw: random.Random) -> Sent:
        token, by = forger.kinds[kind](), draw.choice(["ada", "bob", People.arn("bob"), "root"])
        bearer = self.people.token("mallory", None)
        if way != "command":
            return Sent(token, by, bearer)
        if kind in OWN_KEYS and not (kind == TWICE and forger.first_by_oidc):
            name, of = OWN_KEYS[kind]
            return Sent("", by, bearer, keys=self._keys(name, **of))
        if not token:  # the command would make a proof: of somebody who may not pass a gate by break-glass
            return Sent("", by, bearer, keys=self._keys("mallory"), glass="it burns")
        return Sent(token, by, bearer)

    def _honest(self, gates: Gates, gate: PendingGate, name: str, way: str, draw: random.Random) -> None:
        bearer = self.people.token(name, None)
        if way == "command":
            sent = Sent("", name, bearer, keys=self._keys(name))
        elif draw.random() < 0.5 and way != "REST":
            sent = Sent(oidc_token(self.issuer, gates.bound(), sub=name), name, bearer)
        else:
            sent = Sent(self.people.token(name, gates.bound()), name, bearer)
        if way == "REST":  # whoever names nobody is named by his token
            sent = Sent(sent.token, People.arn(name), bearer)
        assert self.ways.all[way](gate, sent, draw), (name, way)
        self.honest += 1

    def _keys(self, name: str, **of: str) -> dict[str, str]:
        got = self.people.session(name, **of).get_credentials()
        assert got is not None
        return {
            "AWS_ACCESS_KEY_ID": got.access_key,
            "AWS_SECRET_ACCESS_KEY": got.secret_key,
            "AWS_SESSION_TOKEN": got.token,
        }


def _waiting(gates: Gates) -> PendingGate:
    """The gate, once it waits again after the last answer. Asked seldom: four of these at once keep Prefect busy."""
    from prefect_drs.orchestration.approvals.gate import pending_gates

    def look() -> PendingGate | None:
        found = next(iter(pending_gates(gates.execution_id)), None)
        stands = found.standing if found is not None else None
        answers = len(gates.attempts), len(gates.counted)
        return found if stands is not None and (stands.attempts, len(stands.approvals)) == answers else None

    return until(look, "the gate waits again", SECONDS, every=0.5)


@pytest.fixture
def client(prefect_server: PrefectServer) -> Iterator[SyncPrefectClient]:
    from prefect import get_client

    with get_client(sync_client=True) as opened:
        yield opened


@pytest.fixture
def rest(issuer: Issuer, prefect_server: PrefectServer, tmp_path: Path) -> Iterator[str]:
    """A REST server with the access policy that the gates have."""
    stored = PolicyVersion(version=1, policy=policy(issuer), changed_at=datetime.now(UTC), changed_by="the test")
    audit = AuditLog(lambda: FolderStorage(tmp_path))
    with running_server(RestOptions(policies=PolicyReader(read=lambda: stored), audit=audit)) as running:
        yield running.url


@pytest.mark.timeout(600 + 6 * FORGERIES)
def test_no_answer_that_is_forged_or_misdirected_passes_a_gate_whichever_way_it_comes(
    prefect_server: PrefectServer,
    programs: Programs,
    client: SyncPrefectClient,
    rest: str,
    issuer: Issuer,
    beside: Callable[..., Future[Any]],
) -> None:
    count = -(-FORGERIES // A_GATE)
    with running_issuer() as foreign, ThreadPoolExecutor(AT_ONCE) as pool:
        ways = Ways(prefect_server, programs, client, rest)
        site = Site(ways, People(), issuer, foreign, beside)
        sieges = [pool.submit(site.besiege, number) for number in range(count)]
        for failed in wait(sieges, return_when=FIRST_EXCEPTION).not_done:
            failed.cancel()  # after a failure, no further gate
        for siege in sieges:
            if not siege.cancelled():
                siege.result()
        assert foreign.requests == []  # nobody asks whom the policy does not name
    assert site.seen.total() == count * A_GATE >= FORGERIES
    assert {way for way, _ in site.seen} == set(ways.all)
    assert site.honest == 2 * count
    by_way = Counter(way for way, _ in site.seen.elements())
    print(f"{site.seen.total()} forged answers, {dict(by_way)}: 0 accepted, {site.refused} refused before the gate;")
    print(f"{site.honest} honest answers, all accepted; {len({kind for _, kind in site.seen})} kinds")
