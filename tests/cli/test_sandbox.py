"""`sandbox start`, `env`, `seed` and `stop`, as a person calls them, with a sandbox in a process of its own."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from prefect_drs.cli import main
from tests.conftest import Programs

PYTHON = sys.executable
THREE_TIER = Path(__file__).parents[2] / "examples" / "three-tier.json"


@pytest.fixture
def home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], programs: Programs
) -> Iterator[Path]:
    """A user's folder without a sandbox; one that is started is a fork, which need not import moto."""
    monkeypatch.setenv("PREFECT_DRS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "executable", str(programs.folder / "python"))
    for name, value in programs.environment.items():
        monkeypatch.setenv(name, value)
    yield tmp_path / "home"
    main(["sandbox", "stop"])


def exports(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    capsys.readouterr()
    assert main(["sandbox", "env"]) == 0
    return dict(re.findall(r"^export (\w+)='?(.*?)'?$", capsys.readouterr().out, re.MULTILINE))


def test_a_sandbox_from_start_to_stop(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bindings, state = tmp_path / "bindings.yaml", tmp_path / "state"

    assert main(["sandbox", "start", "--speed", "120", "--state", str(state)]) == 0
    assert "http://127.0.0.1:" in capsys.readouterr().out

    # a second start finds it, unless it asks for something else
    assert main(["sandbox", "start"]) == 0
    assert "already" in capsys.readouterr().out
    assert main(["sandbox", "start", "--state", str(tmp_path / "other")]) == 2
    assert "already" in capsys.readouterr().err

    # seeding writes bindings that make the sample valid, twice the same
    assert main(["sandbox", "seed", str(THREE_TIER), "--bindings", str(bindings)]) == 0
    shown = capsys.readouterr().out
    assert "DatabaseServersWaveGroup" in shown
    assert "us-west-2" in shown
    written = bindings.read_text()
    assert main(["validate", str(THREE_TIER), "--bindings", str(bindings)]) == 0
    assert main(["sandbox", "seed", str(THREE_TIER), "--bindings", str(bindings), "--json"]) == 0
    capsys.readouterr()
    assert bindings.read_text() == written

    # what `env` prints leads boto3 there
    found = exports(capsys)
    assert found["AWS_DEFAULT_REGION"] == "us-west-2"
    assert found["PREFECT_DRS_SANDBOX_CLOCK"].endswith(",120")
    code = "import boto3; print(len(boto3.client('drs').describe_source_servers()['items']))"
    environment = {**{k: v for k, v in os.environ.items() if not k.startswith("AWS_")}, **found}
    told = subprocess.run([PYTHON, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "6"

    # stop saves the state, is idempotent, and leaves nothing to point at
    assert main(["sandbox", "stop"]) == 0
    assert str(state) in capsys.readouterr().out
    assert state.exists()
    assert not (home / "sandbox.json").exists()
    assert main(["sandbox", "stop"]) == 0
    assert "No sandbox" in capsys.readouterr().out

    # started again from the state, everything is there
    assert main(["sandbox", "start", "--state", str(state)]) == 0
    url = exports(capsys)["AWS_ENDPOINT_URL"]
    drs = boto3.client(
        "drs",
        endpoint_url=url,
        region_name="us-west-2",
        aws_access_key_id="AKIASANDBOX000000000",
        aws_secret_access_key="sandbox",
    )
    assert len(drs.describe_source_servers()["items"]) == 6
    with urllib.request.urlopen(f"{url}/_sandbox/requests", timeout=10) as answer:
        assert json.load(answer)["counts"] == {"drs:DescribeSourceServers": 1}


def test_the_shell_can_take_in_what_env_prints(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shell = shutil.which("sh")
    if shell is None:
        pytest.skip("no POSIX shell")
    assert main(["sandbox", "start"]) == 0
    capsys.readouterr()
    assert main(["sandbox", "env"]) == 0
    printed = capsys.readouterr().out
    environment = {"AWS_PROFILE": "production", "AWS_SESSION_TOKEN": "old", "AWS_ENDPOINT_URL_DRS": "https://real"}
    script = f'{printed}\necho "$AWS_PROFILE|$AWS_SESSION_TOKEN|$AWS_ENDPOINT_URL"'
    told = subprocess.run([shell, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"\|\|http://127\.0\.0\.1:\d+", told.stdout.strip())


def test_env_takes_endpoints_of_single_services_out_of_the_way(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", "https://drs.us-east-1.amazonaws.com")
    assert main(["sandbox", "start"]) == 0
    capsys.readouterr()
    assert main(["sandbox", "env"]) == 0
    assert "AWS_ENDPOINT_URL_DRS" in capsys.readouterr().out.splitlines()[0]


@pytest.mark.parametrize("command", [["env"], ["seed", str(THREE_TIER), "--bindings", "out.yaml"]])
def test_without_a_sandbox_a_command_says_how_to_start_one(
    home: Path, tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["sandbox", *command]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines()[-1].endswith("start one with `prefect-drs sandbox start`")
    assert not (tmp_path / "out.yaml").exists()


def test_a_process_that_died_is_not_taken_for_a_sandbox(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.mkdir()
    (home / "sandbox.json").write_text(json.dumps({"id": "x", "pid": os.getpid(), "port": 1, "endpointUrl": "x"}))
    assert main(["sandbox", "env"]) == 2
    assert main(["sandbox", "stop"]) == 0
    assert main(["sandbox", "start"]) == 0


@pytest.mark.parametrize("arguments", [["--port", "70000"], ["--port", "-1"], ["--speed", "-1"], ["--speed", "nan"]])
def test_a_port_or_speed_that_is_none_is_wrong_usage(
    home: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sandbox", "start", *arguments]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_state_of_another_version_is_told_in_one_line(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state"
    state.write_text("something else")
    assert main(["sandbox", "start", "--state", str(state)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "is not a state file of a sandbox" in line
    assert state.read_text() == "something else"


def test_bindings_that_somebody_wrote_are_not_written_over(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "production.yaml"
    mine.write_text("subnets:\n  net: subnet-0123456789abcdef0\n")
    assert main(["sandbox", "start"]) == 0
    assert main(["sandbox", "seed", str(THREE_TIER), "--bindings", str(mine)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert mine.read_text().startswith("subnets:")
    assert main(["sandbox", "seed", str(THREE_TIER), "--bindings", str(mine), "--overwrite"]) == 0
    assert "db-group-id" in mine.read_text()


def test_the_manifest_itself_is_never_written_over(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "plan.json"
    manifest.write_bytes(THREE_TIER.read_bytes())
    assert main(["sandbox", "seed", str(manifest), "--bindings", str(manifest), "--overwrite"]) == 2
    assert manifest.read_bytes() == THREE_TIER.read_bytes()


def test_a_broken_manifest_makes_nothing_and_exits_1(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "plan.json"
    broken.write_text('{"schemaVersion": "1.1", "protectionGroups": [{"groupName": "a"')
    out = tmp_path / "out.yaml"
    assert main(["sandbox", "seed", str(broken), "--bindings", str(out)]) == 1
    assert f"{broken}:1:" in capsys.readouterr().err
    assert not out.exists()


def test_the_commands_but_start_need_no_moto(home: Path) -> None:
    code = (
        "import sys; from prefect_drs.cli import main; "
        "main(['sandbox', '--help']); main(['sandbox', 'env']); main(['sandbox', 'stop']); "
        "sys.exit(len({'moto', 'boto3', 'prefect'} & set(sys.modules)))"
    )
    done = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_accounts_are_seeded_as_a_file_tells_them(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    accounts, bindings = tmp_path / "accounts.yaml", str(tmp_path / "bindings.yaml")
    seed = ["sandbox", "seed", str(THREE_TIER), "--bindings", bindings, "--accounts", str(accounts), "--json"]
    assert main(["sandbox", "start"]) == 0
    for wrong, said in (("- a", "must hold `accounts:`"), ("accounts: {a: {missing: [b]}}", "missing")):
        accounts.write_text(wrong)
        capsys.readouterr()
        assert main(seed) == 2
        assert said in capsys.readouterr().err
    accounts.write_text("accounts: {222222222222: {disabledRegions: [ap-east-1]}, 012345678901: {hasRole: false}}")
    assert main(seed) == 0
    assert json.loads(capsys.readouterr().out)["roles"] == ["arn:aws:iam::222222222222:role/DRSOrchestrationRole"]
    url = f"{exports(capsys)['AWS_ENDPOINT_URL']}/_sandbox/faults"
    with urllib.request.urlopen(url) as answer:
        (fault,) = json.load(answer)["faults"]
    assert (fault["kind"], fault["account"], fault["region"]) == ("opt-in", "222222222222", "ap-east-1")
