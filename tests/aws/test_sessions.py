"""The way into every account: whose credentials, which role, how often a request is sent, and what errors say."""

from __future__ import annotations

import logging
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import boto3
import pytest
from pydantic import SecretStr

from prefect_drs.aws.assume_role import assumed_session
from prefect_drs.aws.errors import CredentialsError, RoleAssumptionError, UnreachableError, aws_call, is_ambiguous
from prefect_drs.aws.regions import drs_regions
from prefect_drs.aws.sessions import (
    AccountAccess,
    Sessions,
    SourceCredentials,
    orchestration_role_arn,
)
from prefect_drs.core.errors import AwsError, UsageError
from prefect_drs.core.escaping import role_session_name
from prefect_drs.simulator import Sandbox, SpeedClock, mock_drs, plant_role
from prefect_drs.simulator.roles import remove_role
from tests.aws.conftest import Endpoint

CALLER = "123456789012"
TARGET = "222222222222"
REGION = "eu-west-1"
SECRET = "correct-horse-battery"
IDENTITY = (
    "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>{}</Account><Arn>arn:aws:iam::1:user/u</Arn>"
    "<UserId>U</UserId></GetCallerIdentityResult></GetCallerIdentityResponse>"
)


def make_role(name: str, external_id: str | None, account_id: str = TARGET) -> None:
    """A role in another account that the caller's account may assume."""
    plant_role(account_id, name, external_id=external_id)


def identity(sessions: Sessions, account_id: str | None, region: str = REGION) -> str:
    with aws_call("GetCallerIdentity", account_id, region):
        return sessions.client("sts", account_id=account_id, region=region).get_caller_identity()["Arn"]


# ---- whose credentials -------------------------------------------------------------------------------------------


def test_the_callers_own_account_is_entered_without_a_role() -> None:
    with mock_drs():
        sessions = Sessions()
        assert sessions.caller_account_id == CALLER
        assert "assumed-role" not in identity(sessions, None)
        assert "assumed-role" not in identity(sessions, CALLER)


def test_another_account_is_entered_by_the_role_by_convention_named_for_the_execution() -> None:
    with mock_drs():
        make_role("DRSOrchestrationRole", SECRET)
        access = AccountAccess(TARGET, external_id=SecretStr(SECRET))
        sessions = Sessions([access], session_name="execution 7")
        assert identity(sessions, TARGET) == f"arn:aws:sts::{TARGET}:assumed-role/DRSOrchestrationRole/execution-7"


def test_an_account_may_have_a_role_of_its_own() -> None:
    with mock_drs():
        make_role("Recovery", None)
        make_role("HubRole", None)
        custom = Sessions([AccountAccess(TARGET, role_arn=f"arn:aws:iam::{TARGET}:role/Recovery")])
        assert ":assumed-role/Recovery/" in identity(custom, TARGET)
        assert ":assumed-role/HubRole/" in identity(Sessions(role_name="HubRole"), TARGET)
        assert ":assumed-role/HubRole/" in identity(Sessions([AccountAccess(TARGET, role_name="HubRole")]), TARGET)


def test_an_account_may_be_entered_from_other_credentials_by_way_of_a_hub_role() -> None:
    with mock_drs():
        make_role("Hub", "hub-id", account_id="111111111111")
        make_role("DRSOrchestrationRole", SECRET)
        from moto.iam.models import iam_backends

        role = iam_backends[TARGET]["aws"].get_role("DRSOrchestrationRole")
        role.assume_role_policy_document = role.assume_role_policy_document.replace(CALLER, "111111111111")
        source = SourceCredentials(
            access_key_id="AKIAHUB",
            secret_access_key=SecretStr(SECRET),
            role_arn="arn:aws:iam::111111111111:role/Hub",
            external_id=SecretStr("hub-id"),
        )
        sessions = Sessions([AccountAccess(TARGET, external_id=SecretStr(SECRET), source=source)])
        assert f":sts::{TARGET}:assumed-role/DRSOrchestrationRole/" in identity(sessions, TARGET)


def test_govcloud_and_china_have_their_own_partition_in_a_roles_arn() -> None:
    assert orchestration_role_arn(TARGET) == f"arn:aws:iam::{TARGET}:role/DRSOrchestrationRole"
    assert orchestration_role_arn(TARGET, "aws-us-gov").startswith("arn:aws-us-gov:iam::")
    with mock_drs(), pytest.raises(RoleAssumptionError, match="arn:aws-us-gov:iam::222222222222:role/"):
        identity(Sessions(), TARGET, "us-gov-west-1")


