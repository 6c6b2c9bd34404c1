"""The state that all backends of a process share: clock, seed, faults, throttling, sessions, observers, and one lock.

`current()` returns it. `mock_drs` and the sandbox server replace it with their own by `use`. It is the environment of
DRS (`drs.environment`); the backends have no reference to it, so that they can be saved and loaded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .clock import SimulatorClock, SpeedClock
from .drs.environment import Environment, JobDelay, StageFault
from .faults import CapacityFault, Faults, JobFault, ServerFault
from .sessions import AssumedSessions
from .throttling import Throttle

LOCK = threading.RLock()
"""Guards all state of the simulator in this process: moto's server answers from threads."""
WELL_KNOWN_KEYS = {"AKIASANDBOX000000000": "sandbox", "testing": "testing"}
"""The keys of `prefect-drs sandbox env`, and those that moto's documentation uses."""


@dataclass(frozen=True, slots=True)
class Call:
    """One observed call: caller, account and region, operation, result (an empty code means success)."""

    at: datetime
    account_id: str
    region: str
    service: str
    operation: str
    access_key: str
    params: dict[str, Any]
    code: str


@dataclass(slots=True)
class Runtime(Environment):
    """The shared state of a process.

    Args:
        clock: the one clock.
        seed: determines ids and durations.
        faults: the active faults.
        throttle: token buckets per operation; `None` never throttles.
        sessions: the sessions that AssumeRole issued.
        checks_assume_role: whether AssumeRole checks the role, its trust policy and its ExternalId, and whether the
            role's policies apply to calls of its sessions.
        needs_initialization: whether DRS returns UninitializedAccountException before InitializeService.
        secrets: secrets by access key, of keys that IAM of the sandbox did not issue; GetCallerIdentity checks
            signatures with them.
    """

    clock: SimulatorClock = field(default_factory=SpeedClock)
    seed: int = 0
    faults: Faults = field(init=False)
    throttle: Throttle | None = None
    sessions: AssumedSessions = field(default_factory=AssumedSessions)
    checks_assume_role: bool = True
    needs_initialization: bool = True
    secrets: dict[str, str] = field(default_factory=lambda: dict(WELL_KNOWN_KEYS))
    observers: list[Callable[[Call], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.faults = Faults(self.now)

    def now(self) -> datetime:
        """The simulated time."""
        return self.clock.now()

    def stage_fault(
        self, account_id: str, region: str, *, server: tuple[str, ...], stage: str, mode: str
    ) -> StageFault | None:
        """The fault that hits a server in a stage of its launch."""
        fault = self.faults.hit(ServerFault, account_id, region, server=server, stage=stage, mode=mode)
        if fault is None:
            return None
        message = fault.message or f"The {stage} of {server[0]} failed by a fault of the sandbox."
        return StageFault(message, hangs=fault.effect == "hang")

    def job_delay(self, account_id: str, region: str, *, mode: str) -> JobDelay | None:
        """The fault that delays a new job."""
        fault = self.faults.hit(JobFault, account_id, region, mode=mode)
        return None if fault is None else JobDelay(fault.slow, fault.extra_seconds, fault.invisible_seconds)

    def lacks_capacity(self, account_id: str, region: str, *, instance_type: str, zone: str) -> bool:
        """Whether a fault takes EC2's capacity for the type in the zone."""
        fault = self.faults.hit(CapacityFault, account_id, region, instance_type=instance_type, zone=zone)
        return fault is not None

    def observe(self, call: Call) -> None:
        """Pass a call to all observers."""
        for observer in self.observers:
            observer(call)


# Outside `mock_drs` and the sandbox server, AssumeRole is unchanged moto.
_plain = Runtime(checks_assume_role=False)
_state: list[Runtime] = [_plain]


def current() -> Runtime:
    """The current runtime."""
    return _state[-1]


def is_simulated() -> bool:
    """Whether a sandbox's runtime is in force, not that of plain moto."""
    return _state[-1] is not _plain


def set_current(runtime: Runtime) -> None:
    """Set the current runtime permanently (as the sandbox server does at its start)."""
    _state[-1] = runtime


@contextmanager
def use(runtime: Runtime) -> Iterator[Runtime]:
    """Set the current runtime within a block."""
    _state.append(runtime)
    try:
        yield runtime
    finally:
        _state.remove(runtime)
