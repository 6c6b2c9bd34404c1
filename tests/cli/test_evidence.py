"""`evidence` and `verify`: from an execution's journal alone, without a Prefect API."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefect_drs.cli import main
from prefect_drs.core.private_files import FILE_MODE
from prefect_drs.evidence.archive import read_archive
from prefect_drs.orchestration.storage.journal_storage import open_journal
from prefect_drs.recovery.journal import StoredJournal
from tests.evidence.drilled import private_pem, signer
from tests.report.story import completed
from tests.rig import simulated_aws

EXECUTION = "6f1c7a52-0f0e-4c0e-9a41-5d2f1a9f0c11"
SECRETS = ("AKIA-OF-A-TEST", "secret-key-of-a-test", "session-token-of-a-test")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine that knows no Prefect API, with a key and one anchored journal, whose jobs AWS no longer knows."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    monkeypatch.setenv("PREFECT_DRS_HOME", str(tmp_path / "drs"))
    monkeypatch.delenv("PREFECT_DRS_JOURNAL", raising=False)
    (tmp_path / "key.pem").write_bytes(private_pem())
    (tmp_path / "key.pub.pem").write_text(signer().public_key.pem)
    monkeypatch.setenv("PREFECT_DRS_ANCHOR_KEY", str(tmp_path / "key.pem"))
    with simulated_aws(), temporary_settings(restore_defaults={PREFECT_API_URL}):
        for name, value in zip(("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"), SECRETS, strict=False):
            monkeypatch.setenv(f"AWS_{name}", value)
        first, *rest = completed()
        journal = open_journal(EXECUTION)
        journal.append([first.model_copy(update={"execution_id": EXECUTION})])
        for event in rest:
            journal.append([event])
        yield tmp_path


def said(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_evidence_is_written_once_for_its_owner_alone_and_holds(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = home / "evidence.zip"
    assert main(["evidence", EXECUTION, "--out", str(out)]) == 0
    printed, notes = said(capsys)
    told = f"the evidence of execution {EXECUTION} was written to {out} (signed)"
    assert (printed, notes.splitlines()[0]) == ("", told), "and no Prefect server was started"
    assert out.stat().st_mode & 0o777 == FILE_MODE
    written = out.read_bytes()

    assert main(["evidence", EXECUTION, "--out", str(out)]) == 2
    assert "exists; name another file, or give --force to overwrite it" in said(capsys)[1]
    assert main(["evidence", EXECUTION, "--out", str(out), "--force"]) == 0
    assert out.read_bytes() == written

    assert main(["verify", str(out), "--public-key", str(home / "key.pub.pem")]) == 0
    records = len(completed())
    shown = f"intact: execution {EXECUTION}: {records} records, anchored up to record {records} by "
    assert said(capsys)[0].startswith(shown)

    members = read_archive(written).members
    jobs = json.loads(members["jobs.json"])["jobs"]
    assert jobs
    assert all(job["status"] != "OK" and job["message"] for job in jobs)
    assert all(job["jobId"] in notes and job["message"] in notes for job in jobs)
    assert all(note.startswith("note: the evidence has no log of ") for note in notes.splitlines()[1:])
    assert {"prefect", "boto3", "cryptography", "python"} <= json.loads(members["versions.json"]).keys()
    whole = b"".join(members.values())
    assert not [secret for secret in (*SECRETS, "PRIVATE KEY") if secret.encode() in whole]


def test_a_fault_is_one_line_with_its_place_and_exit_code_1(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = home / "evidence.zip"
    assert main(["evidence", EXECUTION, "--out", str(out)]) == 0
    content = out.read_bytes()
    at = content.index(b'"kind":"GateAnswered"')
    out.write_bytes(content[:at] + b"X" + content[at + 1 :])
    capsys.readouterr()
    assert main(["verify", str(out), "--public-key", str(home / "key.pub.pem")]) == 1
    lines = said(capsys)[0].splitlines()
    assert lines[0].startswith("journal/000000")
    assert "content: ARCHIVE_ALTERED: it was altered: its CRC-32 is that of other content" in lines[0]
    assert lines[-1] == f"not intact: {len(lines) - 1} faults in the evidence of execution {EXECUTION}"
    assert main(["verify", str(out), "--json"]) == 1
    result = json.loads(said(capsys)[0])
    assert (result["intact"], result["faults"][0]["field"]) == (False, "content")


def test_a_journal_is_verified_where_it_is_with_the_keys_of_the_settings(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", EXECUTION]) == 0
    assert said(capsys)[0].endswith(", closed\n")
    folder = home / "drs" / "journal" / EXECUTION
    last = max(folder.glob("0*.json"))
    last.unlink()
    assert main(["verify", EXECUTION]) == 1
    assert f"{EXECUTION}/{last.name}: record {int(last.stem)}: TAIL_MISSING: record" in said(capsys)[0]
    for anchor in folder.glob("anchor-*.json"):
        anchor.unlink()
    assert main(["verify", EXECUTION]) == 1
    assert "NO_ANCHORS" in said(capsys)[0]


def test_without_a_key_evidence_is_not_signed_and_verify_says_what_it_checked(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_DRS_ANCHOR_KEY")
    assert isinstance(open_journal(EXECUTION), StoredJournal)
    for anchor in (home / "drs" / "journal" / EXECUTION).glob("anchor-*.json"):
        anchor.unlink()
    out = home / "evidence.zip"
    assert main(["evidence", EXECUTION, "--out", str(out)]) == 0
    assert "(not signed: no key is configured (PREFECT_DRS_ANCHOR_KEY))" in said(capsys)[1]
    for subject in (str(out), EXECUTION):
        assert main(["verify", subject]) == 0
        shown, notes = said(capsys)
        assert "not closed" in shown
        assert "only the journal's chain was checked" in notes


def test_what_cannot_be_verified_is_wrong_usage(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(home / "none.zip")]) == 2
    assert "cannot be read" in said(capsys)[1]
    assert main(["verify", EXECUTION, "--public-key", str(home / "key.pem")]) == 2
    assert "holds a private key" in said(capsys)[1]
    other = "00000000-0000-4000-8000-000000000000"
    for command in (["evidence", other, "--out", str(home / "other.zip")], ["verify", other]):
        assert main(command) == 2
        assert f"the journal of execution {other} is not here" in said(capsys)[1]
    shutil.rmtree(home / "drs" / "journal" / EXECUTION)
    assert main(["evidence", EXECUTION, "--out", str(home / "other.zip")]) == 2
    assert not (home / "other.zip").exists()
