"""Capacity for the launches: free addresses of subnets, and quotas on vCPUs.

All launches count: servers of all groups and waves, and those that other executions have still to launch. A recovery
terminates the former recovery instance of a server before it launches the new one (the job log has CLEANUP_END before
LAUNCH_START, `JobLogEvent` in the DRS model), so the addresses and vCPUs of that instance become free in the wave of
its server. Instances of a former drill are not terminated and never count as free. Subnets and types of retries do not
count.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prefect_drs.aws.instance_types import InstanceType
from prefect_drs.aws.location import Location
from prefect_drs.aws.networks import AccountFacts
from prefect_drs.aws.vcpu_quotas import QUOTA_CLASSES, quota_class
from prefect_drs.runbook.model import FindingSeverity
from prefect_drs.runbook.preflight_input import LaunchPreview, Occupancy, PendingLaunch, PreflightInput
from prefect_drs.runbook.rules.rule import Observation, rule


@dataclass(slots=True)
class _Demand:
    """The demand for addresses or vCPUs, by wave, and its sources."""

    needed: Counter[int] = field(default_factory=Counter)
    freed: Counter[int] = field(default_factory=Counter)
    servers: Counter[int] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    pending: int = 0

    def peak(self, order: Iterable[int]) -> int:
        """The highest demand at any time, beside what is in use now. In each wave, what becomes free does so first."""
        level = self.pending
        most = level if self.pending else 0
        for number in order:
            level += self.needed[number] - self.freed[number]
            most = max(most, level)
        return most

    def sources(self) -> str:
        """Its sources, in words."""
        waves = ", ".join(f"{count} in wave {number}" for number, count in sorted(self.servers.items()))
        text = f"{self.servers.total()} server(s) of this plan ({waves})"
        if self.others:
            waiting = ", ".join(f"{count} of execution {name}" for name, count in sorted(self.others.items()))
            text += f" and {self.others.total()} that other executions have still to launch ({waiting})"
        if self.freed:
            text += f", less {self.freed.total()} that come free from recovery instances that are replaced"
        return text


def _order(preflight: PreflightInput) -> list[int]:
    return [wave.wave_number for wave in preflight.waves]


def _pending(preflight: PreflightInput) -> Iterator[tuple[str, PendingLaunch]]:
    """What other executions have still to launch, without servers that this plan launches as well."""
    own = {server.source_server_id for _, server in preflight.launched()}
    for other in preflight.others:
        for launch in other.pending:
            if launch.source_server_id not in own:
                yield other.execution_id, launch


# ---- addresses ---------------------------------------------------------------------------------------------------


@rule(
    "SUBNET_FREE_ADDRESSES",
    what="a subnet has fewer free addresses than servers are launched into it: those of all groups and waves, and "
    "those that other executions have still to launch there; without a subnet, the default VPC's subnets "
    "together. In a recovery, the addresses of former recovery instances that are replaced count as free",
    remedy="use a larger subnet, or free addresses in it; instances of a former drill: `prefect-drs terminate "
    "EXECUTION`",
    waivable=True,
)
def subnets_have_room(preflight: PreflightInput) -> Iterator[Observation]:
    """Every subnet has a free address for each server launched into it (`AvailableIpAddressCount`)."""
    order = _order(preflight)
    for location, demands in sorted(_address_demands(preflight).items()):
        facts = preflight.facts[location]
        named = {subnet_id: demand for subnet_id, demand in demands.items() if subnet_id is not None}
        for subnet_id, demand in sorted(named.items()):
            subnet = facts.subnets.get(subnet_id)
            if subnet is None or subnet.free_addresses is None or not demand.servers:
                continue
            peak = demand.peak(order)
            if peak > subnet.free_addresses:
                yield Observation(
                    f"{location}: subnet {subnet_id} ({subnet.block}, {subnet.zone}) has {subnet.free_addresses} free "
                    f"address(es), but {peak} are needed for {demand.sources()}; use a larger subnet or free addresses "
                    "in it (what a former drill left: prefect-drs terminate EXECUTION)",
                    location,
                )
        if None in demands and demands[None].servers:
            yield from _default_subnets_have_room(location, facts, demands[None], named, order)


def _default_subnets_have_room(
    location: Location, facts: AccountFacts, demand: _Demand, named: Mapping[str, _Demand], order: list[int]
) -> Iterator[Observation]:
    """EC2 chooses among the default subnets, so a launch is certain to fail only where all of them are full."""
    if not facts.default_subnets:
        yield Observation(
            f"{location}: there is no default VPC, and no subnet is given for {demand.sources()}; give them a subnetId",
            location,
        )
        return
    free = 0
    for subnet in facts.default_subnets:
        if subnet.free_addresses is None:
            return
        also = named[subnet.subnet_id].peak(order) if subnet.subnet_id in named else 0
        free += max(0, subnet.free_addresses - also)
    peak = demand.peak(order)
    if peak > free:
        yield Observation(
            f"{location}: the default VPC's subnets have {free} free address(es) together, but {peak} are needed for "
            f"{demand.sources()}; give them a subnetId of a larger subnet, or free addresses",
            location,
        )


def _address_demands(preflight: PreflightInput) -> dict[Location, dict[str | None, _Demand]]:
    demands: dict[Location, dict[str | None, _Demand]] = defaultdict(lambda: defaultdict(_Demand))
    for preview, _ in preflight.checkable:
        there = demands[preview.server.location]
        number = preview.wave.wave_number
        for subnet_id, count in preview.addresses:
            there[subnet_id].needed[number] += count
        for subnet_id in {subnet_id for subnet_id, _ in preview.addresses}:
            there[subnet_id].servers[number] += 1
    for preview, facts in preflight.checkable:
        there = demands[preview.server.location]
        default = {subnet.subnet_id for subnet in facts.default_subnets}
        for subnet_id in _replaced_addresses(preflight, preview):
            by_default = subnet_id not in there and subnet_id in default
            there[None if by_default else subnet_id].freed[preview.wave.wave_number] += 1
    for execution_id, launch in _pending(preflight):
        if launch.location in demands:
            demand = demands[launch.location][launch.subnet_id]
            demand.pending += 1
            demand.others[execution_id] += 1
    return demands


def _replaced_addresses(preflight: PreflightInput, preview: LaunchPreview) -> tuple[str, ...]:
    occupancy = preflight.occupancies.get(preview.server.location, Occupancy())
    replaced = occupancy.instances.get(preview.replaces or "")
    return replaced.subnet_ids if replaced is not None else ()


# ---- vCPUs -------------------------------------------------------------------------------------------------------


@rule(
    "VCPU_QUOTA",
    what="the instances that run, those that the plan launches and those that other executions have still to launch "
    "need more vCPUs than EC2's quota for their class of types (Service Quotas, `Running On-Demand … instances`); a "
    "server that DRS sizes counts with the type that DRS recommends, one that is launched `STOPPED` not at all",
    remedy="have the quota raised in Service Quotas, use smaller types, or end instances; where a raise is on its way, "
    "waive it",
    waivable=True,
)
def vcpu_quotas_suffice(preflight: PreflightInput) -> Iterator[Observation]:
    """The quotas suffice for all launches of the plan, beside the instances that run already."""
    order = _order(preflight)
    for location, demands in sorted(_vcpu_demands(preflight).items()):
        occupancy, types = preflight.occupancies[location], preflight.facts[location].types
        used = _used(occupancy, types)
        for counted in QUOTA_CLASSES:
            quota, demand = occupancy.quotas.get(counted.code), demands.get(counted.code)
            if quota is None or demand is None:
                continue
            peak = demand.peak(order)
            if used[counted.code] + peak > quota:
                yield Observation(
                    f"{location}: quota {counted.code}, {counted.name}, is {quota:.0f} vCPUs; instances that run use "
                    f"{used[counted.code]}, and {peak} more are needed for {demand.sources()}; have the quota raised "
                    "in Service Quotas, use smaller types, or end instances",
                    location,
                )


@rule(
    "VCPU_QUOTA_UNCHECKED",
    what="EC2's quotas on vCPUs, or the instances that run, could not be read: whether the launches fit is not checked",
    remedy="allow `servicequotas:GetServiceQuota` and `ec2:DescribeInstances`, see [permissions.md](permissions.md)",
    severity=FindingSeverity.INFO,
)
def vcpu_quotas_could_be_read(preflight: PreflightInput) -> Iterator[Observation]:
    """The quotas could be read."""
    for location, occupancy in sorted(preflight.occupancies.items()):
        for failure in occupancy.failures:
            yield Observation(f"{location}: vCPU quotas are not checked: {failure.message}", location)


def _used(occupancy: Occupancy, types: Mapping[str, InstanceType]) -> Counter[str]:
    """The vCPUs in use, by quota code; each instance counts with the default of its type."""
    used: Counter[str] = Counter()
    for instance in occupancy.instances.values():
        counted, known = quota_class(instance.instance_type), types.get(instance.instance_type)
        if instance.uses_quota and counted is not None and known is not None:
            used[counted.code] += known.vcpus
    return used


def _vcpu_demands(preflight: PreflightInput) -> dict[Location, dict[str, _Demand]]:
    demands: dict[Location, dict[str, _Demand]] = defaultdict(lambda: defaultdict(_Demand))
    for preview, facts in preflight.checkable:
        location, number = preview.server.location, preview.wave.wave_number
        occupancy = preflight.occupancies.get(location)
        if occupancy is None or occupancy.failures:
            continue
        counted, known = quota_class(preview.launched_type), facts.types.get(preview.launched_type)
        stopped = preview.settings.launch_disposition == "STOPPED"
        if counted is not None and known is not None and not stopped and not preview.on_dedicated_host:
            demands[location][counted.code].needed[number] += known.vcpus
            demands[location][counted.code].servers[number] += 1
        replaced = occupancy.instances.get(preview.replaces or "")
        if replaced is not None and replaced.uses_quota and replaced.instance_type in facts.types:
            counted = quota_class(replaced.instance_type)
            if counted is not None:
                demands[location][counted.code].freed[number] += facts.types[replaced.instance_type].vcpus
    for execution_id, launch in _pending(preflight):
        counted = quota_class(launch.instance_type)
        if launch.location not in demands or counted is None:
            continue
        known = preflight.facts[launch.location].types.get(launch.instance_type)
        if known is not None and counted.code in demands[launch.location]:
            demands[launch.location][counted.code].pending += known.vcpus
            demands[launch.location][counted.code].others[execution_id] += 1
    return demands
