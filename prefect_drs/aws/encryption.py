"""KMS keys that the volumes of recovery instances are encrypted with, and whether they can be used.

In: `Sessions`, a `Location`, source servers and their launch templates. Out: the keys with what uses them, each key's
state, and what could not be read. Reads only.

DRS encrypts by the replication configuration of each server: `CUSTOM` names a key, `DEFAULT` is the account's own for
EBS in that region, `NONE` encrypts nothing (`ReplicationConfiguration.ebsEncryption` in the DRS model). A launch
template may name keys in its block devices. Reading a server's configuration takes a call a server, so only some are
read; the others are taken to have what the account's template gave them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prefect_drs.aws.errors import NotFoundError, aws_call
from prefect_drs.aws.parallel import map_parallel
from prefect_drs.core.errors import AwsError

if TYPE_CHECKING:
    from prefect_drs.aws.location import Location
    from prefect_drs.aws.sessions import Sessions

CONFIGURATIONS_READ = 25  # servers an account-region whose replication configuration is read, a call each
KEYS_READ = 25  # keys an account-region whose state is read, a call each
READERS = 8
AWS_MANAGED_KEY = "alias/aws/ebs"
"""AWS's own key for EBS, which is always there (EC2 API reference, GetEbsDefaultKmsKeyId)."""
USABLE_STATES = frozenset({"Enabled", "Updating"})
"""`KeyState`s in which KMS encrypts and decrypts (KMS developer guide, "Key states of AWS KMS keys")."""
MISSING = "missing"


@dataclass(frozen=True, slots=True)
class KmsKey:
    """A key and whether EBS can use it.

    Args:
        key_id: as the configuration names it: an id, an ARN, an alias.
        state: KMS's `KeyState`, or `missing`.
        symmetric: it is a symmetric key for encryption, the only kind that EBS takes.
    """

    key_id: str
    state: str
    symmetric: bool = True

    @property
    def problem(self) -> str:
        """Why EBS cannot use it, with the remedy; empty where it can."""
        if self.state == MISSING:
            return "there is no such key; have the server replicate with another key"
        if self.state not in USABLE_STATES:
            return f"its state is {self.state}; enable it or cancel its deletion in KMS"
        return "" if self.symmetric else "it is no symmetric encryption key, and EBS takes no other; name another key"


@dataclass(frozen=True, slots=True)
class Encryption:
    """The KMS keys that volumes of an account and region are encrypted with.

    Args:
        keys: those that were read.
        uses: what uses each key, by key id, in words.
        servers_not_read: how many servers' replication configurations were not read.
        keys_not_read: how many keys were not read.
        failures: what could not be read, without repetitions.
    """

    keys: tuple[KmsKey, ...] = ()
    uses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    servers_not_read: int = 0
    keys_not_read: int = 0
    failures: tuple[str, ...] = ()


def read_encryption(
    sessions: Sessions,
    location: Location,
    servers: Sequence[tuple[str, str]],
    templates: Mapping[str, Mapping[str, Any]],
) -> Encryption:
    """The keys that those servers' volumes will be encrypted with, and their states.

    Never raises an `AwsError`: what could not be read is in the answer.

    Args:
        sessions: the way into the account.
        location: where the servers are launched.
        servers: source server id and name of each; of one that is extended from a staging account, leave it out: its
            replication is configured there.
        templates: launch template data by source server id.
    """
    reading = _Reading(sessions, location)
    chosen = servers[:CONFIGURATIONS_READ]
    for (server_id, name), answer in zip(chosen, map_parallel(reading.configuration, chosen, READERS), strict=True):
        reading.note(answer, f"the replication of {name} ({server_id})")
    if len(servers) > len(chosen):
        for answer in reading.templates():
            reading.note(answer, "the replication configuration template")
    for server_id, data in templates.items():
        for key_id in _template_keys(data):
            reading.use(key_id, f"the launch template of {server_id}")
    keys = sorted(reading.uses)
    states = map_parallel(reading.key, keys[:KEYS_READ], READERS)
    return Encryption(
        keys=tuple(key for key in states if key is not None),
        uses={key: tuple(words) for key, words in reading.uses.items()},
        servers_not_read=len(servers) - len(chosen),
        keys_not_read=max(0, len(keys) - KEYS_READ),
        failures=tuple(reading.failures),
    )


