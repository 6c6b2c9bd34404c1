"""`prefect-drs token` prints a proof of the caller's AWS identity and sends nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from prefect_drs.aws.identity_request import sts_endpoints
from prefect_drs.cli import main
from prefect_drs.identity.sts_proof import read_token


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


def test_the_token_is_the_only_line_and_is_for_the_audience_that_was_named(capsys: pytest.CaptureFixture[str]):
    assert main(["token", "--audience", "dr.example.com"]) == 0
    out, err = capsys.readouterr()
    (token,) = out.splitlines()
    assert err == ""
    now = datetime.now(UTC)
    proof = read_token(token, audience="dr.example.com", endpoints=sts_endpoints("aws"), now=now)
    assert proof.endpoint == "https://sts.eu-central-1.amazonaws.com"
    assert 290 <= (proof.expires_at - now).total_seconds() <= 300


def test_an_audience_that_no_header_can_carry_is_wrong_usage(capsys: pytest.CaptureFixture[str]):
    assert main(["token", "--audience", "two words"]) == 2
    assert "--audience" in capsys.readouterr().err


def test_without_credentials_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    assert main(["token"]) == 6
    assert "credentials" in capsys.readouterr().err
