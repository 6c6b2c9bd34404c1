"""Commands load only what they print: none of Prefect, boto3 and the like where it is not needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("prefect", "boto3", "botocore", "moto", "fastapi")
NOT_FOR_HELP = (*HEAVY, "pydantic", "markdown_it", "pygments", "networkx", "ruamel", "prefect_drs.plan")


def run_and_report(modules: tuple[str, ...]) -> str:
    """Code that runs a command and names those of the modules that it loaded as the last line on stderr."""
    return f"""
import sys
from prefect_drs.cli import main
code = main(sys.argv[1:])
print("heavy:", *[name for name in {modules!r} if name in sys.modules], file=sys.stderr)
sys.exit(code)
"""


def heavy_after(code: str, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=120, check=False
    )
    return done.returncode, done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["validate", "--help"], 0),
        (["show", "--help"], 0),
        (["validate", "examples/three-tier.json"], 1),
        (["validate", "examples/diamond.yaml", "--json"], 1),
        (["show", "examples/three-tier.json"], 0),
        (["show", "examples/diamond.yaml", "--format", "mermaid"], 0),
        (["no-such-command"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_a_command_that_needs_neither_prefect_nor_boto3_loads_neither(arguments: list[str], code: int) -> None:
    assert heavy_after(run_and_report(HEAVY), *arguments) == (code, "heavy:")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["sandbox", "--help"],
        ["op", "--list"],
        ["op", "--help"],
        ["drill", "--help"],
        ["doctor", "--help"],
    ],
    ids=" ".join,
)
def test_a_command_that_only_lists_loads_no_library_but_cyclopts_and_rich(arguments: list[str]) -> None:
    assert heavy_after(run_and_report(NOT_FOR_HELP), *arguments) == (0, "heavy:")


def test_a_sound_file_is_validated_without_networkx() -> None:
    code = run_and_report((*HEAVY, "networkx"))
    assert heavy_after(code, "validate", "examples/three-tier.json") == (1, "heavy:")


@pytest.mark.parametrize(
    "module", ["prefect_drs", "prefect_drs.plan", "prefect_drs.plan.graph", "prefect_drs.core.errors"]
)
def test_a_light_module_loads_neither_prefect_nor_boto3_nor_networkx(module: str) -> None:
    listed = f"[name for name in {(*HEAVY, 'networkx')!r} if name in sys.modules]"
    code = f"import sys, {module}\nprint('heavy:', *{listed}, file=sys.stderr)"
    assert heavy_after(code) == (0, "heavy:")


def test_public_names_come_from_where_they_live_and_unknown_ones_are_refused() -> None:
    import prefect_drs
    from prefect_drs.plan import load_manifest

    assert prefect_drs.load_manifest is load_manifest
    assert set(prefect_drs.__all__) <= set(dir(prefect_drs))
    assert prefect_drs.__version__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = prefect_drs.nothing


def test_every_public_name_is_there() -> None:
    import prefect_drs

    for name in prefect_drs.__all__:
        assert getattr(prefect_drs, name).__name__ == name


def test_every_command_is_where_the_help_says_it_is() -> None:
    from importlib import import_module

    from prefect_drs.cli.app import COMMANDS

    for command in COMMANDS:
        module, _, attribute = command.target.partition(":")
        assert callable(getattr(import_module(module), attribute)), command.name
