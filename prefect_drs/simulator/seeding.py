"""Building an estate in the sandbox: moto's EC2 and IAM, and DRS.

In: a `SandboxEstate`. Out: a `Seeded`: the bindings, the new and the existing resources of each account, and remarks
on omissions. All conflicts with previously seeded estates are detected before anything is created; then nothing is
created. Seeding is idempotent. Works in the process of the backends.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from moto.ec2.models import ec2_backends
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS
from moto.ec2.models.security_groups import SecurityGroup
from moto.ec2.models.subnets import Subnet
from moto.iam.models import iam_backends

from prefect_drs.core.errors import UsageError
from prefect_drs.plan.read.bindings import Bindings
from prefect_drs.simulator.drs.enrolment import NewSourceServer
from prefect_drs.simulator.drs.identifiers import identifier
from prefect_drs.simulator.drs.instances import run_instance, seeded_ec2
from prefect_drs.simulator.drs.models import DRSBackend, drs_backends
from prefect_drs.simulator.drs.replication_configurations import DEFAULT_REPLICATION
from prefect_drs.simulator.drs.source_servers import SourceServer
from prefect_drs.simulator.estate import CALLER_ACCOUNT
from prefect_drs.simulator.estate_model import (
    AccountSpec,
    EstateModel,
    RegionSpec,
    RoleSpec,
    SandboxEstate,
    SecurityGroupSpec,
    SourceServerSpec,
    SubnetSpec,
    VpcSpec,
)
from prefect_drs.simulator.faults import OptInFault
from prefect_drs.simulator.matching import GroupGuess
from prefect_drs.simulator.networks import VPC_BLOCKS, may_hold
from prefect_drs.simulator.prepared import ensure_prepared
from prefect_drs.simulator.roles import plant_role, remove_role
from prefect_drs.simulator.runtime import LOCK, current


class SeededRegion(EstateModel):
    """The estate's resources in an account and region, and the number of new ones."""

    account_id: str
    region: str
    vpcs: int
    subnets: int
    security_groups: int
    source_servers: int
    new: int


class Seeded(EstateModel):
    """The result of seeding."""

    bindings: Bindings
    regions: tuple[SeededRegion, ...]
    roles: tuple[str, ...]
    instance_profiles: int
    guesses: tuple[GroupGuess, ...]
    remarks: tuple[str, ...]


def seed_estate(estate: SandboxEstate) -> Seeded:
    """Create the resources that do not exist yet.

    Raises:
        UsageError: the estate conflicts with a previously seeded one; nothing was created.
    """
    with LOCK:
        if clashes := list(_clashes(estate)):
            raise UsageError(
                f"This estate conflicts with resources in the sandbox: {'; '.join(clashes[:3])}"
                + (f"; and {len(clashes) - 3} more" if len(clashes) > 3 else "")
                + ". Seed both files in one command into a fresh sandbox, so that one network is planned for both."
            )
        remarks = list(estate.remarks)
        regions: list[SeededRegion] = []
        roles: list[str] = []
        instances = _Instances()
        for account in estate.accounts:
            roles += _settle_role(account.account_id, account.role)
            _disable_regions(account)
            for profile in account.instance_profiles:
                _ensure_instance_profile(account.account_id, profile)
            regions += [_build_region(account.account_id, region, remarks, instances) for region in account.regions]
    return Seeded(
        bindings=estate.bindings,
        regions=tuple(regions),
        roles=tuple(roles),
        instance_profiles=sum(len(account.instance_profiles) for account in estate.accounts),
        guesses=estate.guesses,
        remarks=tuple(dict.fromkeys(remarks)),
    )


