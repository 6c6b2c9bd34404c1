"""What DRS asks of the world around it: the time, a seed, and what is to go wrong.

A sandbox answers by `provide`. Without one, DRS runs as any service of moto does: by the machine's clock, undisturbed.
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
    """The world around DRS; as it stands, that of plain moto. A sandbox derives its own from it.

    Attributes:
        seed: determines ids and durations.
        needs_initialization: whether an account has to call InitializeService first.
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
    """Take the environment from `source` from now on, asked anew each time."""
    _source[0] = source


def current() -> Environment:
    """The environment in force."""
    return _source[0]()
