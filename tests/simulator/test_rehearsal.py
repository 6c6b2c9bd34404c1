"""All kinds of checks and hooks, rehearsed on the sandbox by one plan; and the documentation that promises it."""

from __future__ import annotations

import io
import json
import re
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from prefect_drs.plan import check_manifest
from prefect_drs.plan.model import Manifest
from prefect_drs.report.checks import CheckPhase
from prefect_drs.runbook import resolve
from prefect_drs.simulator import mock_drs
from prefect_drs.simulator.estate import estate_for
from prefect_drs.simulator.seeding import seed_estate
from tests.rig import Rig

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "rehearsal.yaml"
REGION = "us-west-2"
SERVER = "s-00000000000000001"
PORT = "4580"
FAILING = {"name": "assert", "action": "aws:assertAwsResourceProperty", "inputs": {"DesiredValues": []}}
PASSING = {"name": "look", "action": "aws:executeAwsApi", "inputs": {"Service": "ec2"}}


@pytest.fixture
def rig() -> Iterator[Rig]:
    with mock_drs(seed=7, default_images=False) as sandbox:
        yield Rig(sandbox)


@pytest.fixture
def port() -> Iterator[int]:
    """A shop that says it is up."""

    class Shop(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"status": "UP"}')

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def row_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop_checks.py").write_text("def row_count(context): return context.parameters['atLeast'] <= 1000\n")
    info = tmp_path / "shop_checks-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-checks\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[prefect_drs.checks]\nrow-count = shop_checks:row_count\n")
    monkeypatch.syspath_prepend(str(tmp_path))


def prepare(rig: Rig, inspect: dict[str, Any]) -> None:
    """What the plan names: functions, documents and a post-launch action."""
    clients = {name: rig.sessions.client(name, region=REGION) for name in ("iam", "lambda", "ssm", "drs")}
    trust = {
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]
    }
    role = clients["iam"].create_role(RoleName="shop", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("shop.py", "def handler(event, context): return event\n")
    for name in ("shop-freeze", "shop-health"):
        clients["lambda"].create_function(
            FunctionName=name,
            Runtime="python3.11",
            Role=role,
            Handler="shop.handler",
            Code={"ZipFile": code.getvalue()},
        )
    for name, step in (("Shop-SwitchDns", PASSING), ("Shop-Inspect", inspect)):
        body = {"schemaVersion": "0.3", "mainSteps": [step]}
        clients["ssm"].create_document(Name=name, DocumentType="Automation", Content=json.dumps(body))
    clients["drs"].update_launch_configuration(sourceServerID=SERVER, postLaunchEnabled=True)
    clients["drs"].put_launch_action(
        resourceId=SERVER, actionId="00000000-0000-0000-0000-000000000001", actionCode="AWS-RunShellScript",
        actionVersion="1", description="", name="check the disk", category="VALIDATION", parameters={}, order=1001,
        active=True, optional=False,
    )  # fmt: skip


def drill(rig: Rig, port: int, inspect: dict[str, Any]) -> Any:
    manifest = Manifest.model_validate_json(
        check_manifest(EXAMPLE).manifest.model_dump_json(by_alias=True).replace(PORT, str(port))
    )
    seed_estate(estate_for(manifest))
    prepare(rig, inspect)
    book = resolve(manifest, manifest.plan(None), mode="drill", sessions=rig.sessions, clock=rig.clock)
    assert book.refusals == ()
    return rig.run(rig.engine(book))


def test_one_plan_rehearses_all_kinds_of_checks_and_hooks(rig: Rig, port: int) -> None:
    report = drill(rig, port, PASSING)
    (wave,) = report.waves
    assert report.status == "COMPLETED", [(c.name, c.detail) for c in wave.checks if not c.passed]
    kinds = {phase: {c.type for c in wave.checks if c.phase is phase} for phase in CheckPhase}
    assert kinds[CheckPhase.HEALTH] == set(types())
    assert kinds[CheckPhase.PRE_WAVE] | kinds[CheckPhase.POST_WAVE] == set(types(hooks_only=True))
    assert all(check.passed for check in wave.checks)


def test_an_automation_that_fails_fails_the_wave_and_names_its_step(rig: Rig, port: int) -> None:
    report = drill(rig, port, FAILING)
    assert report.status in {"FAILED", "PARTIAL"}
    (failed,) = [check for check in report.waves[0].checks if not check.passed]
    assert failed.type == "ssmAutomation"
    assert "Failed at step assert" in failed.detail


def types(*, hooks_only: bool = False) -> list[str]:
    """The types of the table in docs/checks.md, or those of them that may be hooks."""
    page = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|.*\|([^|\n]*)\|$", page.partition("## The kinds")[2], re.MULTILINE)
    return [name for name, hook in rows if not hooks_only or hook.strip() == "yes"]


def test_the_example_has_every_kind_that_the_documentation_lists() -> None:
    plan = check_manifest(EXAMPLE).manifest.plan(None)
    (wave,) = plan.waves
    assert len(types()) == 8
    assert {check.type for check in wave.health_checks} == set(types())
    assert {check.type for check in (*wave.pre_wave, *wave.post_wave)} == set(types(hooks_only=True))
