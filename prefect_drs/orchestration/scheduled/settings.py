"""The settings of tag sync: one block for the UI, the command line, operations and the deployment.

In: a user's settings. Out: `TagRules`, accounts and regions for a synchronisation; the interval of the deployment's
schedule, which `scheduled.deployments` derives from this block.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl, StringConstraints, ValidationError, field_validator, model_validator

from prefect_drs.aws.regions import drs_regions, partition_of
from prefect_drs.core.errors import UsageError
from prefect_drs.orchestration.block_schema import DOCUMENTATION_URL, LOGO_URL
from prefect_drs.tag_sync import TagRules

SETTINGS_NAME = "settings"
SCHEDULE_HOURS = range(1, 25)

AccountId = Annotated[str, StringConstraints(pattern=r"^\d{12}$")]


class TagSyncSettings(Block):
    """
    How tags of EC2 instances are kept on the DRS source servers that replicate them.

    Attributes:
        enabled: Whether it runs on its schedule; a run can be asked for at any time.
        schedule_hours: Every how many hours, 1 to 24.
        include: Patterns of the tag keys that are carried over; empty means all.
        exclude: Patterns of the tag keys that are not.
        mappings: Keys that get another name in DRS, EC2 key to DRS key.
        remove: Whether keys that mappings give are taken away where the instance has no such tag any more.
        copy_tags: Whether `copyTags` is switched on in launch configurations.
        accounts: The accounts; empty means all TargetAccount blocks, or the caller's own where there is none.
        regions: The regions; empty means all in which DRS is set up.

    Example:
        Look at the settings:
        ```python
        from prefect_drs.orchestration.scheduled.settings import load_settings

        print(load_settings().schedule_hours)
        ```
    """

    _block_type_name: ClassVar[str] = "DRS Tag Sync Settings"
    _block_type_slug: ClassVar[str] = "drs-tag-sync-settings"
    _logo_url: ClassVar[HttpUrl] = LOGO_URL
    _documentation_url: ClassVar[HttpUrl] = DOCUMENTATION_URL
    _description: ClassVar[str] = (
        "How EC2 tags are kept on DRS source servers. Change it by `update_tag_sync_settings`."
    )

    enabled: bool = Field(default=True, title="Enabled", description="Whether it runs on its schedule.")
    schedule_hours: int = Field(default=1, title="Schedule", description="Every how many hours, 1 to 24.")
    include: list[str] = Field(default_factory=list, title="Include", description="Patterns of tag keys. Empty: all.")
    exclude: list[str] = Field(default_factory=list, title="Exclude", description="Patterns of tag keys left behind.")
    mappings: dict[str, str] = Field(default_factory=dict, title="Mappings", description="EC2 key → DRS key.")
    remove: bool = Field(default=False, title="Remove", description="Take mapped keys away that the instance lost.")
    copy_tags: bool = Field(default=True, title="Copy tags", description="Switch copyTags on where it is off.")
    accounts: list[AccountId] = Field(
        default_factory=list, title="Accounts", description="Empty: all TargetAccount blocks, or the caller's own."
    )
    regions: list[str] = Field(default_factory=list, title="Regions", description="Empty: all in which DRS is set up.")

    @field_validator("schedule_hours", mode="before")
    @classmethod
    def _whole_hours(cls, hours: object) -> object:
        if isinstance(hours, bool) or not isinstance(hours, int | float) or hours not in SCHEDULE_HOURS:
            raise ValueError(
                f"invalid schedule {hours!r}: use 1 to 24 whole hours. With thousands of servers, a synchronisation "
                "may take longer than a shorter interval; a longer interval leaves new servers untagged for days"
            )
        return int(hours)

    @field_validator("regions")
    @classmethod
    def _regions_of_drs(cls, regions: list[str]) -> list[str]:
        try:
            known = {region for name in regions for region in drs_regions(partition_of(name))}
        except UsageError as error:
            raise ValueError(error.message) from None
        if unknown := [region for region in regions if region not in known]:
            raise ValueError(f"DRS is not in {', '.join(unknown)}; it is in {', '.join(sorted(known))}")
        return list(dict.fromkeys(regions))

    @model_validator(mode="after")
    def _valid_rules(self) -> TagSyncSettings:
        try:
            self.rules()
        except UsageError as error:
            raise ValueError(error.message) from None
        return self

    def rules(self) -> TagRules:
        """Which tags are copied, and how."""
        return TagRules(
            include=tuple(self.include),
            exclude=tuple(self.exclude),
            mappings=dict(self.mappings),
            remove=self.remove,
            copy_tags=self.copy_tags,
        )

    def as_json(self) -> dict[str, Any]:
        """The settings in the form that operations return, camelCase."""
        return {
            "enabled": self.enabled,
            "schedule": self.schedule_hours,
            "tagFilters": {"include": list(self.include), "exclude": list(self.exclude)},
            "tagMappings": dict(self.mappings),
            "removeTags": self.remove,
            "copyTags": self.copy_tags,
            "accounts": list(self.accounts),
            "regions": list(self.regions),
        }


def load_settings() -> TagSyncSettings:
    """The saved settings; the defaults if none are saved.

    Raises:
        UsageError: the saved settings are no longer valid.
    """
    load: Any = TagSyncSettings.load  # its type lacks `_sync`, without which it may return a coroutine
    try:
        settings: TagSyncSettings = load(SETTINGS_NAME, _sync=True)
        return settings
    except ValueError:  # raised by Prefect if the document or the block type does not exist
        return TagSyncSettings()
    except RuntimeError as error:  # raised by Prefect for an invalid document, with pydantic's error as its cause
        if not isinstance(fault := error.__cause__, ValidationError):
            raise
        where = f"block {TagSyncSettings.get_block_type_slug()}/{SETTINGS_NAME} is not valid"
        raise UsageError(f"{where}: {_problems(fault)}; correct it in the UI") from None


def changed_settings(settings: TagSyncSettings, changes: dict[str, Any]) -> TagSyncSettings:
    """A copy of the settings with changes; nothing is saved.

    Raises:
        UsageError: a change is invalid; the message lists all problems.
    """
    try:
        return TagSyncSettings.model_validate({**_values(settings), **changes})
    except ValidationError as fault:
        problems = _problems(fault)
    raise UsageError(f"the settings were not changed: {problems}")


def save_settings(settings: TagSyncSettings) -> None:
    """Save the settings, replacing the former ones."""
    save: Any = settings.save
    save(SETTINGS_NAME, overwrite=True, _sync=True)


def _values(settings: TagSyncSettings) -> dict[str, Any]:
    return settings.model_dump(include=set(TagSyncSettings.model_fields))


def _problems(fault: ValidationError) -> str:
    problems = [(".".join(map(str, one["loc"])), one["msg"].removeprefix("Value error, ")) for one in fault.errors()]
    return "; ".join(f"{field}: {message}" if field else message for field, message in problems)
