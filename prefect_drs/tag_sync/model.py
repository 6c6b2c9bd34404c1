"""The TagSyncResult: what a synchronisation changed, or a dry run would change. JSON is camelCase, times are UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from prefect_drs.aws.locations import Failure, Skipped
from prefect_drs.core.models import FrozenModel


class ServerTagChange(FrozenModel):
    """One change of a server.

    `kind` tag: the tag `key`; `before` or `after` is None if it did not exist or was removed. `kind` copyTags: the
    launch setting.
    """

    account_id: str
    region: str
    source_server_id: str
    name: str
    kind: Literal["tag", "copyTags"]
    key: str
    before: str | None
    after: str | None


class ServerTagFault(FrozenModel):
    """An error of one server; the other servers are not affected."""

    account_id: str
    region: str
    source_server_id: str
    name: str
    code: str
    message: str


class TagSyncResult(FrozenModel):
    """The result of one synchronisation.

    Args:
        accounts, regions: those that answered.
        servers_processed: source servers whose instance was read and compared.
        servers_changed: number of those that were changed.
        tags_synchronized: tags written; `tags_removed`: tags removed.
        copy_tags_switched_on: launch configurations in which copyTags was switched on.
        changes: each change.
        faults: errors of single servers.
        failures: account-regions that did not answer or refused.
        skipped: servers and account-regions that were skipped, and why.
        calls: requests to DRS and EC2 by operation, including retries; `writes`: those that may change something.
    """

    dry_run: bool
    started_at: datetime
    ended_at: datetime
    accounts: tuple[str, ...]
    regions: tuple[str, ...]
    servers_processed: int
    servers_changed: int
    tags_synchronized: int
    tags_removed: int
    copy_tags_switched_on: int
    changes: tuple[ServerTagChange, ...]
    faults: tuple[ServerTagFault, ...]
    failures: tuple[Failure, ...]
    skipped: tuple[Skipped, ...]
    calls: dict[str, int]
    writes: int

    @property
    def errors(self) -> tuple[str, ...]:
        """The errors, one line each: first account-regions, then single servers."""
        return (
            *(f"{failure.code}: {failure.place}: {failure.message}" for failure in self.failures),
            *(
                f"{fault.code}: {fault.source_server_id} in {fault.account_id}/{fault.region}: {fault.message}"
                for fault in self.faults
            ),
        )

    @property
    def exit_code(self) -> int:
        """0, or 3 if something could not be synchronised."""
        return 3 if self.failures or self.faults else 0

    def to_json(self) -> str:
        """The result as JSON."""
        return self.model_dump_json(by_alias=True, indent=2)
