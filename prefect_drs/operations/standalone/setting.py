"""What the settings of this process give to executions without Prefect: the storage, the accounts, the verifier.

Must never: ask a Prefect API.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from prefect_drs.aws.sessions import Sessions
from prefect_drs.coordination.carry_out import Ways
from prefect_drs.core.clock import configured_clock
from prefect_drs.core.errors import AwsError, UnknownExecutionError
from prefect_drs.execution.replay import state_of
from prefect_drs.execution.state import ExecutionState
from prefect_drs.orchestration.accounts import accounts_of_file, open_sessions
from prefect_drs.orchestration.approvals.verifier import PolicyVerifier
from prefect_drs.orchestration.flow.event_emitter import open_notifier_without_prefect
from prefect_drs.orchestration.storage.journal_storage import journal_storage, open_journal
from prefect_drs.recovery.approvals import GateApprovals
from prefect_drs.recovery.journal import Archive
from prefect_drs.runbook import Runbook


def stored() -> Archive:
    """The journals' storage.

    Raises:
        UsageError: the settings name a block, which only the Prefect server has.
    """
    return journal_storage(blocks=False)


def stored_state(execution_id: str) -> ExecutionState:
    """The state of an execution by its journal.

    Raises:
        UnknownExecutionError: there is no journal of it in the storage.
        JournalDamagedError, JournalUnavailableError: the journal cannot be read.
    """
    state = state_of(open_journal(execution_id, blocks=False).read())
    if state is None:
        raise UnknownExecutionError(
            f"there is no journal of execution {execution_id} in the storage that PREFECT_DRS_JOURNAL or "
            "PREFECT_DRS_HOME names: name it as where the execution ran"
        )
    return state


def sessions_of(execution_id: str) -> Sessions:
    """Sessions for all accounts: as the accounts file says, else by the role by convention.

    Raises:
        UsageError: the accounts file cannot be read.
    """
    return open_sessions(accounts_of_file(), session_name=f"prefect-drs-{execution_id}")


def ways_of(execution_id: str, sessions: Sessions, tell: Callable[[str], None]) -> Ways:
    """What this process carries an execution with.

    Args:
        execution_id: the execution.
        sessions: the way into the accounts.
        tell: called with a line about what does not work without Prefect.
    """
    clock = configured_clock()
    return Ways(
        storage=stored(),
        journal=open_journal(execution_id, blocks=False),
        sessions=sessions,
        clock=clock,
        notifier=lambda former: open_notifier_without_prefect(sessions, clock, former, tell),
        approvals=lambda runbook: _approvals(runbook, sessions),
    )


def _approvals(runbook: Runbook, sessions: Sessions) -> GateApprovals:
    """How the gates verify proofs: as where there is no access policy, since only the Prefect server has one.

    So roles are nobody's, and only identities of the execution's own AWS accounts count.
    """
    if not any(wave.gate and wave.demand.proven for wave in runbook.waves):
        return GateApprovals()
    own: frozenset[str] = frozenset()
    with suppress(AwsError):
        own = frozenset({sessions.caller_account_id})
    return GateApprovals(PolicyVerifier(read_policy=lambda: None), own)
