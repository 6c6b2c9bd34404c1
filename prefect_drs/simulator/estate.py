"""The estate of a manifest: the accounts, networks and source servers that its plans need.

In: one or more `Manifest`s, read for rehearsal (placeholders allowed). Out: a `SandboxEstate`, plain data that
`prefect_drs.simulator.seeding` builds in a sandbox, with bindings from the manifest's names to the ids of the
resources. Pure: every id depends only on account, region and name, so the same file always gives the same estate, and
seeding it twice changes nothing. Never reads an account, a clock or a file.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from ipaddress import AddressValueError, IPv4Address, IPv4Network

from prefect_drs.plan.model import LaunchSettings, Manifest, ProtectionGroup, ServerEntry
from prefect_drs.plan.read.bindings import Bindings
from prefect_drs.simulator.drs.identifiers import identifier
from prefect_drs.simulator.estate_model import (
    AccountSpec,
    Circumstances,
    RegionSpec,
    RoleSpec,
    SandboxEstate,
    SecurityGroupSpec,
    SourceServerSpec,
    SubnetSpec,
    VpcSpec,
)
from prefect_drs.simulator.hardware import ORDINARY_TYPE, machine_for
from prefect_drs.simulator.matching import match_groups
from prefect_drs.simulator.networks import NetworkPlan, SubnetNeed, plan_networks
from prefect_drs.simulator.prepared import with_prepared

CALLER_ACCOUNT = "123456789012"
"""The account that the sandbox's keys belong to: moto's own."""

ORCHESTRATION_ROLE = "DRSOrchestrationRole"
TAG_SELECTION_SERVERS = 2  # the fewest servers a tag selection finds

_DEFAULT_SUBNET = IPv4Network("172.31.0.0/20")  # where moto, as AWS, puts a region's first default subnet
_ACCOUNT_ID = re.compile(r"\d{12}")
_SOURCE_SERVER_ID = re.compile(r"s-[0-9a-zA-Z]{17}")
_INSTANCE_ID = re.compile(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})")
_SUBNET_ID = re.compile(r"subnet-(?:[0-9a-f]{8}|[0-9a-f]{17})")
_SECURITY_GROUP_ID = re.compile(r"sg-(?:[0-9a-f]{8}|[0-9a-f]{17})")
_PROFILE_NAME = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)
_INSTANCE_TYPE = re.compile(r"[a-z][a-z0-9-]*\.[a-z0-9-]+")
_ZONE_NUMBER = re.compile(r"az-?(\d)(?!\d)", re.IGNORECASE)
_ZONE_LETTER = re.compile(r"(?:\d|-|_)([a-f])$")


def estate_for(
    *manifests: Manifest,
    external_id: str | None = None,
    caller: str = CALLER_ACCOUNT,
    accounts: Mapping[str, Circumstances] | None = None,
) -> SandboxEstate:
    """The estate that all `manifests` need together.

    Args:
        manifests: read with `check_manifest(..., rehearsal=True)`.
        external_id: the ExternalId that the roles in other accounts require; default: none.
        caller: the account that runs the plan; groups without an account belong to it.
        accounts: properties of accounts that no manifest has, by the account's id or its placeholder.
    """
    draft = _Draft(caller, external_id, {account_number(name): each for name, each in (accounts or {}).items()})
    for manifest in manifests:
        for group in manifest.protection_groups:
            draft.add_group(group, manifest)
    built = tuple(draft.account(account) for account in draft.account_ids())
    guesses = [guess for manifest in manifests for guess in match_groups(manifest)]
    for guess in guesses:
        if guess.group_name is None:
            draft.remarks.append(f"{guess.reference}: no protection group of the file matches this reference.")
        else:
            draft.bound["protection_groups"].setdefault(guess.reference, {})["", ""] = guess.group_name
    return SandboxEstate(
        accounts=built, bindings=draft.bindings(), guesses=tuple(guesses), remarks=tuple(dict.fromkeys(draft.remarks))
    )


def account_number(name: str) -> str:
    """The 12 digits an account goes by: its own, or ones that follow from a placeholder's letters."""
    if _ACCOUNT_ID.fullmatch(name):
        return name
    return str(int(identifier("", "account", name), 16))[:12].rjust(12, "7")


