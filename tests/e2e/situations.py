"""The table of situations in docs/operating.md, and somebody who looks at all that it promises.

The table is the expectation: each phrase in backticks has to be in what `status` prints, on the page of the run in the
Prefect UI, or in the HTML report. `…` stands for anything, EXECUTION for an id, N for a number.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.prefect_ui import FlowRunPage, flow_run_page
from tests.e2e.rehearsal import COMMAND_SECONDS, ROOT, Rehearsal, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

HEADING = "## The situations on call"
KINDS = {"MARKDOWN", "PROGRESS"}  # of artifacts that the UI renders
READS = ("-report", "-refused")  # endings of the keys of the artifact that says what to do
ANYTHING = {"…": ".*?", "EXECUTION": r"[0-9a-f-]{36}", "N": r"\d+"}


@dataclass(frozen=True)
class Shown:
    """What a situation looks like: patterns for each of the three views."""

    status: tuple[re.Pattern[str], ...]
    ui: tuple[re.Pattern[str], ...]
    html: tuple[re.Pattern[str], ...]


def table() -> dict[str, Shown]:
    """The table of the documentation by situation."""
    text = (ROOT / "docs/operating.md").read_text(encoding="utf-8").split(f"{HEADING}\n")[1].split("\n##")[0]
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.splitlines() if line[:1] == "|"]
    return {row[0]: Shown(*map(_patterns, row[1:])) for row in rows[2:]}


def _patterns(cell: str) -> tuple[re.Pattern[str], ...]:
    return tuple(_pattern(phrase) for phrase in re.findall(r"`([^`]+)`", cell))


def _pattern(phrase: str) -> re.Pattern[str]:
    parts = re.split(r"(…|\bEXECUTION\b|\bN\b)", phrase)
    return re.compile("".join(ANYTHING.get(part) or re.escape(part) for part in parts))


@dataclass
class Onlooker:
    """Looks at an execution as a person on call does: at `status`, the Prefect UI and the HTML report.

    `pictures` is the folder for those of the UI's pages; none are taken without one.
    """

    rehearsal: Rehearsal
    page: Page
    pictures: Path | None

    def sees(self, situation: str, execution_id: str) -> None:
        """Wait until all three views show the situation as the documentation says; keep a picture of the UI."""
        expected = table()[situation]
        self._shows(situation, "prefect-drs status", expected.status, lambda: self._cli("status", execution_id))
        self._shows(
            situation,
            "prefect-drs report",
            expected.html,
            lambda: self._cli("report", execution_id, "--format", "html"),
        )
        self._shows(situation, "the Prefect UI", expected.ui, lambda: self._in_ui(situation, execution_id))

    def run_page(self, flow_run_id: str, ui: str = "v2") -> FlowRunPage:
        """The page of a flow run in one of the UIs."""
        base = self.rehearsal.environment["PREFECT_UI_URL"]
        return flow_run_page(self.page, f"{base}{'/v2' if ui == 'v2' else ''}/runs/flow-run/{flow_run_id}")

    def keep(self, page: FlowRunPage, name: str) -> None:
        """Keep a picture of a page."""
        if self.pictures is not None:
            page.screenshot(self.pictures / f"{name}.png")

    def _cli(self, *arguments: str) -> str:
        done = self.rehearsal.cli(*arguments)
        return done.stdout + done.stderr

    def _in_ui(self, situation: str, execution_id: str) -> str:
        run = self.run_page(execution_id)
        cards = run.artifacts()
        assert {card.kind for card in cards.values()} <= KINDS, cards
        assert all(card.fits for card in cards.values()), cards
        name = situation.replace(" ", "-").replace(",", "")
        self.keep(run, name)
        texts = [self.page.locator("body").inner_text()]
        if key := next((key for key in cards if key.endswith(READS)), None):
            texts.append(run.artifact_text(key))
            self.keep(run, f"{name}-report")
        return "\n".join(texts)

    def _shows(self, situation: str, view: str, patterns: tuple[re.Pattern[str], ...], look: Callable[[], str]) -> None:
        assert patterns, f"docs/operating.md says nothing of {view} where it is {situation}"
        missing: list[str] = []

        def complete() -> bool | None:
            text = _squeezed(look())
            missing[:] = [pattern.pattern for pattern in patterns if not pattern.search(text)]
            return not missing or None

        try:
            until(complete, f"{view} where it is {situation}", every=COMMAND_SECONDS)
        except BaseException:
            print(f"not in {view} where it is {situation}: {missing}")
            raise


def _squeezed(text: str) -> str:
    """The text without markup, in one line: terminals and pages break lines anywhere."""
    return " ".join(re.sub(r"<style>.*?</style>|<[^<>]+>", " ", text, flags=re.DOTALL).split())
