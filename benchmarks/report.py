"""The HTML report of 1,000 servers: how long it takes to make, and what a browser does with it.

    python -m benchmarks.report [--seed 1] [--out report.html]

from the repository's root. The real engine drills a benchmark estate (`benchmarks.estates`, 1,000 servers in 40 waves)
twice on the simulator in virtual time, with a journal in a folder: the first drill is the history of the forecast, the
second is reported. One launch in fifty fails once and is tried again. Measured is everything that `prefect-drs report
EXECUTION --format html` does after its imports: reading both journals, timeline, forecast, page; wall and CPU time of
this process. Then headless Chromium, where there is one, opens the file and prints it; every request that it makes is
recorded. Exit code 1 where the report takes 10 s or more, or a request goes anywhere but to the file.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from uuid import UUID

from benchmarks.drills import NoGate, estate_on_the_simulator, runbook_of
from benchmarks.estates import SMALL, draw_estate
from benchmarks.packing import expected_seconds
from prefect_drs.aws.sessions import Sessions
from prefect_drs.plan.model import Retry
from prefect_drs.recovery.drivers import InlineExecutor, run_plainly
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.journal import FolderStorage, StoredJournal
from prefect_drs.recovery.options import EngineOptions, EnginePorts

TARGET_SECONDS = 10.0
FAIL_EVERY = 50


def drill_twice(seed: int, folder: Path) -> list[str]:
    """Two drills of one estate, the second a day later; the ids of the executions."""
    estate = draw_estate(SMALL, seed)
    runbook = runbook_of(estate)
    waves = tuple(wave.model_copy(update={"retry": Retry(attempts=1)}) for wave in runbook.waves)
    runbook = runbook.model_copy(update={"waves": waves})
    ids = [str(UUID(int=number)) for number in (1, 2)]
    for number, execution_id in enumerate(ids):
        with estate_on_the_simulator(estate) as sandbox:
            sandbox.clock.advance(number * 86_400)
            sandbox.faults.add({"kind": "server", "server": "*", "effect": "fail", "every": FAIL_EVERY})
            journal = StoredJournal(FolderStorage(folder / "journal"), execution_id)
            ports = EnginePorts(Sessions(), sandbox.clock, journal, InlineExecutor())
            options = EngineOptions(workers=1, expected=expected_seconds(estate), seed=seed)
            run_plainly(Engine(execution_id, runbook, ports, options), NoGate(), sandbox.clock)
    return ids


def made(execution_id: str, out: Path) -> tuple[float, float]:
    """Make the report; its wall and CPU seconds."""
    from prefect_drs.operations.execution_report import execution_document  # noqa: PLC0415 - reads the settings

    wall, cpu = time.perf_counter(), time.process_time()
    document = execution_document(execution_id, "html")
    seconds = time.perf_counter() - wall, time.process_time() - cpu
    out.write_text(document, encoding="utf-8")
    return seconds


def opened(page_file: Path) -> tuple[list[str], float, int] | None:
    """What Chromium requests besides the file, seconds to open it, bytes of its PDF; None without Chromium."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - a development tool

    from tests.conftest import find_chromium  # noqa: PLC0415
    from tests.e2e.conftest import CHROMIUM_ARGUMENTS  # noqa: PLC0415

    if (chromium := find_chromium()) is None:
        return None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_ARGUMENTS))
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        began = time.perf_counter()
        page.goto(page_file.as_uri(), wait_until="networkidle", timeout=120_000)
        seconds = time.perf_counter() - began
        printed = len(page.pdf())
        browser.close()
    return [url for url in requests if url != page_file.as_uri()], seconds, printed


def main() -> int:
    """Print the figures; 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="the estate")
    parser.add_argument("--out", type=Path, help="keep the report here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="report-") as name:
        folder = Path(name)
        os.environ["PREFECT_DRS_HOME"] = str(folder)
        out = (options.out or folder / "report.html").resolve()
        _, execution_id = drill_twice(options.seed, folder)
        objects = sum(1 for _ in (folder / "journal" / execution_id).iterdir())
        wall, cpu = made(execution_id, out)
        print(
            f"{SMALL.name}, {objects} journal objects: {wall:.1f} s ({cpu:.1f} s of CPU), {out.stat().st_size:,} bytes"
        )
        browser = opened(out)
    if browser is None:
        print("no Chromium here: the file was not opened", file=sys.stderr)
        return int(wall >= TARGET_SECONDS)
    requests, seconds, printed = browser
    print(
        f"Chromium opened it in {seconds:.1f} s, printed {printed:,} bytes of PDF, requests elsewhere: {requests or 0}"
    )
    return int(wall >= TARGET_SECONDS or bool(requests))


if __name__ == "__main__":
    raise SystemExit(main())
