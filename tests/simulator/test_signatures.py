"""The sandbox's STS checks the signatures of GetCallerIdentity, in the header and in the query, as AWS's does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from prefect_drs.aws.identity_request import read_sts_answer, sign_identity_request
from prefect_drs.operations.sandbox import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from prefect_drs.simulator import StepClock, mock_drs, plant_role
from prefect_drs.simulator.runtime import WELL_KNOWN_KEYS
from prefect_drs.simulator.server import SandboxServer

REGION = "eu-central-1"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(clock=StepClock()) as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", running.endpoint_url)
        yield running


def session(*keys: str) -> boto3.Session:
    return boto3.Session(*(keys or ("testing", "testing")), region_name=REGION)


def ask(signer: boto3.Session, *, age: timedelta = timedelta(0), **changed: str) -> str:
    """The ARN, or the error's code, that STS answers a presigned request with."""
    url = sign_identity_request({"x-audience": "a"}, at=datetime.now(UTC) - age, seconds=60, session=signer)
    answer = httpx.get(url, headers={"x-audience": "a", **{name.replace("_", "-"): v for name, v in changed.items()}})
    found = read_sts_answer(answer.status_code, answer.content)
    assert found is not None
    return found.arn or f"{answer.status_code} {found.error}"


def by_header(signer: boto3.Session) -> str:
    try:
        return str(signer.client("sts").get_caller_identity()["Arn"])
    except ClientError as error:
        return f"{error.response['ResponseMetadata']['HTTPStatusCode']} {error.response['Error']['Code']}"


def test_the_keys_of_the_sandbox_are_known_to_it():
    assert WELL_KNOWN_KEYS[ACCESS_KEY_ID] == SECRET_ACCESS_KEY


@pytest.mark.parametrize("way", [ask, by_header])
def test_a_signature_counts_by_the_secret_of_its_key(sandbox: SandboxServer, way):
    iam = session().client("iam")
    name = f"ada-{way.__name__}"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    assert way(session(key["AccessKeyId"], key["SecretAccessKey"])) == f"arn:aws:iam::123456789012:user/{name}"
    assert way(session(key["AccessKeyId"], "wrong")) == "403 SignatureDoesNotMatch"
    iam.update_access_key(UserName=name, AccessKeyId=key["AccessKeyId"], Status="Inactive")
    refused = way(session(key["AccessKeyId"], key["SecretAccessKey"]))
    assert refused == ("403 InvalidClientTokenId" if way is ask else f"arn:aws:iam::123456789012:user/{name}")


@pytest.mark.parametrize("way", [ask, by_header])
def test_a_session_counts_with_its_own_token_only(sandbox: SandboxServer, way):
    role = plant_role("222222222222", "Operators")
    got = session().client("sts").assume_role(RoleArn=role, RoleSessionName="ada")["Credentials"]
    keys = got["AccessKeyId"], got["SecretAccessKey"]
    assert way(session(*keys, got["SessionToken"])) == "arn:aws:sts::222222222222:assumed-role/Operators/ada"
    assert way(session(*keys, "another")) == "403 InvalidClientTokenId"
    assert way(session(*keys)) == "403 InvalidClientTokenId"


def test_a_presigned_request_counts_for_fifteen_minutes(sandbox: SandboxServer):
    assert ask(session(), age=timedelta(minutes=14)).startswith("arn:")
    assert ask(session(), age=timedelta(minutes=16)) == "403 SignatureDoesNotMatch"
    assert ask(session(), age=timedelta(minutes=-16)) == "403 SignatureDoesNotMatch"


def test_a_presigned_request_of_a_key_that_nobody_issued_is_refused(sandbox: SandboxServer):
    assert ask(session("AKIAUNKNOWN000000000", "secret")) == "403 InvalidClientTokenId"
    assert by_header(session("AKIAUNKNOWN000000000", "secret")).startswith("arn:")  # as everywhere in the sandbox


def test_a_changed_header_or_parameter_breaks_the_signature(sandbox: SandboxServer):
    assert ask(session(), x_audience="b") == "403 SignatureDoesNotMatch"
    url = sign_identity_request({"x-audience": "a"}, at=datetime.now(UTC), seconds=60, session=session())
    answer = httpx.get(url.replace("Expires=60", "Expires=900"), headers={"x-audience": "a"})
    assert answer.status_code == 403


def test_signatures_are_checked_within_mock_aws_too():
    with mock_drs(), pytest.MonkeyPatch.context() as patch:
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        assert by_header(session()).startswith("arn:")
        assert by_header(session("testing", "wrong")) == "403 SignatureDoesNotMatch"
