"""A real browser for the end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.conftest import BROWSER_MISSING, find_chromium

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
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
        page = browser.new_page(viewport={"width": 1280, "height": 860}, color_scheme="light")
        page.set_default_timeout(30_000)
        yield page
        browser.close()
