"""Prefect blocks: the AWS accounts that plans recover into.

In: a block from the form of the Prefect UI, or saved by code. Out: `AccountAccess` values for `prefect_drs.aws`, which
does not know Prefect. Secrets remain `SecretStr`, so that no form, log or repr shows them.

Prefect's checksum of a block type covers its docstring and the descriptions of its fields: a changed word makes saved
documents of an earlier release warn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, ClassVar

from prefect.blocks.core import Block
from prefect.exceptions import ObjectNotFound
from prefect.types import SecretDict
from prefect_aws import AwsCredentials
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from prefect_drs.aws.regions import drs_regions, partition_of
from prefect_drs.aws.sessions import AccountAccess, Sessions, SourceCredentials
from prefect_drs.core.errors import UsageError
from prefect_drs.orchestration.accounts import ACCOUNT_ID, TARGET_ACCOUNT_SLUG, open_sessions, saved_account_names
from prefect_drs.orchestration.block_schema import DOCUMENTATION_URL, LOGO_URL, SchemaOnce
from prefect_drs.orchestration.client import prefect_client

ROLE_NAME = r"^[\w+=,.@-]{1,64}$"  # IAM, CreateRole

_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/[\w+=,.@/-]+")
_URL = TypeAdapter(HttpUrl)


def check_role_arn(role_arn: str | None, account_id: str) -> None:
    """Check that `role_arn` is the ARN of a role in that account.

    Raises:
        ValueError: it is not.
    """
    if role_arn is None:
        return
    match = _ROLE_ARN.fullmatch(role_arn)
    if match is None:
        raise ValueError("role_arn is not the ARN of a role, such as arn:aws:iam::222222222222:role/Recovery")
    if match[1] != account_id:
        raise ValueError(f"role_arn is of account {match[1]}, but this block is for account {account_id}")


class StagingAccount(BaseModel):
    """An account that replicates servers for a target account: its id, and the role that it is entered by.

    Its ExternalId stands in the block itself: Prefect's API shows what secrets a list holds (3.8.8).
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    account_id: str = Field(pattern=ACCOUNT_ID, title="Account ID", description="The AWS account id, 12 digits.")
    account_name: str | None = Field(default=None, title="Account name", description="What people call the account.")
    role_arn: str | None = Field(default=None, title="Role ARN", description="Empty: the role by convention.")
    role_name: str | None = Field(default=None, pattern=ROLE_NAME, title="Role name", description="Of the convention.")

    @field_validator("account_name", "role_arn", "role_name", mode="before")
    @classmethod
    def _none_for_empty_text(cls, value: object) -> object:
        return None if value == "" else value

    @model_validator(mode="after")
    def _role_is_of_the_account(self) -> StagingAccount:
        check_role_arn(self.role_arn, self.account_id)
        return self


