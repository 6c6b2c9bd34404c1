"""How a plan names the prepared instance that a server is launched into.

In: the fields of `launchIntoInstance`. Out: a frozen choice; `runbook.prepared` finds the instance that it means. Pure.

DRS launches into an existing instance where the launch configuration names one
(`launchIntoInstanceProperties.launchIntoEC2InstanceID`, API_LaunchIntoInstanceProperties in the DRS API reference).
"""

from __future__ import annotations

from pydantic import model_validator

from prefect_drs.core.models import FrozenModel


class PreparedInstance(FrozenModel):
    """The prepared instance of a server, named in exactly one way.

    Args:
        instance_id: its EC2 instance id.
        tag: it carries this tag, with `value`; without a value, with the value that the source server's own tag has.
        value: of the tag.
        table: EC2 instance ids by server: its DRS id, its EC2 instance id, or its Name tag.
    """

    instance_id: str | None = None
    tag: str | None = None
    value: str | None = None
    table: dict[str, str] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> PreparedInstance:
        if sum(given is not None for given in (self.instance_id, self.tag, self.table)) != 1:
            raise ValueError("a prepared instance is named by one of instanceId, tag or table")
        if self.value is not None and self.tag is None:
            raise ValueError("value is that of a tag: name the tag as well")
        return self

    @property
    def of_one_server(self) -> bool:
        """Whether it means one instance, whatever the server: no group of several servers can have it."""
        return self.instance_id is not None or self.value is not None

    @property
    def text(self) -> str:
        """The choice in words."""
        if self.instance_id is not None:
            return self.instance_id
        if self.table is not None:
            return f"the table of {len(self.table)} instance(s)"
        value = "equal to the server's" if self.value is None else self.value
        return f"tag {self.tag}: {value}"