@dataclass(slots=True)
class _Place:
    """The resources of one account and region, collected while the groups are read."""

    needs: dict[str, set[IPv4Address]] = field(default_factory=dict)
    servers_in: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    types_in: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    groups: dict[str, None] = field(default_factory=dict)
    uses: dict[tuple[str, str], None] = field(default_factory=dict)
    types: dict[str, None] = field(default_factory=dict)
    servers: dict[str, SourceServerSpec] = field(default_factory=dict)
    landing: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)


@dataclass(slots=True)
class _Draft:
    """Collects groups one after another; every name becomes a resource with an id, and every placeholder a binding."""

    caller: str
    external_id: str | None
    circumstances: Mapping[str, Circumstances]
    remarks: list[str] = field(default_factory=list)
    places: dict[tuple[str, str], _Place] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    profiles: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    bound: dict[str, dict[str, dict[tuple[str, str], str]]] = field(default_factory=lambda: defaultdict(dict))

    def add_group(self, group: ProtectionGroup, manifest: Manifest) -> None:
        """Take in a group with all it names."""
        account = self.caller if group.account_id is None else account_number(group.account_id)
        self.names.setdefault(account, group.account_id or account)
        if group.account_id not in (None, account):
            self.bound["accounts"].setdefault(str(group.account_id), {})["", ""] = account
        place = self.places.setdefault((account, group.region), _Place())
        self._read_settings(account, place, group.launch_config)
        for entry in group.servers:
            if entry.use_group_defaults and entry.launch_template.subnet_id:
                place.needs.setdefault(entry.launch_template.subnet_id, set())
        for member in _members(group):
            settings = group.launch_config
            if member.entry and not member.entry.use_group_defaults:
                settings = settings.merged_with(member.entry.launch_template)
            self._read_settings(account, place, settings, is_server=True)
            self._add_server(account, group, place, member, settings, manifest)

    def _read_settings(self, account: str, place: _Place, settings: LaunchSettings, *, is_server: bool = False) -> None:
        subnet, groups = settings.subnet_id, settings.security_group_ids or ()
        place.groups.update(dict.fromkeys(groups))
        instance_type = self._instance_type(settings)
        if instance_type:
            place.types[instance_type] = None
        if settings.instance_profile_name:
            self.profiles[account][settings.instance_profile_name] = None
        if subnet is None:
            return
        addresses = place.needs.setdefault(subnet, set())
        place.uses.update(dict.fromkeys((subnet, group) for group in groups))
        if is_server:
            place.servers_in[subnet] += 1
            if instance_type:
                place.types_in[subnet][instance_type] = None
        if settings.static_private_ip:
            try:
                addresses.add(IPv4Address(settings.static_private_ip))
            except AddressValueError:
                self.remarks.append(f"{settings.static_private_ip}: not an IPv4 address; no subnet can hold it.")

    def _instance_type(self, settings: LaunchSettings) -> str | None:
        """The instance type; a name that is not an instance type is a placeholder for a common type."""
        wanted = settings.instance_type
        if wanted is None or _INSTANCE_TYPE.fullmatch(wanted):
            return wanted
        self.bound["instance_types"].setdefault(wanted, {})["", ""] = ORDINARY_TYPE
        return ORDINARY_TYPE

    def _add_server(
        self,
        account: str,
        group: ProtectionGroup,
        place: _Place,
        member: _Member,
        settings: LaunchSettings,
        manifest: Manifest,
    ) -> None:
        server_id = member.reference
        if not _SOURCE_SERVER_ID.fullmatch(server_id):
            server_id = identifier("s-", "estate", account, group.region, member.reference)
            if member.is_id:
                self._bind("source_servers", account, group.region, member.reference, server_id)
        instance_id = member.instance_id
        if instance_id and not _INSTANCE_ID.fullmatch(instance_id):
            self._bind("source_servers", account, group.region, instance_id, server_id)
            instance_id = identifier("i-", "estate", account, group.region, instance_id)
        known = place.servers.get(server_id)
        place.servers[server_id] = SourceServerSpec(
            source_server_id=server_id,
            reference=member.reference,
            hostname=_hostname(member.name),
            tags={"Name": member.name, **(known.tags if known else {}), **group.server_selection_tags},
            machine=machine_for(member.name, self._instance_type(settings), server_id),
            instance_id=instance_id or (known.instance_id if known else None),
            source_account=account_number(manifest.source_account or account) if instance_id else None,
            source_region=(manifest.source_region or group.region) if instance_id else None,
            staging_account=self._circumstances_of(account).staging_account,
        )
        place.landing[server_id] = (settings.subnet_id, settings.static_private_ip)
        bind = partial(self._bind, "prepared_instances")
        prepared = with_prepared(place.servers[server_id], settings, account, group.region, bind)
        if isinstance(prepared, str):
            self.remarks.append(prepared)
        else:
            place.servers[server_id] = prepared

    def _bind(self, kind: str, account: str, region: str, name: str, real: str) -> None:
        self.bound[kind].setdefault(name, {})[account, region] = real

    def _circumstances_of(self, account: str) -> Circumstances:
        return self.circumstances.get(account) or Circumstances()

    def account_ids(self) -> list[str]:
        """All accounts of the manifests, in order of appearance, then those that only the circumstances name."""
        staging = [each.staging_account for each in self.circumstances.values() if each.staging_account]
        return list(dict.fromkeys([*(account for account, _ in self.places), *self.circumstances, *staging]))

    def account(self, account: str) -> AccountSpec:
        """All that was collected for an account."""
        profiles = []
        for name in self.profiles[account]:
            real = name if _PROFILE_NAME.fullmatch(name) else re.sub(r"[^\w+=,.@-]", "-", name)[:128]
            if real != name:
                self.bound["instance_profiles"].setdefault(name, {})["", ""] = real
            profiles.append(real)
        circumstances = self._circumstances_of(account)
        role = RoleSpec(
            name=ORCHESTRATION_ROLE,
            external_id=circumstances.external_id or self.external_id,
            missing_actions=circumstances.missing_actions,
            exists=circumstances.has_role,
        )
        return AccountSpec(
            account_id=account,
            name=self.names.get(account, account),
            role=None if account == self.caller else role,
            instance_profiles=tuple(profiles),
            regions=tuple(
                self._region(account, region, place)
                for (owner, region), place in self.places.items()
                if owner == account
            ),
            disabled_regions=circumstances.disabled_regions,
        )

    def _region(self, account: str, region: str, place: _Place) -> RegionSpec:
        needs = [
            SubnetNeed(name, frozenset(addresses), place.servers_in[name]) for name, addresses in place.needs.items()
        ]
        networks = plan_networks(needs, place.uses, list(place.groups))
        where = f"account {account}, {region}: "
        self.remarks += [where + remark for remark in networks.remarks]
        ordinals = {need.name: number for number, need in enumerate(needs)}
        groups = {name: self._security_group(account, region, name) for name in place.groups}
        vpcs = tuple(self._vpcs(account, region, place, networks, ordinals, groups))
        return RegionSpec(
            region=region,
            vpcs=vpcs,
            default_security_groups=tuple(groups[name] for name in networks.loose_security_groups),
            source_servers=tuple(_with_addresses(place, vpcs)),
            instance_types=tuple(place.types),
            initialized=region not in self._circumstances_of(account).uninitialized_regions,
        )

    def _vpcs(
        self,
        account: str,
        region: str,
        place: _Place,
        networks: NetworkPlan,
        ordinals: dict[str, int],
        groups: dict[str, SecurityGroupSpec],
    ) -> Iterator[VpcSpec]:
        for number, vpc in enumerate(networks.vpcs, start=1):
            subnets = []
            for name, block in vpc.subnets.items():
                subnet_id = name
                if not _SUBNET_ID.fullmatch(name):
                    subnet_id = identifier("subnet-", "estate", account, region, name)
                    self._bind("subnets", account, region, name, subnet_id)
                subnets.append(
                    SubnetSpec(
                        subnet_id=subnet_id,
                        name=name,
                        cidr=str(block),
                        addresses=tuple(str(address) for address in sorted(place.needs[name])),
                        zone=_zone(name, ordinals[name]),
                        instance_types=tuple(place.types_in[name]),
                    )
                )
            yield VpcSpec(
                name=f"sandbox-{number}",
                blocks=tuple(str(block) for block in vpc.blocks),
                subnets=tuple(subnets),
                security_groups=tuple(groups[name] for name in vpc.security_groups),
            )

    def _security_group(self, account: str, region: str, name: str) -> SecurityGroupSpec:
        group_id = name
        if not _SECURITY_GROUP_ID.fullmatch(name):
            group_id = identifier("sg-", "estate", account, region, name)
            self._bind("security_groups", account, region, name, group_id)
        return SecurityGroupSpec(group_id=group_id, name=name)

    def bindings(self) -> Bindings:
        """Each placeholder under the shortest key that is not ambiguous: name, region/name or account/region/name."""
        return Bindings(**{kind: dict(_keys(names)) for kind, names in self.bound.items()})


