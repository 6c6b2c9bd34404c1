"""Gates that demand proofs, met by people: the command line, the mail, a killed process, and a run that holds none."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from prefect_drs.notifications.text import RESUME
from tests.e2e.mail import cut_out, inbox
from tests.e2e.rehearsal import Rehearsal, plan, until
from tests.e2e.test_control import let_the_lease_lapse
from tests.e2e.test_suspension import SUSPENDED, Site, site

__all__ = ["site"]
pytestmark = pytest.mark.prefect


def keys_of(rehearsal: Rehearsal, name: str) -> dict[str, str]:
    """The environment of a person with access keys of the sandbox."""
    iam = rehearsal.client("iam", "us-east-1")
    iam.create_user(UserName=name)
    keys = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": keys["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"]}


def signed(region: str, approval: Any, **names: str) -> dict[str, Any]:
    servers = names or {"first": "sg-1", "second": "sg-2"}
    manifest = plan(region, {"Database": [servers["first"]], "Application": [servers["second"]]}, gates=["Application"])
    manifest["recoveryPlans"][0]["approval"] = approval
    return manifest


def standing(rehearsal: Rehearsal, execution_id: str) -> dict[str, Any]:
    listed = rehearsal.cli("op", "list_gates", "--body", json.dumps({"executionId": execution_id}))
    assert listed.returncode == 0, listed.stderr
    (gate,) = json.loads(listed.stdout)["gates"]
    found = gate["standing"]
    assert isinstance(found, dict)
    return found


def test_approvals_in_advance_are_refused_before_anything_is_started(rehearsal: Rehearsal) -> None:
    file, bindings = rehearsal.seeded(signed("ca-central-1", "signed"))
    before = rehearsal.jobs("ca-central-1")
    refused = rehearsal.cli("drill", file, "--bindings", bindings, "--yes")
    assert refused.returncode == 2
    assert "wave 2 (Application) demands one signed approval" in refused.stderr
    assert rehearsal.jobs("ca-central-1") == before
    shown = rehearsal.cli("show", file)
    assert "signed" in shown.stdout
    book = rehearsal.cli("runbook", file, "--bindings", bindings)
    assert "[gate: one signed approval]" in book.stdout


def test_two_people_approve_by_command_and_mail_and_the_starter_does_not_count_even_after_a_kill(
    rehearsal: Rehearsal,
) -> None:
    region = "ca-west-1"
    box = inbox(rehearsal, region)
    manifest = signed(region, {"quorum": 2, "notStarter": True, "expiresAfter": "PT8H"})
    manifest["recoveryPlans"][0]["notify"] = {"topics": [box.topic_arn]}
    ada, bob = keys_of(rehearsal, "ada"), keys_of(rehearsal, "bob")
    drill = rehearsal.drill(*rehearsal.seeded(manifest), own_process=True)
    execution_id = drill.execution_id()
    drill.says(f"prefect-drs approve {execution_id} --wave 2")

    own = rehearsal.cli("approve", execution_id, "--wave", "2")
    assert own.returncode == 1, own.stdout + own.stderr
    assert "whoever started the execution does not count" in own.stdout
    first = rehearsal.cli("approve", execution_id, "--wave", "Application", "--comment", "data checked", **ada)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "it counts; the gate still lacks one signed approval" in first.stdout
    again = rehearsal.cli("approve", execution_id, "--wave", "2", **ada)
    assert "counts once" in again.stdout
    stands = standing(rehearsal, execution_id)
    assert [each["by"].rpartition("/")[2] for each in stands["approvals"]] == ["ada"]
    assert (stands["lacks"], stands["attempts"]) == ("one signed approval", 2)
    waits = json.loads(rehearsal.cli("status", execution_id, "--json").stdout)["waitingFor"]
    assert "lacks: one signed approval" in waits[0]["what"]

    drill.process.kill()
    drill.process.wait()
    let_the_lease_lapse(execution_id)
    drill = rehearsal.resume(execution_id)
    drill.says(f"prefect-drs approve {execution_id} --wave 2")
    assert [each["by"].rpartition("/")[2] for each in standing(rehearsal, execution_id)["approvals"]] == ["ada"]

    token = rehearsal.cli("token", "--approve", execution_id, "--wave", "2", **bob).stdout.strip()
    wrong = rehearsal.cli("approve", execution_id, "--wave", "2", "--token", token[:-6] + "AAAAAA")
    assert wrong.returncode == 1, wrong.stdout
    mail = box.awaited("wave.paused")["Message"]
    assert "2 signed approvals by different people" in " ".join(mail.split())
    command = cut_out(mail, RESUME)
    done = run_with(rehearsal, command, bob)
    assert "the gate is passed" in done, done
    report = drill.report()
    assert report["status"] == "COMPLETED"
    wave = report["waves"][1]
    assert [each["by"].rpartition("/")[2] for each in wave["approvals"]] == ["ada", "bob"]
    assert [each["code"] for each in wave["attempts"]][:2] == ["STARTER", "ALREADY_COUNTED"]
    assert len(wave["attempts"]) == 3
    assert token not in drill.stderr + drill.stdout
    assert "X-Amz-Signature" not in drill.stderr + drill.stdout


def run_with(rehearsal: Rehearsal, command: str, keys: dict[str, str]) -> str:
    """The command of a mail, in a shell of somebody with his own AWS credentials and with prefect-drs."""
    import subprocess

    environment = {**rehearsal.environment, **keys, "PATH": f"{rehearsal.programs}:/usr/bin:/bin"}
    environment.pop("PREFECT_API_URL")
    ran = subprocess.run(
        ["sh", "-c", command], env=environment, capture_output=True, text=True, timeout=90, check=False, cwd="/"
    )
    assert ran.returncode == 0, ran.stderr + shlex.quote(command)
    return ran.stdout


def test_break_glass_passes_the_gate_and_everybody_is_told(rehearsal: Rehearsal) -> None:
    region = "me-south-1"
    box = inbox(rehearsal, region)
    manifest = signed(region, {"quorum": 1, "roles": ["DRSOperator"]})
    manifest["recoveryPlans"][0]["notify"] = {"topics": [box.topic_arn]}
    drill = rehearsal.drill(*rehearsal.seeded(manifest))
    execution_id = drill.execution_id()
    drill.says(f"prefect-drs approve {execution_id} --wave 2")
    plain = rehearsal.cli("approve", execution_id, "--wave", "2")
    assert plain.returncode == 1
    assert "there is no access policy that gives one" in plain.stdout
    glass = rehearsal.cli("approve", execution_id, "--wave", "2", "--break-glass", "the house burns")
    assert glass.returncode == 0, glass.stdout + glass.stderr
    report = drill.report()
    assert report["status"] == "COMPLETED"
    assert report["waves"][1]["approval"]["breakGlass"] == "the house burns"
    assert "BREAK-GLASS" in drill.stderr
    assert "the house burns" in box.awaited("wave.break_glass")["Message"]


def test_a_run_without_a_process_judges_the_answer_and_is_suspended_again(site: Site, tmp_path: Path) -> None:
    region = "eu-south-1"
    execution_id = site.begin(signed(region, "signed", first="v-db1", second="v-app1"))
    site.comes_to(execution_id, SUSPENDED)
    gate = site.gates(execution_id)["approve Application"]
    answer = {"run_input": {"decision": "approve", "by": "Ada"}}
    sent = site.ask("POST", f"/flow_runs/{gate['id']}/resume", answer)
    assert sent["status"] == "ACCEPT"

    def judged() -> dict[str, Any] | None:
        waves = site.report(execution_id)["waves"]
        return waves[1]["attempts"][0] if waves[1]["attempts"] else None

    attempt = until(judged, "the answer is judged")
    assert attempt["code"] == "NO_PROOF"
    site.comes_to(execution_id, SUSPENDED)
    until(lambda: site.state(gate["id"]) == SUSPENDED or None, "the gate is suspended again")
    assert len(site.rehearsal.jobs(region)) == 1

    approved = site.rehearsal.cli("approve", execution_id, "--wave", "2")
    assert approved.returncode == 0, approved.stdout + approved.stderr
    assert site.comes_to(execution_id, ("COMPLETED", "Completed"))
    assert site.state(gate["id"]) == ("COMPLETED", "Approved")
    assert len(site.rehearsal.jobs(region)) == 2
    assert len(site.report(execution_id)["waves"][1]["approvals"]) == 1
