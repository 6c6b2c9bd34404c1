"""The sample manifest to the letter: refused as it is, sound with the bindings that `sandbox seed` writes."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.rehearsal import ROOT, Rehearsal

SAMPLE = "examples/three-tier.json"


def test_with_bindings_of_another_plan_every_name_that_resolves_to_nothing_is_told_on_its_line(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    bindings = tmp_path / "other.yaml"
    bindings.write_text("sourceServers: {p-other: s-0123456789abcdef0}\n")
    done = rehearsal.cli("validate", SAMPLE, "--bindings", bindings)
    assert done.returncode == 1
    told = [line.split(": ", 2) for line in done.stdout.splitlines()]
    lines = (ROOT / SAMPLE).read_text(encoding="utf-8").splitlines()
    for place, _, message in told:
        path, number = place.rsplit(":", 1)
        assert path == SAMPLE
        assert message.split('"')[1] in lines[int(number) - 1]
    groups = [(place, message) for place, code, message in told if code == "UNKNOWN_GROUP"]
    assert [place for place, _ in groups] == [f"{SAMPLE}:{number}" for number in (121, 130, 141)]
    assert all("DatabaseServersWaveGroup" in message for _, message in groups)
    servers = [number for number, line in enumerate(lines, 1) if '"s-' in line]
    assert [place for place, code, _ in told if code == "INVALID_SOURCE_SERVER_ID"] == [
        f"{SAMPLE}:{number}" for number in servers
    ]


def test_with_the_bindings_of_sandbox_seed_it_is_sound(rehearsal: Rehearsal, tmp_path: Path) -> None:
    bindings = tmp_path / "bindings.yaml"
    bindings.touch()  # as mktemp leaves it
    seeded = rehearsal.cli("sandbox", "seed", SAMPLE, "--bindings", bindings)
    assert seeded.returncode == 0, seeded.stderr
    done = rehearsal.cli("validate", SAMPLE, "--bindings", bindings)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_dry_run_of_it_tells_every_server_and_changes_nothing(rehearsal: Rehearsal, tmp_path: Path) -> None:
    bindings = tmp_path / "bindings.yaml"
    assert rehearsal.cli("sandbox", "seed", SAMPLE, "--bindings", bindings).returncode == 0
    before = rehearsal.control("GET", "/")["requests"]
    done = rehearsal.cli("runbook", SAMPLE, "--bindings", bindings, "--json")
    assert done.returncode == 0, done.stderr
    runbook = json.loads(done.stdout)
    servers = {server["name"]: server for wave in runbook["waves"] for server in wave["servers"]}
    assert len(servers) == 6
    changes = {change["field"]: (change["before"], change["after"]) for change in servers["db001"]["changes"]}
    assert changes["staticPrivateIp"] == (None, "10.100.56.13")
    assert [wave["gate"] for wave in runbook["waves"]] == [False, True, True]
    calls = rehearsal.control("GET", f"/requests?after={before}&limit=100000")["requests"]
    assert calls
    assert {call["operation"] for call in calls if not call["operation"].startswith(("Describe", "Get"))} == set()
