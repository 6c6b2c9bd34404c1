"""Plans the networks of a manifest: the VPC and the address block of each subnet.

In: the subnets of one account and region, each with its static addresses and number of servers, and the security groups
used with them. Out: VPCs with disjoint subnets that contain all addresses, and a remark for each one that could not be
placed.
Pure: the same input gives the same networks. Never calls AWS.

The rules are EC2's: a VPC's block is at most a /16, a subnet's at least a /28; AWS reserves a subnet's first four
addresses and its last; a security group is valid only within its VPC; subnets of a VPC do not overlap.
"""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

import networkx as nx

NARROWEST = 28
WIDEST = 16
USUAL = 24
AWS_OWN = 5  # addresses of a subnet that AWS reserves
VPC_BLOCKS = 5  # address blocks a VPC (Amazon VPC quotas, adjustable)
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")


@dataclass(frozen=True, slots=True)
class SubnetNeed:
    """The requirements of a subnet.

    Args:
        name: its placeholder.
        addresses: the static addresses of servers in it.
        servers: the maximum number of servers in it.
    """

    name: str
    addresses: frozenset[IPv4Address] = frozenset()
    servers: int = 0


@dataclass(frozen=True, slots=True)
class VpcPlan:
    """A VPC: its address blocks, its subnets by name, the security groups in it."""

    blocks: tuple[IPv4Network, ...]
    subnets: Mapping[str, IPv4Network]
    security_groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """The VPCs of an account and region, and remarks on unmet requirements.

    `loose_security_groups` are used without a subnet: they belong to the default VPC, like instances without a subnet.
    """

    vpcs: tuple[VpcPlan, ...]
    loose_security_groups: tuple[str, ...]
    remarks: tuple[str, ...]


@dataclass(slots=True)
class _Vpc:
    needs: list[SubnetNeed] = field(default_factory=list)
    security_groups: list[str] = field(default_factory=list)

    def admits(self, needs: Collection[SubnetNeed]) -> bool:
        """Whether no two subnets would have to overlap and the VPC would not need too many blocks."""
        covers = [cover for need in self.needs if (cover := tightest(need.addresses))]
        more = [cover for need in needs if (cover := tightest(need.addresses))]
        fits = len(_vpc_blocks([*covers, *more])) <= VPC_BLOCKS
        return fits and not any(cover.overlaps(other) for cover in more for other in covers)


def plan_networks(needs: Sequence[SubnetNeed], uses: Iterable[tuple[str, str]], groups: Sequence[str]) -> NetworkPlan:
    """Place subnets in VPCs and give each its block.

    Args:
        needs: the subnets, in order of appearance.
        uses: pairs of subnet and security group that one server uses.
        groups: all security groups, in order of appearance.
    """
    by_name = {need.name: need for need in needs}
    ties: nx.Graph[tuple[str, str]] = nx.Graph()
    ties.add_nodes_from(("subnet", need.name) for need in needs)
    ties.add_edges_from((("subnet", subnet), ("group", group)) for subnet, group in uses)
    vpcs: list[_Vpc] = []
    placed: set[str] = set()
    for need in needs:
        if need.name in placed:
            continue
        together = nx.node_connected_component(ties, ("subnet", need.name))
        members = [by_name[name] for name in by_name if ("subnet", name) in together]
        placed.update(member.name for member in members)
        home = next((vpc for vpc in vpcs if vpc.admits(members)), None)
        if home is None:
            home = _Vpc()
            vpcs.append(home)
        home.needs += members
        home.security_groups += [group for group in groups if ("group", group) in together]
    placed = {group for vpc in vpcs for group in vpc.security_groups}
    plans, remarks = [], []
    for vpc in vpcs:
        blocks, vpc_remarks = place_subnets(vpc.needs)
        remarks += vpc_remarks
        plans.append(VpcPlan(_vpc_blocks(blocks.values()), blocks, tuple(vpc.security_groups)))
    return NetworkPlan(tuple(plans), tuple(g for g in groups if g not in placed), tuple(remarks))


