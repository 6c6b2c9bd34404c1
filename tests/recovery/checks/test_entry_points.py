"""Callables of the entry-point group, from a distribution that is really installed on the path."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefect_drs.recovery.checks import ProbeVerdict
from prefect_drs.report.checks import CheckPhase
from tests.recovery.checks.conftest import Launched

MODULE = """
from prefect_drs.recovery.checks import ProbeOutcome

def yes(context): return True
def quiet(context): return None
def not_yet(context): return False
def rows(context):
    if context.target is None:
        return ProbeOutcome.passed(f"hook {context.phase} of wave {context.wave.wave_number}")
    regions = context.sessions.client("ec2", region=context.target.server.region).meta.region_name
    return ProbeOutcome.passed(f"{context.parameters['table']} of {context.target.server.name} in {regions}")
def address(context): return context.address("public") == "never"
def broken(context): raise LookupError("no such table")
def odd(context): return "fine"
"""
NAMES = ("yes", "quiet", "not_yet", "rows", "address", "broken", "odd")


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "drs_test_checks.py").write_text(MODULE)
    info = tmp_path / "drs_test_checks-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: drs-test-checks\nVersion: 1.0\n")
    points = "\n".join(f"{name} = drs_test_checks:{name}" for name in (*NAMES, "gone"))
    (info / "entry_points.txt").write_text(f"[prefect_drs.checks]\n{points}\n")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize(
    ("name", "verdict", "told"),
    [
        ("yes", ProbeVerdict.PASSED, "yes passed"),
        ("quiet", ProbeVerdict.PASSED, "quiet passed"),
        ("not_yet", ProbeVerdict.PENDING, "says not yet"),
        ("rows", ProbeVerdict.PASSED, "orders of w1-000 in us-west-2"),
        ("address", ProbeVerdict.PENDING, "no public IPv4 address"),
        ("broken", ProbeVerdict.FAILED, "LookupError: no such table"),
        ("odd", ProbeVerdict.FAILED, "answered str"),
        ("gone", ProbeVerdict.FAILED, "AttributeError"),
        ("other", ProbeVerdict.FAILED, "no entry point 'other'"),
    ],
)
def test_a_callable_decides(launched: Launched, name: str, verdict: ProbeVerdict, told: str) -> None:
    outcome = launched.look({"type": "python", "entryPoint": name, "parameters": {"table": "orders"}})[0]
    assert outcome.verdict is verdict
    assert told in outcome.detail


@pytest.mark.usefixtures("plugin")
def test_a_callable_serves_as_a_hook(launched: Launched) -> None:
    checking = launched.checking({"type": "python", "entryPoint": "rows"}, phase=CheckPhase.PRE_WAVE)
    assert [result.detail for result in checking.results] == ["hook preWave of wave 1"]
