"""The store that the settings name, and where it is. What every store must do: `test_journal_contract.py`."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from prefect.filesystems import LocalFileSystem, RemoteFileSystem

from prefect_drs.core.errors import UsageError
from prefect_drs.execution.events import CancelAsked, Event
from prefect_drs.orchestration.storage.journal_places import journal_places
from prefect_drs.orchestration.storage.journal_storage import journal_storage, open_journal
from prefect_drs.runbook.journal_place import JournalPlace
from tests.conftest import PrefectServer
from tests.rig import aws_environment

AT = datetime(2030, 1, 1, tzinfo=UTC)


def asked(by: str) -> Event:
    return CancelAsked(at=AT, by=by)


def test_the_settings_choose_the_storage(
    prefect_server: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_DRS_HOME", str(tmp_path / "home"))
    open_journal("exec-1").append([asked("a")])
    assert (tmp_path / "home" / "journal" / "exec-1" / "00000001.json").is_file()

    save: Any = LocalFileSystem(basepath=str(tmp_path / "shared")).save
    save("journals-of-a-test", overwrite=True, _sync=True)
    monkeypatch.setenv("PREFECT_DRS_JOURNAL", "local-file-system/journals-of-a-test")
    open_journal("exec-2").append([asked("b")])
    assert (tmp_path / "shared" / "exec-2" / "00000001.json").is_file()

    monkeypatch.setenv("PREFECT_DRS_JOURNAL", "local-file-system/there-is-none")
    with pytest.raises(UsageError, match="there-is-none"):
        journal_storage()


def test_a_folder_and_an_unknown_block_are_in_no_region(
    prefect_server: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_DRS_HOME", str(tmp_path))
    (folder,) = journal_places()
    assert (folder.name, folder.one_machine, folder.region) == (str(tmp_path / "journal"), True, None)
    blocks: dict[str, Any] = {
        "local-file-system": LocalFileSystem(basepath=str(tmp_path / "shared")),
        "remote-file-system": RemoteFileSystem(basepath="memory://places"),
    }
    for kind, block in blocks.items():
        block.save("places-of-a-test", overwrite=True, _sync=True)
        monkeypatch.setenv("PREFECT_DRS_JOURNAL", f"{kind}/places-of-a-test")
        (place,) = journal_places()
        assert place.name.startswith(f"{kind}/places-of-a-test (")
        assert place.one_machine is (kind == "local-file-system")
        assert place.region is None
        assert journal_places(blocks=False) == (JournalPlace(f"{kind}/places-of-a-test"),)


def test_a_bucket_is_asked_where_it_is_and_so_is_its_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    with aws_environment(), mock_aws():
        for region in ("eu-west-1", "eu-north-1"):
            where: Any = {"LocationConstraint": region}
            boto3.client("s3", region).create_bucket(Bucket=f"journals-{region}", CreateBucketConfiguration=where)
        monkeypatch.setenv("PREFECT_DRS_JOURNAL", "s3://journals-eu-west-1/drs?region=eu-north-1")
        monkeypatch.setenv("PREFECT_DRS_JOURNAL_MIRROR", "s3://journals-eu-north-1")
        first, mirror = journal_places()
        assert (first.name, first.region) == ("s3://journals-eu-west-1", "eu-west-1")
        assert (mirror.name, mirror.region) == ("s3://journals-eu-north-1", "eu-north-1")
        monkeypatch.setenv("PREFECT_DRS_JOURNAL", "s3://journals-that-nobody-made")
        assert journal_places()[0].failure is not None
        assert not journal_places()[0].survives(())


def test_a_bucket_that_hangs_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with aws_environment(), socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and answers none
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("PREFECT_DRS_JOURNAL", "s3://journals")
        (place,) = journal_places(seconds=0.5)
    assert place.name == "s3://journals"
    assert place.failure is not None
    assert "did not say in 0.5 s" in place.failure.message
