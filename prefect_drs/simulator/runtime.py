"""What all backends of a process share: clock, seed, faults, throttling, sessions, observers, and one lock.

`current()` gives it. `mock_drs` and the sandbox server put their own in its place with `use`. It is the environment
that DRS runs in (`drs.environment`); the backends hold no reference to it, so that they can be saved and loaded.
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
from .sessions import Sessions
from .throttling import Throttle

LOCK = threading.RLock()
"""Guards all state of the simulator in this process: moto's server answers from threads."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call as the simulator saw it: who, where, what, with which result (empty code: it went well)."""

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
    """The shared part of a process.

    Args:
        clock: the one clock.
        seed: settles ids and durations.
        faults: what is to go wrong.
        throttle: token buckets an operation; `None` never throttles.
        sessions: the sessions that AssumeRole gave out.
        checks_assume_role: whether AssumeRole asks for the role, its trust and its ExternalId, and whether a call by
            its session asks for the role's policies.
        needs_initialization: whether an account answers UninitializedAccountException before InitializeService.
    """

    clock: SimulatorClock = field(default_factory=SpeedClock)
    seed: int = 0
    faults: Faults = field(init=False)
    throttle: Throttle | None = None
    sessions: Sessions = field(default_factory=Sessions)
    checks_assume_role: bool = True
    needs_initialization: bool = True
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
        """Tell all observers of a call."""
        for observer in self.observers:
            observer(call)


# Outside `mock_drs` and the sandbox server moto answers AssumeRole as it always did.
_state: list[Runtime] = [Runtime(checks_assume_role=False)]


def current() -> Runtime:
    """The runtime in force."""
    return _state[-1]


def set_current(runtime: Runtime) -> None:
    """Put `runtime` in force for good (the sandbox server does, at its start)."""
    _state[-1] = runtime


@contextmanager
def use(runtime: Runtime) -> Iterator[Runtime]:
    """Put `runtime` in force within a block."""
    _state.append(runtime)
    try:
        yield runtime
    finally:
        _state.remove(runtime)
