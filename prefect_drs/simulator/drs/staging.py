"""Staging accounts: servers that one account replicates and another launches.

An extended source server in the target account shows the replication of its staging server as it is; its launch
configuration and its jobs are the target's own.
"""

from __future__ import annotations

from .core import Params, Wire
from .exceptions import (
    AccessDeniedException,
    ResourceNotFoundException,
    ServiceQuotaExceededException,
    ValidationException,
)
from .failback import FailbackBackend
from .paging import page
from .source_servers import QUOTA_SOURCE_SERVERS, SourceServer

QUOTA_STAGING_PAGE = 50
"""Staging accounts a page (`ListStagingAccountsRequestMaxResultsInteger`)."""


class StagingBackend(FailbackBackend):
    """Extended source servers.

    `trusted_accounts` holds the accounts that may read this one as a staging account; None: all may.
    """

    def list_staging_accounts(self, params: Params) -> Wire:
        """ListStagingAccounts: the accounts that extended source servers here come from."""
        accounts = sorted({s.staging_area["stagingAccountID"] for s in self.servers.values() if s.extended})
        items, more = page("ListStagingAccounts", params, accounts, default=QUOTA_STAGING_PAGE)
        return {"accounts": [{"accountID": account} for account in items], **more}

    def _staging(self, account_id: str) -> StagingBackend:
        if account_id == self.account_id:
            raise ValidationException("An account is no staging account of itself.")
        staging: StagingBackend = self.sibling(account_id, self.region_name)
        trusted = staging.trusted_accounts is None or self.account_id in staging.trusted_accounts
        if not staging.initialized or not trusted:
            raise AccessDeniedException(
                f"Account {self.account_id} may not read the source servers of {account_id} in {self.region_name}: "
                "make the staging account trust it, and initialise DRS there."
            )
        return staging

    def list_extensible_source_servers(self, params: Params) -> Wire:
        """ListExtensibleSourceServers: those of a staging account that are neither extended here nor extensions."""
        staging = self._staging(params["stagingAccountID"])
        here = {s.staging_area.get("stagingSourceServerArn") for s in self.servers.values()}
        found = [s for s in staging.servers.values() if not s.extended and s.arn not in here]
        items, more = page("ListExtensibleSourceServers", params, found)
        return {"items": [{"hostname": s.hostname, "arn": s.arn, "tags": s.tags} for s in items], **more}

    def create_extended_source_server(self, params: Params) -> Wire:
        """CreateExtendedSourceServer.

        The 300 replicating servers are the staging account's to keep; the 4,000 source servers are this one's.
        """
        arn = params["sourceServerArn"]
        _, _, _, region, account_id, name = arn.split(":", 5)
        if region != self.region_name:
            raise ValidationException(f"Source server {arn} is of another region than {self.region_name}.")
        staging = self._staging(account_id)
        original = staging.servers.get(name.partition("/")[2])
        if original is None:
            raise ResourceNotFoundException("SourceServer", arn)
        if original.extended:
            raise ValidationException(f"Source server {arn} is itself an extension of another.")
        if any(s.staging_area.get("stagingSourceServerArn") == arn for s in self.servers.values()):
            raise ValidationException(f"Source server {arn} is extended into this account already.")
        if len(self.servers) >= QUOTA_SOURCE_SERVERS:
            raise ServiceQuotaExceededException(
                f"This account has {QUOTA_SOURCE_SERVERS} source servers in {self.region_name}.",
                quota_code="L-E28BE5E0",
                kind="SourceServer",
            )
        server = self.extend(original, account_id, dict(params.get("tags") or {}))
        return {"sourceServer": server.wire(self.now())}

    def extend(
        self, original: SourceServer, staging_account: str, tags: dict[str, str], *, server_id: str | None = None
    ) -> SourceServer:
        """Make the extension of a staging server here; its id follows from the original's where none is given."""
        server: SourceServer = self.seed_source_server(
            hostname=original.hostname,
            source_server_id=server_id or self.identifier("s-", "extension", original.arn),
            tags={**original.tags, **tags},
            os=original.operating_system,
            ram_bytes=original.ram_bytes,
            cpus=original.cpus,
            disks=original.disks,
            ec2_instance_id=original.ec2_instance_id,
            source_region=original.source_region,
            source_account=original.source_account,
            source_instance_type=original.source_instance_type,
            private_ips=original.private_ips,
        )
        server.replication = original.replication
        server.staging_area = {
            "status": "EXTENDED",
            "stagingAccountID": staging_account,
            "stagingSourceServerArn": original.arn,
        }
        return server