@dataclass(frozen=True, slots=True)
class _Member:
    """A server of a group: the reference that determines its id, its entry, its Name, its EC2 instance."""

    reference: str
    is_id: bool
    name: str
    entry: ServerEntry | None = None
    instance_id: str | None = None


def _members(group: ProtectionGroup) -> Iterator[_Member]:
    """The servers of a group: all that it names, and at least two for a tag selection."""
    entries = {entry.source_server_id: entry for entry in group.servers if entry.source_server_id}
    ids = list(dict.fromkeys([*group.source_server_ids, *entries]))
    others = [entry for entry in group.servers if not entry.source_server_id]
    aliases = dict(_aliases([i for i in ids if i not in entries], others))
    for reference in ids:
        entry = entries.get(reference) or aliases.get(reference)
        name = (entry and entry.name) or _plain_name(reference, group.group_name)
        yield _Member(reference, True, name, entry, entry.instance_id if entry else None)
    unnamed = [entry for entry in others if entry not in aliases.values()]
    for entry in unnamed:
        yield _Member(entry.reference, False, entry.name or entry.reference, entry, entry.instance_id)
    if group.server_selection_tags:
        slug = _slug(group.group_name)
        for number in range(len(ids) + len(unnamed) + 1, TAG_SELECTION_SERVERS + 1):
            yield _Member(f"{group.group_name}/{number}", False, f"{slug}-{number}")