class TargetAccount(SchemaOnce, Block):
    """
    An AWS account that servers are recovered into with AWS Elastic Disaster Recovery (DRS).

    A protection group names the account by its id; the saved block of that id says how it is entered. The account of
    the credentials themselves needs no role; any other is entered by a role, `DRSOrchestrationRole` by convention.

    Attributes:
        account_id: The AWS account id, 12 digits.
        account_name: What people call the account.
        regions: The regions servers may be recovered to; empty means every region that DRS has.
        role_arn: The role to assume; empty means the role by convention.
        role_name: The name of the role by convention; empty means the setting `PREFECT_DRS_ROLE_NAME`.
        external_id: The ExternalId that the role's trust policy asks for.
        aws_credentials: The credentials to assume the role with; empty means those of the process.
        endpoint_url: The address of a simulated AWS, such as the sandbox's.
        staging_accounts: The accounts that replicate servers for this one.
        staging_external_ids: The ExternalIds of staging accounts that ask for another than this account's.

    Example:
        Save an account, load it and look into DRS there:
        ```python
        from prefect_drs import TargetAccount

        account = TargetAccount(
            account_id="222222222222", regions=["eu-central-1"], external_id="an-external-id"
        )
        account.save("production", overwrite=True)

        sessions = TargetAccount.load("production").sessions()
        drs = sessions.client("drs", account_id="222222222222", region="eu-central-1")
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # what was given may be a secret

    _block_type_name: ClassVar[str] = "DRS Target Account"
    _block_type_slug: ClassVar[str] = TARGET_ACCOUNT_SLUG
    _logo_url: ClassVar[HttpUrl] = LOGO_URL
    _documentation_url: ClassVar[HttpUrl] = DOCUMENTATION_URL
    _description: ClassVar[str] = (
        "An AWS account that servers are recovered into with AWS Elastic Disaster Recovery (DRS): "
        "its id, and how it is entered."
    )

    account_id: str = Field(
        pattern=ACCOUNT_ID, title="Account ID", description="The AWS account id, 12 digits.", examples=["222222222222"]
    )
    account_name: str | None = Field(default=None, title="Account name", description="What people call the account.")
    regions: list[str] = Field(
        default_factory=list,
        title="Regions",
        description="The regions servers may be recovered to. Empty: every region that DRS has.",
    )
    role_arn: str | None = Field(
        default=None,
        title="Role ARN",
        description="The role to assume in the account. Empty: the role by convention, or no role for the "
        "credentials' own account.",
    )
    role_name: str | None = Field(
        default=None,
        pattern=ROLE_NAME,
        title="Role name",
        description="The name of the role by convention. Empty: PREFECT_DRS_ROLE_NAME (DRSOrchestrationRole).",
    )
    external_id: SecretStr | None = Field(
        default=None, title="External ID", description="The ExternalId that the role's trust policy asks for."
    )
    aws_credentials: AwsCredentials | None = Field(
        default=None,
        title="AWS credentials",
        description="The credentials to assume the role with. Empty: those of the process that runs the flow.",
    )
    endpoint_url: str | None = Field(
        default=None,
        title="Endpoint URL",
        description="The address of a simulated AWS, such as the sandbox's. Empty: AWS itself.",
    )
    staging_accounts: list[StagingAccount] = Field(
        default_factory=list,
        title="Staging accounts",
        description="The accounts that replicate servers for this one. Each is entered as this one is, unless it is "
        "saved as a target account itself.",
    )
    staging_external_ids: SecretDict | None = Field(
        default=None,
        title="Staging external IDs",
        description="The ExternalIds of staging accounts that ask for another than this account's, by account id.",
    )

    @field_validator("account_name", "role_arn", "role_name", "external_id", "endpoint_url", mode="before")
    @classmethod
    def _none_for_empty_text(cls, value: object) -> object:
        """The form of the UI may send an empty string for a cleared field."""
        return None if value == "" else value

    @field_validator("regions")
    @classmethod
    def _regions_that_drs_has(cls, regions: list[str]) -> list[str]:
        try:
            partitions = {partition_of(region) for region in regions}
        except UsageError as error:
            raise ValueError(error.message) from None
        if len(partitions) > 1:
            raise ValueError(
                f"the regions of an account must be in one partition; these are in {', '.join(sorted(partitions))}"
            )
        known = {region for partition in partitions for region in drs_regions(partition)}
        if unknown := [region for region in regions if region not in known]:
            raise ValueError(f"DRS is not in {', '.join(unknown)}; it is in {', '.join(sorted(known)) or 'none there'}")
        return list(dict.fromkeys(regions))

    @field_validator("endpoint_url")
    @classmethod
    def _valid_url(cls, url: str | None) -> str | None:
        if url is not None:
            _URL.validate_python(url)
        return url

    @model_validator(mode="after")
    def _valid_access(self) -> TargetAccount:
        check_role_arn(self.role_arn, self.account_id)
        if (
            self.role_arn
            and self.regions
            and (partition := partition_of(self.regions[0])) != self.role_arn.split(":")[1]
        ):
            raise ValueError(f"the regions are in partition {partition}, but role_arn is not: {self.role_arn}")
        listed = [staging.account_id for staging in self.staging_accounts]
        if self.account_id in listed:
            raise ValueError(f"account {self.account_id} cannot be its own staging account")
        if twice := sorted({account for account in listed if listed.count(account) > 1}):
            raise ValueError(f"staging accounts are listed twice: {', '.join(twice)}")
        if unknown := sorted(set(self._staging_external_ids()) - set(listed)):
            raise ValueError(f"staging_external_ids names accounts that are not listed: {', '.join(unknown)}")
        try:
            self.access()
        except UsageError as error:
            raise ValueError(error.message) from None
        return self

    def access(self) -> AccountAccess:
        """The access to this account, as a value that does not depend on Prefect."""
        credentials = self.aws_credentials
        endpoint_url = self.endpoint_url
        if endpoint_url is None and credentials is not None:
            endpoint_url = credentials.aws_client_parameters.endpoint_url
        source = _source(credentials) if credentials is not None else None
        external_ids = self._staging_external_ids()
        return AccountAccess(
            account_id=self.account_id,
            role_arn=self.role_arn,
            role_name=self.role_name,
            external_id=self.external_id,
            endpoint_url=endpoint_url,
            source=source,
            name=self.account_name,
            regions=tuple(self.regions),
            staging_accounts=tuple(
                AccountAccess(
                    account_id=staging.account_id,
                    role_arn=staging.role_arn,
                    role_name=staging.role_name or self.role_name,
                    external_id=external_ids.get(staging.account_id, self.external_id),
                    endpoint_url=endpoint_url,
                    source=source,
                    name=staging.account_name,
                    regions=tuple(self.regions),
                )
                for staging in self.staging_accounts
            ),
        )

    def _staging_external_ids(self) -> dict[str, SecretStr]:
        given = self.staging_external_ids.get_secret_value() if self.staging_external_ids else {}
        return {account_id: SecretStr(str(external_id)) for account_id, external_id in given.items()}

    def sessions(self, *, session_name: str = "prefect-drs") -> Sessions:
        """Sessions for this account.

        Args:
            session_name: RoleSessionName of the assumed roles, visible in CloudTrail.
        """
        return open_sessions([self.access()], session_name=session_name)


def _source(credentials: AwsCredentials) -> SourceCredentials:
    """The nested block's credentials; unlike in prefect-aws, its role is assumed again when its session expires."""
    external_id = credentials.assume_role_kwargs.ExternalId
    return SourceCredentials(
        access_key_id=credentials.aws_access_key_id,
        secret_access_key=credentials.aws_secret_access_key,
        session_token=SecretStr(credentials.aws_session_token) if credentials.aws_session_token else None,
        profile_name=credentials.profile_name,
        region_name=credentials.region_name,
        role_arn=credentials.assume_role_arn,
        external_id=SecretStr(external_id) if external_id else None,
    )