def test_the_session_name_is_what_sts_accepts() -> None:
    assert role_session_name("exec/7 für") == "exec-7-f-r"
    assert role_session_name("x") == "x-"
    assert len(role_session_name("e" * 100)) == 64


@pytest.mark.parametrize("account_id", ["", "12345", "12345678901x", "1234567890123"])
def test_an_account_id_has_twelve_digits(account_id: str) -> None:
    with pytest.raises(UsageError, match="12 digits"):
        AccountAccess(account_id)


def test_the_same_account_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="222222222222 is given twice"):
        Sessions([AccountAccess(TARGET), AccountAccess(TARGET)])


def test_an_unknown_region_is_told_before_any_call() -> None:
    with pytest.raises(UsageError, match="mars-north-1"):
        Sessions().client("drs", region="mars-north-1")


# ---- renewing ----------------------------------------------------------------------------------------------------


def _assumed(sandbox: Sandbox) -> int:
    return len(sandbox.runtime.sessions._by_key)


def test_one_set_of_credentials_serves_all_clients_of_an_account_and_region() -> None:
    with mock_drs(checks_assume_role=False) as sandbox:
        sessions = Sessions()
        for _ in range(3):
            identity(sessions, TARGET)
            sessions.client("ec2", account_id=TARGET, region=REGION).describe_vpcs()
            sessions.client("ec2", account_id=TARGET, region=REGION, retrying=False).describe_vpcs()
        assert _assumed(sandbox) == 1


def test_credentials_that_ended_are_renewed_and_the_request_goes_through() -> None:
    with mock_drs(checks_assume_role=False) as sandbox:
        sandbox.backend(TARGET, REGION).initialize_service()
        sessions = Sessions()
        drs = sessions.client("drs", account_id=TARGET, region=REGION, retrying=False)
        drs.describe_source_servers()
        sandbox.clock.advance(3 * 3600)
        assert drs.describe_source_servers()["items"] == []
        assert _assumed(sandbox) == 2


def test_a_request_that_stays_refused_as_expired_is_sent_twice_and_no_more() -> None:
    with mock_drs(checks_assume_role=False) as sandbox:
        sandbox.faults.add({"kind": "credentials", "account": TARGET})
        drs = Sessions().client("drs", account_id=TARGET, region=REGION, retrying=False)
        with pytest.raises(CredentialsError, match="renew"), aws_call("DescribeSourceServers", TARGET, REGION):
            drs.describe_source_servers()
        sent = [call.code for call in sandbox.calls if call.operation == "DescribeSourceServers"]
        assert sent == ["ExpiredTokenException", "ExpiredTokenException"]
        assert _assumed(sandbox) == 2


# ---- clients -----------------------------------------------------------------------------------------------------


def test_many_threads_share_one_client() -> None:
    with mock_drs():
        sessions = Sessions(workers=7)
        gate = threading.Barrier(8)

        def ask(_: int) -> object:
            gate.wait()
            return sessions.client("ec2", account_id=CALLER, region=REGION)

        with ThreadPoolExecutor(8) as pool:
            clients = set(map(id, pool.map(ask, range(8))))
        assert len(clients) == 1
        assert sessions.client("ec2", region=REGION).meta.config.max_pool_connections == 7


def test_a_client_that_must_not_retry_is_another_than_one_that_may() -> None:
    sessions = Sessions()
    once = sessions.client("drs", region=REGION, retrying=False)
    assert once is not sessions.client("drs", region=REGION)
    assert once is sessions.client("drs", region=REGION, retrying=False)


def test_without_retrying_a_lost_answer_leaves_exactly_one_request(endpoint: Endpoint) -> None:
    endpoint.silent = True
    access = AccountAccess(TARGET, endpoint_url=endpoint.url)
    endpoint.answers["GetCallerIdentity"] = (200, IDENTITY.format(TARGET))
    sessions = Sessions([access])
    endpoint.silent = False
    drs = sessions.client("drs", account_id=TARGET, region=REGION, retrying=False)
    endpoint.silent = True
    with pytest.raises(UnreachableError, match="read back") as caught, aws_call("StartRecovery", TARGET, REGION):
        drs.start_recovery(sourceServers=[{"sourceServerID": "s-" + "0" * 17}])
    assert is_ambiguous(caught.value)
    assert endpoint.actions == ["GetCallerIdentity", "StartRecovery"]
    assert "prefect-drs/" in endpoint.requests[-1]["agent"]


