"""A real browser, a sandbox and a command line for the end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.conftest import BROWSER_MISSING, PrefectServer, Programs, find_chromium
from tests.e2e.rehearsal import Rehearsal, base_environment

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-gpu-compositing",
    "--disable-software-rasterizer",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture
def browser_page() -> Iterator[Page]:
    """A page in headless Chromium, one browser a test.

    While it lives, an asyncio loop belongs to the test's thread, and Prefect's functions with two faces would answer
    with coroutines there: start flows in another thread or process.
    """
    from playwright.sync_api import sync_playwright

    executable = find_chromium()
    if executable is None:
        pytest.fail(BROWSER_MISSING, pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(CHROMIUM_ARGUMENTS))
        page = browser.new_page(viewport={"width": 1280, "height": 860}, color_scheme="light", reduced_motion="reduce")
        page.set_default_timeout(30_000)
        yield page
        browser.close()


SPEED = 300  # simulated seconds a real one: a launch takes two to four seconds


@pytest.fixture(scope="module")
def rehearsal(session_rehearsal: Rehearsal) -> Rehearsal:
    """The sandbox of the session. Files may use the same region: each sees the jobs that it launched itself."""
    session_rehearsal.begin_file()
    return session_rehearsal


@pytest.fixture(scope="session")
def session_rehearsal(
    prefect_server: PrefectServer, programs: Programs, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rehearsal]:
    """A sandbox in a process of its own for the whole session. The tests of a file keep apart by their regions."""
    folder = tmp_path_factory.mktemp("rehearsal")
    environment = base_environment() | prefect_server.environment | programs.environment
    environment["PREFECT_DRS_HOME"] = str(folder / "home")
    made = Rehearsal(environment, folder, programs.folder)
    made.start_sandbox(SPEED)
    try:
        yield made
    finally:
        for drill in made.started:
            drill.end()
        stopped = made.cli("sandbox", "stop")
    assert stopped.returncode == 0, stopped.stderr
