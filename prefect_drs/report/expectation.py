"""What was expected of an execution before it ran: a forecast in the form that reports show.

In: nothing; `operations.execution_report` makes it from a forecast. Out: plain data, in seconds from the start.
"""

from __future__ import annotations

from collections.abc import Mapping

from prefect_drs.core.models import FrozenModel


class ExpectedWave(FrozenModel):
    """A wave: when its first job starts and when it is complete. `p50`: the median of the simulated runs."""

    start_p50: float
    end_p50: float
    end_p90: float


class Expectation(FrozenModel):
    """A whole execution. `recorded_servers`: how many of `servers` had a recorded launch; the others got a default."""

    rto_p50: float
    rto_p90: float
    waves: Mapping[int, ExpectedWave]
    servers: int
    recorded_servers: int
