"""An estate as plain data: accounts, regions, networks and source servers that are to be there.

It is what `estate.estate_for` gives, what `POST /_sandbox/seed` takes and what `seeding.seed_estate` builds. Frozen,
closed, camelCase in JSON. Ids are real ones; names are what the manifest says.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from prefect_drs.plan.read.bindings import Bindings
from prefect_drs.simulator.hardware import SeededMachine
from prefect_drs.simulator.matching import GroupGuess


class EstateModel(BaseModel):
    """The base of all estate data: frozen, closed, camelCase in JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class SubnetSpec(EstateModel):
    """A subnet: its id and block, the addresses it must hold, which zone (by place), the types launched in it."""

    subnet_id: str
    name: str
    cidr: str
    addresses: tuple[str, ...] = ()
    zone: int = 0
    instance_types: tuple[str, ...] = ()


class SecurityGroupSpec(EstateModel):
    """A security group."""

    group_id: str
    name: str


class VpcSpec(EstateModel):
    """A VPC with its blocks (the first is its own, the others are associated), subnets and security groups."""

    name: str
    blocks: tuple[str, ...]
    subnets: tuple[SubnetSpec, ...]
    security_groups: tuple[SecurityGroupSpec, ...]


class SourceServerSpec(EstateModel):
    """A source server that replicates into the region.

    `private_ip` lies in the subnet it launches into, so that it can be copied. `instance_id`, `source_account` and
    `source_region` are given where its source is an EC2 instance; `instance_tags` are that one's tags, `tags` where
    left out. With a `staging_account` it is an extended source server: that account replicates it.
    """

    source_server_id: str
    reference: str
    hostname: str
    tags: dict[str, str]
    machine: SeededMachine
    private_ip: str = ""
    instance_id: str | None = None
    source_account: str | None = None
    source_region: str | None = None
    instance_tags: dict[str, str] | None = None
    staging_account: str | None = None


class RegionSpec(EstateModel):
    """What one region of an account holds; `default_security_groups` lie in its default VPC.

    Where it is not `initialized`, DRS answers UninitializedAccountException.
    """

    region: str
    vpcs: tuple[VpcSpec, ...] = ()
    default_security_groups: tuple[SecurityGroupSpec, ...] = ()
    source_servers: tuple[SourceServerSpec, ...] = ()
    instance_types: tuple[str, ...] = ()
    initialized: bool = True


class RoleSpec(EstateModel):
    """A role that the caller's account may assume, with an ExternalId where one is asked for.

    It allows everything but `missing_actions`, which take IAM's wildcards. Where it does not `exist`, one that was
    there is gone after seeding.
    """

    name: str
    external_id: str | None = None
    missing_actions: tuple[str, ...] = ()
    exists: bool = True


class AccountSpec(EstateModel):
    """One account: its role for the caller (none in the caller's own), its instance profiles, its regions.

    `disabled_regions` are those that the account has not opted in to.
    """

    account_id: str
    name: str
    role: RoleSpec | None = None
    instance_profiles: tuple[str, ...] = ()
    regions: tuple[RegionSpec, ...] = ()
    disabled_regions: tuple[str, ...] = ()


class Circumstances(EstateModel):
    """What of an account no manifest says.

    Args:
        external_id: what its role asks for; that of all accounts where left out.
        has_role: whether there is a role at all.
        missing_actions: what its role does not allow, with IAM's wildcards.
        disabled_regions: regions that it has not opted in to.
        uninitialized_regions: regions where nobody called InitializeService.
        staging_account: the account that replicates its source servers, so that they are extended ones.
    """

    external_id: str | None = None
    has_role: bool = True
    missing_actions: tuple[str, ...] = ()
    disabled_regions: tuple[str, ...] = ()
    uninitialized_regions: tuple[str, ...] = ()
    staging_account: str | None = None


class SandboxEstate(EstateModel):
    """All that a manifest asks for, the bindings to it, what was guessed for them, and what could not be had."""

    accounts: tuple[AccountSpec, ...]
    bindings: Bindings
    guesses: tuple[GroupGuess, ...] = ()
    remarks: tuple[str, ...] = ()
