"""Launch previews: how each server of a plan would be launched now.

In: the waves of a runbook, launch states, source servers, and the instances that run. Out: a `LaunchPreview` for each
server whose launch state could be read. Pure: no call is made here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prefect_drs.aws.current_settings import why_unwritable
from prefect_drs.aws.drs import SourceServer
from prefect_drs.aws.launch_configuration import LaunchState
from prefect_drs.aws.launch_template import addresses_taken, on_dedicated_host
from prefect_drs.aws.location import Location
from prefect_drs.plan.effective import settings_of
from prefect_drs.plan.model import RecoveryMode
from prefect_drs.runbook.model import RunbookServer, RunbookWave
from prefect_drs.runbook.preflight_input import LaunchPreview, Occupancy


def launch_previews(
    waves: Iterable[RunbookWave],
    states: Mapping[str, LaunchState],
    *,
    mode: RecoveryMode,
    sources: Mapping[str, SourceServer],
    occupancies: Mapping[Location, Occupancy],
) -> Iterator[LaunchPreview]:
    """The preview of every server whose launch state could be read.

    A recovery terminates the recovery instance that a former recovery launched; one that a drill launched stays.

    Args:
        waves: with their servers.
        states: launch states by source server id.
        mode: drill or recovery.
        sources: the source servers, by id.
        occupancies: the instances that run in the accounts and regions.
    """
    for wave in waves:
        for server in wave.servers:
            state = states.get(server.source_server_id)
            if state is None:
                continue
            unwritable = _why_unwritable(server, state)
            settings, source = settings_of(server.effective), sources.get(server.source_server_id)
            former = occupancies.get(server.location, Occupancy()).instances.get(server.recovery_instance_id or "")
            terminates = mode == "recovery" and source is not None and source.last_launch_type == "RECOVERY"
            yield LaunchPreview(
                server,
                wave,
                settings,
                state.template_id,
                state.template_exists,
                unwritable,
                settings.launch_into_instance is not None,
                source=source,
                boot_mode=former.boot_mode if former is not None else None,
                replaces=server.recovery_instance_id if terminates else None,
                addresses=addresses_taken(state.template_data, settings),
                on_dedicated_host=on_dedicated_host(state.template_data),
            )


def _why_unwritable(server: RunbookServer, state: LaunchState) -> str | None:
    """Why the plan's changes cannot be written into the launch template; None where they can, or there are none."""
    if not state.template_exists or not any(change.part == "ec2" for change in server.changes):
        return None
    return why_unwritable(state, server.settings)
