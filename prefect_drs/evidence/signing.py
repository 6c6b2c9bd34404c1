"""Signed statements: what was signed, by which key, and the signature.

In: a statement and a `Signer`. Out: canonical bytes of a `Signed` object; and back, checked. A signer is a function
that signs bytes, with the public key of it: an Ed25519 key in this process, or `kms:Sign`.

Must never: write a private key anywhere, or quote one in an error.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from pydantic import ValidationError

from prefect_drs.core.canonical import canonical_json
from prefect_drs.core.errors import UsageError
from prefect_drs.core.models import FrozenModel
from prefect_drs.evidence.keys import KeyRing, PublicKey


class Statement(FrozenModel):
    """What every signed statement says: what it is, whose key signs it.

    `type` separates kinds of statements, so that a signature of one is never one of another. `key`: the ARN of a KMS
    key; empty for a local one.
    """

    type: str
    key_id: str
    key: str = ""


_Kind = TypeVar("_Kind", bound=Statement)


class Signed(FrozenModel, Generic[_Kind]):
    """A statement and its signature, as base64. The signature is of the statement's canonical JSON."""

    statement: _Kind
    signature: str


@dataclass(frozen=True)
class Signer:
    """Signs statements.

    Args:
        public_key: of the key that signs.
        sign_bytes: signs a message of at most 4,096 bytes; may raise any error.
        key: the ARN of a KMS key; empty for a local one.
    """

    public_key: PublicKey
    sign_bytes: Callable[[bytes], bytes]
    key: str = ""

    def sign(self, statement: Statement) -> bytes:
        """The signed statement, as canonical JSON."""
        signature = base64.b64encode(self.sign_bytes(canonical_json(statement))).decode()
        return canonical_json({"statement": statement.model_dump(mode="json", by_alias=True), "signature": signature})


def local_signer(pem: bytes, where: str) -> Signer:
    """A signer with an Ed25519 key of this process.

    Args:
        pem: the private key, unencrypted PKCS #8.
        where: where it comes from, for errors.

    Raises:
        UsageError: it is no such key.
    """
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(
            f"{where} holds no unencrypted Ed25519 private key in PEM; make one: "
            "`openssl genpkey -algorithm ed25519 -out FILE`"
        )
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Signer(PublicKey(public), key.sign)


class UnsignedError(Exception):
    """Why a signed statement does not hold. `code`: stable; `field`: the member that does not hold."""

    def __init__(self, code: str, field: str, why: str) -> None:
        super().__init__(why)
        self.code = code
        self.field = field


def open_signed(content: bytes, kind: type[Signed[_Kind]], ring: KeyRing) -> _Kind:
    """The statement of a signed object.

    Raises:
        UnsignedError: it is not one, not in its canonical form, of an unknown key, or the signature is not of that key.
    """
    try:
        signed = kind.model_validate_json(content)
    except ValidationError as fault:
        first = fault.errors(include_url=False, include_input=False)[0]
        raise UnsignedError("MALFORMED", ".".join(map(str, first["loc"])), str(first["msg"])) from None
    if canonical_json(signed) != content:
        raise UnsignedError("MALFORMED", "", "its bytes are not the canonical form of what they say")
    statement = signed.statement
    if (key := ring.keys.get(statement.key_id)) is None:
        why = f"it is signed by key {statement.key_id}, which is not among the public keys given"
        raise UnsignedError("UNKNOWN_KEY", "statement.keyId", why)
    try:
        signature = base64.b64decode(signed.signature, validate=True)
    except (binascii.Error, ValueError):
        signature = b""
    canonical = base64.b64encode(signature).decode() == signed.signature
    if not canonical or not key.has_signed(canonical_json(statement), signature):
        raise UnsignedError("BAD_SIGNATURE", "signature", "the signature is not that of its key over its statement")
    return statement
