"""The options of the REST face, and the state that one process of it holds.

In: limits. Out: frozen values. `now` is the monotonic time in seconds; tests pass their own.
"""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from prefect_drs.core.clock import Clock, WallClock, configured_clock
from prefect_drs.identity import Replays
from prefect_drs.identity.trust import Trust
from prefect_drs.identity.verify import DEFAULT_AUDIENCE
from prefect_drs.orchestration.storage.access_policy import POLICIES, PolicyReader
from prefect_drs.orchestration.storage.audit_log import AUDIT, AuditLog

MEBIBYTE = 2**20


@dataclass(frozen=True)
class RestOptions:
    """Limits of the REST face, and what it takes from outside.

    Args:
        caller: who all requests count as where there is no access policy: this machine's user.
        clock: the clock of the operations.
        real_clock: the machine's clock, for tokens.
        policies: reads the access policy.
        audit: where calls and denials are recorded.
        requires_policy: refuse all requests where there is no access policy, as on an address that others reach.
        audience: whom tokens must be for.
        trust: whom tokens are believed from; None: the STS of this process, and the issuers of the policy.
        single_use: each token counts for one request.
        replays: where used tokens are remembered, with `single_use`; None: in this process.
        any_host: accept requests under any host name; for an address that others reach.
        now: monotonic time in seconds, for limits and durations.
        requests_per_second: requests of one caller in the long run.
        burst: requests of one caller at once.
        body_bytes: the longest accepted body.
        threads: operations that run at the same time.
        waiting: operations that may wait for a thread; further requests are refused (503).
        streams: open streams of events at the same time.
        event_poll_seconds: how often a stream looks for new events.
        heartbeat_seconds: a stream without events sends a comment this often, so that proxies keep it open.
        answers_kept: requests with an Idempotency-Key whose answers are kept for a day; of more, the oldest are
            forgotten.
        patience_seconds: a request that takes longer is answered 202, and carried out beside. Longer than a process
            takes to confirm a pause or a cancel, and shorter than proxies wait for an answer.
        settle_seconds: how long a server that ends waits for requests that are carried out beside.
    """

    caller: str = field(default_factory=getpass.getuser)
    clock: Clock = field(default_factory=configured_clock)
    real_clock: Clock = field(default_factory=WallClock)
    policies: PolicyReader = POLICIES
    audit: AuditLog = AUDIT
    requires_policy: bool = False
    audience: str = DEFAULT_AUDIENCE
    trust: Trust | None = None
    single_use: bool = False
    replays: Replays | None = None
    any_host: bool = False
    now: Callable[[], float] = time.monotonic
    requests_per_second: float = 500.0
    burst: int = 1000
    body_bytes: int = 8 * MEBIBYTE
    threads: int = 16
    waiting: int = 200
    streams: int = 100
    event_poll_seconds: float = 1.0
    heartbeat_seconds: float = 15.0
    answers_kept: int = 1000
    patience_seconds: float = 20.0
    settle_seconds: float = 10.0
