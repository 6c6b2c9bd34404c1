"""The Prefect UI as a person at a gate meets it (3.8.8, the V1 UI that flow-run links lead to).

In comes a Playwright page, out go what is on it and clicks. Knows nothing of gates but the titles of their form.
"""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, Page, expect

PATIENCE_MILLISECONDS = 30_000


class FlowRunPage:
    """One flow run's page."""

    def __init__(self, page: Page, link: str) -> None:
        self.page = page
        self._link = link

    def open(self) -> FlowRunPage:
        self.page.goto(self._link)
        return self

    def expect_state(self, name: str) -> None:
        badge = self.page.locator(".page-heading-flow-run .state-badge, .page-heading-flow-run .p-tag")
        expect(badge.filter(has_text=name).first).to_be_visible(timeout=PATIENCE_MILLISECONDS)

    def resume(self) -> ResumeDialog:
        """Click Resume; the dialog holds the form of the run's input."""
        self.page.get_by_role("button", name="Resume").click(timeout=PATIENCE_MILLISECONDS)
        dialog = self.page.get_by_role("dialog")
        expect(dialog.get_by_role("button", name="Submit")).to_be_visible(timeout=PATIENCE_MILLISECONDS)
        return ResumeDialog(self.page, dialog)


class ResumeDialog:
    """The form that waits for an answer."""

    def __init__(self, page: Page, dialog: Locator) -> None:
        self._page = page
        self.dialog = dialog

    def markdown(self) -> Locator:
        """The rendered description above the fields."""
        return self.dialog.locator("article.markdown-renderer").first

    def table(self) -> list[list[str]]:
        """The description's table, row by row, the heading first."""
        rows = self.markdown().locator("table tr")
        rows.first.wait_for()  # the page renders its Markdown a moment after the dialog is there
        return [[cell.strip() for cell in row.locator("th, td").all_inner_texts()] for row in rows.all()]

    def choose(self, title: str, option: str) -> None:
        """Pick from a drop-down. A mouse click does not keep it open in this version; the Down key does."""
        button = self._field(title).get_by_role("button").last
        button.focus()
        button.press("ArrowDown")
        self._page.get_by_role("option", name=option, exact=True).click()
        expect(button).to_have_text(option)

    def write(self, title: str, text: str) -> None:
        self._field(title).get_by_role("textbox").fill(text)

    def answer(self, decision: str, by: str, comment: str = "") -> None:
        """Fill the gate's form and submit it; the dialog closes once Prefect has taken it."""
        self.choose("Decision", decision)
        self.write("By", by)
        if comment:
            self.write("Comment", comment)
        self.submit()
        expect(self.dialog).to_be_hidden(timeout=PATIENCE_MILLISECONDS)

    def submit(self) -> None:
        self.dialog.get_by_role("button", name="Submit").click()

    def screenshot(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._page.screenshot(path=path, animations="disabled")

    def _field(self, title: str) -> Locator:
        label = self._page.locator(".schema-form-property__label").filter(has_text=title)
        return self.dialog.locator(".schema-form-property").filter(has=label)
