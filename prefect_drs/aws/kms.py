"""KMS as anchors need it: the public key of a signing key, and signatures.

In: `Sessions` and a key's ARN, which says its region. Out: bytes, or an `AwsError`. The caller's own credentials are
used, whichever account the key is in: the key's policy allows them (kms:Sign, kms:GetPublicKey), so that the key may be
in an account that no recovery touches.
"""

from __future__ import annotations

import re
from typing import Any

from prefect_drs.aws.errors import aws_call
from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.errors import UsageError

_ARN = re.compile(r"arn:aws[a-z-]*:kms:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):(?:key|alias)/[\w/-]+")
MESSAGE_AT_MOST = 4096  # Sign, API reference: a RAW message


def is_kms_arn(text: str) -> bool:
    """Whether the text is meant as the ARN of a key."""
    return text.startswith("arn:")


def public_key_of(sessions: Sessions, key_arn: str) -> bytes:
    """The public key of a KMS key, as DER (GetPublicKey).

    Raises:
        UsageError: it is no ARN of a key.
        AwsError: KMS refused or could not be reached.
    """
    client, where = _client(sessions, key_arn)
    with aws_call("GetPublicKey", *where, key_arn=key_arn):
        return bytes(client.get_public_key(KeyId=key_arn)["PublicKey"])


def sign(sessions: Sessions, key_arn: str, message: bytes, algorithm: str) -> bytes:
    """The signature of a message by a KMS key (Sign).

    Args:
        sessions: the caller's credentials.
        key_arn: the key.
        message: at most 4,096 bytes.
        algorithm: as KMS names it, such as `ECDSA_SHA_256`.

    Raises:
        UsageError: it is no ARN of a key.
        AwsError: KMS refused or could not be reached.
    """
    client, where = _client(sessions, key_arn)
    with aws_call("Sign", *where, key_arn=key_arn):
        answer = client.sign(KeyId=key_arn, Message=message, MessageType="RAW", SigningAlgorithm=algorithm)
        return bytes(answer["Signature"])


def _client(sessions: Sessions, key_arn: str) -> tuple[Any, tuple[str, str]]:
    if (match := _ARN.fullmatch(key_arn)) is None:
        raise UsageError(
            f"{key_arn!r} is no ARN of a KMS key, such as "
            "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
        )
    return sessions.client("kms", region=match["region"]), (match["account"], match["region"])
