"""The examples are well formed, by the checkers of their formats; they name no machine and no real account."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.examples.places import EXAMPLES, TOOLS, checked

FILES = sorted(path for path in EXAMPLES.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
WORKFLOW = EXAMPLES / "github-actions/drill.yml"
PLACEHOLDER_ACCOUNT = re.compile(r"(\d)\1{11}|123456789012")
"""Account ids that AWS's documentation uses."""


def steps() -> list[dict[str, Any]]:
    read = YAML(typ="safe").load(WORKFLOW)
    found: list[dict[str, Any]] = read["jobs"]["drill"]["steps"]
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_an_example_names_no_machine_and_no_real_account(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert [each for each in re.findall(r"(?<!\w)\d{12}(?!\w)", text) if not PLACEHOLDER_ACCOUNT.fullmatch(each)] == []
    assert re.findall(r"(?<![\w$}./:-])/(?:work|root|home|Users|opt)/\S*", text) == []


@pytest.mark.parametrize("script", sorted(EXAMPLES.rglob("*.sh")), ids=lambda path: path.name)
def test_shellcheck_finds_nothing_in_a_script(script: Path) -> None:
    checked(TOOLS / "shellcheck", script)


def test_the_workflow_follows_github_s_schema() -> None:
    checked(TOOLS / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", WORKFLOW)


def test_shellcheck_finds_nothing_in_the_workflow_s_steps() -> None:
    for step in steps():
        if "run" in step:
            checked(TOOLS / "shellcheck", "--shell=bash", "-", text=step["run"])


def test_no_step_of_the_workflow_puts_an_expression_into_a_shell() -> None:
    """GitHub's guide to secure use: an expression in `run` is an injection; a variable is not."""
    assert [step for step in steps() if "${{" in step.get("run", "")] == []


def test_the_workflow_s_actions_are_pinned_to_commits_and_its_script_is_an_example() -> None:
    assert [
        step["uses"] for step in steps() if not re.search(r"@[0-9a-f]{40}$", step.get("uses", "x@" + 40 * "0"))
    ] == []
    (script,) = {path for step in steps() for path in re.findall(r"examples/\S+\.sh", step.get("run", ""))}
    assert (EXAMPLES.parent / script).exists()


def test_cloudformation_templates_have_no_fault() -> None:
    from cfnlint.api import ManualArgs, lint_file

    faults = [
        fault
        for path in sorted(EXAMPLES.rglob("template.yaml"))
        for fault in lint_file(path, ManualArgs(regions=["us-east-1"]))
    ]
    assert [f"{fault.filename}:{fault.linenumber}: {fault}" for fault in faults] == []


@pytest.mark.parametrize("module", sorted(EXAMPLES.rglob("*.py")), ids=lambda path: path.name)
def test_a_python_example_compiles(module: Path) -> None:
    """The CDK app is only compiled here: its library is not installed; `make check-examples` synthesizes it."""
    compile(module.read_text(encoding="utf-8"), str(module), "exec")
