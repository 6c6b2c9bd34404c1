"""Values that the shell offers for options: servers of a plan or an execution, findings that can be waived, waves.

In: what has been typed so far. Out: values with a description. The script that `prefect-drs completion` prints calls
this program at each TAB, and cyclopts calls these functions; what they raise, it swallows.

Must never: change anything; start a Prefect server; offer what the access policy does not let the caller read.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from cyclopts.completion._engine import CompletionContext

    from prefect_drs.runbook import Runbook

Values = dict[str, str]


def servers(typed: CompletionContext) -> Values:
    """`SERVER=` for each server of the FILE's plan, as the file names it; without AWS. Nothing for `estate:`."""
    from prefect_drs.plan import check_manifest

    file, bindings, plan = (_raw(typed, name) for name in ("file", "bindings", "plan"))
    if not file or file == "estate:":
        return {}
    reading = check_manifest(_path(file), _path(bindings) if bindings else None, rehearsal=True)
    if reading.manifest is None:
        return {}
    manifest = reading.manifest
    names: Values = {}
    for group in {name: None for wave in manifest.plan(plan).waves for name in wave.groups}:
        found = next((each for each in manifest.protection_groups if each.group_name == group), None)
        for server in found.source_server_ids if found else ():
            written = manifest.written_names(server)
            names |= {f"{name}=": f"{server}, {group}" for name in written} or {f"{server}=": group}
        for entry in found.servers if found and not found.source_server_ids else ():
            names[f"{entry.reference}="] = group
    return names


def waivable_findings(_typed: CompletionContext) -> Values:
    """`CODE=` for each finding that can be waived."""
    from prefect_drs.runbook.rules import RULES

    return {f"{rule.code}=": rule.what for rule in RULES if rule.waivable}


def waves_at_their_gates(typed: CompletionContext) -> Values:
    """The number of each wave of the EXECUTION that waits for approval; nothing where no Prefect API is configured."""
    execution = _raw(typed, "execution")
    if not execution or not _has_prefect_api():
        return {}
    from prefect_drs.cli.prefect_api import require_permission
    from prefect_drs.orchestration.approvals.answers import pending_gates

    with _without_retries():
        require_permission("list_gates", execution_id=execution)
        return {str(gate.wave_number): gate.wave_name for gate in pending_gates(execution)}


def waves_of_execution(typed: CompletionContext) -> Values:
    """The number of each wave of the EXECUTION, from its journal."""
    runbook = _runbook(typed)
    return {str(wave.wave_number): wave.wave_name for wave in runbook.waves} if runbook else {}


def servers_of_execution(typed: CompletionContext) -> Values:
    """The name of each server of the EXECUTION, from its journal; its id where others have that name."""
    runbook = _runbook(typed)
    if runbook is None:
        return {}
    servers = [(server, wave) for wave in runbook.waves for server in wave.servers]
    known = Counter(server.name for server, _ in servers)
    return {
        server.name if known[server.name] == 1 else server.source_server_id: (
            f"{server.source_server_id}, wave {wave.wave_number} {wave.wave_name}"
        )
        for server, wave in servers
    }


def _runbook(typed: CompletionContext) -> Runbook | None:
    """The runbook of the EXECUTION; None where it is not typed, or needs a Prefect API and none is configured."""
    execution = _raw(typed, "execution")
    if not execution or not (_is_whole_id(execution) or _has_prefect_api()):
        return None
    from prefect_drs.cli.prefect_api import require_permission
    from prefect_drs.operations.execution_report import execution_runbook

    with _without_retries():
        require_permission("get_execution", execution_id=execution)
        return execution_runbook(execution)


def _is_whole_id(execution: str) -> bool:
    try:
        UUID(execution)
    except ValueError:
        return False
    return True


def _has_prefect_api() -> bool:
    from prefect.settings import get_current_settings

    return bool(get_current_settings().api.url)


def _without_retries() -> AbstractContextManager[object]:
    from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    return temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0})


def _raw(typed: CompletionContext, name: str) -> str | None:
    found = typed.get(name)
    raw: str | None = found.raw if found is not None else None
    return raw


def _path(word: str) -> Path:
    """The path that a shell makes of a word that it has not expanded yet."""
    return Path(word).expanduser()
