"""How long a server is expected to take from StartRecovery to LAUNCHED: from recorded launches, else by a
documented default.

In: seconds of earlier launches, and a server's disks and operating system where known. Out: a `Spread`, a log-normal
distribution, for each server. Never reads a journal or an account; the caller has read them.

**The default.** AWS publishes no distribution; it says that a launch takes minutes, that the conversion of
the volumes and the boot make up most of it, and that a Linux server normally boots within 5 minutes, a
Windows server within 20 (AWS DRS user guide, "Elastic Disaster Recovery concepts", on RTO). So:

| known of the server         | median seconds              | σ    |
|-----------------------------|-----------------------------|------|
| Linux                       | 385 + 0.15 a GiB of disk    | 0.20 |
| Windows                     | 700 + 0.17 a GiB of disk    | 0.20 |
| neither                     | 1,200                       | 0.35 |

A disk size that is not known counts as 100 GiB. The first two are the sums of the stages that this project's
simulator uses (repeated here, since the package never imports the simulator; a test compares the two). The last is
the assumption of the benchmark estates. Recorded drills replace them, and make a forecast good.

**Recorded launches.** Logarithms of seconds are taken to vary between servers, and between launches of the
same server (σ pooled over all servers with two launches or more; 0.15 where there is none). From n launches a
server's median is their geometric mean, drawn a little towards the mean of all recorded servers, since the
slowest of many is partly the unluckiest (the usual shrinkage of a random-effects model); its σ is the
variation between launches plus the uncertainty that n launches leave. A server with no launch recorded takes the
default, scaled by how much longer or shorter than their defaults the recorded servers took.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

DEFAULT_RUN_SIGMA = 0.15
"""σ between launches of one server, where no server has been launched twice."""

ASSUMED_DISK_GIB = 100.0


@dataclass(frozen=True, slots=True)
class Spread:
    """A log-normal distribution of seconds: its median, and the σ of its logarithm (0: always the median)."""

    median: float
    sigma: float = 0.0


UNKNOWN_SERVER = Spread(1200.0, 0.35)

DEFAULT_GATE = Spread(600.0, 0.5)
"""How long a person takes to approve a wave where nothing else is given: 10 minutes, 19 in one case of ten. An
assumption."""

DEFAULT_REACTION = 5.0
"""Seconds from LAUNCHED in DRS to the dependents' StartRecovery; the engine's own target for the median."""


@dataclass(frozen=True, slots=True)
class ServerTraits:
    """The traits that decide a server's launch time; None: unknown.

    Args:
        disk_gib: size of all its replicated disks.
        windows: whether it runs Windows.
    """

    disk_gib: float | None = None
    windows: bool | None = None


def default_spread(traits: ServerTraits | None = None) -> Spread:
    """The documented default for a server of these traits."""
    if traits is None or traits.windows is None:
        return UNKNOWN_SERVER
    gib = ASSUMED_DISK_GIB if traits.disk_gib is None else traits.disk_gib
    return Spread(700 + 0.17 * gib, 0.20) if traits.windows else Spread(385 + 0.15 * gib, 0.20)


def spreads(
    servers: Iterable[str],
    recorded: Mapping[str, Sequence[float]] | None = None,
    traits: Mapping[str, ServerTraits] | None = None,
) -> dict[str, Spread]:
    """The expected launch time of each of `servers`.

    Args:
        servers: source server ids.
        recorded: seconds of earlier launches, by source server id, other servers included. Seconds of 0 or less are
            ignored.
        traits: disk size and operating system, by source server id.
    """
    traits = traits or {}
    logs = {s: [math.log(x) for x in seconds if x > 0] for s, seconds in (recorded or {}).items()}
    logs = {s: values for s, values in logs.items() if values}
    means = {s: statistics.fmean(values) for s, values in logs.items()}
    within = _variance_of_launches(logs, means)
    between = _variance_of_servers(logs, means, within)
    overall = statistics.fmean(means.values()) if means else 0.0
    off = [mean - math.log(default_spread(traits.get(s)).median) for s, mean in means.items()]
    scale = math.exp(statistics.median(off)) if off else 1.0

    found: dict[str, Spread] = {}
    for server in servers:
        if server in means:
            unknown = within / len(logs[server])
            trust = 1.0 if math.isinf(between) or not unknown else between / (between + unknown)
            median = math.exp(overall + trust * (means[server] - overall))
            found[server] = Spread(median, math.sqrt(within + trust * unknown))
        else:
            default = default_spread(traits.get(server))
            found[server] = Spread(default.median * scale, default.sigma)
    return found


def _variance_of_launches(logs: Mapping[str, Sequence[float]], means: Mapping[str, float]) -> float:
    """The variance between launches of one server, pooled over the servers launched more than once."""
    freedom = sum(len(values) - 1 for values in logs.values())
    if not freedom:
        return DEFAULT_RUN_SIGMA**2
    return sum((x - means[s]) ** 2 for s, values in logs.items() for x in values) / freedom


def _variance_of_servers(logs: Mapping[str, Sequence[float]], means: Mapping[str, float], within: float) -> float:
    """The variance between servers: that of their means, less that of their launches."""
    if len(means) < 2:
        return math.inf  # nothing to draw a lone server towards
    noise = statistics.fmean(within / len(values) for values in logs.values())
    return max(0.0, statistics.variance(means.values()) - noise)
