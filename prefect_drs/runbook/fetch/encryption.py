"""KMS keys that the volumes of servers are encrypted with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from prefect_drs.aws.encryption import Encryption, read_encryption
from prefect_drs.aws.launch_configuration import LaunchState
from prefect_drs.aws.location import Location
from prefect_drs.aws.parallel import map_by_key
from prefect_drs.aws.sessions import Sessions
from prefect_drs.runbook.preflight_input import LaunchPreview


def read_encryptions(
    sessions: Sessions, previews: Iterable[LaunchPreview], states: Mapping[str, LaunchState]
) -> dict[Location, Encryption]:
    """The keys that the volumes of servers are encrypted with; a server that is launched into an instance has none."""
    wanted: dict[Location, dict[str, LaunchPreview]] = defaultdict(dict)
    for preview in previews:
        if not preview.into_instance:
            wanted[preview.server.location].setdefault(preview.server.source_server_id, preview)

    def read(location: Location) -> Encryption:
        own = [
            (server_id, preview.server.name)
            for server_id, preview in wanted[location].items()
            if preview.source is None or preview.source.staging_account_id in {None, location.account_id}
        ]
        templates = {server_id: states[server_id].template_data for server_id in wanted[location]}
        return read_encryption(sessions, location, own, templates)

    return map_by_key(read, sorted(wanted), sessions.workers)
