"""Target accounts as Prefect blocks, on a real Prefect server."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from prefect_aws import AwsCredentials
from pydantic import SecretStr, ValidationError

from prefect_drs import TargetAccount
from prefect_drs.aws.regions import drs_regions
from prefect_drs.aws.sessions import DEFAULT_ROLE_NAME, DEFAULT_WORKERS, SourceCredentials
from prefect_drs.core.errors import UsageError
from prefect_drs.orchestration.accounts import load_target_accounts, open_sessions
from prefect_drs.orchestration.blocks import StagingAccount
from prefect_drs.orchestration.settings import PrefectDrsSettings

SECRET = "correct-horse-battery"
ACCOUNT = "222222222222"
ROOT = Path(__file__).parents[2]


# ---- the form ----------------------------------------------------------------------------------------------------


def test_a_block_gives_the_way_into_its_account_without_prefect_in_it() -> None:
    account = TargetAccount(
        account_id=ACCOUNT,
        account_name="Production",
        regions=["eu-central-1", "eu-west-1", "eu-central-1"],
        external_id=SECRET,
        endpoint_url="http://127.0.0.1:5566",
    )
    access = account.access()
    assert (access.account_id, access.name, access.endpoint_url) == (ACCOUNT, "Production", "http://127.0.0.1:5566")
    assert access.regions == ("eu-central-1", "eu-west-1")
    assert access.external_id is not None
    assert access.external_id.get_secret_value() == SECRET
    assert access.role_arn is None


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"account_id": "12345"}, "account_id"),
        ({"account_id": "12345678901a"}, "account_id"),
        ({"regions": ["mars-north-1"]}, "mars-north-1"),
        ({"regions": ["eu-west-1", "us-gov-west-1"]}, "aws, aws-us-gov"),
        ({"regions": ["cn-north-1"]}, "DRS is not in cn-north-1"),
        ({"role_arn": "DRSOrchestrationRole"}, "not the ARN of a role"),
        ({"role_arn": "arn:aws:iam::333333333333:role/Recovery"}, "of account 333333333333"),
        ({"role_name": "a role"}, "role_name"),
        ({"external_id": "x"}, "ExternalId"),
        ({"external_id": "no spaces here"}, "ExternalId"),
        ({"endpoint_url": "localhost:5566"}, "endpoint_url"),
        ({"regions": ["us-gov-west-1"], "role_arn": f"arn:aws:iam::{ACCOUNT}:role/R"}, "partition aws-us-gov"),
        ({"staging_accounts": [{"account_id": "12"}]}, "staging_accounts"),
        ({"staging_accounts": [{"account_id": ACCOUNT}]}, "cannot be its own staging account"),
        ({"staging_accounts": [{"account_id": "333333333333"}] * 2}, "listed twice: 333333333333"),
        (
            {"staging_accounts": [{"account_id": "333333333333", "role_arn": f"arn:aws:iam::{ACCOUNT}:role/R"}]},
            f"of account {ACCOUNT}",
        ),
        ({"staging_external_ids": {"333333333333": "another-horse"}}, "not listed: 333333333333"),
    ],
)
def test_a_block_refuses_what_aws_would_refuse_later(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TargetAccount(**{"account_id": ACCOUNT, **wrong})
    assert told in str(caught.value)
    if isinstance(secret := wrong.get("external_id"), str) and len(secret) > 1:
        assert secret not in str(caught.value)


def test_fields_cleared_in_the_form_count_as_not_given() -> None:
    account = TargetAccount(account_id=ACCOUNT, role_arn="", role_name="", external_id="", endpoint_url="")
    access = account.access()
    assert (access.role_arn, access.role_name, access.external_id, access.endpoint_url) == (None, None, None, None)


def test_a_govcloud_role_keeps_its_partition_and_its_account_has_that_partition_s_regions() -> None:
    arn = f"arn:aws-us-gov:iam::{ACCOUNT}:role/teams/Recovery"
    account = TargetAccount(account_id=ACCOUNT, role_arn=arn)
    assert account.access().role_arn == arn
    assert account.sessions().regions(ACCOUNT) == drs_regions("aws-us-gov")


def test_a_staging_account_is_entered_as_its_target_is_but_for_what_it_says_itself() -> None:
    account = TargetAccount(
        account_id=ACCOUNT,
        external_id=SECRET,
        role_name="Recovery",
        regions=["eu-west-1"],
        staging_accounts=[
            StagingAccount(account_id="333333333333"),
            StagingAccount(account_id="444444444444", role_arn="arn:aws:iam::444444444444:role/Staging"),
        ],
        staging_external_ids={"444444444444": "another-horse"},
    )
    one, two = account.access().staging_accounts
    assert (one.role_name, one.external_id, one.regions) == ("Recovery", SecretStr(SECRET), ("eu-west-1",))
    assert (two.role_arn, two.external_id) == ("arn:aws:iam::444444444444:role/Staging", SecretStr("another-horse"))
    assert "another-horse" not in f"{account!r}{account.model_dump_json()}{account.access()!r}"


def test_nested_credentials_become_the_source_that_the_role_is_assumed_with() -> None:
    credentials = AwsCredentials(
        aws_access_key_id="AKIAEXAMPLE",
        aws_secret_access_key=SECRET,
        region_name="eu-west-1",
        assume_role_arn="arn:aws:iam::111111111111:role/Hub",
        assume_role_kwargs={"ExternalId": "hub-external-id"},
        aws_client_parameters={"endpoint_url": "http://127.0.0.1:5566"},
    )
    access = TargetAccount(account_id=ACCOUNT, aws_credentials=credentials).access()
    assert access.endpoint_url == "http://127.0.0.1:5566"
    assert access.source == SourceCredentials(
        access_key_id="AKIAEXAMPLE",
        secret_access_key=SecretStr(SECRET),
        region_name="eu-west-1",
        role_arn="arn:aws:iam::111111111111:role/Hub",
        external_id=SecretStr("hub-external-id"),
    )


def test_secrets_are_in_no_text_of_a_block() -> None:
    account = TargetAccount(
        account_id=ACCOUNT,
        external_id=SECRET,
        aws_credentials=AwsCredentials(aws_access_key_id="AKIA", aws_secret_access_key=SECRET, aws_session_token=None),
    )
    access = account.access()
    texts = [repr(account), str(account), account.model_dump_json(), repr(access), str(access)]
    texts.append(repr(pickle.loads(pickle.dumps(access))))
    assert not any(SECRET in text for text in texts)
    assert pickle.loads(pickle.dumps(access)) == access


def test_the_example_of_the_docstring_runs_as_it_stands(sandbox_free: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    example = TargetAccount.get_code_example()
    assert example is not None
    code = "\n".join(line for line in example.splitlines() if not line.startswith("```"))
    names: dict[str, Any] = {}
    with mock_aws():
        exec(compile(code[code.index("from prefect_drs") :], "docstring", "exec"), names)
    assert names["drs"].meta.service_model.service_name == "drs"


# ---- on a server -------------------------------------------------------------------------------------------------


@pytest.fixture
def sandbox_free(prefect_server: object) -> Iterator[None]:
    """The block type is unknown to the server before and after the test."""
    _forget_the_type()
    yield
    _forget_the_type()


def _forget_the_type() -> None:
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        try:
            client.delete_block_type(client.read_block_type_by_slug("drs-target-account").id)  # and its documents
        except ObjectNotFound:
            return


def _snapshot() -> list[tuple[str, object]]:
    """All that the server keeps of this block type: type, schemas and documents, with their times."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        kind = client.read_block_type_by_slug("drs-target-account")
        documents = client.read_block_documents_by_type("drs-target-account", offset=0, limit=200)
        schemas = client.request("POST", "/block_schemas/filter", json={}).json()
        return [
            ("type", kind.model_dump(mode="json")),
            ("schemas", sorted(str(item) for item in schemas if item["block_type_id"] == str(kind.id))),
            ("documents", [document.model_dump(mode="json") for document in documents]),
        ]


