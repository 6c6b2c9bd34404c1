"""The settings of prefect-drs: `PREFECT_DRS_*` in the environment, or `[drs]` in `prefect.toml`.

In: what Prefect's own settings are read from (environment, `.env`, `prefect.toml`, `pyproject.toml`, profile). Out: one
validated value. It never holds a secret: those live in blocks. Importing it imports Prefect, so only blocks, flows and
the command line read it.
"""

from __future__ import annotations

from pathlib import Path

from prefect.settings.base import PrefectBaseSettings, build_settings_config
from pydantic import Field


class PrefectDrsSettings(PrefectBaseSettings):
    """How prefect-drs behaves where a flow or a command does not say otherwise."""

    model_config = build_settings_config(("drs",))

    role_name: str = Field(
        default="DRSOrchestrationRole",
        pattern=r"^[\w+=,.@-]{1,64}$",
        description="The role that is assumed in an account whose block names none; the same name in every account.",
    )
    workers: int = Field(
        default=16,
        ge=1,
        le=64,
        description="Connections to AWS that are kept for each service, account and region.",
    )
    gate_timeout_seconds: float = Field(
        default=604_800.0,
        gt=0,
        description="How long an approval is waited for before its wave is cancelled, in seconds.",
    )
    suspend_after_seconds: float = Field(
        default=60.0,
        ge=0,
        description="How long all that is left must have waited at gates before a flow run with gates: suspend gives "
        "its process up.",
    )
    home: Path = Field(
        default=Path("~/.prefect-drs"),
        description="Where this machine keeps journals, unless `journal` names a block, and the sandbox's particulars.",
    )
    journal: str = Field(
        default="",
        description="The file-system block that journals are kept on, as `type/name`; empty for a folder under `home`.",
    )
    notify_topics: str = Field(
        default="",
        description="ARNs of SNS topics that every execution's milestones are published to, separated by commas.",
    )
    notify_blocks: str = Field(
        default="",
        description="Prefect notification blocks that are told likewise, as `type/name`, separated by commas.",
    )
    notify_event_buses: str = Field(
        default="",
        description="ARNs of EventBridge buses that get an event for each milestone, separated by commas.",
    )
    api_url: str = Field(
        default="",
        description="The Prefect API's address as people reach it, for the commands in messages, where that is not "
        "PREFECT_API_URL; it ends in /api.",
    )
