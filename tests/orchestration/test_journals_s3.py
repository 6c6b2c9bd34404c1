"""A journal in S3 that throttles, fails, denies or loses answers: no fork, nothing written twice, one line said."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from prefect_aws import AwsCredentials, S3Bucket
from prefect_aws.client_parameters import AwsClientParameters

from prefect_drs.execution.events import CancelAsked, Event
from prefect_drs.orchestration.storage.s3_journal import S3Storage
from prefect_drs.recovery.journal import FencedError, JournalDamagedError, JournalUnavailableError, StoredJournal
from prefect_drs.simulator import StepClock
from prefect_drs.simulator.server import SandboxServer
from tests.http_proxy import Proxy, http_proxy
from tests.rig import aws_environment

AT = datetime(2030, 1, 1, tzinfo=UTC)
EXECUTION = "exec-1"
KEY = "/journals/drs/exec-1/"
SECRET = "SECRET-access-key-of-a-test"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    with aws_environment(), SandboxServer(clock=StepClock()) as server:
        yield server


@pytest.fixture
def proxy(sandbox: SandboxServer) -> Iterator[Proxy]:
    s3 = boto3.client("s3", "us-east-1", endpoint_url=sandbox.endpoint_url)
    s3.create_bucket(Bucket="journals")
    with http_proxy(sandbox.endpoint_url) as proxy:
        yield proxy
    for found in s3.list_objects_v2(Bucket="journals").get("Contents", []):
        s3.delete_object(Bucket="journals", Key=found["Key"])


def storage(proxy: Proxy, *, attempts: int = 1, bucket: str = "journals") -> S3Storage:
    parameters = AwsClientParameters(
        endpoint_url=proxy.url,
        config={"retries": {"total_max_attempts": attempts}, "read_timeout": 10, "s3": {"addressing_style": "path"}},
    )
    credentials = AwsCredentials(
        region_name="us-east-1",
        aws_access_key_id="AKIATEST",
        aws_secret_access_key=SECRET,  # type: ignore[arg-type]
        aws_client_parameters=parameters,
    )
    return S3Storage(S3Bucket(bucket_name=bucket, bucket_folder="drs", credentials=credentials))


def journal(proxy: Proxy, **options: Any) -> StoredJournal:
    return StoredJournal(storage(proxy, **options), EXECUTION, holder=f"holder {random.random()}")


def asked(by: str) -> Event:
    return CancelAsked(at=AT, by=by)


def puts(proxy: Proxy) -> Counter[str]:
    """How often each object was really created."""
    return Counter(path for method, path, status in proxy.requests if method == "PUT" and status == 200)


def said(refused: pytest.ExceptionInfo[JournalUnavailableError]) -> str:
    text = refused.value.message
    assert "\n" not in text
    assert SECRET not in text
    return text


@pytest.mark.parametrize(("status", "code"), [(500, "InternalError"), (503, "SlowDown"), (503, "ServiceUnavailable")])
def test_a_failure_that_passes_is_tried_again_and_written_once(proxy: Proxy, status: int, code: str) -> None:
    writer = journal(proxy, attempts=3)
    proxy.plant("PUT", "refuse", status=status, code=code)
    writer.append([asked("a")])
    proxy.plant("GET", "refuse", status=status, code=code)
    assert journal(proxy, attempts=3).read() == (asked("a"),)
    assert puts(proxy) == {f"{KEY}00000001.json": 1}


@pytest.mark.parametrize("attempts", [1, 3])
def test_a_put_whose_answer_is_lost_is_read_back_and_counts_once(proxy: Proxy, attempts: int) -> None:
    writer = journal(proxy, attempts=attempts)
    proxy.plant("PUT", "lose")
    writer.append([asked("a")])
    writer.append([asked("b")])
    assert journal(proxy).read() == (asked("a"), asked("b"))
    assert puts(proxy) == {f"{KEY}00000001.json": 1, f"{KEY}00000002.json": 1}


def test_a_lost_answer_that_cannot_be_read_back_ends_the_writing_and_the_next_process_sees_it(proxy: Proxy) -> None:
    writer = journal(proxy)
    writer.append([asked("a")])
    proxy.plant("PUT", "lose")
    proxy.plant("GET", "refuse", times=2)
    with pytest.raises(JournalUnavailableError) as refused:
        writer.append([asked("b")])
    assert "s3://journals/drs/exec-1/00000002.json" in said(refused)
    with pytest.raises(JournalUnavailableError):  # the same process goes on with nothing
        writer.append([asked("c")])
    proxy.faults.clear()
    resumed = journal(proxy)
    assert resumed.read() == (asked("a"), asked("b"))
    resumed.append([asked("d")])
    assert journal(proxy).read() == (asked("a"), asked("b"), asked("d"))


def test_of_two_writers_one_whose_answer_is_lost_still_fences_the_other(proxy: Proxy) -> None:
    first, second = journal(proxy), journal(proxy)
    proxy.plant("PUT", "lose")
    first.append([asked("a")])
    with pytest.raises(FencedError):
        second.append([asked("b")])
    assert journal(proxy).read() == (asked("a"),)


def test_a_lost_answer_of_an_object_that_another_wrote_fences(proxy: Proxy) -> None:
    first, second = journal(proxy), journal(proxy)
    first.append([asked("a")])
    proxy.plant("PUT", "lose")
    with pytest.raises(FencedError):
        second.append([asked("b")])
    assert journal(proxy).read() == (asked("a"),)


def test_a_conflict_with_another_conditional_put_is_sent_again(proxy: Proxy) -> None:
    writer = journal(proxy)
    conflict = proxy.plant("PUT", "refuse", status=409, code="ConditionalRequestConflict", times=3)
    writer.append([asked("a")])
    assert conflict.hits == 3
    assert journal(proxy).read() == (asked("a"),)
    proxy.plant("PUT", "refuse", status=409, code="ConditionalRequestConflict", times=99)
    with pytest.raises(JournalUnavailableError) as refused:
        writer.append([asked("b")])
    assert "ConditionalRequestConflict" in said(refused)


@pytest.mark.parametrize(
    ("status", "code", "remedy"),
    [
        (403, "AccessDenied", r"allow s3:GetObject, s3:PutObject and s3:ListBucket"),
        (403, "InvalidAccessKeyId", r"renew or correct the credentials"),
        (403, "SignatureDoesNotMatch", r"correct the secret access key"),
        (400, "ExpiredToken", r"renew the credentials"),
        (503, "SlowDown", r"try again later"),
        (500, "InternalError", r"read back what was done"),
    ],
)
@pytest.mark.parametrize("call", ["read", "list", "append"])
def test_what_s3_refuses_is_one_line_with_address_reason_and_remedy(
    proxy: Proxy, status: int, code: str, remedy: str, call: str
) -> None:
    written = journal(proxy)
    written.append([asked("a")])
    path = {"read": "/drs/", "list": "list-type", "append": ""}[call]
    proxy.plant("PUT" if call == "append" else "GET", "refuse", path=path, status=status, code=code, times=99)
    tried = (lambda: written.append([asked("b")])) if call == "append" else journal(proxy).read
    with pytest.raises(JournalUnavailableError, match=f"{code}: as planted.*{remedy}") as refused:
        tried()
    assert "s3://journals/drs" in said(refused)
    assert ("then go on with `prefect-drs resume exec-1`" in said(refused)) is (call == "append")


def test_a_bucket_that_is_not_there_is_no_empty_journal(proxy: Proxy) -> None:
    gone = journal(proxy, bucket="there-is-none")
    with pytest.raises(JournalUnavailableError, match=r"s3://there-is-none/.*NoSuchBucket") as refused:
        gone.read()
    said(refused)
    with pytest.raises(JournalUnavailableError, match="NoSuchBucket"):
        gone.append([asked("a")])


def test_an_endpoint_where_nobody_listens_is_told(proxy: Proxy, sandbox: SandboxServer) -> None:
    nobody = Proxy("", url="http://127.0.0.1:9")
    with pytest.raises(JournalUnavailableError, match=r"Could not connect.*check network") as refused:
        journal(nobody).read()
    said(refused)


def test_a_body_that_breaks_off_is_read_again_and_never_taken_for_the_object(proxy: Proxy) -> None:
    journal(proxy).append([asked("a" * 300)])
    proxy.plant("GET", "cut", path="00000001.json", times=2)
    assert journal(proxy).read() == (asked("a" * 300),)
    proxy.plant("GET", "cut", path="00000001.json", times=99)
    with pytest.raises(JournalUnavailableError, match="cannot be read") as refused:
        journal(proxy).read()
    said(refused)


def test_a_missing_object_in_the_middle_is_found(proxy: Proxy, sandbox: SandboxServer) -> None:
    writer = journal(proxy)
    for by in "abcdef":
        writer.append([asked(by)])
    s3 = boto3.client("s3", "us-east-1", endpoint_url=sandbox.endpoint_url)
    for number in (2, 3, 4):
        s3.delete_object(Bucket="journals", Key=f"drs/exec-1/{number:08d}.json")
    with pytest.raises(JournalDamagedError, match=r"exec-1/00000002\.json is missing"):
        journal(proxy).read()


def test_under_any_storm_of_faults_the_chain_stays_one_and_holds_what_was_acknowledged(proxy: Proxy) -> None:
    chance = random.Random(11)
    acknowledged: list[str] = []
    for process in range(7):  # a process writes until it fails, then the next one takes over
        proxy.faults.clear()
        writer, rival = journal(proxy), journal(proxy)
        writer.read()
        rival.read()
        for _ in range(6):
            if chance.random() < 0.6:
                proxy.plant("PUT", chance.choice(("refuse", "lose", "lose")), status=chance.choice((500, 503)))
            if chance.random() < 0.5:
                proxy.plant("GET", chance.choice(("refuse", "lose", "cut")), times=chance.randrange(1, 4))
            name = f"{process}.{len(acknowledged)}"
            try:
                writer.append([asked(name)])
            except JournalUnavailableError:
                break
            acknowledged.append(name)
        proxy.faults.clear()
        if acknowledged and acknowledged[-1].startswith(f"{process}."):
            with pytest.raises(FencedError):
                rival.append([asked("rival")])
        kept = [event.by for event in journal(proxy).read() if isinstance(event, CancelAsked)]
        assert [name for name in kept if name in set(acknowledged)] == acknowledged
        assert len(set(kept)) == len(kept)
    assert len(acknowledged) > 3
    assert set(puts(proxy).values()) == {1}
