"""A simulator of AWS Elastic Disaster Recovery, as a backend for moto.

    from prefect_drs.simulator import mock_drs

    with mock_drs() as drs_sandbox:                       # moto's mock_aws, and DRS in it
        backend = drs_sandbox.backend("123456789012", "us-east-1")
        backend.initialize_service()
        server = backend.seed_source_server(
            hostname="db01", ram_bytes=8 * 2**30, cpus=2, disks=[{"deviceName": "/dev/sda1", "bytes": 100 * 2**30}]
        )
        drs = boto3.client("drs", region_name="us-east-1")
        job = drs.start_recovery(sourceServers=[{"sourceServerID": server.server_id}], isDrill=True)["job"]
        drs_sandbox.clock.advance(3600)                    # simulated time advances only when it is stepped
        drs.describe_jobs(filters={"jobIDs": [job["jobID"]]})

- `mock_drs` gives a `Sandbox`: `.clock`, `.faults`, `.runtime`, `.calls` and `.backend(account_id, region)`.
- Besides the operations of DRS, a `DRSBackend` has `seed_source_server(…)`, `stall_replication(server)`,
  `resume_replication(server)`, `pair_failback_client(instance_id)`, `advance()` and `next_event_at()`.
- `plant_role` creates a role that the caller may assume; `load_faults` reads faults from YAML (schema: `faults`).
- For a server: `install`, `set_runtime(Runtime(clock=…, seed=…))`, `current_runtime()`, `LOCK` (hold it to read or
  change state), `runtime.observers` (called with a `Call` after every call), `runtime.sessions.expire_all(account_id)`.

The subpackages are `drs` (the DRS service) and `services` (additions to moto's services); this package is the sandbox
around them. Only the sandbox commands of the command line import it; the engine never does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from moto import mock_aws
from moto.core.config import DefaultConfig

from .clock import DEFAULT_START, SimulatorClock, SpeedClock, StepClock
from .drs.instances import seeded_ec2
from .drs.models import DRSBackend, drs_backends
from .faults import AnyFault, Faults, load_faults
from .registration import images_loaded, install
from .roles import plant_role
from .runtime import LOCK, Call, Runtime, use
from .runtime import current as current_runtime
from .runtime import set_current as set_runtime
from .throttling import Rate, Throttle

__all__ = [
    "DEFAULT_START",
    "LOCK",
    "Call",
    "DRSBackend",
    "Faults",
    "Rate",
    "Runtime",
    "Sandbox",
    "SimulatorClock",
    "SpeedClock",
    "StepClock",
    "Throttle",
    "current_runtime",
    "drs_backends",
    "install",
    "load_faults",
    "mock_drs",
    "plant_role",
    "set_runtime",
]

_LOOPBACK_IS_REAL: DefaultConfig = {"core": {"passthrough": {"urls": [r"https?://(127\.0\.0\.1|localhost)[:/]"]}}}
"""Moto takes a request with "amazonaws.com" in its URL for one to AWS; a server of this machine is reached though."""


@dataclass(slots=True)
class Sandbox:
    """The handle that `mock_drs` gives.

    Args:
        runtime: clock, seed, faults, throttle and sessions in force.
        calls: every call to DRS so far, in order.
    """

    runtime: Runtime
    calls: list[Call] = field(default_factory=list)

    @property
    def clock(self) -> Any:
        """The clock in force: a `StepClock` unless another was given."""
        return self.runtime.clock

    @property
    def faults(self) -> Faults:
        """The faults in force."""
        return self.runtime.faults

    def backend(self, account_id: str, region: str) -> DRSBackend:
        """DRS of one account and region.

        Raises:
            KeyError: DRS is not available in the region.
        """
        found: DRSBackend = drs_backends[account_id][region]
        return found


@contextmanager
def mock_drs(
    *,
    clock: SimulatorClock | None = None,
    seed: int = 0,
    faults: Iterable[AnyFault | dict[str, Any]] = (),
    throttle: Throttle | None = None,
    checks_assume_role: bool = True,
    needs_initialization: bool = True,
    default_images: bool = True,
) -> Iterator[Sandbox]:
    """Moto's `mock_aws` plus DRS; all backends are empty at the beginning and at the end.

    Args:
        clock: a `StepClock` at `DEFAULT_START` by default.
        seed: determines all ids and durations of DRS, and the ids that moto gives to resources created in sequence.
        faults: faults that are active from the beginning.
        throttle: token buckets; no throttling by default.
        checks_assume_role: whether AssumeRole checks the role, its trust policy and its ExternalId, and whether the
            role's policies apply to calls of its sessions.
        needs_initialization: whether an account must call InitializeService first.
        default_images: whether moto's EC2 has its 1,300 images, which cost 70 ms and 4 MB an account and region.
    """
    install()
    runtime = Runtime(
        clock=clock or StepClock(),
        seed=seed,
        throttle=throttle,
        checks_assume_role=checks_assume_role,
        needs_initialization=needs_initialization,
    )
    sandbox = Sandbox(runtime)
    runtime.observers.append(sandbox.calls.append)
    with use(runtime), images_loaded(default_images), seeded_ec2("mock_drs", seed), mock_aws(config=_LOOPBACK_IS_REAL):
        runtime.faults.extend(faults)
        yield sandbox
