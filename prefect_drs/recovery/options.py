"""What an engine is made of: the ports it meets the world through, how it works, and how its process was started."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.clock import Clock
from prefect_drs.execution.events import Event
from prefect_drs.execution.state import ExecutionState
from prefect_drs.recovery.control_requests import ControlRequests
from prefect_drs.recovery.journal import Journal
from prefect_drs.recovery.launch.durations import DEFAULT_GATE, Spread
from prefect_drs.recovery.launch.packing import Limits
from prefect_drs.recovery.launch.polling import PollPolicy
from prefect_drs.recovery.launch.quota_sharing import NoSharing, QuotaSharing


@dataclass(frozen=True, slots=True)
class EnginePorts:
    """The world as an engine meets it.

    Args:
        sessions: the way into the accounts.
        clock: the time.
        journal: where events are stored.
        executor: applies launch settings, one call for an account-region of a wave.
        check_executor: runs hooks and health checks, which may hang; `executor` where None.
        requests: the stored control requests. Those that the journal does not record are handled before anything is
            launched, and again before each launch. None where there are none but direct calls.
        sharing: shares quotas with other executions in the same account-region.
        observers: called with every event after it is safe in the journal; must not raise.
    """

    sessions: Sessions
    clock: Clock
    journal: Journal
    executor: Executor
    check_executor: Executor | None = None
    requests: ControlRequests | None = None
    sharing: QuotaSharing = field(default_factory=NoSharing)
    observers: Sequence[Callable[[Event], None]] = ()


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How an engine works.

    Args:
        workers: threads that read and write launch settings side by side; 1 in virtual time.
        limits: DRS's quotas.
        policy: how often to poll.
        expected: seconds that each server's launch is expected to take, by source server id, where known.
        recorded: seconds of former launches, by source server id, for the forecast of the running execution. A server
            without any varies around its `expected` seconds, or else around the documented default.
        gates: how long a person takes to answer a gate, likewise.
        seed: of the jitter.
    """

    workers: int = 8
    limits: Limits = field(default_factory=Limits)
    policy: PollPolicy = field(default_factory=PollPolicy)
    expected: Mapping[str, float] = field(default_factory=dict)
    recorded: Mapping[str, Sequence[float]] = field(default_factory=dict)
    gates: Spread = DEFAULT_GATE
    seed: int | None = None

    def jitter(self, name: str = "") -> random.Random:
        """A source of jitter; the same for the same seed and name."""
        return random.Random(self.seed if not name or self.seed is None else f"{self.seed}/{name}")  # noqa: S311


@dataclass(frozen=True, slots=True)
class ExecutionContext:
    """What all parts of one engine share.

    Args:
        state: the execution; changed by `record` only.
        ports: the world.
        options: how the engine works.
        record: appends events to the journal, then applies them to the state; they are safe when this returns.
        wake: called after a change that the engine should act on at once.
    """

    state: ExecutionState
    ports: EnginePorts
    options: EngineOptions
    record: Callable[..., None]
    wake: Callable[[], None]
