"""The workers: whether somebody carries out what the deployments of prefect-drs start.

In: the deployments of our flows, and those that the settings name. Out: a finding for each work pool, and for each
deployment that has none.
"""

from __future__ import annotations

from collections.abc import Iterator

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.client.schemas.objects import WorkerStatus
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound

from prefect_drs.operations.doctor.findings import Finding, Report
from prefect_drs.orchestration.client import quick_client
from prefect_drs.orchestration.paging import PAGE, entries
from prefect_drs.orchestration.settings import PrefectDrsSettings

FLOWS = ("recover", "resume-execution", "tag-sync", "inventory")
"""The flows of `prefect_drs.flows`, by Prefect's names."""


def check_workers(report: Report) -> Iterator[Finding]:
    """Whether each work pool has a worker, and each deployment a pool or a process that serves it."""
    with quick_client() as client:
        missing = list(_missing(client))
        yield from (report.fault(*each) for each in missing)
        deployments = {deployment.id: deployment for deployment in _deployments(client)}
        pools: dict[str, list[str]] = {}
        for deployment in deployments.values():
            if deployment.work_pool_name:
                pools.setdefault(deployment.work_pool_name, []).append(deployment.name)
            else:
                yield _served(Report(report.check, f"deployment {deployment.name}"), deployment)
        for pool, names in sorted(pools.items()):
            yield _manned(Report(report.check, f"pool {pool}"), client, pool, names)
    if not deployments and not missing:
        yield report.warning(
            "there is no deployment of prefect-drs: executions run in the process that starts them, and nothing runs "
            "on a schedule",
            "register one (`prefect deploy`) and start a worker",
        )


def _named() -> Iterator[tuple[str, str]]:
    settings = PrefectDrsSettings()
    if settings.deployment:
        yield "PREFECT_DRS_DEPLOYMENT", settings.deployment
    if settings.resume_deployment:
        yield "PREFECT_DRS_RESUME_DEPLOYMENT", settings.resume_deployment


def _missing(client: SyncPrefectClient) -> Iterator[tuple[str, str]]:
    for variable, name in _named():
        try:
            client.read_deployment_by_name(name)
        except (ObjectNotFound, ValueError):
            yield f"{variable} names {name}, which this Prefect API does not have", "`prefect deploy` it, or correct it"


def _deployments(client: SyncPrefectClient) -> Iterator[DeploymentResponse]:
    ours = FlowFilter(name=FlowFilterName(any_=list(FLOWS)))
    yield from entries(lambda offset: client.read_deployments(flow_filter=ours, limit=PAGE, offset=offset))
    for _, name in _named():
        try:
            yield client.read_deployment_by_name(name)
        except (ObjectNotFound, ValueError):
            continue  # it is a finding of its own


def _served(report: Report, deployment: DeploymentResponse) -> Finding:
    if str(getattr(deployment.status, "value", deployment.status)) == "READY":
        return report.ok("a process serves it")
    return report.fault(
        "it has no work pool, and no process serves it: its runs wait for good",
        "start the process that serves it, or deploy it to a pool",
    )


def _manned(report: Report, client: SyncPrefectClient, name: str, deployments: list[str]) -> Finding:
    used_by = f"used by {len(deployments)} deployment{'s' if len(deployments) > 1 else ''}"
    try:
        pool = client.read_work_pool(name)
    except ObjectNotFound:
        return report.fault(f"there is no such work pool, and it is {used_by}", f"`prefect work-pool create {name}`")
    if pool.is_paused:
        return report.fault(f"it is paused, and {used_by}", f"`prefect work-pool resume {name}`")
    if pool.is_push_pool or pool.is_managed_pool:
        return report.ok(f"{pool.type}: it needs no worker; {used_by}")
    workers = client.read_workers_for_work_pool(name)
    online = sorted(worker.name for worker in workers if worker.status == WorkerStatus.ONLINE)
    if not online:
        seen = [worker.last_heartbeat_time for worker in workers if worker.last_heartbeat_time is not None]
        last = f"the last one was seen at {max(seen):%Y-%m-%d %H:%M:%S} UTC" if seen else "it never had one"
        return report.fault(f"no worker is alive: {last}; {used_by}", f"`prefect worker start --pool {name}`")
    return report.ok(f"{len(online)} alive ({', '.join(online[:3])}{', …' if len(online) > 3 else ''}); {used_by}")
