"""An estate as plain data: the accounts, regions, networks and source servers to create.

`estate.estate_for` returns it, `POST /_sandbox/seed` accepts it and `seeding.seed_estate` builds it. Frozen, no extra
fields, camelCase in JSON. Ids are real ids; names are the manifest's.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from prefect_drs.plan.read.bindings import Bindings
from prefect_drs.simulator.hardware import SeededMachine
from prefect_drs.simulator.matching import GroupGuess


class EstateModel(BaseModel):
    """The base of all estate models: frozen, no extra fields, camelCase in JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class SubnetSpec(EstateModel):
    """A subnet: its id and block, its static addresses, its zone (by position), the instance types launched in it."""

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
    """A VPC with its blocks (the first is the primary one, the others are associated), subnets and security groups."""

    name: str
    blocks: tuple[str, ...]
    subnets: tuple[SubnetSpec, ...]
    security_groups: tuple[SecurityGroupSpec, ...]


class PreparedSpec(EstateModel):
    """A prepared instance that a source server is launched into. `subnet` is the manifest's name of its subnet."""

    instance_id: str
    tags: dict[str, str]
    subnet: str | None = None
    private_ip: str = ""


class SourceServerSpec(EstateModel):
    """A source server that replicates into the region.

    `private_ip` is in the subnet it launches into, so that it can be copied. `instance_id`, `source_account` and
    `source_region` are set if its source is an EC2 instance; `instance_tags` are that instance's tags, by default
    `tags`. With a `staging_account` it is an extended source server that this account replicates. `prepared` is the
    instance that it is launched into.
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
    prepared: PreparedSpec | None = None


class RegionSpec(EstateModel):
    """The resources of one region of an account; `default_security_groups` are in its default VPC.

    If it is not `initialized`, DRS returns UninitializedAccountException.
    """

    region: str
    vpcs: tuple[VpcSpec, ...] = ()
    default_security_groups: tuple[SecurityGroupSpec, ...] = ()
    source_servers: tuple[SourceServerSpec, ...] = ()
    instance_types: tuple[str, ...] = ()
    initialized: bool = True


class RoleSpec(EstateModel):
    """A role that the caller's account may assume, optionally with an ExternalId.

    It allows everything except `missing_actions`, which accept IAM's wildcards. If `exists` is false, seeding deletes
    an existing role.
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
    """Properties of an account that no manifest has.

    Args:
        external_id: the ExternalId of its role; default: that of all accounts.
        has_role: whether the role exists.
        missing_actions: the actions that its role does not allow, with IAM's wildcards.
        disabled_regions: regions that it has not opted in to.
        uninitialized_regions: regions where InitializeService was not called.
        staging_account: the account that replicates its source servers, which are then extended source servers.
    """

    external_id: str | None = None
    has_role: bool = True
    missing_actions: tuple[str, ...] = ()
    disabled_regions: tuple[str, ...] = ()
    uninitialized_regions: tuple[str, ...] = ()
    staging_account: str | None = None


class SandboxEstate(EstateModel):
    """The resources of a manifest, the bindings to them, the guesses for the bindings, and remarks on omissions."""

    accounts: tuple[AccountSpec, ...]
    bindings: Bindings
    guesses: tuple[GroupGuess, ...] = ()
    remarks: tuple[str, ...] = ()