def saved_target_accounts(names: Iterable[str] | None = None) -> dict[str, TargetAccount]:
    """The saved blocks by their names.

    Args:
        names: of all saved blocks, where they have been read already.

    Raises:
        UsageError: two blocks are for the same account, or a block is invalid.
    """
    saved: dict[str, TargetAccount] = {}
    found: dict[str, str] = {}
    for name in saved_account_names() if names is None else names:
        account = _load(name)
        if (other := found.get(account.account_id)) is not None:
            raise UsageError(
                f"blocks {other} and {name} are both for account {account.account_id}; delete one of them",
                account_id=account.account_id,
                blocks=[other, name],
            )
        found[account.account_id] = name
        saved[name] = account
    return saved


def save_target_account(account: TargetAccount, name: str, *, overwrite: bool) -> None:
    """Save the block under that name.

    Raises:
        UsageError: a block of that name exists, and `overwrite` is False.
    """
    save: Any = account.save  # as with `load` below
    try:
        save(name, overwrite=overwrite, _sync=True)
    except ValueError as error:
        if overwrite:
            raise
        raise UsageError(f"the block {account.get_block_type_slug()}/{name} already exists: {error}") from None


def delete_target_account_block(name: str) -> None:
    """Delete the block of that name, if it exists."""
    with prefect_client() as client, suppress(ObjectNotFound):
        document = client.read_block_document_by_name(name, TargetAccount.get_block_type_slug(), include_secrets=False)
        client.delete_block_document(document.id)


def _load(name: str) -> TargetAccount:
    load: Any = TargetAccount.load  # its type lacks `_sync`, without which it may return a coroutine
    try:
        account: TargetAccount = load(name, _sync=True)
        return account
    except RuntimeError as error:  # raised by Prefect for an invalid document, with pydantic's error as its cause
        if not isinstance(fault := error.__cause__, ValidationError):
            raise
        problem = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'block'}: {one['msg']}" for one in fault.errors())
    # Raised outside the handler: pydantic's error quotes the values, which may be secrets.
    raise UsageError(f"block {TargetAccount.get_block_type_slug()}/{name} is not valid: {problem}; correct it")
