"""The report in a real browser: without a network, without an error, by mouse and by keyboard."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from daeda_report.catalog import main as catalog_main
from tests.browser import Opened, focused, until
from tests.daeda_report.conftest import HOSTILE, write_report
from tests.daeda_report.published import CATEGORIES, FAULTS, Training, replaced

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SECTIONS = ["Overview", "Days", "Pipeline", "Columns", "Drift", "What was read", "Software"]


@pytest.fixture
def opened(browser: Browser, report: Path) -> Iterator[Opened]:
    one = Opened(browser, report, viewport={"width": 1200, "height": 900})
    yield one
    one.close()


def shown(page: Page) -> str:
    return page.locator("main").inner_text()


def test_sections_are_opened_and_drawn(opened: Opened) -> None:
    page = opened.page
    assert page.locator("nav a").all_inner_texts() == SECTIONS
    for name in SECTIONS:
        page.locator("nav a", has_text=name).first.click()
        until(page, "name => document.querySelector('nav a[aria-current]').innerText === name", name)
        assert page.locator("main > section:not([hidden])").count() == 1
    page.locator("nav a", has_text="Days").click()
    page.wait_for_selector("main > section:not([hidden]) figure svg[role=img]")


def test_the_calendar_is_moved_through_with_keys(opened: Opened) -> None:
    page = opened.page
    page.locator("nav a", has_text="Days").click()
    first = page.locator("button.day[tabindex='0']")
    assert re.fullmatch(r"2024-01-01, built, \d{3} rows, 0\.05 s", first.get_attribute("aria-label") or "")
    first.focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft"):
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.dataset.day") == "2024-01-08"
    page.keyboard.press("Enter")
    page.wait_for_selector("#day h3")
    assert focused(page) == "2024-01-08"
    assert "Split: train" in page.locator("#day").inner_text()
    missing = page.locator("button.day[data-day='2024-01-06']")
    assert missing.get_attribute("data-state") == "missing"
    missing.click()
    until(page, "document.querySelector('#day h3').innerText === '2024-01-06'")
    page.locator("label.choice select").nth(1).select_option("rows")
    assert page.locator("button.day.graded").count() == 20


def test_an_operator_tells_its_sql(opened: Opened) -> None:
    page = opened.page
    page.locator("nav a", has_text="Pipeline").click()
    box = page.locator(".dag a[data-name^='rolling']").first
    box.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#operator h3")
    assert focused(page).startswith("rolling")
    panel = page.locator("#operator").inner_text()
    assert "CREATE TABLE" in panel
    assert "events_1d = count over 1d" in panel
    assert box.get_attribute("aria-current") == "true"
    page.locator(".dag a[data-name='scan_prices']").click()
    until(page, "document.querySelector('#operator h3').innerText === 'scan_prices'")


def test_columns_are_searched_and_one_is_looked_at(opened: Opened) -> None:
    page = opened.page
    page.locator("nav a", has_text="Columns").click()
    until(page, "document.querySelectorAll('table.columns tbody tr').length === 9")
    page.get_by_label("Find columns").fill("price")
    assert page.locator("table.columns tbody tr").count() == 1
    page.locator("table.columns tbody a", has_text="price").first.click()
    page.wait_for_selector("section.column h2")
    assert focused(page) == "price"
    text = shown(page)
    assert "price of the view prices" in text
    assert "config/training" not in text
    assert "feature_services/ranking.yaml:" in text
    figures = page.locator("section.column figure")
    titles = figures.evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    assert {"NULL share", "Values: median and mean", "Drift"} <= set(titles)
    page.locator("#compared").scroll_into_view_if_needed()
    page.wait_for_selector("#compared svg[role=img]")
    before = page.locator("#compared figure").first.get_attribute("aria-label")
    page.get_by_role("button", name="Day before").click()
    until(page, "before => document.querySelector('#compared figure').getAttribute('aria-label') !== before", before)
    page.locator("section.column details summary", has_text="Numbers").first.click()
    until(page, "document.querySelectorAll('section.column details[open] table tbody tr').length >= 20")


def test_times_are_told_as_times(opened: Opened) -> None:
    page = opened.page
    page.goto(page.url.partition("#")[0] + "#/column/event_timestamp")
    page.wait_for_selector("section.column h2")
    assert re.search(r"least to greatest\s+2024-01-20 00:\d\d to 2024-01-20 23:\d\d", shown(page))
    figure = page.get_by_role("figure", name="Values: median and mean")
    figure.locator("summary").click()
    figure.get_by_role("row", name=re.compile(r"2024-01-02( 2024-01-02 \d\d:\d\d){2}")).wait_for()


def test_drift_leads_to_the_column(opened: Opened) -> None:
    page = opened.page
    page.locator("nav a", has_text="Drift").click()
    page.wait_for_selector("#section-drift figure svg[role=img] a")
    page.locator("#section-drift figure svg a").first.click()
    page.wait_for_selector("section.column h2")


def test_texts_of_others_are_shown_as_they_are(opened: Opened) -> None:
    page = opened.page
    shown_text = HOSTILE.replace("\u202e", "\\u202e")
    assert shown_text in page.locator("#about").inner_text()
    page.goto(page.url.partition("#")[0] + "#/column/price")
    page.wait_for_selector("section.column h2")
    assert shown_text in shown(page)
    page.goto(page.url.partition("#")[0] + "#/column/%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E")
    until(page, "document.querySelector('main').innerText.includes('<img src=x onerror=alert(1)>')")


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_in_light_and_dark(browser: Browser, report: Path, scheme: Any) -> None:
    one = Opened(browser, report, viewport={"width": 360, "height": 740}, color_scheme=scheme, has_touch=True)
    grounds = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 31)"}
    ground = one.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert ground == grounds[scheme]
    for name in (
        "#/overview",
        "#/days/2024-01-03",
        "#/pipeline/scan_prices",
        "#/columns",
        "#/column/amount",
        "#/drift",
    ):
        one.page.goto(report.as_uri() + name)
        one.page.wait_for_timeout(150)
        assert one.page.evaluate("document.documentElement.scrollWidth") <= 360, name
    one.close()


@pytest.mark.long
def test_all_sections_are_printed(opened: Opened) -> None:
    page = opened.page
    colours = "['--c2', '--d0', '--doubt'].map(one => getComputedStyle(document.documentElement).getPropertyValue(one))"
    light = page.evaluate(colours)
    page.emulate_media(media="screen", color_scheme="dark")
    assert page.evaluate(colours) != light
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(colours) == light
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("main > section:not([hidden])").count() == len(SECTIONS)
    assert page.locator("figure svg[role=img]").count() > 5
    assert len(page.pdf()) > 50_000
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("main > section:not([hidden])").count() == 1


def test_paper_has_figures_of_its_width_and_sections_in_their_order(opened: Opened) -> None:
    page = opened.page
    for section in ("drift", "columns"):
        page.goto(page.url.partition("#")[0] + f"#/{section}")
        page.wait_for_selector(f"#section-{section}:not([hidden])")
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    order = page.locator("main > section").evaluate_all("all => all.map(one => one.id.replace('section-', ''))")
    assert order == ["overview", "days", "pipeline", "columns", "drift", "read", "software"]
    widths = page.locator("figure svg[role=img]").evaluate_all("all => all.map(one => one.getAttribute('width'))")
    assert set(widths) == {"640"}
    # No word is white on paper, which has no grounds.
    words = page.locator("main *").evaluate_all("all => all.map(one => getComputedStyle(one).color)")
    assert "rgb(255, 255, 255)" not in words
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    until(page, "[...document.querySelectorAll('section:not([hidden]) figure svg[role=img]')]"
                ".every(one => one.getAttribute('width') !== '640')")  # fmt: skip


def test_the_content_is_skipped_to_and_an_address_of_nothing_is_the_overview(opened: Opened) -> None:
    page = opened.page
    address = page.url.partition("#")[0]
    page.goto(address + "#/columns")
    page.wait_for_selector("#section-columns:not([hidden])")
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    assert page.locator("#section-columns").is_visible()
    page.goto(address + "#/column/%")
    until(page, "!document.getElementById('section-overview').hidden")


def test_what_a_screen_reader_is_told(opened: Opened) -> None:
    """A figure is one picture with a name and a table; days of the week have names; nothing is a link without one."""
    page = opened.page
    for name in SECTIONS:
        page.locator("nav a", has_text=name).first.click()
        until(page, "name => document.querySelector('nav a[aria-current]').innerText === name", name)
        for figure in page.locator("main > section:not([hidden]) figure[aria-label]").all():
            figure.scroll_into_view_if_needed()
            figure.locator("svg[role=img]").wait_for()
            title = figure.get_attribute("aria-label")
            assert figure.get_by_role("img").count() == 1, title
            assert figure.get_by_role("img").get_attribute("aria-label") == title
            assert figure.locator("summary").inner_text() == "Numbers"
        shown_tree = page.locator("main").aria_snapshot()
        assert "- link:" not in shown_tree, name
    page.locator("nav a", has_text="Days").click()
    page.get_by_role("columnheader", name="Wednesday").first.wait_for()
    page.locator("nav a", has_text="Drift").click()
    stops = "[...document.querySelectorAll('#section-drift figure a')].filter(one => one.tabIndex >= 0).length"
    assert page.evaluate(stops) == 0


def test_the_section_that_is_shown_is_seen_among_all_of_them_on_a_phone(browser: Browser, report: Path) -> None:
    one = Opened(browser, report, viewport={"width": 360, "height": 740}, has_touch=True)
    one.page.goto(report.as_uri() + "#/software")
    one.page.wait_for_selector("#section-software:not([hidden])")
    box = one.page.locator("nav a[aria-current]").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360
    one.close()


@pytest.mark.long
def test_values_that_look_like_html_are_values(browser: Browser, tmp_path: Path) -> None:
    def fault(number: int, table: pa.Table) -> pa.Table:
        values = [HOSTILE if one == CATEGORIES[0] else one for one in table["category"].to_pylist()]
        return replaced(table, "category", pa.array(values))

    made = Training(tmp_path, days=6, rows=100, fault=fault).publish()
    one = Opened(browser, write_report(made.root))
    one.page.goto(one.page.url.partition("#")[0] + "#/column/category")
    compared = one.page.locator("#compared")
    compared.scroll_into_view_if_needed()
    one.page.wait_for_selector("#compared figure svg[role=img]")
    assert HOSTILE.replace("\u202e", "\\u202e")[:21] in (compared.text_content() or "")
    one.close()


# What a script shows by mistake; that values are NaN is said in sentences and heads.
NOT_MEANT = r"undefined|\[object|(?<!: )(?<!is )(?<!are )\bNaN\b(?! and infinite|$)"


def _emptied(number: int, table: pa.Table) -> pa.Table:
    return table.slice(0, 0)


def _nothing_known(number: int, table: pa.Table) -> pa.Table:
    for name in ("amount", "category", "price", "recent_items", "item_vector", "events_1d"):
        table = replaced(table, name, pa.nulls(len(table), table.schema.field(name).type))
    return table


def _no_numbers(number: int, table: pa.Table) -> pa.Table:
    values = [float("nan"), float("inf"), float("-inf"), -0.0, 5e-324, 1.7e308, -1.7e308, None]
    odd = pa.array([values[row % len(values)] for row in range(len(table))])
    names = ["__proto__", "constructor", "", "NULL", "\U0001f600", "x" * 300]
    words = pa.array([names[row % len(names)] for row in range(len(table))])
    return replaced(
        replaced(replaced(table, "amount", odd), "price", pa.nulls(len(table), pa.float64())), "category", words
    )


ODD: dict[str, dict[str, Any]] = {
    "one day": {"days": 1},
    "no day": {"days": 3, "left_out": frozenset(range(3))},
    "no rows": {"days": 3, "fault": _emptied},
    "nothing but NULL": {"days": 3, "fault": _nothing_known},
    "no finite numbers": {"days": 3, "fault": _no_numbers},
}


@pytest.mark.parametrize("name", ODD)
def test_odd_training_sets_are_shown_without_a_complaint(browser: Browser, tmp_path: Path, name: str) -> None:
    made = Training(tmp_path, rows=40, **ODD[name]).publish()
    one = Opened(browser, write_report(made.root))
    address = one.page.url.partition("#")[0]
    sections = one.page.locator("nav a").evaluate_all("all => all.map(one => one.dataset.key)")
    for place in (
        *sections,
        "days/2024-01-01",
        *(f"column/{column['name']}" for column in made.project.service["columns"]),
    ):
        one.page.goto(f"{address}#/{place}")
        until(
            one.page,
            "place => location.hash === '#/' + place && document.querySelector('main > :not([hidden])')",
            place,
        )
        one.page.evaluate("document.querySelectorAll('.canvas').forEach(canvas => canvas.draw())")
        told = shown(one.page)
        assert told.strip()
        assert not re.search(NOT_MEANT, told, re.MULTILINE), place
    one.close()


@pytest.mark.long
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_what_is_read_first(browser: Browser, tmp_path: Path, name: str) -> None:
    fault, kind, column, _ = FAULTS[name]
    made = Training(tmp_path, fault=fault).publish()
    one = Opened(browser, write_report(made.root))
    first = one.page.locator(".findings li").first
    assert first.get_attribute("data-kind") == kind
    first.locator("a").click()
    heading = one.page.wait_for_selector("section.column h2" if column else "#day h3")
    assert heading is not None
    assert heading.inner_text() == (column or "2024-01-14")
    one.close()


def test_the_worst_findings_come_first_and_all_are_there(browser: Browser, tmp_path: Path) -> None:
    """A category that is lost on each day, another one each time: twenty at once, and a word of how many more."""

    def fault(number: int, table: pa.Table) -> pa.Table:
        lost = number if number > 8 else None
        names = [f"kind {39 if row % 40 == lost else row % 40}" for row in range(len(table))]
        return replaced(table, "category", pa.array(names))

    made = Training(tmp_path, days=34, rows=800, fault=fault).publish()
    one = Opened(browser, write_report(made.root))
    shown_first, more = one.page.locator(".findings li"), one.page.get_by_role("button", name="more")
    assert shown_first.count() == 20
    number = int((more.inner_text()).split()[1])
    assert number >= 5
    assert f"The 20 worst of {20 + number} findings; {number} more are less bad." in shown(one.page)
    more.focus()
    one.page.keyboard.press("Enter")
    assert shown_first.count() == 20 + number
    assert focused(one.page) == shown_first.nth(20).inner_text()
    assert f"All {20 + number} findings." in shown(one.page)
    one.close()


def test_a_catalog_is_searched(browser: Browser, tmp_path: Path, content: Callable[[], dict[str, Any]]) -> None:
    (tmp_path / "content.json").write_text(json.dumps(content()), encoding="utf-8")
    file = tmp_path / "catalog.html"
    assert catalog_main(["--html", str(file), "--content", str(tmp_path / "content.json")]) == 0
    one = Opened(browser, file)
    assert one.page.locator("h3").all_inner_texts() == ["ranking:price", "prices", "ranking"]
    one.page.get_by_label("Search the catalog").fill("item_id")
    until(one.page, "document.querySelectorAll('h3').length === 2")
    one.page.get_by_label("Search the catalog").fill("nothing of it")
    until(one.page, "document.querySelector('main').innerText.includes('Nothing is found.')")
    one.page.locator("nav a", has_text="Views").click()
    one.page.locator("summary").click()
    one.page.locator("table a", has_text="ranking:price").click()
    until(one.page, "document.activeElement.matches('h3') && document.activeElement.innerText === 'ranking:price'")
    assert HOSTILE.replace("\u202e", "\\u202e") in shown(one.page)
    one.close()
