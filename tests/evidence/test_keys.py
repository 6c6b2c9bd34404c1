"""Keys: which may sign, and which are accepted."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from prefect_drs.core.errors import AwsError, UsageError
from prefect_drs.evidence.keys import KeyRing, PublicKey, public_keys_in
from prefect_drs.evidence.signing import Signed, Statement, UnsignedError, local_signer, open_signed
from prefect_drs.orchestration.storage import anchor_settings
from tests.evidence.drilled import private_pem, ring, signer
from tests.rig import Rig

STATEMENT = Statement(type="prefect-drs/test/1", key_id=signer().public_key.key_id)


def der(key: Any) -> bytes:
    return bytes(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


@pytest.mark.parametrize(
    ("spec", "algorithm"),
    [("ECC_NIST_P256", "ECDSA_SHA_256"), ("ECC_NIST_P384", "ECDSA_SHA_384"), ("RSA_3072", "RSASSA_PSS_SHA_256")],
)
def test_a_kms_key_signs(rig: Rig, monkeypatch: pytest.MonkeyPatch, spec: str, algorithm: str) -> None:
    arn = boto3.client("kms", "eu-west-1").create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    monkeypatch.setenv("PREFECT_DRS_ANCHOR_KEY", arn)
    by_kms = anchor_settings.configured_signer()
    assert by_kms is not None
    assert (by_kms.key, by_kms.public_key.algorithm) == (arn, algorithm)
    statement = STATEMENT.model_copy(update={"key_id": by_kms.public_key.key_id, "key": arn})
    signed = by_kms.sign(statement)
    assert open_signed(signed, Signed[Statement], KeyRing.of([by_kms.public_key])) == statement
    with pytest.raises(UnsignedError, match="not among the public keys"):
        open_signed(signed, Signed[Statement], ring())


def test_a_kms_key_that_cannot_be_used_is_said_with_its_remedy(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_DRS_ANCHOR_KEY", "arn:aws:kms:eu-west-1:123456789012:key/none")
    with pytest.raises(AwsError, match="GetPublicKey"):
        anchor_settings.configured_signer()
    monkeypatch.setenv("PREFECT_DRS_ANCHOR_KEY", "arn:aws:s3:::bucket")
    with pytest.raises(UsageError, match="is no ARN of a KMS key"):
        anchor_settings.configured_signer()


def test_a_file_holds_the_key_that_openssl_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private, public = tmp_path / "key.pem", tmp_path / "key.pub.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    monkeypatch.setenv("PREFECT_DRS_ANCHOR_KEY", str(private))
    monkeypatch.setenv("PREFECT_DRS_ANCHOR_PUBLIC_KEYS", f"{public} , {public}")
    made = anchor_settings.configured_signer()
    assert made is not None
    assert list(anchor_settings.configured_keys().keys) == [made.public_key.key_id]
    assert made.public_key.pem == public.read_text()
    with pytest.raises(UsageError, match="holds a private key; name its public key"):
        public_keys_in(private)


def test_a_private_key_of_another_kind_or_none_is_refused_and_not_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for content in (pem, b"", b"secret words", private_pem()[:80]):
        with pytest.raises(UsageError, match="holds no unencrypted Ed25519 private key") as refused:
            local_signer(content, "the file")
        assert "secret words" not in str(refused.value)
    monkeypatch.setenv("PREFECT_DRS_ANCHOR_KEY", str(tmp_path / "none.pem"))
    with pytest.raises(UsageError, match=r"none\.pem cannot be read"):
        anchor_settings.configured_signer()


def test_keys_of_other_kinds_are_refused() -> None:
    with pytest.raises(UsageError, match="are not supported; use Ed25519, ECDSA on P-256"):
        PublicKey(der(ec.generate_private_key(ec.SECP256K1())))
    with pytest.raises(UsageError, match="not a public key"):
        PublicKey(b"none")
    for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()):
        assert PublicKey(der(ec.generate_private_key(curve))).algorithm.startswith("ECDSA_SHA_")
    assert PublicKey(der(rsa.generate_private_key(65537, 2048))).algorithm == "RSASSA_PSS_SHA_256"
    assert PublicKey(der(Ed25519PrivateKey.generate())).algorithm == "ED25519_SHA_512"


def test_one_file_may_hold_several_public_keys(tmp_path: Path) -> None:
    both = tmp_path / "keys.pem"
    both.write_text(signer(1).public_key.pem + "# replaced 2030-01-01\n" + signer(2).public_key.pem)
    assert KeyRing.load([both]).keys.keys() == ring(1, 2).keys.keys()
    (tmp_path / "none.pem").write_text("nothing")
    with pytest.raises(UsageError, match="holds no public key in PEM"):
        KeyRing.load([tmp_path / "none.pem"])
    with pytest.raises(UsageError, match="cannot be read"):
        KeyRing.load([tmp_path / "missing.pem"])


def test_a_signature_is_of_one_statement_of_one_kind_and_written_in_one_way() -> None:
    signed = signer().sign(STATEMENT)
    assert open_signed(signed, Signed[Statement], ring()) == STATEMENT
    for changed, code, field in (
        (signed.replace(b"test/1", b"test/2"), "BAD_SIGNATURE", "signature"),
        (signed.replace(b'{"signature"', b'{ "signature"'), "MALFORMED", ""),
        (signed.replace(b'"keyId"', b'"keyIt"'), "MALFORMED", "statement.keyId"),
        (b"[]", "MALFORMED", ""),
        (signed.replace(b'"signature":"', b'"signature":"A'), "BAD_SIGNATURE", "signature"),
    ):
        with pytest.raises(UnsignedError) as refused:
            open_signed(changed, Signed[Statement], ring())
        assert (refused.value.code, refused.value.field) == (code, field)
