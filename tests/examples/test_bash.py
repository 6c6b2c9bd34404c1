"""The pipeline: what it runs, in which order, and what each exit code of `prefect-drs` makes of it.

Here `prefect-drs` is a script that ends as it was told; `docs/integrations.md` runs the pipeline with the program.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from prefect_drs.cli.app import __doc__ as exit_codes
from tests.examples.places import EXAMPLES

SCRIPT = EXAMPLES / "bash/drill.sh"
CODES = sorted(int(code) for code in re.findall(r"\b(\d+) (?=[a-z])", (exit_codes or "").split("Exit codes:")[1]))
STEPS = ["validate", "runbook", "drill", "report", "terminate"]
STAND_IN = """#!/usr/bin/env bash
echo "$*" >>"$CALLS"
if [[ "$1" == drill ]]; then echo '{"executionId": "e-1"}'; fi
for failure in $FAILURES; do
  if [[ "${failure%=*}" == "$1" ]]; then exit "${failure#*=}"; fi
done
"""


class Pipeline:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        program = folder / "prefect-drs"
        program.write_text(STAND_IN)
        program.chmod(0o755)

    def run(self, *failures: str, arguments: tuple[str, ...] = ("plan.yaml", "b.yaml")) -> tuple[int, list[str], str]:
        """The exit code, the commands, and stderr; `failures` are `STEP=CODE`."""
        calls = self.folder / "calls"
        calls.write_text("")
        environment = {
            "PATH": f"{self.folder}:{os.environ['PATH']}",
            "CALLS": str(calls),
            "FAILURES": " ".join(failures),
            "DRILL_FOLDER": str(self.folder / "out"),
        }
        done = subprocess.run(
            [SCRIPT, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode, calls.read_text().splitlines(), done.stderr


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    return Pipeline(tmp_path)


def test_a_drill_that_completes_is_reported_and_terminated(pipeline: Pipeline) -> None:
    code, calls, told = pipeline.run()
    assert (code, told) == (0, "")
    assert [call.split()[0] for call in calls] == STEPS
    assert calls[2] == "drill plan.yaml --bindings b.yaml --yes --json"
    assert calls[4] == "terminate e-1 --yes"
    assert json.loads((pipeline.folder / "out/drill.json").read_text()) == {"executionId": "e-1"}


def test_a_plan_without_bindings_needs_none(pipeline: Pipeline) -> None:
    assert pipeline.run(arguments=("a plan.yaml",))[1][0] == "validate a plan.yaml"


def test_wrong_arguments_run_nothing(pipeline: Pipeline) -> None:
    assert pipeline.run(arguments=())[:2] == (2, [])


@pytest.mark.parametrize("step", ["validate", "runbook"])
@pytest.mark.parametrize("code", [code for code in CODES if code])
def test_a_step_that_fails_before_the_drill_ends_the_pipeline_with_its_code(
    pipeline: Pipeline, step: str, code: int
) -> None:
    ended, calls, told = pipeline.run(f"{step}={code}")
    assert (ended, calls[-1].split()[0]) == (code, step)
    assert f"{step}: exit code {code}: " in told
    assert "does not document" not in told


@pytest.mark.parametrize("code", [code for code in CODES if code])
def test_a_drill_that_has_ended_is_reported_and_terminated_whatever_its_code(pipeline: Pipeline, code: int) -> None:
    ended, calls, told = pipeline.run(f"drill={code}")
    assert ended == code
    assert [call.split()[0] for call in calls][3:] == (["report", "terminate"] if code in {3, 4} else [])
    assert ("resume or terminate" in told) == (code in {6, 130, 143})


def test_the_drill_s_code_comes_before_that_of_the_termination(pipeline: Pipeline) -> None:
    assert pipeline.run("drill=3", "terminate=2")[0] == 3
    code, _, told = pipeline.run("terminate=3")
    assert code == 3
    assert "look whether drill instances of e-1 are left" in told


def test_a_code_that_is_not_documented_is_named(pipeline: Pipeline) -> None:
    code, _, told = pipeline.run("validate=77")
    assert code == 77
    assert "does not document exit code 77" in told
