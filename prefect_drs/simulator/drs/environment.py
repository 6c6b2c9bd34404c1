"""The environment of DRS: the time, a seed, and faults.

A sandbox sets its own with `provide`. Without one, DRS runs like any moto service: with the machine's clock and without
faults.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class StageFault:
    """A server fails, or with `hangs` never ends, in a stage of its launch; `message` is the error in the job log."""

    message: str
    hangs: bool = False


@dataclass(frozen=True, slots=True)
class JobDelay:
    """A job's stages take `slow` times as long, it ends later, or DescribeJobs does not show it at first (seconds)."""

    slow: float = 1.0
    extra_seconds: float = 0.0
    invisible_seconds: float = 0.0


class Environment:
    """The environment of DRS; the defaults are those of plain moto. A sandbox subclasses it.

    Attributes:
        seed: determines ids and durations.
        needs_initialization: whether an account must call InitializeService first.
    """

    seed: int = 0
    needs_initialization: bool = True

    def now(self) -> datetime:
        """The time, in UTC."""
        return datetime.now(UTC)

    def stage_fault(
        self, account_id: str, region: str, *, server: tuple[str, ...], stage: str, mode: str
    ) -> StageFault | None:
        """The fault that hits a server (any of its names) in a stage of a `drill` or `recovery`."""
        return None

    def job_delay(self, account_id: str, region: str, *, mode: str) -> JobDelay | None:
        """The delay of a new job."""
        return None

    def lacks_capacity(self, account_id: str, region: str, *, instance_type: str, zone: str) -> bool:
        """Whether EC2 has no capacity for the type in the zone."""
        return False


_source: list[Callable[[], Environment]] = [Environment]


def provide(source: Callable[[], Environment]) -> None:
    """Set the source of the environment; it is called on each use."""
    _source[0] = source


def current() -> Environment:
    """The environment in force."""
    return _source[0]()