def _clashes(estate: SandboxEstate) -> Iterator[str]:
    for account in estate.accounts:
        for region in account.regions:
            where = f"account {account.account_id}, {region.region}"
            if region.region not in drs_backends[account.account_id]:
                yield f"{where}: DRS is not available in this region"
                continue
            ec2 = ec2_backends[account.account_id][region.region]
            for vpc in region.vpcs:
                homes = _homes(ec2, vpc)
                if len(homes) > 1:
                    yield f"{where}: {_names(vpc)} are used together, but are in different VPCs"
                for subnet in vpc.subnets:
                    yield from (f"{where}: {clash}" for clash in _subnet_clashes(ec2, subnet, homes))


def _subnet_clashes(ec2: Any, spec: SubnetSpec, homes: set[str]) -> Iterator[str]:
    existing = _subnet(ec2, spec.subnet_id)
    if existing is not None:
        block = IPv4Network(existing.cidr_block)
        outside = [a for a in spec.addresses if not may_hold(block, IPv4Address(a))]
        if outside:
            yield f"{spec.name} exists as {block}, which does not contain {', '.join(outside[:3])}"
        return
    for home in homes:
        for other in ec2.describe_subnets(filters={"vpc-id": home}):
            if IPv4Network(other.cidr_block).overlaps(IPv4Network(spec.cidr)):
                yield f"{spec.name} would need {spec.cidr}, which {other.id} ({other.cidr_block}) overlaps"


def _names(vpc: VpcSpec) -> str:
    names = [*(subnet.name for subnet in vpc.subnets), *(group.name for group in vpc.security_groups)]
    return ", ".join(names[:4]) + (" …" if len(names) > 4 else "")


def _homes(ec2: Any, vpc: VpcSpec) -> set[str]:
    """The existing VPCs that contain parts of it."""
    subnets = [_subnet(ec2, spec.subnet_id) for spec in vpc.subnets]
    groups = [ec2.get_security_group_from_id(spec.group_id) for spec in vpc.security_groups]
    return {found.vpc_id for found in (*subnets, *groups) if found is not None}


def _subnet(ec2: Any, subnet_id: str) -> Any | None:
    return next((by_id[subnet_id] for by_id in ec2.subnets.values() if subnet_id in by_id), None)


def _settle_role(account: str, role: RoleSpec | None) -> Iterator[str]:
    """Create, update or delete the role; yields its ARN if it exists."""
    if role is None:
        return
    if not role.exists:
        remove_role(account, role.name)
        return
    yield plant_role(
        account,
        role.name,
        external_id=role.external_id,
        missing_actions=role.missing_actions,
        trusted_account=CALLER_ACCOUNT,
    )


def _disable_regions(account: AccountSpec) -> None:
    faults = current().faults
    planted = {(one.fault.account, one.fault.region) for one in faults if isinstance(one.fault, OptInFault)}
    for region in account.disabled_regions:
        if (account.account_id, region) not in planted:
            faults.add(OptInFault(account=account.account_id, region=region))


def _build_region(account: str, spec: RegionSpec, remarks: list[str], instances: _Instances) -> SeededRegion:
    ec2 = ec2_backends[account][spec.region]
    remarks += _missing_types(account, spec)
    new = sum(_ensure_vpc(ec2, account, spec.region, vpc, remarks) for vpc in spec.vpcs)
    new += sum(_ensure_security_group(ec2, group, ec2.default_vpc.id) for group in spec.default_security_groups)
    drs = drs_backends[account][spec.region]
    if spec.initialized:
        drs.initialize_service()
        ensure_replication_template(drs)
    new += sum(_ensure_source_server(drs, account, server, instances) for server in spec.source_servers)
    subnets = {subnet.name: subnet.subnet_id for vpc in spec.vpcs for subnet in vpc.subnets}
    for server in spec.source_servers:
        if server.prepared is not None:
            new += ensure_prepared(ec2, spec.region, server, subnets.get(server.prepared.subnet or ""))
    return SeededRegion(
        account_id=account,
        region=spec.region,
        vpcs=len(spec.vpcs),
        subnets=sum(len(vpc.subnets) for vpc in spec.vpcs),
        security_groups=len(spec.default_security_groups) + sum(len(vpc.security_groups) for vpc in spec.vpcs),
        source_servers=len(spec.source_servers),
        new=new,
    )