def place_subnets(needs: Sequence[SubnetNeed]) -> tuple[dict[str, IPv4Network], list[str]]:
    """Disjoint blocks for the subnets of one VPC, each as wide as its servers need (usually a /24) where there is room.

    Subnets with interleaved addresses cannot be disjoint; the later one gets another block, and a remark.
    """
    remarks: list[str] = []
    fixed: dict[str, IPv4Network] = {}
    for need in needs:
        cover = tightest(need.addresses)
        if need.addresses and cover is None:
            remarks.append(f"{need.name}: its addresses {_listed(need.addresses)} lie too far apart for one subnet.")
        elif cover and (clash := next((name for name, net in fixed.items() if net.overlaps(cover)), None)):
            remarks.append(
                f"{need.name}: its addresses {_listed(need.addresses)} lie among those of {clash}, and both share a "
                "security group, so one VPC; two subnets cannot overlap. Correct the addresses in the manifest."
            )
        elif cover:
            fixed[need.name] = cover
    for need in needs:
        if need.name in fixed:
            others = [net for name, net in fixed.items() if name != need.name]
            fixed[need.name] = _widened(fixed[need.name], need, others)
    blocks = dict(fixed)
    for need in needs:
        if need.name not in blocks:
            blocks[need.name] = _free_block(_prefix_for(need), blocks.values())
    remarks += [
        f"{need.name}: only {blocks[need.name].num_addresses - AWS_OWN} addresses fit between its neighbours, "
        f"fewer than its {need.servers} servers."
        for need in needs
        if need.servers > blocks[need.name].num_addresses - AWS_OWN
    ]
    return {need.name: blocks[need.name] for need in needs}, remarks


def tightest(addresses: Collection[IPv4Address]) -> IPv4Network | None:
    """The smallest block, /28 to /16, that can contain all addresses as a subnet; None if there is none."""
    if not addresses:
        return None
    first = min(addresses)
    for prefix in range(NARROWEST, WIDEST - 1, -1):
        block = _around(first, prefix)
        if all(may_hold(block, address) for address in addresses):
            return block
    return None


def may_hold(block: IPv4Network, address: IPv4Address) -> bool:
    """Whether an instance may have the address in that subnet: inside, not reserved by AWS."""
    return int(block.network_address) + 4 <= int(address) < int(block.broadcast_address)


def _widened(cover: IPv4Network, need: SubnetNeed, others: Sequence[IPv4Network]) -> IPv4Network:
    for prefix in range(min(_prefix_for(need), cover.prefixlen), cover.prefixlen):
        block = cover.supernet(new_prefix=prefix)
        if not any(block.overlaps(o) for o in others) and all(may_hold(block, a) for a in need.addresses):
            return block
    return cover


def _prefix_for(need: SubnetNeed) -> int:
    """The usual /24, or wider for more servers: room for a drill and a recovery side by side."""
    wanted = 2 * need.servers + AWS_OWN
    return max(WIDEST, min(USUAL, 32 - (wanted - 1).bit_length()))


def _free_block(prefix: int, taken: Collection[IPv4Network]) -> IPv4Network:
    """The first block that overlaps none of `taken`: near them if possible, otherwise in any private range."""
    near = dict.fromkeys(_around(net.network_address, WIDEST) for net in taken)
    for home in itertools.chain(near, _private_blocks()):
        rivals = [net for net in taken if net.overlaps(home)]
        for block in home.subnets(new_prefix=prefix):
            if not any(block.overlaps(net) for net in rivals):
                return block
    raise ValueError(f"No free /{prefix} is left in the private address ranges besides {len(taken)} subnets.")


def _private_blocks() -> Iterator[IPv4Network]:
    for whole in _PRIVATE:
        yield from IPv4Network(whole).subnets(new_prefix=WIDEST)


def _vpc_blocks(subnets: Iterable[IPv4Network]) -> tuple[IPv4Network, ...]:
    """The /16s that hold the subnets: the first is the VPC's own block, the others are associated with it."""
    return tuple(dict.fromkeys(_around(net.network_address, WIDEST) for net in subnets))


def _around(address: IPv4Address, prefix: int) -> IPv4Network:
    return ipaddress.IPv4Network((int(address) >> (32 - prefix) << (32 - prefix), prefix))


def _listed(addresses: Collection[IPv4Address]) -> str:
    shown = [str(address) for address in sorted(addresses)]
    return ", ".join(shown[:4]) + (f" and {len(shown) - 4} more" if len(shown) > 4 else "")
