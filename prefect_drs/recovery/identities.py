"""Whether the prepared instances that were launched into kept their identity: id, private address, network interface.

In: the servers that are LAUNCHED. Out: what differs, by server; nothing for a server whose instance kept all. One
DescribeInstances for 200 of them, after everything else is done; of what cannot be read nothing is said, and the report
shows that it was not checked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from prefect_drs.aws.instances import iterate_instances
from prefect_drs.aws.location import Location
from prefect_drs.aws.prepared_instances import InstanceIdentity, identity_of
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import AwsError
from prefect_drs.execution.state import ServerRun
from prefect_drs.runbook import PreparedIdentity


def compare_identities(sessions: Sessions, launched: Iterable[ServerRun]) -> dict[str, tuple[str, ...]]:
    """What differs of each server's prepared instance, by source server id; empty where its identity was kept.

    Servers without a prepared instance, and those whose instance could not be read, are left out.
    """
    runs: dict[Location, list[tuple[ServerRun, PreparedIdentity]]] = defaultdict(list)
    for run in launched:
        if run.server.prepared is not None:
            runs[run.server.location].append((run, run.server.prepared))
    found: dict[str, tuple[str, ...]] = {}
    for location, there in sorted(runs.items(), key=lambda item: item[0]):
        ids = {run.recovery_instance_id for run, _ in there if run.recovery_instance_id}
        try:
            now = {item["InstanceId"]: identity_of(item) for item in iterate_instances(sessions, location, sorted(ids))}
        except AwsError:  # the recovery is done; its report shows that it was not checked
            continue
        for run, before in there:
            after = now.get(run.recovery_instance_id or "")
            found[run.server.source_server_id] = tuple(_differences(before, run.recovery_instance_id, after))
    return found


def _differences(before: PreparedIdentity, launched_as: str | None, after: InstanceIdentity | None) -> Iterator[str]:
    if launched_as != before.instance_id:
        yield f"launched as {launched_as or 'an instance that DRS does not name'}, not into {before.instance_id}"
    if after is None:
        yield f"EC2 does not have {launched_as or before.instance_id}"
        return
    if before.private_ip is not None and after.private_ip != before.private_ip:
        yield f"private address {after.private_ip or 'none'}, was {before.private_ip}"
    if before.network_interface_id is not None and after.network_interface_id != before.network_interface_id:
        yield f"network interface {after.network_interface_id or 'none'}, was {before.network_interface_id}"
