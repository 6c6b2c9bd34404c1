"""The Prefect UI as a person at a gate meets it: V2, which servers show by default since 3.8, and V1.

In comes a Playwright page, out go what is on it and clicks. Knows nothing of gates but the titles of their form. The
path of a link says which UI it leads to.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

PATIENCE_MILLISECONDS = 30_000
STORED_MILLISECONDS = 90_000  # Prefect's server waits up to 60 s for its SQLite, where others write
ATTEMPTS = 3
WRITTEN = re.compile(r"\S")
"""The page shows an artifact's frame a moment before its text."""
DESCRIBED = re.compile(r"Created\s*\S")
"""A card whose description is drawn, below the word that ends its head."""


def flow_run_page(page: Page, link: str) -> FlowRunPage:
    """The page of a flow run, in the UI that the link leads to."""
    return V2FlowRunPage(page, link) if "/v2/" in link else V1FlowRunPage(page, link)


class ResumeDialog(ABC):
    """The form that waits for an answer."""

    def __init__(self, page: Page, dialog: Locator) -> None:
        self._page = page
        self.dialog = dialog

    @abstractmethod
    def markdown(self) -> Locator:
        """The rendered description above the fields."""

    @abstractmethod
    def choose(self, title: str, option: str) -> None:
        """Pick from a drop-down."""

    @abstractmethod
    def write(self, title: str, text: str) -> None:
        """Fill a text field."""

    @abstractmethod
    def submit(self) -> None:
        """Click the button that sends the answer."""

    def table(self) -> list[list[str]]:
        """The description's table, row by row, the heading first."""
        rows = self.markdown().locator("table tr")
        rows.first.wait_for()  # the page renders its Markdown a moment after the dialog is there
        return [[cell.strip() for cell in row.locator("th, td").all_inner_texts()] for row in rows.all()]

    def answer(self, decision: str, by: str, comment: str = "") -> None:
        """Fill the gate's form and submit it; the dialog closes once Prefect has taken it."""
        self.choose("Decision", decision)
        self.write("By", by)
        if comment:
            self.write("Comment", comment)
        self.submit()
        self.closes()

    def closes(self) -> None:
        """Wait until Prefect has taken the answer."""
        expect(self.dialog).to_be_hidden(timeout=STORED_MILLISECONDS)

    def screenshot(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._page.screenshot(path=path, animations="disabled")


@dataclass(frozen=True)
class Card:
    """An artifact as the page of a flow run shows it. `fits`: whether the card is wide enough for its key."""

    kind: str
    text: str
    fits: bool


class FlowRunPage(ABC):
    """One flow run's page."""

    def __init__(self, page: Page, link: str) -> None:
        self.page = page
        self._link = link

    def open(self) -> FlowRunPage:
        self.page.goto(self._link)
        return self

    @abstractmethod
    def expect_state(self, name: str) -> None:
        """Wait for the run's state."""

    @abstractmethod
    def resume(self) -> ResumeDialog:
        """Choose Resume; the dialog holds the form of the run's input."""

    @abstractmethod
    def artifacts(self) -> dict[str, Card]:
        """The cards of the tab Artifacts by key, as they stand when the page is opened again; the first one first."""

    @abstractmethod
    def open_artifact(self, key: str) -> Locator:
        """Click a card of the tab: the rendered Markdown of the artifact."""

    def artifact_text(self, key: str) -> str:
        """Click a card of the tab: the text of the artifact. The page may draw it anew once it is there."""
        shown = self.open_artifact(key)
        while not (text := shown.inner_text(timeout=PATIENCE_MILLISECONDS)).strip():
            expect(shown).to_have_text(WRITTEN, use_inner_text=True, timeout=PATIENCE_MILLISECONDS)
        return text

    def screenshot(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path, animations="disabled", full_page=True)


class V2ResumeDialog(ResumeDialog):
    def markdown(self) -> Locator:
        return self.dialog.locator(".prose").first

    def choose(self, title: str, option: str) -> None:
        button = self.dialog.get_by_role("button", name=f"Select {title}")
        button.click()  # with the mouse
        self._page.get_by_role("option", name=option, exact=True).click()
        expect(button).to_have_text(option)

    def write(self, title: str, text: str) -> None:
        self.dialog.get_by_label(title).fill(text)

    def submit(self) -> None:
        self.dialog.get_by_role("button", name="Resume", exact=True).click()

    def closes(self) -> None:
        """Press Resume again where the page says that it failed: it gives up where Prefect's own client asks again."""
        failed = self._page.locator('[data-sonner-toast][data-type="error"]')
        closed = self._page.locator("body:not(:has([role=dialog]))")
        for _ in range(ATTEMPTS):
            expect(failed.or_(closed).first).to_be_visible(timeout=STORED_MILLISECONDS)
            expect(failed).to_have_count(0, timeout=PATIENCE_MILLISECONDS)  # it goes by itself
            if self.dialog.is_hidden():
                return
            self.submit()
        super().closes()


class V2FlowRunPage(FlowRunPage):
    def expect_state(self, name: str) -> None:
        badge = self.page.locator('[data-slot="badge"]').get_by_text(name, exact=True)
        expect(badge.first).to_be_visible(timeout=PATIENCE_MILLISECONDS)

    def resume(self) -> ResumeDialog:
        # The page's own menu is the first: the dialog's fields have menus of the same name.
        self.page.get_by_role("button", name="Open menu").first.click(timeout=PATIENCE_MILLISECONDS)
        self.page.get_by_role("menuitem", name="Resume").click()
        dialog = self.page.get_by_role("dialog")
        expect(dialog.get_by_role("button", name="Select Decision")).to_be_visible(timeout=PATIENCE_MILLISECONDS)
        return V2ResumeDialog(self.page, dialog)

    def artifacts(self) -> dict[str, Card]:
        self.open()
        self.page.get_by_role("tab", name="Artifacts").click(timeout=PATIENCE_MILLISECONDS)
        grid = self.page.get_by_test_id("flow-run-artifacts-grid")
        expect(grid.or_(self.page.get_by_text("did not produce any artifacts"))).to_be_visible(
            timeout=PATIENCE_MILLISECONDS
        )
        cards = grid.get_by_role("link").all() if grid.is_visible() else []
        for card in cards:  # the description, which each of ours has, is drawn later than the rest
            expect(card).to_have_text(DESCRIBED, use_inner_text=True, timeout=PATIENCE_MILLISECONDS)
        return {card.locator("h3").inner_text(): _card(card, card.locator("p").first, "h3") for card in cards}

    def open_artifact(self, key: str) -> Locator:
        self.page.get_by_role("link").filter(has=self.page.locator("h3", has_text=re.compile(f"^{key}$"))).click()
        shown = self.page.get_by_test_id("markdown-display")
        expect(shown).to_have_text(WRITTEN, use_inner_text=True, timeout=PATIENCE_MILLISECONDS)
        return shown


class V1ResumeDialog(ResumeDialog):
    def markdown(self) -> Locator:
        return self.dialog.locator("article.markdown-renderer").first

    def choose(self, title: str, option: str) -> None:
        """With the Down key: a mouse click opens the list and closes it again."""
        button = self._field(title).get_by_role("button").last
        button.focus()
        button.press("ArrowDown")
        self._page.get_by_role("option", name=option, exact=True).click()
        expect(button).to_have_text(option)

    def write(self, title: str, text: str) -> None:
        self._field(title).get_by_role("textbox").fill(text)

    def submit(self) -> None:
        self.dialog.get_by_role("button", name="Submit").click()

    def _field(self, title: str) -> Locator:
        label = self._page.locator(".schema-form-property__label").filter(has_text=title)
        return self.dialog.locator(".schema-form-property").filter(has=label)


class V1FlowRunPage(FlowRunPage):
    def expect_state(self, name: str) -> None:
        badge = self.page.locator(".page-heading-flow-run .state-badge, .page-heading-flow-run .p-tag")
        expect(badge.filter(has_text=name).first).to_be_visible(timeout=PATIENCE_MILLISECONDS)

    def resume(self) -> ResumeDialog:
        self.page.get_by_role("button", name="Resume").click(timeout=PATIENCE_MILLISECONDS)
        dialog = self.page.get_by_role("dialog")
        expect(dialog.get_by_role("button", name="Submit")).to_be_visible(timeout=PATIENCE_MILLISECONDS)
        return V1ResumeDialog(self.page, dialog)

    def artifacts(self) -> dict[str, Card]:
        self.open()
        self.page.get_by_role("tab", name="Artifacts").or_(
            self.page.locator(".p-tab", has_text="Artifacts")
        ).first.click(timeout=PATIENCE_MILLISECONDS)
        cards = self.page.locator(".artifact-card")
        cards.first.wait_for()
        return {
            card.locator(".artifact-card__title").inner_text(): _card(
                card, card.locator(".artifact-card__subheader"), ".artifact-card__title"
            )
            for card in cards.all()
        }

    def open_artifact(self, key: str) -> Locator:
        title = self.page.locator(".artifact-card__title", has_text=re.compile(f"^{key}$"))
        self.page.locator(".artifact-card").filter(has=title).click()
        shown = self.page.locator(".artifact-data-markdown").first
        expect(shown).to_have_text(WRITTEN, use_inner_text=True, timeout=PATIENCE_MILLISECONDS)
        return shown


def _card(card: Locator, kind: Locator, title: str) -> Card:
    fits = card.locator(title).evaluate("title => title.scrollWidth <= title.clientWidth")
    return Card(kind.inner_text(), card.inner_text(), bool(fits))
