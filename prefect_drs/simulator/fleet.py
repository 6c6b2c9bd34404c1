"""A large estate by its numbers: source servers spread over accounts and regions, each from a tagged EC2 instance.

In: how many servers, in which accounts and regions, with which tags. Out: a `SandboxEstate` for `seeding.seed_estate`.
Pure: the same numbers give the same estate, whatever else is seeded.

    seed_estate(fleet(4000, accounts=ACCOUNTS, regions=drs_regions()[:30]))
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

from prefect_drs.plan.read.bindings import Bindings
from prefect_drs.simulator.drs.identifiers import hexadecimal, identifier
from prefect_drs.simulator.estate import CALLER_ACCOUNT, ORCHESTRATION_ROLE
from prefect_drs.simulator.estate_model import (
    AccountSpec,
    Circumstances,
    RegionSpec,
    RoleSpec,
    SandboxEstate,
    SourceServerSpec,
)
from prefect_drs.simulator.hardware import machine_for

Tags = Callable[[int], Mapping[str, str]]


def ordinary_tags(number: int) -> dict[str, str]:
    """The tags of the EC2 instance of a number: what people put there."""
    return {
        "Environment": ("production", "staging", "test")[number % 3],
        "Application": f"app-{number % 40:02}",
        "Owner": f"team-{number % 12}@example.com",
        "CostCenter": str(4000 + number % 25),
    }


def fleet(
    servers: int,
    *,
    accounts: Sequence[str] = (CALLER_ACCOUNT,),
    regions: Sequence[str] = ("us-east-1",),
    tags: Tags = ordinary_tags,
    server_tags: Tags = lambda _: {},
    external_id: str | None = None,
    circumstances: Mapping[str, Circumstances] | None = None,
) -> SandboxEstate:
    """An estate of so many source servers, dealt out to each account and region in turn.

    The EC2 instance of each lies in the same account, in the region after its own in `regions` (in its own where that
    is the only one), and carries `Name` and `tags`. The source server carries `Name` and `server_tags`.

    Args:
        servers: how many.
        accounts: 12 digits each; those that are not the caller's get the role by convention.
        regions: into which they replicate.
        tags: of the instance of a number, from 0.
        server_tags: of the source server of a number.
        external_id: what the roles ask for.
        circumstances: what else is to be said of an account, such as regions that are not enabled.
    """
    places = list(itertools.product(accounts, regions))
    dealt: dict[tuple[str, str], list[SourceServerSpec]] = {place: [] for place in places}
    sources = {region: regions[(place + 1) % len(regions)] for place, region in enumerate(regions)}
    for number in range(servers):
        account, region = place = places[number % len(places)]
        name = f"srv-{number:05}"
        server_id = identifier("s-", "fleet", account, region, name)
        dealt[place].append(
            SourceServerSpec(
                source_server_id=server_id,
                reference=name,
                hostname=f"{name}.corp.example",
                tags={"Name": name, **server_tags(number)},
                machine=machine_for(name, None, server_id),
                instance_id=hexadecimal("i-", "fleet", account, region, name),
                source_account=account,
                source_region=sources[region],
                instance_tags={"Name": name, **tags(number)},
            )
        )
    told = circumstances or {}
    made = (_account(name, dealt, regions, external_id, told.get(name, Circumstances())) for name in accounts)
    return SandboxEstate(accounts=tuple(made), bindings=Bindings())


def _account(
    account: str,
    dealt: Mapping[tuple[str, str], Sequence[SourceServerSpec]],
    regions: Sequence[str],
    external_id: str | None,
    told: Circumstances,
) -> AccountSpec:
    role = RoleSpec(
        name=ORCHESTRATION_ROLE,
        external_id=told.external_id or external_id,
        missing_actions=told.missing_actions,
        exists=told.has_role,
    )
    return AccountSpec(
        account_id=account,
        name=account,
        role=role if account != CALLER_ACCOUNT else None,
        regions=tuple(
            RegionSpec(
                region=region,
                source_servers=tuple(
                    spec.model_copy(update={"staging_account": told.staging_account}) for spec in dealt[account, region]
                ),
                initialized=region not in told.uninitialized_regions,
            )
            for region in regions
        ),
        disabled_regions=told.disabled_regions,
    )