def _aliases(ids: list[str], entries: list[ServerEntry]) -> Iterator[tuple[str, ServerEntry]]:
    """Match entries that name a listed server by its Name or instance: by similarity of the names, then in order."""
    free = list(ids)
    for entry in entries:
        if not free:
            return
        words = entry.reference.casefold()
        like = next((i for i in free if words in i.casefold() or i.casefold().removeprefix("s-") in words), free[0])
        free.remove(like)
        yield like, entry


def _with_addresses(place: _Place, vpcs: Iterable[VpcSpec]) -> Iterator[SourceServerSpec]:
    """The servers, each with its static address or the next unused one of its subnet."""
    blocks = {subnet.name: IPv4Network(subnet.cidr) for vpc in vpcs for subnet in vpc.subnets}
    hosts: dict[str | None, Iterator[IPv4Address]] = {}
    for server_id, spec in place.servers.items():
        subnet, static = place.landing[server_id]
        if static is None:
            block = blocks[subnet] if subnet else _DEFAULT_SUBNET
            taken = place.needs.get(subnet or "", set())
            free = hosts.setdefault(
                subnet, (host for host in itertools.islice(block.hosts(), 5, None) if host not in taken)
            )
            static = str(next(free, ""))
        yield spec.model_copy(update={"private_ip": static})


def _keys(names: dict[str, dict[tuple[str, str], str]]) -> Iterable[tuple[str, str]]:
    for name, places in names.items():
        regions = [region for _, region in places]
        for (account, region), real in places.items():
            if len(places) == 1:
                yield name, real
            elif len(set(regions)) == len(regions):
                yield f"{region}/{name}", real
            else:
                yield f"{account}/{region}/{name}", real


def _plain_name(reference: str, group_name: str) -> str:
    """A server's name: its placeholder without the `s-`, or its group's name and the end of its id."""
    if _SOURCE_SERVER_ID.fullmatch(reference):
        return f"{_slug(group_name)}-{reference[-4:]}"
    return reference.removeprefix("s-") or reference


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "server"


def _hostname(name: str) -> str:
    return _slug(name) + ".corp.example"


def _zone(name: str, ordinal: int) -> int:
    """The zone by position: from the name (`az2`, `us-east-1b`), otherwise in turn."""
    if number := _ZONE_NUMBER.search(name):
        return max(0, int(number[1]) - 1)
    if letter := _ZONE_LETTER.search(name):
        return ord(letter[1]) - ord("a")
    return ordinal
