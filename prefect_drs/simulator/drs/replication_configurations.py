"""Replication configurations: how source servers replicate, and the retention of points in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .exceptions import ValidationException
from .replication import DEFAULT_PIT_POLICY
from .source_servers import SourceServer
from .store import Store
from .wire import Params, Wire, given

DEFAULT_REPLICATION: Wire = {
    "associateDefaultSecurityGroup": True,
    "replicationServersSecurityGroupsIDs": [],
    "replicationServerInstanceType": "t3.small",
    "useDedicatedReplicationServer": False,
    "defaultLargeStagingDiskType": "AUTO",
    "ebsEncryption": "DEFAULT",
    "bandwidthThrottling": 0,
    "dataPlaneRouting": "PRIVATE_IP",
    "createPublicIP": False,
    "stagingAreaTags": {},
    "pitPolicy": [dict(rule) for rule in DEFAULT_PIT_POLICY],
    "autoReplicateNewDisks": True,
    "internetProtocol": "IPV4",
}
REPLICATION_FIELDS = ("stagingAreaSubnetId", "ebsEncryptionKeyArn", *DEFAULT_REPLICATION)


def check_pit_policy(policy: list[dict[str, Any]] | None) -> None:
    """Refuse a policy whose minute rule is not the only one that AWS allows (every 10 minutes for an hour).

    Raises:
        ValidationException: DRS does not allow the rule.
    """
    for rule in policy or ():
        if rule["units"] == "MINUTE" and (rule["interval"], rule["retentionDuration"]) != (10, 60):
            raise ValidationException(
                "The MINUTE rule of a point in time policy is every 10 minutes, kept for 60.",
                fields={"pitPolicy": "interval must be 10 and retentionDuration 60 for units MINUTE"},
            )


@dataclass(slots=True)
class ReplicationConfigurations:
    """The operations on the replication configuration of a source server."""

    _servers: Store[SourceServer]

    def get_replication_configuration(self, params: Params) -> Wire:
        """GetReplicationConfiguration."""
        return self._servers.one(params["sourceServerID"]).replication_configuration()

    def update_replication_configuration(self, params: Params) -> Wire:
        """UpdateReplicationConfiguration: omitted members keep their values."""
        server = self._servers.one(params["sourceServerID"])
        check_pit_policy(params.get("pitPolicy"))
        server.replication_settings.update(given(params, (*REPLICATION_FIELDS, "name", "replicatedDisks")))
        return server.replication_configuration()
