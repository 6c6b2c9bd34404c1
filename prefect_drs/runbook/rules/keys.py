"""Whether the KMS keys that volumes are encrypted with can be used."""

from __future__ import annotations

from collections.abc import Iterator

from prefect_drs.runbook.model import FindingSeverity
from prefect_drs.runbook.preflight_input import PreflightInput
from prefect_drs.runbook.rules.rule import Observation, rule

USES_LISTED = 3


@rule(
    "KMS_KEY_UNUSABLE",
    what="a KMS key that volumes are encrypted with (the replication configuration's, the account's default key for "
    "EBS, the launch template's) is disabled, pending deletion, missing, or no symmetric encryption key",
    remedy="enable the key or cancel its deletion (`aws kms enable-key`, `aws kms cancel-key-deletion`); data that "
    "was replicated with a deleted key cannot be launched",
)
def keys_can_be_used(preflight: PreflightInput) -> Iterator[Observation]:
    """EBS makes no volume of a snapshot whose key it cannot use (EBS user guide, "Amazon EBS encryption")."""
    for location, encryption in sorted(preflight.encryptions.items()):
        for key in encryption.keys:
            if key.problem:
                uses = encryption.uses[key.key_id]
                more = f" and {len(uses) - USES_LISTED} more" if len(uses) > USES_LISTED else ""
                yield Observation(
                    f"{location}: KMS key {key.key_id} of {', '.join(uses[:USES_LISTED])}{more} cannot encrypt "
                    f"volumes: {key.problem}",
                    location,
                )


@rule(
    "KMS_KEY_UNCHECKED",
    what="a KMS key, or which key a server's volumes are encrypted with, could not be read; or there are more "
    "servers or keys than are read (25 of each an account and region, a call each; the others are taken to "
    "have the keys of the replication configuration template)",
    remedy="allow `kms:DescribeKey`, `drs:GetReplicationConfiguration`, "
    "`drs:DescribeReplicationConfigurationTemplates` and `ec2:GetEbsDefaultKmsKeyId`, see "
    "[permissions.md](permissions.md); for further servers, `aws drs get-replication-configuration`",
    severity=FindingSeverity.INFO,
)
def keys_could_be_read(preflight: PreflightInput) -> Iterator[Observation]:
    """The state of every key could be read."""
    for location, encryption in sorted(preflight.encryptions.items()):
        for failure in encryption.failures:
            yield Observation(f"{location}: KMS keys are not checked: {failure}", location)
        if encryption.servers_not_read:
            yield Observation(
                f"{location}: the replication configurations of {encryption.servers_not_read} further server(s) were "
                "not read for their KMS keys; the replication configuration template was read instead",
                location,
            )
        if encryption.keys_not_read:
            yield Observation(f"{location}: {encryption.keys_not_read} further KMS key(s) were not read", location)
