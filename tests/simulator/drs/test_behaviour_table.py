"""The table of behaviours in the documentation is the list of the tests."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from .documented import BEHAVIOURS

TABLE = Path(__file__).parents[3] / "docs" / "simulator-behaviours.md"
MODULES = {
    "test_jobs_behave": "Jobs",
    "test_quotas_behave": "Quotas and conflicts",
    "test_launches_behave": "Launches",
    "test_made_by_launches": "What a launch makes",
    "test_launch_into_behaves": "Launches into prepared instances",
    "test_launch_templates_behave": "Launch templates",
    "test_replication_behaves": "Replication, failback, staging accounts, networks",
    "test_recovery_plans_behave": "AWS-native recovery plans",
    "test_wire_behaves": "The wire",
    "test_recorded_forms": "Recorded forms",
    "test_one_clock_behaves": "One clock",
    "test_events_behave": "Events",
    "test_accounts_behave": "Accounts and sessions",
    "test_permissions_behave": "Permissions and regions",
    "test_policies_behave": "Policies by resource",
    "test_systems_manager_behaves": "Systems Manager",
    ".test_not_simulated": "What is not simulated",
}
HEAD = """# AWS behaviour that the simulator reproduces

Each row is a test in `tests/simulator`; a test compares this table with them. A source is a page of AWS's
documentation, or the shape of the botocore model that defines the behaviour. Where AWS's documentation is silent (the
duration of a stage, the error for an unknown server in StartRecovery, the default page size),
[simulator.md](simulator.md) records the choice.
"""


def table() -> str:
    rows = [HEAD]
    for module, title in MODULES.items():
        before = set(BEHAVIOURS)
        loaded = importlib.import_module(f".{module}", __package__)
        own = [name for name in vars(loaded) if name.startswith("test_")]
        sentences = [name.removeprefix("test_").replace("_", " ") for name in own]
        told = [s for s in sentences if s in BEHAVIOURS]
        assert set(told) or not set(BEHAVIOURS) - before
        rows.append(f"\n## {title}\n\n| behaviour | source |\n|---|---|")
        rows += [f"| {sentence} | {_linked(BEHAVIOURS[sentence])} |" for sentence in told]
    return "\n".join(rows) + "\n"


def _linked(source: str) -> str:
    if not source.startswith("https://"):
        return source
    name = re.sub(r"(^.*/|\.html$)", "", source)
    return f"[{name}]({source})"


def test_the_documentation_lists_every_behaviour_with_its_source() -> None:
    assert TABLE.read_text(encoding="utf-8") == table(), (
        "docs/simulator-behaviours.md is behind the tests: regenerate it with "
        "`python -m tests.simulator.drs.test_behaviour_table`"
    )


def test_there_are_at_least_60_documented_behaviours() -> None:
    table()
    assert len(BEHAVIOURS) >= 60


if __name__ == "__main__":
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(table(), encoding="utf-8")
