"""A drill that cannot begin: one line that says what to do, the right exit code, and nothing launched anywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import free_port
from tests.e2e.rehearsal import Rehearsal, plan

REGION = "af-south-1"
Files = tuple[Path, Path]


@pytest.fixture(scope="module")
def files(rehearsal: Rehearsal) -> Iterator[Files]:
    yield rehearsal.seeded(plan(REGION, {"Web": ["n-web1", "n-web2"]}))
    assert rehearsal.jobs(REGION) == []


def nowhere() -> str:
    return f"http://127.0.0.1:{free_port()}"


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"PREFECT_API_URL": nowhere() + "/api"}, r"the Prefect API at .* cannot be reached .*set PREFECT_API_URL"),
        ({"AWS_ENDPOINT_URL": nowhere()}, r"Could not connect to the endpoint .*AWS_ENDPOINT_URL"),
        ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, r"set up AWS credentials"),
        ({"PREFECT_DRS_SANDBOX_CLOCK": "noon"}, r"eval \"\$\(prefect-drs sandbox env\)\""),
    ],
    ids=["no Prefect API", "no AWS endpoint", "no credentials", "a clock that is none"],
)
def test_without_what_it_needs_a_drill_says_so_in_one_line(
    environment: dict[str, str | None], said: str, rehearsal: Rehearsal, files: Files, tmp_path: Path
) -> None:
    drill = rehearsal.drill(*files, "--yes", HOME=str(tmp_path), **environment)
    assert drill.ended() == (2 if "PREFECT_DRS_SANDBOX_CLOCK" in environment else 6)
    assert drill.stdout == ""
    (line,) = drill.stderr.splitlines()
    assert line.startswith("prefect-drs: ")
    assert re.search(said, line)


def test_the_uis_address_instead_of_the_apis_is_told_apart(rehearsal: Rehearsal, files: Files) -> None:
    ui = rehearsal.environment["PREFECT_API_URL"].removesuffix("/api")
    drill = rehearsal.drill(*files, "--yes", PREFECT_API_URL=ui)
    assert drill.ended() == 6
    (line,) = drill.stderr.splitlines()
    assert "it ends in /api" in line


def test_an_unknown_plan_is_named_with_those_there_are(rehearsal: Rehearsal, files: Files) -> None:
    done = rehearsal.cli("drill", files[0], "--bindings", files[1], "--plan", "Another")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"prefect-drs: the manifest has no plan 'Another'; it has: Plan {REGION}\n"


def test_placeholders_without_bindings_are_one_fault_at_the_first_of_them(rehearsal: Rehearsal, files: Files) -> None:
    done = rehearsal.cli("drill", files[0])
    assert (done.returncode, done.stdout) == (1, "")
    first, fault = done.stderr.splitlines()
    assert first == "prefect-drs: 1 fault in the input:"
    assert fault.startswith(f"{files[0]}:8: ")
    assert "2 names have no binding: 2 servers; pass --bindings" in fault


def test_a_server_that_does_not_replicate_refuses_the_drill_and_its_dry_run(rehearsal: Rehearsal) -> None:
    region = "il-central-1"
    file, bindings = rehearsal.seeded(plan(region, {"Web": ["p-web1", "p-web2"]}))
    drs = rehearsal.client("drs", region)
    servers = {
        item["sourceProperties"]["identificationHints"]["hostname"]: item
        for item in drs.describe_source_servers()["items"]
    }
    drs.stop_replication(sourceServerID=servers["p-web2"]["sourceServerID"])

    looked = rehearsal.cli("runbook", file, "--bindings", bindings, "--json")
    assert looked.returncode == 5
    found = [(finding["code"], finding["severity"]) for finding in json.loads(looked.stdout)["findings"]]
    assert found == [
        ("NOT_REPLICATING", "ERROR"),
        ("NO_SNAPSHOT", "ERROR"),  # stopping deletes them
        ("JOURNAL_ON_ONE_MACHINE", "INFO"),
    ]
    drill = rehearsal.drill(file, bindings, "--yes")
    assert drill.ended() == 5
    assert drill.stdout == ""
    first, second, third = drill.stderr.splitlines()
    assert first == f"prefect-drs: preflight refused Plan {region}: 2 finding(s)"
    assert second.startswith("NOT_REPLICATING: p-web2 (s-")
    assert third.startswith("NO_SNAPSHOT: p-web2 (s-")
    assert rehearsal.jobs(region) == []


def test_recover_takes_no_plain_yes(rehearsal: Rehearsal, files: Files) -> None:
    done = rehearsal.cli("recover", files[0], "--bindings", files[1], "--yes")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--yes-really" in done.stderr