def _template_keys(data: Mapping[str, Any]) -> Iterable[str]:
    for device in data.get("BlockDeviceMappings") or ():
        key_id = (device.get("Ebs") or {}).get("KmsKeyId")
        if key_id:
            yield str(key_id)


@dataclass(slots=True)
class _Reading:
    """The reads in one account and region, and what they found."""

    sessions: Sessions
    location: Location
    uses: dict[str, dict[str, None]] = field(default_factory=dict)
    failures: dict[str, None] = field(default_factory=dict)
    _default: str | None = None

    def use(self, key_id: str, word: str) -> None:
        """Note that something uses a key."""
        self.uses.setdefault(key_id, {})[word] = None

    def note(self, answer: Mapping[str, Any] | AwsError, word: str) -> None:
        """Note which key a replication configuration names."""
        if isinstance(answer, AwsError):
            self.failures[answer.message] = None
        elif answer.get("ebsEncryption") == "CUSTOM" and answer.get("ebsEncryptionKeyArn"):
            self.use(answer["ebsEncryptionKeyArn"], word)
        elif answer.get("ebsEncryption") == "DEFAULT":
            key_id = self._ebs_default()
            if key_id and not key_id.endswith(AWS_MANAGED_KEY):
                self.use(key_id, f"{word}, by the account's default key for EBS")

    def configuration(self, server: tuple[str, str]) -> Mapping[str, Any] | AwsError:
        """The replication configuration of one server."""
        try:
            with aws_call("GetReplicationConfiguration", self.location.account_id, self.location.region):
                drs = self.sessions.client("drs", **self.location._asdict())
                return drs.get_replication_configuration(sourceServerID=server[0])
        except AwsError as error:
            return error

    def templates(self) -> list[Mapping[str, Any] | AwsError]:
        """The replication configuration templates: DRS has one an account and region."""
        try:
            with aws_call("DescribeReplicationConfigurationTemplates", self.location.account_id, self.location.region):
                drs = self.sessions.client("drs", **self.location._asdict())
                paginator = drs.get_paginator("describe_replication_configuration_templates")
                return [item for page in paginator.paginate() for item in page["items"]]
        except AwsError as error:
            return [error]

    def _ebs_default(self) -> str:
        """The account's default key for EBS, read once; empty where it could not be read."""
        if self._default is None:
            try:
                with aws_call("GetEbsDefaultKmsKeyId", self.location.account_id, self.location.region):
                    ec2 = self.sessions.client("ec2", **self.location._asdict())
                    self._default = ec2.get_ebs_default_kms_key_id().get("KmsKeyId", "")
            except AwsError as error:
                self._default = ""
                self.failures[error.message] = None
        return self._default

    def key(self, key_id: str) -> KmsKey | None:
        """A key's state; None where KMS does not give it, which is recorded as a failure."""
        try:
            with aws_call("DescribeKey", self.location.account_id, self.location.region, key_id=key_id):
                kms = self.sessions.client("kms", **self.location._asdict())
                answer = kms.describe_key(KeyId=key_id)["KeyMetadata"]
        except NotFoundError:
            return KmsKey(key_id, MISSING)
        except AwsError as error:
            self.failures[f"key {key_id}: {error.message}"] = None
            return None
        symmetric = answer.get("KeySpec", answer.get("CustomerMasterKeySpec")) in {None, "SYMMETRIC_DEFAULT"}
        state = answer.get("KeyState") or ("Enabled" if answer.get("Enabled", True) else "Disabled")
        return KmsKey(key_id, state, symmetric and answer.get("KeyUsage", "ENCRYPT_DECRYPT") == "ENCRYPT_DECRYPT")