def _ensure_vpc(ec2: Any, account: str, region: str, spec: VpcSpec, remarks: list[str]) -> int:
    """Create the VPC with its subnets and security groups; returns the number of new ones."""
    homes = _homes(ec2, spec)
    if homes:
        vpc = ec2.get_vpc(homes.pop())
    else:
        with seeded_ec2("vpc", account, region, *(subnet.subnet_id for subnet in spec.subnets[:1])):
            vpc = ec2.create_vpc(spec.blocks[0], tags=[{"Key": "Name", "Value": spec.name}])
    blocks = {IPv4Network(one["cidr_block"]) for one in vpc.get_cidr_block_association_set()}
    for block in map(IPv4Network, spec.blocks):
        if not any(block.subnet_of(other) for other in blocks):
            if len(blocks) >= VPC_BLOCKS:
                remarks.append(
                    f"account {account}, {region}: {vpc.id} needs more than {VPC_BLOCKS} address blocks; on AWS that "
                    "takes a raised quota."
                )
            _associate(vpc, block)
            blocks.add(block)
    new = 0
    for subnet in spec.subnets:
        if _subnet(ec2, subnet.subnet_id) is None:
            _create_subnet(ec2, account, region, vpc.id, subnet, remarks)
            new += 1
    return new + sum(_ensure_security_group(ec2, group, vpc.id) for group in spec.security_groups)


def _associate(vpc: Any, block: IPv4Network) -> None:
    """Associate another block; moto's own method stops at the default quota."""
    association_id = f"vpc-cidr-assoc-{int(block.network_address):017x}"
    vpc._cidr_block_association_set[association_id] = {
        "association_id": association_id,
        "cidr_block_state": {"state": "associated", "StatusMessage": None},
        "cidr_block": str(block),
    }


def _create_subnet(ec2: Any, account: str, region: str, vpc_id: str, spec: SubnetSpec, remarks: list[str]) -> None:
    zones = sorted((zone for zone in ec2.describe_availability_zones()), key=lambda zone: zone.name)
    turned = [zones[(spec.zone + n) % len(zones)] for n in range(len(zones))]
    wanted = set(spec.instance_types) & set(_offered(region))
    zone = next((zone for zone in turned if wanted <= _offered_in(region).get(zone.name, set())), turned[0])
    for missing in sorted(wanted - _offered_in(region).get(zone.name, set())):
        remarks.append(
            f"account {account}, {region}: no zone offers all of {spec.name}'s types; {missing} is not in {zone.name}."
        )
    subnet = Subnet(  # type: ignore[abstract]  # moto makes its own the same way
        ec2, spec.subnet_id, vpc_id, spec.cidr, None, zone, default_for_az=False, map_public_ip_on_launch=False
    )
    subnet.add_tag("Name", spec.name)
    with seeded_ec2("acl", spec.subnet_id):
        ec2.associate_default_network_acl_with_subnet(spec.subnet_id, vpc_id)
    ec2.subnets[zone.name][spec.subnet_id] = subnet


def _ensure_security_group(ec2: Any, spec: SecurityGroupSpec, vpc_id: str) -> int:
    if ec2.get_security_group_from_id(spec.group_id) is not None:
        return 0
    with seeded_ec2("sg", spec.group_id):
        group = SecurityGroup(  # type: ignore[abstract]  # moto makes its own the same way
            ec2, spec.group_id, spec.name, "made by prefect-drs sandbox seed", vpc_id=vpc_id, tags={"Name": spec.name}
        )
    ec2.groups[vpc_id][spec.group_id] = group
    return 1


