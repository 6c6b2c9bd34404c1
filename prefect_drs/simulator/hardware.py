"""Plausible machines for source servers: processors, memory, disks and operating system.

In: a server's name, the instance type it is launched as, and an id that determines the random parts. Out: a
`SeededMachine`. Pure: the same id always gives the same machine.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from prefect_drs.simulator.drs.identifiers import generator

GIB = 1 << 30
ORDINARY_TYPE = "m5.large"
_WINDOWS = re.compile(r"win|mssql|iis|exchange|sharepoint|(?:^|\W)(?:ad|dc)\d*(?:\W|$)", re.IGNORECASE)
_DATABASE = re.compile(r"db|data|sql|ora|mongo|hana|post", re.IGNORECASE)
_TYPE = re.compile(r"(?P<family>[a-z]+)\d[a-z0-9-]*\.(?P<times>\d*)(?P<size>[a-z-]+)")
_GIB_A_CPU = {"c": 2, "r": 8, "x": 16}
_CPUS = {"nano": 1, "micro": 1, "small": 1, "medium": 1, "large": 2, "xlarge": 4, "metal": 64}
_LINUX = ("Ubuntu 22.04.4 LTS", "Red Hat Enterprise Linux 9.4", "Amazon Linux 2023", "SUSE Linux Enterprise 15 SP5")
_SERVERS = ("Microsoft Windows Server 2019", "Microsoft Windows Server 2022")


class Disk(BaseModel):
    """A disk that replicates."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    device_name: str
    bytes: int


class SeededMachine(BaseModel):
    """A source server's hardware and operating system."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    os: Literal["Linux", "Windows"]
    os_name: str
    cpus: int
    ram_bytes: int
    instance_type: str
    disks: tuple[Disk, ...]


def machine_for(name: str, instance_type: str | None, settled_by: str) -> SeededMachine:
    """A machine that matches its name (`win`, `db`) and the instance type it is launched as."""
    chance = generator("machine", settled_by)
    is_windows = bool(_WINDOWS.search(name))
    cpus, gib = _size(instance_type or ORDINARY_TYPE)
    first, second = ("c:0", "d:0") if is_windows else ("/dev/sda", "/dev/sdb")
    disks = [Disk(device_name=first, bytes=chance.choice((80, 100, 120) if is_windows else (20, 30, 50)) * GIB)]
    if _DATABASE.search(name):
        disks.append(Disk(device_name=second, bytes=chance.choice((200, 300, 500, 800)) * GIB))
    return SeededMachine(
        os="Windows" if is_windows else "Linux",
        os_name=chance.choice(_SERVERS if is_windows else _LINUX),
        cpus=cpus,
        ram_bytes=gib * GIB,
        instance_type=instance_type or ORDINARY_TYPE,
        disks=tuple(disks),
    )


def _size(instance_type: str) -> tuple[int, int]:
    """Processors and memory in GiB, derived from the type's name; 2 and 8 for other names."""
    match = _TYPE.fullmatch(instance_type)
    if match is None:
        return 2, 8
    cpus = _CPUS.get(match["size"], 2) * int(match["times"] or 1)
    return cpus, max(1, cpus * _GIB_A_CPU.get(match["family"][0], 4))
