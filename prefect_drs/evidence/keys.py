"""Public keys that signatures of evidence are checked with.

In: PEM or DER of keys. Out: a `KeyRing`, which knows several keys by their ids, so that evidence stays verifiable after
a key was replaced. A key's id is the SHA-256 of its DER (SubjectPublicKeyInfo). The algorithm follows from the key
alone and is never read from what is to be verified. They are named as KMS names them (Sign, `SigningAlgorithm`).

Must never: read or hold a private key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from prefect_drs.core.canonical import sha256
from prefect_drs.core.errors import UsageError

_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_ECDSA: Mapping[str, tuple[str, hashes.HashAlgorithm]] = {
    "secp256r1": ("ECDSA_SHA_256", hashes.SHA256()),
    "secp384r1": ("ECDSA_SHA_384", hashes.SHA384()),
    "secp521r1": ("ECDSA_SHA_512", hashes.SHA512()),
}
_SUPPORTED = "Ed25519, ECDSA on P-256, P-384 or P-521, or RSA"


@dataclass(frozen=True)
class PublicKey:
    """A public key.

    Args:
        der: SubjectPublicKeyInfo.

    Raises:
        UsageError: it is none, or of a kind that is not supported.
    """

    der: bytes

    def __post_init__(self) -> None:
        _ = self.algorithm

    @cached_property
    def _key(self) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey | Ed25519PublicKey:
        try:
            key = load_der_public_key(self.der)
        except (ValueError, UnsupportedAlgorithm):
            raise UsageError(f"this is not a public key that can be read; use {_SUPPORTED}") from None
        if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _ECDSA:
            return key
        if isinstance(key, rsa.RSAPublicKey | Ed25519PublicKey):
            return key
        raise UsageError(f"public keys of this kind are not supported; use {_SUPPORTED}")

    @cached_property
    def key_id(self) -> str:
        """The SHA-256 of the key, as hex."""
        return sha256(self.der)

    @cached_property
    def algorithm(self) -> str:
        """The one algorithm that signatures of this key are made with."""
        if isinstance(self._key, ec.EllipticCurvePublicKey):
            return _ECDSA[self._key.curve.name][0]
        return "ED25519_SHA_512" if isinstance(self._key, Ed25519PublicKey) else "RSASSA_PSS_SHA_256"

    @property
    def pem(self) -> str:
        """The key as PEM."""
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def has_signed(self, message: bytes, signature: bytes) -> bool:
        """Whether this key signed the message."""
        try:
            if isinstance(self._key, ec.EllipticCurvePublicKey):
                self._key.verify(signature, message, ec.ECDSA(_ECDSA[self._key.curve.name][1]))
            elif isinstance(self._key, Ed25519PublicKey):
                self._key.verify(signature, message)
            else:
                scheme = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
                self._key.verify(signature, message, scheme, hashes.SHA256())
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class KeyRing:
    """Public keys by their ids."""

    keys: Mapping[str, PublicKey] = field(default_factory=dict)

    @classmethod
    def of(cls, keys: Iterable[PublicKey]) -> KeyRing:
        """A ring of these keys."""
        return cls({key.key_id: key for key in keys})

    @classmethod
    def load(cls, paths: Iterable[Path]) -> KeyRing:
        """The keys of PEM files; a file may hold several.

        Raises:
            UsageError: a file cannot be read, or holds no public key.
        """
        return cls.of(key for path in paths for key in public_keys_in(path))

    def __bool__(self) -> bool:
        return bool(self.keys)

    def __or__(self, other: KeyRing) -> KeyRing:
        return KeyRing({**self.keys, **other.keys})


def public_keys_in(path: Path) -> list[PublicKey]:
    """The public keys of a PEM file.

    Raises:
        UsageError: it cannot be read, holds none, or holds a private key.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"the public key cannot be read: {path}: {error.strerror or error}") from None
    found = list(_PEM.finditer(content))
    if any(b"PRIVATE" in match[1] for match in found):
        raise UsageError(f"{path} holds a private key; name its public key: `openssl pkey -in FILE -pubout`")
    if not found:
        raise UsageError(f"{path} holds no public key in PEM (-----BEGIN PUBLIC KEY-----)")
    try:
        return [public_key_of_pem(match[0]) for match in found]
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}") from None


def public_key_of_pem(pem: bytes) -> PublicKey:
    """The public key of a PEM text.

    Raises:
        UsageError: it is none, or of a kind that is not supported.
    """
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise UsageError(f"this is not a public key that can be read; use {_SUPPORTED}") from None
    return PublicKey(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
