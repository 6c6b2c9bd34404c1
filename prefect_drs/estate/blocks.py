"""The block types of the stored estate.

In: definitions in the form of the manifest. Out: blocks, visible in the Prefect UI and readable through the same API.
Operations (`prefect-drs op`) write them and check the rules; a block edited by hand is checked when it is read.

Prefect's checksum of a block type covers its docstring and the descriptions of its fields: a changed word makes saved
documents of an earlier release warn.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl

from prefect_drs.orchestration.block_schema import LOGO_URL

_DOCUMENTATION = HttpUrl("https://docs.aws.amazon.com/drs/latest/userguide/what-is-drs.html")


class _StoredDocument(Block):
    """The fields of both block types."""

    _logo_url: ClassVar[HttpUrl] = LOGO_URL
    _documentation_url: ClassVar[HttpUrl] = _DOCUMENTATION

    definition: dict[str, Any] = Field(description="As a manifest has it. Change it by operations, which check it.")
    stored_id: str = Field(title="ID", description="Never changes, whatever it is called.")
    version: int = Field(ge=1, description="One more with every change; an update from another version is refused.")
    created_at: datetime = Field(description="When it was first stored.")
    updated_at: datetime = Field(description="When it was last changed.")
    updated_by: str = Field(description="Who changed it last, as claimed.")


class StoredProtectionGroup(_StoredDocument):
    """
    A protection group: servers that are recovered together with AWS Elastic Disaster Recovery (DRS).

    Attributes:
        definition: The group, as `protectionGroups` of a manifest has it.
        stored_id: The group's id.
        version: One more with every change.
        created_at: When it was first stored.
        updated_at: When it was last changed.
        updated_by: Who changed it last, as claimed.

    Example:
        Look at a group that `prefect-drs op create_protection_group` stored:
        ```python
        from prefect_drs.estate.blocks import StoredProtectionGroup

        group = StoredProtectionGroup.load("database")
        print(group.definition["region"], group.version)
        ```
    """

    _block_type_name: ClassVar[str] = "DRS Protection Group"
    _block_type_slug: ClassVar[str] = "drs-protection-group"
    _description: ClassVar[str] = "Servers that are recovered together with AWS Elastic Disaster Recovery (DRS)."


class StoredRecoveryPlan(_StoredDocument):
    """
    A recovery plan: waves of protection groups, and what each wave waits for.

    Attributes:
        definition: The plan, as `recoveryPlans` of a manifest has it.
        stored_id: The plan's id.
        version: One more with every change.
        created_at: When it was first stored.
        updated_at: When it was last changed.
        updated_by: Who changed it last, as claimed.

    Example:
        Look at a plan that `prefect-drs op create_recovery_plan` stored:
        ```python
        from prefect_drs.estate.blocks import StoredRecoveryPlan

        plan = StoredRecoveryPlan.load("shop")
        print([wave["waveName"] for wave in plan.definition["waves"]])
        ```
    """

    _block_type_name: ClassVar[str] = "DRS Recovery Plan"
    _block_type_slug: ClassVar[str] = "drs-recovery-plan"
    _description: ClassVar[str] = "Waves of protection groups, to be recovered in the order of their dependencies."


class EstateState(Block):
    """
    What keeps the stored groups and plans together: how many changes there were, and the one that is being written.

    Leave it alone: a change is committed by being written here first.

    Attributes:
        sequence: One more with every step of a change.
        pending: The blocks of a change that is committed, until all of them are written.

    Example:
        See how often the estate changed:
        ```python
        from prefect_drs.estate.blocks import EstateState

        print(EstateState.load("state").sequence)
        ```
    """

    _block_type_name: ClassVar[str] = "DRS Estate"
    _block_type_slug: ClassVar[str] = "drs-estate"
    _logo_url: ClassVar[HttpUrl] = LOGO_URL
    _documentation_url: ClassVar[HttpUrl] = _DOCUMENTATION
    _description: ClassVar[str] = "Keeps the stored DRS groups and plans together. Written by operations only."

    sequence: int = Field(default=0, description="One more with every step of a change.")
    pending: list[dict[str, Any]] = Field(
        default_factory=list, description="The blocks of a change that is committed, until all of them are written."
    )
