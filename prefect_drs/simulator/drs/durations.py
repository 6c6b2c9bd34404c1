"""How long the stages of a launch take.

Each stage has a log-normal distribution, whose median grows with the size of the disks and depends on the operating
system. The draw depends on the seed, the source server and its attempt, not on the order of calls: the same seed gives
the same run.

| stage      | median (Linux)              | median (Windows)            | sigma |
|------------|-----------------------------|-----------------------------|-------|
| start      | 6 s a job                   | the same                    | 0.30  |
| cleanup    | 20 s (only with a former instance that is replaced; else 4 s) | the same | 0.25 |
| snapshot   | 45 s + 0.05 s a GiB         | the same                    | 0.30  |
| conversion | 240 s + 0.10 s a GiB        | 480 s + 0.12 s a GiB        | 0.30  |
| launch     | 75 s                        | 150 s                       | 0.25  |
| end        | 5 s a job                   | the same                    | 0.20  |

AWS promises recovery "in minutes" and publishes no distribution; these medians give 6 to 8 minutes for a Linux server
of 100 GiB and 11 to 14 for Windows, as AWS's workshop states. A launch from a chosen point in time takes no new
snapshot. `recoveryMode` FAST skips the conversion (botocore model).
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class StageSeconds:
    """Seconds each stage of one server's launch takes."""

    cleanup: float
    snapshot: float
    conversion: float
    launch: float

    def lasting(self, seconds: float) -> StageSeconds:
        """The same shares of another sum; 0 where `seconds` is less."""
        return self.scaled(max(0.0, seconds) / (self.cleanup + self.snapshot + self.conversion + self.launch))

    def scaled(self, factor: float) -> StageSeconds:
        """All stages `factor` times as long."""
        return StageSeconds(
            self.cleanup * factor, self.snapshot * factor, self.conversion * factor, self.launch * factor
        )


def draw(rng: random.Random, median: float, sigma: float) -> float:
    """One draw of a log-normal distribution with this median, in seconds, to the millisecond."""
    return round(rng.lognormvariate(math.log(median), sigma), 3)


def stages(
    rng: random.Random, *, disk_bytes: int, windows: bool, replaces: bool, from_snapshot: bool, fast: bool
) -> StageSeconds:
    """The stage times of one server's launch.

    Args:
        rng: determined by seed, source server and attempt.
        disk_bytes: bytes of all replicated disks.
        windows: whether the operating system is Windows.
        replaces: whether a former recovery instance must be terminated first.
        from_snapshot: whether a point in time was chosen, so that no new snapshot is taken.
        fast: whether `recoveryMode` is FAST.
    """
    gib = disk_bytes / GIB
    conversion = (480 + 0.12 * gib) if windows else (240 + 0.10 * gib)
    return StageSeconds(
        cleanup=draw(rng, 20 if replaces else 4, 0.25),
        snapshot=0.0 if from_snapshot else draw(rng, 45 + 0.05 * gib, 0.30),
        conversion=0.0 if fast else draw(rng, conversion, 0.30),
        launch=draw(rng, 150 if windows else 75, 0.25),
    )


def job_start(rng: random.Random) -> float:
    """Seconds a job stays PENDING."""
    return draw(rng, 6, 0.30)


def job_end(rng: random.Random) -> float:
    """Seconds from the end of the job's last server to the end of the job."""
    return draw(rng, 5, 0.20)


def termination(rng: random.Random) -> float:
    """Seconds that terminating one recovery instance takes."""
    return draw(rng, 40, 0.25)


def replication_step(rng: random.Random) -> float:
    """Seconds that one step of setting up replication takes."""
    return draw(rng, 45, 0.30)


def initial_sync(rng: random.Random, disk_bytes: int) -> float:
    """Seconds of the first full copy: about 1 GiB in 10 s."""
    return draw(rng, max(60.0, disk_bytes / GIB * 10), 0.20)
