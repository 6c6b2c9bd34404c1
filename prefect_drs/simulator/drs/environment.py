"""What DRS asks of the world around it: the time, a seed, and what is to go wrong.

A sandbox answers by `provide`. Without one, DRS runs as any service of moto does: by the machine's clock, undisturbed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol


class StageFault(Protocol):
    """A server fails, or hangs, in a stage of its launch."""

    @property
    def effect(self) -> str:
        """`fail` or `hang`."""
        ...

    @property
    def message(self) -> str:
        """The error for the job log; empty for a default."""
        ...


class JobDelay(Protocol):
    """A job takes longer, or DescribeJobs does not show it at first."""

    @property
    def slow(self) -> float:
        """Factor on each stage's duration."""
        ...

    @property
    def extra_seconds(self) -> float:
        """Seconds added before the job ends."""
        ...

    @property
    def invisible_seconds(self) -> float:
        """Seconds for which DescribeJobs does not show the job."""
        ...


class Environment(Protocol):
    """The world around DRS. `seed` determines ids and durations."""

    seed: int
    needs_initialization: bool

    def now(self) -> datetime:
        """The time, in UTC."""
        ...

    def stage_fault(
        self, account_id: str, region: str, *, server: tuple[str, ...], stage: str, mode: str
    ) -> StageFault | None:
        """The fault that hits a server (any of its names) in a stage of a drill or recovery."""
        ...

    def job_delay(self, account_id: str, region: str, *, mode: str) -> JobDelay | None:
        """The delay of a new job."""
        ...

    def lacks_capacity(self, account_id: str, region: str, *, instance_type: str, zone: str) -> bool:
        """Whether EC2 has no capacity for the type in the zone."""
        ...


class PlainMoto:
    """The environment that DRS has without a sandbox."""

    seed = 0
    needs_initialization = True

    def now(self) -> datetime:
        """The machine's time."""
        return datetime.now(UTC)

    def stage_fault(self, *_: object, **__: object) -> None:
        """No stage fails."""

    def job_delay(self, *_: object, **__: object) -> None:
        """No job is delayed."""

    def lacks_capacity(self, *_: object, **__: object) -> bool:
        """EC2 has capacity."""
        return False


_source: list[Callable[[], Environment]] = [PlainMoto]


def provide(source: Callable[[], Environment]) -> None:
    """Take the environment from `source` from now on, asked anew each time."""
    _source[0] = source


def current() -> Environment:
    """The environment in force."""
    return _source[0]()
