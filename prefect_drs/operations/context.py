"""What every operation may use: the way into the accounts, the time, and who calls.

In: nothing, or what a face knows of its caller. Out: a `Context`. Sessions are opened when an operation first asks for
them, so that one that needs no AWS makes no call; a changed account block is seen by the next context.
"""

from __future__ import annotations

import getpass
from dataclasses import dataclass, field
from functools import cached_property

from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.clock import Clock, configured_clock
from prefect_drs.orchestration.blocks import open_sessions


@dataclass(frozen=True)
class Context:
    """The surroundings of one operation.

    Args:
        caller: who calls; goes into histories and reports.
        clock: the time.
    """

    caller: str = field(default_factory=getpass.getuser)
    clock: Clock = field(default_factory=configured_clock)

    @cached_property
    def sessions(self) -> Sessions:
        """The way into every account that is saved as a block, and the caller's own.

        Raises:
            UsageError: the saved blocks contradict each other.
        """
        return open_sessions(session_name="prefect-drs-op")
