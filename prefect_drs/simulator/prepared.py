"""The prepared instances of an estate: what a plan's `launchIntoInstance` names, and how it is made in the sandbox.

In: a server's choice and names. Out: a `PreparedSpec`, plain data; and from that a stopped instance in moto's EC2 that
DRS launches into. Every id depends only on account, region and server.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from prefect_drs.plan.model import LaunchSettings
from prefect_drs.simulator.drs.identifiers import identifier
from prefect_drs.simulator.drs.instances import run_instance, seeded_ec2
from prefect_drs.simulator.drs.launch_into import LAUNCH_INTO_TAG
from prefect_drs.simulator.estate_model import PreparedSpec, SourceServerSpec
from prefect_drs.simulator.services.instances import complete

INSTANCE_ID = re.compile(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})")
ROOT = {"deviceName": "/dev/sda1", "bytes": 8 * 1024**3}


def with_prepared(
    server: SourceServerSpec,
    settings: LaunchSettings,
    account: str,
    region: str,
    bind: Callable[[str, str, str, str], None],
) -> SourceServerSpec | str:
    """The server with its prepared instance, where its settings name one; else why the choice names none for it.

    Args:
        server: the server.
        settings: its launch settings.
        account: its account.
        region: its region.
        bind: takes account, region, placeholder and the id that it is bound to.
    """
    choice = settings.launch_into_instance
    if choice is None:
        return server
    made = identifier("i-", "prepared", account, region, server.source_server_id)
    tags = {"Name": f"{server.tags['Name']}-prepared", LAUNCH_INTO_TAG[0]: LAUNCH_INTO_TAG[1]}
    none = f"{server.reference}: launchIntoInstance names no instance for it; a launch of it is refused."
    named: str | None = None
    if choice.tag is not None:
        value = choice.value if choice.value is not None else server.tags.get(choice.tag)
        if value is None:
            return none
        tags[choice.tag] = value
    elif choice.table:
        names = (server.source_server_id, server.reference, server.tags["Name"], server.instance_id)
        named = next((choice.table[name] for name in names if name in choice.table), None)
        if named is None:
            return none
    elif choice.instance_id is not None:
        named = choice.instance_id
    else:  # the table of bindings that do not exist yet
        named = server.reference if "/" not in server.reference else server.tags["Name"]
    if named is not None and INSTANCE_ID.fullmatch(named):
        made = named
    elif named is not None:
        bind(account, region, named, made)
    prepared = PreparedSpec(
        instance_id=made, tags=tags, subnet=settings.subnet_id, private_ip=settings.static_private_ip or ""
    )
    return server.model_copy(update={"prepared": prepared})


def ensure_prepared(ec2: Any, region: str, server: SourceServerSpec, subnet_id: str | None) -> int:
    """Create the prepared instance of a server, stopped; returns how many are new.

    Args:
        ec2: moto's EC2 of the account and region.
        region: the region.
        server: the server.
        subnet_id: the subnet; None is the default VPC's.
    """
    spec = server.prepared
    if spec is None or any(one.id == spec.instance_id for each in ec2.reservations.values() for one in each.instances):
        return 0
    network: dict[str, Any] = {} if subnet_id is None else {"subnet_id": subnet_id}
    if spec.private_ip:
        network["private_ip"] = spec.private_ip
    with seeded_ec2("prepared", region, spec.instance_id):
        instance: Any = run_instance(
            ec2,
            groups=[],
            disks=[dict(ROOT)],
            tags={},
            instance_type=server.machine.instance_type,
            region_name=region,
            **network,
        )
    instance.id = spec.instance_id
    instance.platform = "windows" if "windows" in server.machine.os_name.lower() else None
    instance.add_tags(spec.tags)
    complete(instance)
    instance.stop()
    return 1
