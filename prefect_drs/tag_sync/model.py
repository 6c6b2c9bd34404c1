"""The TagSyncResult: what a synchronisation did, or, of a dry run, would do. JSON is camelCase, times are UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from prefect_drs.aws.locations import Failure, Skipped
from prefect_drs.core.models import FrozenModel


class ServerTagChange(FrozenModel):
    """One thing that became different on a server.

    `kind` tag: `key` before and after, None where it was or is not there. `kind` copyTags: the launch setting.
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
    """What could not be done for one server; all others went on."""

    account_id: str
    region: str
    source_server_id: str
    name: str
    code: str
    message: str


class TagSyncResult(FrozenModel):
    """A whole synchronisation.

    Args:
        accounts, regions: that answered.
        servers_processed: source servers whose instance was read and compared.
        servers_changed: of them, those that something was written to.
        tags_synchronized: tags written; `tags_removed`: taken away.
        copy_tags_switched_on: launch configurations whose copyTags was off.
        changes: each of these.
        faults: what could not be done for single servers.
        failures: account-regions that did not answer, or refused.
        skipped: what was passed by, and why.
        calls: requests to DRS and EC2, retries included; `writes`: of them, those that may change something.
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
        """What went wrong, a line each: first whole account-regions, then single servers."""
        return (
            *(f"{failure.code}: {failure.place}: {failure.message}" for failure in self.failures),
            *(
                f"{fault.code}: {fault.source_server_id} in {fault.account_id}/{fault.region}: {fault.message}"
                for fault in self.faults
            ),
        )

    @property
    def exit_code(self) -> int:
        """0, or 3 where something is not synchronised."""
        return 3 if self.failures or self.faults else 0

    def to_json(self) -> str:
        """The result as JSON."""
        return self.model_dump_json(by_alias=True, indent=2)
