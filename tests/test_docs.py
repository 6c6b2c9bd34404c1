"""The documentation says what is so: every snippet runs, every table agrees with the code, every link leads on."""

from __future__ import annotations

import ast
import os
import re
import sys
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree

import pytest

from tests.conftest import PrefectServer, Programs
from tests.snippets import ROOT, Reader, Snippet, clean_environment, snippets

PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").glob("*.md")),
]
NOT_RUN = {
    "make demo": "over a minute of servers of its own; tests/e2e/test_demo.py runs it, and its target is checked below",
    "make test": "it would run this test; its target is checked below",
    "make install": "it would set up this environment; tests/test_contributing.py checks that its targets are there",
    "make release": "it would tag this checkout; tests/e2e/test_release.py releases a copy",
    "python3 -m venv": "it would install from a registry; the file and the extra that it names are checked below",
    "prefect server start": "the fixture prefect_server is that server",
    "python -m release.upstream": "tests/simulator/upstream lays the tree out and runs its tests",
    "aws drs": "the AWS CLI is no part of the development environment; tests/e2e/foreign runs this command",
    "aws sns": "likewise; tests/aws/test_sns.py gives SNS such a filter policy",
}
NOT_PROGRAMS = {"mermaid", "text"}


def not_run(snippet: Snippet) -> str | None:
    """The entry of NOT_RUN that a snippet falls under."""
    return next((start for start in NOT_RUN if snippet.text.startswith(start)), None)


@pytest.fixture
def reader(prefect_server: PrefectServer, programs: Programs, tmp_path: Path) -> Iterator[Reader]:
    from prefect_drs.orchestration.approvals.gate import pending_gates

    def waiting(wave: int) -> str | None:
        gates = [gate for gate in pending_gates() if gate.plan_name == "3TierFullStackRecoveryPlan"]
        return next((gate.execution_id for gate in gates if gate.wave_number == wave), None)

    environment = clean_environment(
        {
            **prefect_server.environment,
            **programs.environment,
            "PATH": f"{programs.folder}:{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(tmp_path / "home"),
            "PREFECT_DRS_HOME": str(tmp_path / "drs"),
            "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
            "PREFECT_CLI_PROMPT": "false",
        }
    )
    (tmp_path / "home").mkdir()
    (tmp_path / "project").mkdir()
    forget_deployments()  # what other tests left: `doctor` names each that no process serves
    try:
        with Reader(tmp_path / "project", environment, prefect_server.url, waiting) as opened:
            yield opened
    finally:
        forget_what_pages_register()


def forget_what_pages_register() -> None:
    """Take away blocks, deployments and work pools, so that other tests find the server as they left it."""
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    from prefect_drs.orchestration.blocks import TargetAccount
    from tests.operations.estate import forget_estate

    forget_estate()
    with get_client(sync_client=True) as client:
        with suppress(ObjectNotFound):
            client.read_block_type_by_slug(TargetAccount.get_block_type_slug())
            for document in client.read_block_documents_by_type(TargetAccount.get_block_type_slug()):
                if document.name in {"sandbox", "workloads"}:
                    client.delete_block_document(document.id)
        with suppress(ObjectNotFound):
            block = client.read_block_document_by_name("recoveries", "custom-webhook", include_secrets=False)
            client.delete_block_document(block.id)
        with suppress(ObjectNotFound):
            client.delete_block_document(client.read_block_document_by_name("settings", "drs-tag-sync-settings").id)
        for pool in ("drs-sandbox", "drs"):
            with suppress(ObjectNotFound):
                client.delete_work_pool(pool)
    forget_deployments()


def forget_deployments() -> None:
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        for deployment in client.read_deployments():
            with suppress(ObjectNotFound):
                client.delete_deployment(deployment.id)


@pytest.mark.e2e
@pytest.mark.parametrize("page", PAGES)
def test_every_snippet_of_a_page_runs(page: str, request: pytest.FixtureRequest) -> None:
    to_run = [s for s in snippets(page) if s.language not in NOT_PROGRAMS and not_run(s) is None]
    if not to_run:
        return
    reader: Reader = request.getfixturevalue("reader")
    for snippet in to_run:
        reader.read(snippet)
    reader.finish()


def test_what_is_not_run_is_on_some_page() -> None:
    assert {not_run(s) for page in PAGES for s in snippets(page)} - {None} == set(NOT_RUN)