def _ensure_source_server(drs: DRSBackend, account: str, spec: SourceServerSpec, instances: _Instances) -> int:
    existing = drs.servers.get(spec.source_server_id)
    if spec.instance_id and spec.source_region:
        instances.ensure(spec.source_account or account, spec.source_region, spec)
        drs_backends[spec.source_account or account][spec.source_region].initialize_service()  # a failback needs it
    if existing is not None:
        for key, value in spec.tags.items():
            existing.tags.setdefault(key, value)
        return 0
    if spec.staging_account is None:
        _seed(drs, spec, spec.source_server_id)
        return 1
    staging = drs_backends[spec.staging_account][drs.region_name]
    staging.initialize_service()
    original_id = identifier("s-", "staging", spec.staging_account, spec.source_server_id)
    original = staging.servers.get(original_id) or _seed(staging, spec, original_id)
    drs.staging.extend(original, spec.staging_account, spec.tags, server_id=spec.source_server_id)
    return 1


def _seed(drs: DRSBackend, spec: SourceServerSpec, server_id: str) -> SourceServer:
    machine = spec.machine
    return drs.enrolment.enrol(
        NewSourceServer(
            source_server_id=server_id,
            hostname=spec.hostname,
            tags=spec.tags,
            os=machine.os_name,
            cpus=machine.cpus,
            ram_bytes=machine.ram_bytes,
            disks=[{"deviceName": disk.device_name, "bytes": disk.bytes} for disk in machine.disks],
            ec2_instance_id=spec.instance_id,
            source_account=spec.source_account,
            source_region=spec.source_region,
            source_instance_type=machine.instance_type if spec.instance_id else None,
            private_ips=[spec.private_ip] if spec.private_ip else [],
        )
    )


def ensure_replication_template(drs: DRSBackend) -> None:
    """Create the account's replication configuration template, as the console does when it initialises DRS."""
    subnets = ec2_backends[drs.account_id][drs.region_name].get_default_subnets()
    if not drs.replication_templates and subnets:
        settings = {**deepcopy(DEFAULT_REPLICATION), "stagingAreaSubnetId": subnets[min(subnets)].id}
        drs.call("CreateReplicationConfigurationTemplate", settings)


class _Instances:
    """The EC2 instances that source servers replicate from."""

    def __init__(self) -> None:
        self._there: dict[tuple[str, str], set[str]] = {}

    def ensure(self, account: str, region: str, spec: SourceServerSpec) -> None:
        """Create the instance with exactly its id, with its tags."""
        ec2 = ec2_backends[account][region]
        if (account, region) not in self._there:
            reservations = ec2.reservations.values()
            self._there[account, region] = {one.id for each in reservations for one in each.instances}
        wanted = str(spec.instance_id)
        if wanted in self._there[account, region]:
            return
        self._there[account, region].add(wanted)
        with seeded_ec2("instance", account, region, wanted):
            instance = run_instance(
                ec2, groups=[], disks=[], tags={}, instance_type=spec.machine.instance_type, region_name=region
            )
        instance.id = wanted
        instance.add_tags(spec.tags if spec.instance_tags is None else spec.instance_tags)


def _ensure_instance_profile(account: str, name: str) -> None:
    iam = iam_backends[account]["aws"]
    if name not in iam.instance_profiles:
        with seeded_ec2("profile", account, name):
            iam.create_instance_profile(name, "/", [])


def _missing_types(account: str, spec: RegionSpec) -> Iterator[str]:
    offered = _offered(spec.region)
    where = f"account {account}, {spec.region}"
    for name in spec.instance_types:
        if offered and name not in offered:
            yield f"{where}: the instance type {name} is not offered here; a launch of it fails."


@lru_cache
def _offered(region: str) -> frozenset[str]:
    found = INSTANCE_TYPE_OFFERINGS["region"].get(region, [])
    return frozenset(str(offering["InstanceType"]) for offering in found)


@lru_cache
def _offered_in(region: str) -> dict[str, set[str]]:
    zones: dict[str, set[str]] = {}
    for offering in INSTANCE_TYPE_OFFERINGS["availability-zone"].get(region, []):
        zones.setdefault(offering["Location"], set()).add(offering["InstanceType"])
    return zones
