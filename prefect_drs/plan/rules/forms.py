"""The forms of AWS ids and the limits of tags, with their sources.

Nothing here asks AWS. Where the botocore model (1.43.117) has a pattern it is that pattern, matched in full.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from prefect_drs.plan.read.draft import Name
from prefect_drs.plan.read.finding import Place, PlanFinding, quote

SOURCE_SERVER_ID = re.compile(r"s-[0-9a-zA-Z]{17}")
"""DRS shape SourceServerID."""
SUBNET_ID = re.compile(r"subnet-[0-9a-fA-F]{8,}")
"""DRS shape SubnetID."""
SECURITY_GROUP_ID = re.compile(r"sg-[0-9a-fA-F]{8,}")
"""DRS shape SecurityGroupID."""
INSTANCE_ID = re.compile(r"i-[0-9a-fA-F]{8,}")
"""DRS shape EC2InstanceID."""
REGION = re.compile(
    r"(us(-gov)?|ap|ca|cn|eu|eusc|sa|af|me|mx|il)-([a-z]{2}-)?"
    r"(central|north|(north(?:east|west))|south|south(?:east|west)|east|west)-[0-9]"
)
"""DRS shape AwsRegion."""
ACCOUNT_ID = re.compile(r"[0-9]{12}")
"""DRS shape AccountID: 12 characters with 12 digits in a row."""
INSTANCE_PROFILE_NAME = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)
"""IAM shape instanceProfileNameType."""
INSTANCE_TYPE = re.compile(r"[a-z][a-z0-9-]*\.[a-z0-9-]+")
"""The form common to all members of the EC2 enum InstanceType; whether a zone offers it is checked at preflight."""

TAG_KEY_AT_MOST = 128
TAG_VALUE_AT_MOST = 256
TAGS_AT_MOST = 50
"""AWS General Reference, "Tag naming limits and requirements"."""


def not_bound(name: Name, kind: str, code: str, problem: str) -> PlanFinding:
    """The finding for a name whose real value has a wrong form; in the bindings, where they gave it."""
    if name.bound_at is not None:
        return PlanFinding(
            name.bound_at,
            code,
            f"{kind} binds {quote(name.written)} to {quote(name.real)}, {problem}",
            in_bindings=True,
        )
    return PlanFinding(
        name.at,
        code,
        f"{quote(name.real)} is {problem.removeprefix('which is ')}; write the real id, or bind the name under {kind} "
        "in a bindings file (--bindings)",
        unbound=(kind, name.written),
    )


def impossible_tags(tags: Mapping[str, str], at: Place, *, what: str) -> Iterator[PlanFinding]:
    """Keys and values longer than AWS takes, and empty keys."""
    for key, value in tags.items():
        place = (*at, key)
        if not key:
            yield PlanFinding(
                place, "INVALID_TAG", f"{what} has an empty tag key; AWS wants 1 to {TAG_KEY_AT_MOST} characters"
            )
        if len(key) > TAG_KEY_AT_MOST:
            yield PlanFinding(
                place, "INVALID_TAG", f"tag key {quote(key)} has {len(key)} characters; AWS takes {TAG_KEY_AT_MOST}"
            )
        if len(value) > TAG_VALUE_AT_MOST:
            yield PlanFinding(
                place,
                "INVALID_TAG",
                f"the value of tag {quote(key)} has {len(value)} characters; AWS takes {TAG_VALUE_AT_MOST}",
            )