@pytest.mark.parametrize("page", [*PAGES, "CHANGELOG.md"])
def test_every_link_within_the_project_leads_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        there = (ROOT / page).parent / path if path else ROOT / page
        assert there.exists(), f"{page} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}, target


def test_the_commands_of_the_readme_that_are_not_run_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^demo:", makefile, re.MULTILINE)
    assert re.search(r"^test:", makefile, re.MULTILINE)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (install,) = [s for s in snippets("README.md") if s.text.startswith("python3 -m venv")]
    assert "-c constraints.txt -e '.[sandbox]'" in install.text
    assert "sandbox" in extras
    assert "prefect==" in (ROOT / "constraints.txt").read_text()


def test_the_picture_of_waves_is_of_the_diamond() -> None:
    from prefect_drs.plan import check_manifest

    diamond = check_manifest(ROOT / "examples/diamond.yaml", rehearsal=True).manifest
    assert diamond is not None
    drawn = " ".join(ElementTree.parse(ROOT / "docs/images/waves.svg").getroot().itertext())
    for wave in diamond.plan().waves:
        assert wave.wave_name in drawn


def test_the_readme_lists_every_command() -> None:
    from prefect_drs.cli.app import COMMANDS

    told = re.findall(r"^\| `prefect-drs ([a-z-]+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert told == list(dict.fromkeys(told))
    assert set(told) == {command.name for command in COMMANDS}


@pytest.mark.parametrize(("page", "heading"), [("README.md", "## Commands"), ("docs/operating.md", "## Exit codes")])
def test_exit_codes_are_those_of_the_code(page: str, heading: str) -> None:
    from prefect_drs.cli.app import __doc__ as told_by_the_code

    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", section(page, heading), re.MULTILINE)}
    assert told_by_the_code is not None
    assert codes == {int(code) for code in re.findall(r"\b(\d+) (?=[a-z])", told_by_the_code.split("Exit codes:")[1])}


def test_the_statuses_are_those_of_the_code() -> None:
    from prefect_drs.report.model import ExecutionStatus, WaveStatus

    text = section("docs/operating.md", "## What the statuses mean")
    executions, waves = text.split("| wave |")
    assert first_column(executions) == set(ExecutionStatus)
    assert first_column(waves) == set(WaveStatus)


def test_how_long_is_waited_is_as_the_code_has_it() -> None:
    from prefect_drs.recovery import wave_runner
    from prefect_drs.recovery.launch import jobs, launch_errors

    told = re.findall(r"\| (\d+) hours? \|$", section("docs/operating.md", "### How long it waits"), re.MULTILINE)
    patience = (jobs.FOREIGN_PATIENCE, launch_errors.PATIENCE, wave_runner.PREPARING_PATIENCE)
    assert [int(hours) * 3600 for hours in told] == [limit.total_seconds() for limit in patience]


def test_the_findings_are_those_of_the_code() -> None:
    from prefect_drs.runbook.rules import RULES

    form = r"^\| `(\w+)` \| preflight \| (\w+) \| (.*?) \| (.*?) \|$"
    rows = re.findall(form, section("docs/preflight.md", "## The rules"), re.MULTILINE)
    assert rows == [(rule.code, rule.severity, rule.what, rule.remedy) for rule in RULES]
    assert len({rule.code for rule in RULES}) == len(RULES)


def test_the_waivable_findings_are_those_of_the_code() -> None:
    from prefect_drs.runbook.waivers import WAIVABLE

    assert first_column(section("docs/preflight.md", "## Waivers")) == set(WAIVABLE)


def test_the_policy_allows_what_the_preflight_asks_for_and_nothing_else() -> None:
    import json

    from prefect_drs.aws.permissions import PURPOSES, policy_document

    policy, trust = (json.loads(s.text) for s in snippets("docs/permissions.md") if s.language == "json")
    assert policy == policy_document()
    assert all(purpose.actions == tuple(sorted(purpose.actions)) for purpose in PURPOSES)
    (letting_in,) = trust["Statement"]
    assert letting_in["Action"] == "sts:AssumeRole"
    assert "sts:ExternalId" in letting_in["Condition"]["StringEquals"]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", section("docs/permissions.md", "## What it is for"), re.MULTILINE)
    assert rows == [(purpose.sid, purpose.why) for purpose in PURPOSES]


def test_the_fields_of_an_account_are_those_of_the_block() -> None:
    from prefect_drs import TargetAccount

    assert first_column(section("docs/operating.md", "## Accounts")) == set(TargetAccount.model_fields)


def test_the_parameters_of_the_deployment_are_those_of_the_flow() -> None:
    from prefect_drs.flows import recover

    assert first_column(section("docs/operating.md", "## Deployments and workers")) == set(
        recover.parameters.properties
    )


def test_the_settings_are_there_with_the_defaults_told() -> None:
    from prefect_drs.orchestration.settings import PrefectDrsSettings

    rows = re.findall(r"^\| `PREFECT_DRS_(\w+)` \| `?([^`|]*)`? \|", section("docs/operating.md", "## Settings"), re.M)
    assert rows
    for name, default in rows:
        assert str(PrefectDrsSettings.model_fields[name.lower()].default) == default.strip()


@pytest.mark.parametrize(
    ("heading", "shape"),
    [
        ("### Manifest", "MANIFEST"),
        ("### Protection group", "GROUP"),
        ("### Server", "SERVER"),
        ("### Launch settings", "LAUNCH_CONFIG"),
        ("### Recovery plan", "PLAN"),
        ("### Notify", "NOTIFY"),
        ("### Wave", "WAVE"),
        ("### Retry", "RETRY"),
        ("### Approval", "QUORUM"),
    ],
)
def test_the_fields_of_a_manifest_are_those_of_the_code(heading: str, shape: str) -> None:
    from prefect_drs.plan.read import fields

    assert first_column(section("docs/manifest.md", heading)) == set(getattr(fields, shape).fields)


def test_the_kinds_of_checks_are_those_of_the_code() -> None:
    from prefect_drs.plan.checks import CHECK_TYPES, HOOK_TYPES

    rows = re.findall(r"^\| `(\w+)` .*\| (yes )?\|$", section("docs/checks.md", "## The kinds"), re.MULTILINE)
    assert {kind for kind, _ in rows} == set(CHECK_TYPES)
    assert {kind for kind, hook in rows if hook} == set(HOOK_TYPES)


def test_the_codes_of_faults_are_those_of_the_rules() -> None:
    from prefect_drs.plan.model import LaunchDisposition, RightSizingMethod

    values = {*get_args(LaunchDisposition), *get_args(RightSizingMethod), "FALSE"}
    files = [path for path in (ROOT / "prefect_drs/plan").rglob("*.py") if path.name != "graph.py"]
    every = set().union(*map(codes_in, files)) - values
    assert first_column(section("docs/preflight.md", "## Offline")) == every


def test_every_rule_has_its_codes_in_the_table() -> None:
    import inspect
    import textwrap

    from prefect_drs.plan.rules import RULES

    told = first_column(section("docs/preflight.md", "## Offline"))
    for rule in RULES:
        assert codes_of(textwrap.dedent(inspect.getsource(rule))) <= told | {"BASIC", "IN_AWS", "STOPPED"}, (
            rule.__name__
        )


def test_the_rooms_are_those_of_the_import_rules() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    layers = [
        room.removeprefix("prefect_drs.")
        for layer in contract["layers"]
        if not layer.startswith("(")
        for room in re.split(r" [|:] ", layer)
    ]
    told = re.findall(r"^\| `(\w+)` \|", section("docs/architecture.md", "## The rooms"), re.MULTILINE)
    assert told == layers


CODE = re.compile(r"[A-Z][A-Z0-9_]{4,}")


def codes_in(path: Path) -> set[str]:
    return codes_of(path.read_text(encoding="utf-8"))


def codes_of(source: str) -> set[str]:
    """The texts in a piece of Python that have the form of a code."""
    constants = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
    return {text for text in constants if isinstance(text, str) and CODE.fullmatch(text)}


def section(page: str, heading: str) -> str:
    """What stands under a heading, up to the next of its rank."""
    text = (ROOT / page).read_text(encoding="utf-8")
    begin = text.index(f"\n{heading}\n") + len(heading) + 2
    rank = heading.split(maxsplit=1)[0]
    end = re.search(rf"^#{{1,{len(rank)}}} ", text[begin:], re.MULTILINE)
    return text[begin : begin + end.start()] if end else text[begin:]


def first_column(text: str) -> set[str]:
    """The words in code type that begin a table's rows."""
    return set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
