"""Names of executions as people give them: an id, a unique beginning of one, or `latest`.

In: what a person typed. Out: the id of one execution. A whole id is not looked up: whoever uses it says that it is
unknown.
"""

from __future__ import annotations

import re
from uuid import UUID

from prefect_drs.core.errors import UnknownExecutionError, UsageError
from prefect_drs.orchestration.executions.reports import list_summaries

LATEST = "latest"
KNOWN = 200  # executions that a beginning is looked for among, the newest first; the most that the API gives at once
SHOWN = 5
_BEGINNING = re.compile(r"[0-9a-f-]{2,36}", re.IGNORECASE)


def named_execution(name: str) -> str:
    """The id of the execution that a person means.

    Args:
        name: an execution's id, at least two characters of its beginning, or `latest`.

    Raises:
        UnknownExecutionError: no execution is called so; the message lists the latest.
        UsageError: more than one is.
        PrefectUnreachableError: the Prefect API cannot be reached.
    """
    try:
        return str(UUID(name))
    except ValueError:
        pass
    known = list_summaries(KNOWN)
    if name == LATEST:
        found = known[:1]
    else:
        found = [each for each in known if each.execution_id.startswith(name.lower())] if _is_beginning(name) else []
    if len(found) == 1:
        return found[0].execution_id
    listed = ", ".join(f"{each.execution_id} ({each.plan_name})" for each in (found or known)[:SHOWN]) or "none"
    if found:
        raise UsageError(f"{len(found)} executions begin with {name}: {listed}; give more of the id")
    raise UnknownExecutionError(f"this Prefect API knows no execution {name}; the latest are: {listed}")


def _is_beginning(name: str) -> bool:
    return _BEGINNING.fullmatch(name) is not None
