"""EC2's quotas on vCPUs of running On-Demand instances, and what counts towards them.

In: `Sessions`, a `Location`. Out: the quota of an instance family's class, in vCPUs, and the class of a type.
Reads only.

Sources: EC2 user guide, "Amazon EC2 On-Demand Instance quotas" (the classes and their quota codes: an account and
region has one quota for each class; it counts vCPUs of running instances, whatever their types); Service Quotas API
reference, GetServiceQuota.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefect_drs.aws.errors import aws_call

if TYPE_CHECKING:
    from prefect_drs.aws.location import Location
    from prefect_drs.aws.sessions import Sessions

_FAMILY = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True)
class QuotaClass:
    """A class of instance families that share one quota.

    Args:
        code: the quota's code in Service Quotas, service `ec2`.
        name: the quota's name, as Service Quotas shows it.
        families: the letters that the types of its families begin with.
    """

    code: str
    name: str
    families: frozenset[str]


def _class(code: str, name: str, families: str) -> QuotaClass:
    return QuotaClass(code, f"Running On-Demand {name} instances", frozenset(families.split()))


QUOTA_CLASSES: tuple[QuotaClass, ...] = (
    _class("L-1216C47A", "Standard (A, C, D, H, I, M, R, T, Z)", "a c d h i im is m r t z"),
    _class("L-74FC7D96", "F", "f"),
    _class("L-DB2E81BA", "G and VT", "g gr vt"),
    _class("L-417A185B", "P", "p"),
    _class("L-7295265B", "X", "x"),
    _class("L-43DA4232", "High Memory", "u"),
    _class("L-1945791B", "Inf", "inf"),
    _class("L-2C3B7624", "Trn", "trn"),
    _class("L-6E869C2A", "DL", "dl"),
    _class("L-F7808C92", "HPC", "hpc"),
)
"""Every class of On-Demand instances. Mac instances have none: they run on Dedicated Hosts, counted as hosts."""


def quota_class(instance_type: str) -> QuotaClass | None:
    """The class that a type belongs to; None where EC2 has no vCPU quota for it, or it is not known here."""
    family = _FAMILY.match(instance_type)
    return next((each for each in QUOTA_CLASSES if family is not None and family.group() in each.families), None)


def read_vcpu_quota(sessions: Sessions, location: Location, code: str) -> float:
    """The quota of that code, in vCPUs.

    Raises:
        AwsError: Service Quotas refused or could not be reached.
    """
    with aws_call("GetServiceQuota", location.account_id, location.region, quota_code=code):
        client = sessions.client("service-quotas", **location._asdict())
        return float(client.get_service_quota(ServiceCode="ec2", QuotaCode=code)["Quota"]["Value"])
