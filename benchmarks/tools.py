"""CPU time of the light commands beside that of importing what they need.

    python -m benchmarks.tools [--rounds 9]

Each command runs in a process of its own; the rounds alternate between commands and their baselines, so that other work
on the machine meets all alike. Counted is the median CPU time (user and system) of the processes, not wall time.

| command | baseline | at most |
|---|---|---|
| `--help` | `import cyclopts, rich.console` | 1.5 times |
| `op --list` | the same | 1.5 times |
| `validate` of 4,000 servers, JSON | `import cyclopts, pydantic, ruamel.yaml`, then `json.load` of the file | 2 times |

`show` of the same file is measured without a target. Exit code 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

SERVERS = 4000
WAVES = 40
RUN = "import sys; from prefect_drs.cli import main; sys.exit(main())"
LIBRARIES = "import cyclopts, pydantic, ruamel.yaml"


class Case(NamedTuple):
    """A command, the baseline's code, and the most that it may cost of the baseline; None: no target."""

    name: str
    arguments: list[str]
    baseline: str
    at_most: float | None


@dataclass(frozen=True, slots=True)
class Result:
    """Median CPU seconds of a command and of its baseline."""

    case: Case
    seconds: float
    baseline_seconds: float

    @property
    def ratio(self) -> float:
        """How many times the baseline the command costs."""
        return self.seconds / self.baseline_seconds

    @property
    def missed(self) -> bool:
        """Whether the command costs more than its target."""
        return self.case.at_most is not None and self.ratio > self.case.at_most


def manifest(servers: int = SERVERS, waves: int = WAVES) -> dict[str, object]:
    """A sound manifest of that many servers: a chain of waves, a group for each."""
    share = servers // waves
    groups = [
        {
            "groupName": f"group-{wave}",
            "region": "us-east-1",
            "sourceServerIds": [f"s-{wave * share + server:017x}" for server in range(share)],
        }
        for wave in range(waves)
    ]
    chain = [
        {
            "waveNumber": wave + 1,
            "waveName": f"wave {wave + 1}",
            "protectionGroupNames": [f"group-{wave}"],
            "dependsOnWaves": [wave] if wave else [],
        }
        for wave in range(waves)
    ]
    return {
        "schemaVersion": "1.1",
        "protectionGroups": groups,
        "recoveryPlans": [{"planName": "everything", "waves": chain}],
    }


def cases(file: Path) -> list[Case]:
    """The commands that are measured, on that manifest."""
    imports = "import cyclopts, rich.console"
    parse = f"{LIBRARIES}, json; json.load(open({str(file)!r}))"
    return [
        Case("--help", ["--help"], imports, 1.5),
        Case("op --list", ["op", "--list"], imports, 1.5),
        Case("validate", ["validate", str(file)], parse, 2.0),
        Case("show", ["show", str(file)], parse, None),
    ]


def cpu_seconds(code: str, *arguments: str) -> float:
    """CPU time of one process that runs that code.

    Raises:
        CalledProcessError: it failed.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(  # noqa: S603 - this very Python, with code of this file
        [sys.executable, "-c", code, *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"COLUMNS": "120"},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(file: Path, rounds: int) -> list[Result]:
    """Run every command and its baseline that many times, in turn."""
    measured = cases(file)
    own: dict[str, list[float]] = {case.name: [] for case in measured}
    base: dict[str, list[float]] = {case.name: [] for case in measured}
    for _ in range(rounds):
        for case in measured:
            base[case.name].append(cpu_seconds(case.baseline))
            own[case.name].append(cpu_seconds(RUN, *case.arguments))
    return [Result(case, statistics.median(own[case.name]), statistics.median(base[case.name])) for case in measured]


def main() -> int:
    """Measure and print a table; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "plan.json"
        file.write_text(json.dumps(manifest(), indent=2), encoding="utf-8")
        results = measure(file, rounds)
    for result in results:
        target = f"at most {result.case.at_most}" if result.case.at_most else "no target"
        print(
            f"{result.case.name:<10} {result.seconds:6.3f} s  baseline {result.baseline_seconds:6.3f} s  "
            f"{result.ratio:5.2f} times, {target}{'  MISSED' if result.missed else ''}"
        )
    return int(any(result.missed for result in results))


if __name__ == "__main__":
    sys.exit(main())
