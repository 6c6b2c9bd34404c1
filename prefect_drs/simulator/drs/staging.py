"""Staging accounts: servers that one account replicates and another launches.

An extended source server in the target account shows the replication of its staging server; its launch configuration
and its jobs belong to the target account.
"""

from __future__ import annotations

from dataclasses import dataclass

from .enrolment import Enrolment, NewSourceServer
from .exceptions import AccessDeniedException, ResourceNotFoundException, ValidationException
from .paging import answer_page
from .scope import Scope
from .siblings import Sibling, Siblings
from .source_servers import SourceServer
from .store import Store
from .wire import Params, Wire

STAGING_ACCOUNTS_A_PAGE = 50
"""Staging accounts a page (`ListStagingAccountsRequestMaxResultsInteger`)."""


@dataclass(slots=True)
class StagingAccounts:
    """Extended source servers and their staging accounts."""

    _scope: Scope
    _servers: Store[SourceServer]
    _enrolment: Enrolment
    _siblings: Siblings

    def list_staging_accounts(self, params: Params) -> Wire:
        """ListStagingAccounts: the staging accounts of the extended source servers."""
        accounts = sorted({s.staging_area["stagingAccountID"] for s in self._servers.values() if s.extended})
        return answer_page(
            "ListStagingAccounts",
            params,
            accounts,
            lambda account: {"accountID": account},
            member="accounts",
            default=STAGING_ACCOUNTS_A_PAGE,
        )

    def _staging(self, staging_account: str) -> Sibling:
        account_id, region = self._scope.place
        if staging_account == account_id:
            raise ValidationException("An account is no staging account of itself.")
        staging = self._siblings(staging_account, region)
        trusted = staging.trusted_accounts is None or account_id in staging.trusted_accounts
        if not staging.initialized or not trusted:
            raise AccessDeniedException(
                f"Account {account_id} may not read the source servers of {staging_account} in {region}: "
                "make the staging account trust it, and initialise DRS there."
            )
        return staging

    def _extended(self) -> set[str]:
        """ARNs of the source servers of staging accounts that are extended into this one."""
        return {s.staging_area["stagingSourceServerArn"] for s in self._servers.values() if s.extended}

    def list_extensible_source_servers(self, params: Params) -> Wire:
        """ListExtensibleSourceServers: a staging account's own servers that are not extended here."""
        staging = self._staging(params["stagingAccountID"])
        here = self._extended()
        found = [s for s in staging.servers.values() if not s.extended and s.arn not in here]
        return answer_page(
            "ListExtensibleSourceServers",
            params,
            found,
            lambda server: {"hostname": server.hostname, "arn": server.arn, "tags": server.tags},
        )

    def create_extended_source_server(self, params: Params) -> Wire:
        """CreateExtendedSourceServer.

        The quota of 300 replicating servers applies to the staging account, the quota of 4,000 source servers to this
        one.
        """
        arn = params["sourceServerArn"]
        _, _, _, region, account_id, name = arn.split(":", 5)
        if region != self._scope.region:
            raise ValidationException(f"Source server {arn} is of another region than {self._scope.region}.")
        original = self._staging(account_id).servers.get(name.partition("/")[2])
        if original is None:
            raise ResourceNotFoundException("SourceServer", arn)
        if original.extended:
            raise ValidationException(f"Source server {arn} is itself an extension of another.")
        if arn in self._extended():
            raise ValidationException(f"Source server {arn} is extended into this account already.")
        self._enrolment.refuse_above_quota()
        server = self.extend(original, account_id, dict(params.get("tags") or {}))
        return {"sourceServer": server.wire(self._scope.now())}

    def extend(
        self, original: SourceServer, staging_account: str, tags: dict[str, str], *, server_id: str | None = None
    ) -> SourceServer:
        """Create the extended server of a staging server; by default its id is derived from the original's."""
        server = self._enrolment.enrol(
            NewSourceServer.like(
                original,
                source_server_id=server_id or self._scope.identifier("s-", "extension", original.arn),
                tags={**original.tags, **tags},
                ec2_instance_id=original.ec2_instance_id,
                source_region=original.source_region,
                source_account=original.source_account,
                source_instance_type=original.source_instance_type,
                private_ips=original.private_ips,
            )
        )
        server.replication = original.replication
        server.staging_area = {
            "status": "EXTENDED",
            "stagingAccountID": staging_account,
            "stagingSourceServerArn": original.arn,
        }
        return server