def _register(endpoint_url: str | None) -> str:
    from prefect_drs.operations.setup import set_up

    return "\n".join(set_up(sample=endpoint_url is not None, endpoint_url=endpoint_url))


def test_there_are_no_accounts_before_any_block_was_saved(sandbox_free: None) -> None:
    assert load_target_accounts() == ()


def test_registering_twice_changes_nothing(sandbox_free: None) -> None:
    assert "sandbox was created" in _register("http://127.0.0.1:5566")
    before = _snapshot()
    again = subprocess.run(
        [sys.executable, str(ROOT / "blocks" / "register.py"), "--sample"],
        env={**os.environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:5566"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "sandbox is up to date" in again.stdout
    assert _snapshot() == before
    (access,) = load_target_accounts()
    assert (access.account_id, access.endpoint_url) == ("123456789012", "http://127.0.0.1:5566")


def test_registering_away_from_a_sandbox_saves_no_sample(sandbox_free: None) -> None:
    assert "is registered" in _register(None)
    assert load_target_accounts() == ()


def test_a_sample_without_a_sandbox_is_refused_before_anything_is_done() -> None:
    from prefect_drs.operations.setup import set_up

    with pytest.raises(UsageError, match=r"AWS_ENDPOINT_URL does not lead to one.*leave --sample out"):
        set_up(sample=True)


def test_a_sandbox_that_moved_to_another_port_updates_its_sample(sandbox_free: None) -> None:
    _register("http://127.0.0.1:5566")
    assert "sandbox was updated" in _register("http://127.0.0.1:5577")
    assert [access.endpoint_url for access in load_target_accounts()] == ["http://127.0.0.1:5577"]


def test_saved_accounts_come_back_with_their_roles_and_secrets(sandbox_free: None) -> None:
    TargetAccount(account_id="333333333333", role_arn="arn:aws:iam::333333333333:role/Recovery").save("dr-three")
    AwsCredentials(aws_access_key_id="AKIA", aws_secret_access_key=SECRET).save("hub", overwrite=True)
    TargetAccount(account_id=ACCOUNT, external_id=SECRET, aws_credentials=AwsCredentials.load("hub")).save("dr-two")
    two, three = load_target_accounts()
    assert (two.account_id, three.account_id) == (ACCOUNT, "333333333333")
    assert two.external_id == SecretStr(SECRET)
    assert two.source is not None
    assert two.source.secret_access_key == SecretStr(SECRET)
    assert three.role_arn == "arn:aws:iam::333333333333:role/Recovery"
    assert open_sessions().accounts == (two, three)


def test_two_blocks_for_one_account_are_refused_with_both_names(sandbox_free: None) -> None:
    TargetAccount(account_id=ACCOUNT).save("first-way")
    TargetAccount(account_id=ACCOUNT, external_id=SECRET).save("second-way")
    with pytest.raises(UsageError) as caught:
        load_target_accounts()
    assert "first-way" in caught.value.message
    assert "second-way" in caught.value.message
    assert ACCOUNT in caught.value.message
    assert SECRET not in f"{caught.value.message} {caught.value.details}"


def test_a_document_that_no_longer_fits_names_itself_and_keeps_its_secret(sandbox_free: None) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import BlockDocumentUpdate

    TargetAccount(account_id=ACCOUNT, external_id=SECRET).save("bent")
    with get_client(sync_client=True) as client:
        (document,) = client.read_block_documents_by_type("drs-target-account", offset=0, limit=200)
        client.update_block_document(
            document.id, BlockDocumentUpdate(data={"account_id": "42"}, merge_existing_data=True)
        )
    with pytest.raises(UsageError, match="drs-target-account/bent is not valid: account_id") as caught:
        load_target_accounts()
    assert SECRET not in caught.value.message
    assert caught.value.__cause__ is None


# ---- the settings ------------------------------------------------------------------------------------------------


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PrefectDrsSettings().role_name == DEFAULT_ROLE_NAME
    assert PrefectDrsSettings().workers == DEFAULT_WORKERS
    monkeypatch.setenv("PREFECT_DRS_ROLE_NAME", "RecoveryHub")
    monkeypatch.setenv("PREFECT_DRS_WORKERS", "4")
    sessions = open_sessions([])
    assert (sessions.role_name, sessions.workers) == ("RecoveryHub", 4)


def test_settings_that_make_no_sense_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_DRS_WORKERS", "0")
    with pytest.raises(ValidationError, match="workers"):
        PrefectDrsSettings()
