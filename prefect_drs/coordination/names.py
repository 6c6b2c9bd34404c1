"""Names of executions, looked up in the journals' storage.

In: what a person typed. Out: the id of one execution. A whole id is not looked up: whoever uses it says that it is
unknown.
"""

from __future__ import annotations

from uuid import UUID

from prefect_drs.core.errors import UnknownExecutionError, UsageError
from prefect_drs.recovery.journal import FIRST, Archive

LATEST = "latest"
KNOWN = 200  # executions that a beginning is looked for among, the newest first
SHOWN = 5
SHORTEST = 2  # characters of a beginning


def stored_execution(storage: Archive, name: str) -> str:
    """The id of the execution that a person means.

    Args:
        storage: that of the journals.
        name: an execution's id, at least two characters of its beginning, or `latest`.

    Raises:
        UnknownExecutionError: no execution is called so; the message lists the latest.
        UsageError: more than one is.
        JournalUnavailableError: the storage cannot be read.
    """
    try:
        return str(UUID(name))
    except ValueError:
        pass
    known = storage.newest(KNOWN)
    if name == LATEST:
        begun = (each for each in known if storage.read(f"{each}/{FIRST}") is not None)
        found = [each for each in (next(begun, None),) if each is not None]
    else:
        found = [each for each in known if len(name) >= SHORTEST and each.startswith(name.lower())]
    if len(found) == 1:
        return found[0]
    listed = ", ".join((found or known)[:SHOWN]) or "none (or this storage cannot list: name it by its whole id)"
    if found:
        raise UsageError(f"{len(found)} executions begin with {name}: {listed}; give more of the id")
    raise UnknownExecutionError(f"the journals' storage knows no execution {name}; the latest are: {listed}")