def test_without_retrying_a_server_error_leaves_exactly_one_request_and_is_ambiguous(endpoint: Endpoint) -> None:
    endpoint.answers["GetCallerIdentity"] = (200, IDENTITY.format(TARGET))
    endpoint.answers["StartRecovery"] = (500, '{"message": "oh"}')
    sessions = Sessions([AccountAccess(TARGET, endpoint_url=endpoint.url)])
    drs = sessions.client("drs", account_id=TARGET, region=REGION, retrying=False)
    with pytest.raises(AwsError) as caught, aws_call("StartRecovery", TARGET, REGION):
        drs.start_recovery(sourceServers=[{"sourceServerID": "s-" + "0" * 17}])
    assert is_ambiguous(caught.value)
    assert endpoint.actions.count("StartRecovery") == 1


def test_the_endpoint_of_the_environment_is_used(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.url)
    endpoint.answers["GetCallerIdentity"] = (200, IDENTITY.format("444444444444"))
    assert Sessions().caller_account_id == "444444444444"


def test_an_account_with_an_endpoint_of_its_own_does_not_settle_who_the_caller_is_elsewhere(endpoint: Endpoint) -> None:
    endpoint.answers["GetCallerIdentity"] = (200, IDENTITY.format(TARGET))
    with mock_drs():
        sessions = Sessions([AccountAccess(TARGET, endpoint_url=endpoint.url)])
        identity(sessions, TARGET)
        assert endpoint.actions == ["GetCallerIdentity", "GetCallerIdentity"]
        assert sessions.caller_account_id == CALLER


# ---- regions and staging accounts --------------------------------------------------------------------------------


