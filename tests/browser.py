"""A browser where one can be had, and a page in it that complains about nothing and asks no network."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.debian import command

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, or another one that is installed, without a window.

    It goes with the module: while Playwright is there, an event loop runs in this thread, and what else runs in this
    process can have none.
    """
    executable = next(filter(None, map(shutil.which, BROWSERS)), None) or command("chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: it drives the browser")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield opened
        opened.close()


class Opened:
    """A page, and all that it has complained about or asked a network for."""

    def __init__(self, browser: Browser, file: Path, **options: Any) -> None:
        self.context = browser.new_context(offline=True, **options)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda one: self.complaints.append(f"{one.type}: {one.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        self.page.on("request", self._asked)
        self.page.goto(file.as_uri())
        self.page.wait_for_selector("html[data-ready]")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.complaints.append(f"request: {request.url}")

    def close(self) -> None:
        self.context.close()
        assert self.complaints == []


def until(page: Page, holds: str, given: object = None) -> None:
    """Wait until an expression holds. Playwright's own way asks the page to evaluate text, which its policy forbids."""
    ends = time.monotonic() + 240
    while not page.evaluate(holds, given):
        assert time.monotonic() < ends, f"does not hold: {holds}"
        page.wait_for_timeout(20)


def focused(page: Page) -> str:
    """What has the focus, by its text or its label."""
    return str(page.evaluate("document.activeElement.innerText || document.activeElement.getAttribute('aria-label')"))


def tour(browser: Browser, file: Path, pictures: Path, column: str) -> None:
    """A report of a whole run, walked through by mouse and by keys, on a desk and on a phone, with a picture of each.

    `column` is one with statistics of numbers.
    """
    for name, options in (
        ("desk", {"viewport": {"width": 1200, "height": 900}}),
        ("phone", {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "has_touch": True}),
    ):
        one = Opened(browser, file, **options)
        sections = one.page.locator("nav a").evaluate_all("all => all.map(one => one.dataset.key)")
        assert {"overview", "days", "pipeline", "columns", "drift", "read", "software"} <= set(sections)
        for key in sections:
            _open(one.page, key)
            _pictured(one.page, pictures / f"{name}-{key}.png")
        _calendar(one.page)
        _pictured(one.page, pictures / f"{name}-day.png")
        _operator(one.page)
        _pictured(one.page, pictures / f"{name}-operator.png")
        _column(one.page, column)
        _pictured(one.page, pictures / f"{name}-column.png")
        _drift(one.page)
        one.close()


def _pictured(page: Page, path: Path) -> None:
    """A picture of what is seen, in which each figure that is seen is drawn and nothing reaches beyond the window."""
    until(
        page,
        "[...document.querySelectorAll('main > :not([hidden]) .canvas')].every(one => one.firstChild ||"
        " one.clientWidth === 0 || one.getBoundingClientRect().top > innerHeight ||"
        " one.getBoundingClientRect().bottom < 0)",
    )
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert len(page.screenshot(path=path)) > 5_000


def _open(page: Page, section: str) -> None:
    page.locator(f"nav a[data-key='{section}']").click()
    until(page, "key => (document.querySelector('nav a[aria-current]') || {dataset: {}}).dataset.key === key"
                " && !document.getElementById('section-' + key).hidden", section)  # fmt: skip


def _calendar(page: Page) -> None:
    _open(page, "days")
    days = page.locator("button.day:not([data-state='missing'])")
    days.first.click()
    page.wait_for_selector("#day h3")
    until(page, "day => document.activeElement.innerText === day", days.first.get_attribute("data-day"))
    days.first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    until(page, "first => ![first, undefined].includes((document.querySelector('#day h3') || {}).innerText)",
          days.first.get_attribute("data-day"))  # fmt: skip
    assert focused(page) == page.locator("button.day[aria-pressed=true]").get_attribute("data-day")


def _operator(page: Page) -> None:
    _open(page, "pipeline")
    box = page.locator(".dag a[data-name^='rolling']").first
    box.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#operator h3")
    assert focused(page) == box.get_attribute("data-name")
    assert "SELECT" in page.locator("#operator pre").inner_text()


def _column(page: Page, name: str) -> None:
    _open(page, "columns")
    page.get_by_label("Find columns").fill(name)
    page.locator("table.columns tbody a", has_text=name).first.click()
    page.wait_for_selector("section.column h2")
    assert focused(page) == name
    page.locator("#compared").scroll_into_view_if_needed()
    page.wait_for_selector("#compared svg[role=img]")


def _drift(page: Page) -> None:
    _open(page, "drift")
    cell = page.locator("#section-drift figure svg[role=img] a")
    if cell.count():
        cell.first.click()
    else:
        page.locator("#section-drift table a").first.click()
    page.wait_for_selector("section.column h2")
