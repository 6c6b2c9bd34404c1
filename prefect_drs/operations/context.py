"""What every operation may use: sessions for the accounts, the clock, and the caller's name.

In: nothing, or what an interface knows of its caller. Out: a `Context`. Sessions are opened when an operation first
needs them, so that an operation without AWS makes no call; the next context sees a changed account block.
"""

from __future__ import annotations

import getpass
import threading
from dataclasses import dataclass, field

from prefect.settings import PREFECT_API_URL

from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.clock import Clock, WallClock, configured_clock
from prefect_drs.identity.model import Identity
from prefect_drs.orchestration.accounts import open_sessions
from prefect_drs.orchestration.storage.access_policy import POLICIES, PolicyReader
from prefect_drs.orchestration.storage.audit_log import AUDIT, AuditChange, AuditLog


class _SessionsOnce:
    """Sessions that are opened when they are first asked for, once for a context and its copies."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opened: Sessions | None = None

    def get(self) -> Sessions:
        with self._lock:
            if self._opened is None:
                self._opened = open_sessions(session_name="prefect-drs-op")
            return self._opened


@dataclass(frozen=True)
class Context:
    """The context of one operation.

    Args:
        caller: who calls; goes into histories and reports.
        clock: the clock.
        files: whether requests may name files of this machine, such as a manifest. An interface that callers of other
            machines reach says no: they would read any file that this process can.
        foreground: whether this process may carry an execution until it has ended. One that is stopped after minutes,
            or that answers others meanwhile, may not.
        identity: who calls, proven; None where nothing was proven. `invoke` fills it in where there is a policy.
        policies: reads the access policy.
        requires_policy: refuse everything where there is no policy.
        real_clock: the machine's clock, for proofs; `clock` may be a sandbox's.
        audit: where calls are recorded.
        changes: what the operation changed, noted by it for the audit log.
        origin: from where the call comes, for the audit log: an address, or the name of the interface.
    """

    caller: str = field(default_factory=getpass.getuser)
    clock: Clock = field(default_factory=configured_clock)
    files: bool = True
    foreground: bool = True
    identity: Identity | None = None
    policies: PolicyReader = POLICIES
    requires_policy: bool = False
    real_clock: Clock = field(default_factory=WallClock)
    audit: AuditLog = AUDIT
    changes: list[AuditChange] = field(default_factory=list)
    origin: str = "this machine"
    _sessions: _SessionsOnce = field(default_factory=_SessionsOnce, repr=False, compare=False)

    @property
    def sessions(self) -> Sessions:
        """Sessions for every account that is saved as a block, and for the caller's own.

        Raises:
            UsageError: the saved blocks contradict each other.
        """
        return self._sessions.get()


def configured_sessions() -> Sessions:
    """Sessions for every account: by the saved TargetAccount blocks where a Prefect API is configured.

    Raises:
        UsageError: the saved blocks contradict each other.
    """
    return open_sessions(None if PREFECT_API_URL.value() else ())
