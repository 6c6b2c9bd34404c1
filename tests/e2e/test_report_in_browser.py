"""The HTML report of 1,000 servers in Chromium: no request to anywhere, readable in light and dark, printable."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from prefect_drs.execution.timeline import timeline_of
from prefect_drs.execution.view import report_of
from prefect_drs.report.html import html_report
from tests.report.story import large, runbook, started

if TYPE_CHECKING:
    from playwright.sync_api import Page

SERVERS = 1000
CONTRAST = """() => {
  const luminance = colour => {
    const [r, g, b] = colour.match(/[0-9.]+/g).slice(0, 3).map(value => {
      const share = value / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = luminance(getComputedStyle(document.querySelector("main")).backgroundColor);
  const ratio = colour => {
    const ink = luminance(colour);
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  };
  const texts = [...document.querySelectorAll("h1, h2, p, td, th, .card div")].map(e => getComputedStyle(e).color);
  const drawn = [...document.querySelectorAll("svg.gantt text")].map(e => getComputedStyle(e).fill);
  return Math.min(...new Set([...texts, ...drawn]).values().map(ratio));
}"""
"""The lowest contrast of a text with the page (WCAG 2, contrast ratio)."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    events = large(SERVERS)
    book = runbook([SERVERS // 40] * 40)
    assert events[0] == started(book)
    page = html_report(report_of(events), book, timeline_of(events), made_at=datetime.now(UTC), version="test")
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(page, encoding="utf-8")
    return file


@pytest.mark.browser
def test_it_opens_without_a_request_to_anywhere(report: Path, browser_page: Page) -> None:
    requests: list[str] = []
    said: list[str] = []
    browser_page.on("request", lambda request: requests.append(request.url))
    browser_page.on("console", lambda message: said.append(message.text))
    browser_page.on("pageerror", lambda error: said.append(str(error)))
    browser_page.goto(report.as_uri(), wait_until="networkidle")
    assert requests == [report.as_uri()]
    assert said == []
    assert browser_page.locator("table.servers tbody tr").count() == SERVERS
    assert browser_page.locator("svg.gantt").count() == 41  # of the waves, and of the servers of each
    assert browser_page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert browser_page.pdf().startswith(b"%PDF-")
    assert requests == [report.as_uri()]


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_is_readable_on_its_ground(
    report: Path, browser_page: Page, scheme: Literal["light", "dark"]
) -> None:
    browser_page.emulate_media(color_scheme=scheme)
    browser_page.goto(report.as_uri())
    assert browser_page.evaluate(CONTRAST) >= 4.5