@pytest.mark.parametrize(("region", "partition"), [("eu-west-1", "aws"), ("us-gov-west-1", "aws-us-gov")])
def test_an_account_without_regions_has_those_of_the_partition_of_who_enters_it(
    region: str, partition: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    with mock_drs():
        assert Sessions([AccountAccess(TARGET)]).regions(TARGET) == drs_regions(partition)


def test_an_account_with_regions_has_those_and_nobody_is_asked() -> None:
    assert Sessions([AccountAccess(TARGET, regions=(REGION,))]).regions(TARGET) == (REGION,)


def test_the_role_by_convention_is_in_the_partition_of_the_region() -> None:
    plant = {"external_id": SECRET, "partition": "aws-us-gov"}
    with mock_drs():
        arn = plant_role(TARGET, **plant)  # type: ignore[arg-type]
        assert arn.startswith("arn:aws-us-gov:")
        sessions = Sessions([AccountAccess(TARGET, external_id=SecretStr(SECRET))])
        assert ":assumed-role/DRSOrchestrationRole/" in identity(sessions, TARGET, "us-gov-west-1")


def test_a_staging_account_is_entered_by_what_its_target_says_of_it() -> None:
    staging = AccountAccess("333333333333", role_name="Staging", external_id=SecretStr(SECRET))
    with mock_drs():
        make_role("Staging", SECRET, "333333333333")
        sessions = Sessions([AccountAccess(TARGET, staging_accounts=(staging,))])
        assert ":assumed-role/Staging/" in identity(sessions, "333333333333")
        assert [access.account_id for access in sessions.accounts] == [TARGET]


def test_a_staging_account_that_is_an_account_itself_is_entered_as_that_says() -> None:
    staging = AccountAccess("333333333333", role_name="Staging")
    own = AccountAccess("333333333333", role_name="Own", external_id=SecretStr(SECRET))
    with mock_drs():
        make_role("Own", SECRET, "333333333333")
        sessions = Sessions([AccountAccess(TARGET, staging_accounts=(staging,)), own])
        assert ":assumed-role/Own/" in identity(sessions, "333333333333")


def test_a_staging_account_of_two_accounts_is_entered_in_one_way_or_refused() -> None:
    one, other = AccountAccess("333333333333"), AccountAccess("333333333333", role_name="Other")
    Sessions([AccountAccess(TARGET, staging_accounts=(one,)), AccountAccess(CALLER, staging_accounts=(one,))])
    with pytest.raises(UsageError, match="staging account 333333333333 is entered in two ways"):
        Sessions([AccountAccess(TARGET, staging_accounts=(one,)), AccountAccess(CALLER, staging_accounts=(other,))])


# ---- what errors say ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("given", "said"), [(None, "without an ExternalId"), ("wrong-horse", "with an ExternalId")])
def test_a_refused_role_names_account_role_and_remedy_but_no_secret(given: str | None, said: str) -> None:
    with mock_drs():
        make_role("DRSOrchestrationRole", SECRET)
        access = AccountAccess(TARGET, external_id=SecretStr(given) if given else None)
        with pytest.raises(RoleAssumptionError) as caught:
            identity(Sessions([access]), TARGET)
    error = caught.value
    assert error.code == "ROLE_ASSUMPTION_FAILED"
    for part in (TARGET, REGION, "DRSOrchestrationRole", said, "trust policy"):
        assert part in error.message
    assert error.details["external_id_sent"] is (given is not None)
    assert not is_ambiguous(error)
    assert "wrong-horse" not in f"{error.message}{error.details}"


def test_a_missing_role_is_told_as_such_and_once(caplog: pytest.LogCaptureFixture) -> None:
    with mock_drs(), pytest.raises(RoleAssumptionError, match="check that the role exists"):
        identity(Sessions(), TARGET)
    assert caplog.text == ""


def test_a_role_that_is_refused_while_its_session_still_works_is_warned_of_in_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with mock_drs(clock=SpeedClock(), default_images=False):  # botocore goes by the machine's clock
        arn = plant_role(TARGET)
        session = assumed_session(boto3.Session(region_name=REGION), arn, region=REGION, duration_seconds=900)
        sts = session.client("sts")
        sts.get_caller_identity()
        remove_role(TARGET)
        assert sts.get_caller_identity()["Account"] == TARGET
    (line,) = caplog.text.splitlines()
    assert "during advisory refresh period. cannot enter account 222222222222" in line


def test_an_external_id_that_sts_quotes_is_hidden_in_error_log_and_traceback(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.answers["GetCallerIdentity"] = (200, IDENTITY.format(CALLER))
    quoted = f"<ErrorResponse><Error><Code>ValidationError</Code><Message>Value '{SECRET}' is bad</Message></Error>"
    endpoint.answers["AssumeRole"] = (400, quoted + "</ErrorResponse>")
    access = AccountAccess(TARGET, external_id=SecretStr(SECRET), endpoint_url=endpoint.url)
    with caplog.at_level(logging.INFO), pytest.raises(RoleAssumptionError) as caught:
        identity(Sessions([access]), TARGET)
    assert endpoint.requests[-1]["ExternalId"] == SECRET
    assert "Value '**********' is bad" in caught.value.message
    chain: BaseException | None = caught.value
    while chain is not None:
        assert SECRET not in f"{chain!r}{chain.__dict__}"
        chain = chain.__cause__ or chain.__context__
    assert SECRET not in caplog.text


def test_no_secret_is_in_any_text_of_the_way_in() -> None:
    access = AccountAccess(
        TARGET,
        external_id=SecretStr(SECRET),
        source=SourceCredentials(
            access_key_id="AKIA", secret_access_key=SecretStr(SECRET), session_token=SecretStr(SECRET)
        ),
    )
    copy = pickle.loads(pickle.dumps(access))
    assert copy == access
    assert SECRET not in f"{access}{access!r}{copy!r}{Sessions([access])!r}{vars(Sessions([access]))}"
    with pytest.raises(UsageError) as caught:
        AccountAccess(TARGET, external_id=SecretStr("not a good one!"))
    assert "not a good one" not in caught.value.message


def test_no_credentials_at_all_say_how_to_get_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(CredentialsError, match="set up AWS credentials"):
        assert Sessions(session=boto3.Session(region_name=REGION)).caller_account_id


def test_a_profile_that_does_not_exist_is_told() -> None:
    access = AccountAccess(TARGET, source=SourceCredentials(profile_name="nobody"))
    with pytest.raises(CredentialsError, match="nobody"):
        Sessions([access]).client("drs", account_id=TARGET, region=REGION)


def test_an_address_where_nobody_listens_is_told_with_the_remedy() -> None:
    access = AccountAccess(TARGET, endpoint_url="http://127.0.0.1:9")
    with pytest.raises(UnreachableError, match="AWS_ENDPOINT_URL") as caught:
        Sessions([access]).client("drs", account_id=TARGET, region=REGION)
    assert not is_ambiguous(caught.value)
    assert caught.value.code == "AWS_UNREACHABLE"


def test_errors_survive_pickling_with_all_they_know() -> None:
    with mock_drs(), pytest.raises(RoleAssumptionError) as caught:
        identity(Sessions(), TARGET)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert type(copy) is RoleAssumptionError
    assert (copy.message, copy.details, copy.aws_code) == (
        caught.value.message,
        caught.value.details,
        "AccessDenied",
    )


def test_the_clock_of_the_sandbox_does_not_end_credentials_of_this_machine() -> None:
    with mock_drs(checks_assume_role=False) as sandbox:
        sessions = Sessions()
        identity(sessions, TARGET)
        sandbox.clock.advance(timedelta(minutes=30).total_seconds())
        identity(sessions, TARGET)
        assert _assumed(sandbox) == 1
