"""The settings of prefect-drs: `PREFECT_DRS_*` in the environment, or `[drs]` in `prefect.toml`.

In: the sources of Prefect's own settings (environment, `.env`, `prefect.toml`, `pyproject.toml`, profile). Out: one
validated value. It never contains a secret: secrets are stored in blocks. Importing this module imports Prefect, so
only rooms that import Prefect read it.
"""

from __future__ import annotations

from pathlib import Path

from prefect.settings.base import PrefectBaseSettings, build_settings_config
from pydantic import Field


class PrefectDrsSettings(PrefectBaseSettings):
    """Defaults of prefect-drs, for whatever a flow's parameters or a command's options do not set."""

    model_config = build_settings_config(("drs",))

    role_name: str = Field(
        default="DRSOrchestrationRole",
        pattern=r"^[\w+=,.@-]{1,64}$",
        description="The IAM role to assume in an account whose block names none; the same name in every account.",
    )
    workers: int = Field(
        default=16,
        ge=1,
        le=64,
        description="Connections to AWS kept open for each service, account and region.",
    )
    gate_timeout_seconds: float = Field(
        default=604_800.0,
        gt=0,
        description="How long a gate waits for an answer before its wave is cancelled, in seconds.",
    )
    suspend_after_seconds: float = Field(
        default=60.0,
        ge=0,
        description="How long every remaining wave must have waited at its gate before a flow run with gates: suspend "
        "ends its process, in seconds.",
    )
    home: Path = Field(
        default=Path("~/.prefect-drs"),
        description="The folder of this machine for journals, unless `journal` names a block, and for the sandbox's "
        "state file.",
    )
    journal: str = Field(
        default="",
        description="Where journals are stored: a bucket as `s3://BUCKET/FOLDER?region=REGION`, which is found without "
        "a Prefect server too, or a file-system block as `type/name`; empty for a folder under `home`.",
    )
    journal_mirror: str = Field(
        default="",
        description="A second bucket that gets a copy of every journal, as `s3://BUCKET/FOLDER?region=REGION`.",
    )
    accounts_file: str = Field(
        default="",
        description="A JSON file that says how accounts are entered without a Prefect server, which has the saved "
        "TargetAccount blocks; empty: by the role of `role_name`, without an ExternalId. Readable by its owner only.",
    )
    anchor_key: str = Field(
        default="",
        description="The key that signs heads of journals while executions run, and evidence: the ARN of a KMS key, a "
        "Secret block as `secret/NAME` or a file that holds an Ed25519 private key in PEM; empty signs nothing.",
    )
    anchor_public_keys: str = Field(
        default="",
        description="PEM files of public keys that anchors may be signed by besides the current key's, such as keys "
        "that were replaced, separated by commas.",
    )
    anchor_bucket: str = Field(
        default="",
        description="An S3Bucket block, as `s3-bucket/NAME`, of a bucket with object lock that gets a copy of every "
        "anchor.",
    )
    anchor_retention_days: int = Field(
        default=0,
        ge=0,
        le=36_500,
        description="How long the copies of anchors are locked in compliance mode, in days; 0 for the bucket's default "
        "retention.",
    )
    notify_topics: str = Field(
        default="",
        description="ARNs of SNS topics that every execution's milestones are published to, separated by commas.",
    )
    notify_blocks: str = Field(
        default="",
        description="Prefect notification blocks that get every execution's milestones, as `type/name`, separated by "
        "commas.",
    )
    notify_event_buses: str = Field(
        default="",
        description="ARNs of EventBridge buses that get an event for each milestone, separated by commas.",
    )
    api_url: str = Field(
        default="",
        description="The Prefect API's address for people, used in the commands in messages, if it is not "
        "PREFECT_API_URL; it ends in /api.",
    )
    deployment: str = Field(
        default="",
        description="The deployment of the flow recover that start_execution runs where a request names none, as "
        "FLOW/NAME, such as recover/production.",
    )
    resume_deployment: str = Field(
        default="",
        description="The deployment of the flow resume-execution that resume_execution runs where a request names "
        "none, as FLOW/NAME; without one, an execution is resumed by the deployment that started it.",
    )
    audit_reads: bool = Field(
        default=False,
        description="Record operations that only read in the audit log too; changes and denials always are.",
    )
