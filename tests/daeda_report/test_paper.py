"""What comes out of a printer: the pages of a PDF as text and as pictures."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.browser import Opened
from tests.daeda_report.conftest import write_report
from tests.daeda_report.published import Training
from tests.debian import command
from tests.projects import TinyProject, fields

if TYPE_CHECKING:
    from playwright.sync_api import Browser

DOTS = 50
# Where a sheet has a margin of 14 mm nothing may stand: what is there was too wide, and is cut off.
MARGIN = int(10 / 25.4 * DOTS)
PAPERS = {"A4": (210, 297), "Letter": (216, 279)}


@dataclass(frozen=True)
class Printed:
    """A PDF: what is written on each page, and its picture as shades from 0, black, to 255."""

    texts: list[str]
    pictures: list[npt.NDArray[np.uint8]]

    @property
    def together(self) -> str:
        """All of it without spaces: a name may be broken behind each underscore."""
        return "".join("".join(self.texts).split())


def printed(browser: Browser, file: Path, folder: Path, paper: str = "A4", place: str = "") -> Printed:
    """Print a report that is looked at in the dark."""
    pdftotext, pdftoppm = command("pdftotext", "poppler-utils"), command("pdftoppm", "poppler-utils")
    one = Opened(browser, file, viewport={"width": 390, "height": 800}, color_scheme="dark")
    if place:
        one.page.goto(file.as_uri() + place)
        one.page.wait_for_selector("section.column h2")
    one.page.pdf(path=folder / "report.pdf", format=paper)
    one.close()
    text = subprocess.run([pdftotext, "-raw", folder / "report.pdf", "-"], check=True, capture_output=True).stdout
    subprocess.run([pdftoppm, "-gray", "-r", str(DOTS), folder / "report.pdf", folder / "page"], check=True)
    pages = text.decode().split("\f")[:-1]
    pictures = [_shades(path) for path in sorted(folder.glob("page-*.pgm"))]
    assert len(pages) == len(pictures)
    return Printed(pages, pictures)


def _shades(path: Path) -> npt.NDArray[np.uint8]:
    kind, width, height, _, shades = path.read_bytes().split(None, 4)
    assert kind == b"P5"
    return np.frombuffer(shades, np.uint8)[-int(width) * int(height) :].reshape(int(height), int(width))


def holds(paper: Printed, size: tuple[int, int], names: list[str]) -> None:
    """Every page has something on it and nothing in its margins, on a white ground; every name stands there."""
    for number, picture in enumerate(paper.pictures):
        wide, high = (round(side / 25.4 * DOTS) for side in size)
        assert abs(picture.shape[1] - wide) <= 1
        assert abs(picture.shape[0] - high) <= 1
        assert (picture[:, :MARGIN] == 255).all(), f"page {number + 1} reaches into the left margin"
        assert (picture[:, -MARGIN:] == 255).all(), f"page {number + 1} reaches into the right margin"
        inked = (picture < 200).mean()
        assert 0.001 < inked < 0.35, f"page {number + 1}: {inked:.2%} of it is dark"
        assert len(paper.texts[number].split()) >= 5, f"page {number + 1} tells nothing"
    lacking = [name for name in names if name not in paper.together]
    assert lacking == []


@pytest.mark.parametrize("paper", PAPERS)
def test_all_columns_and_sections_are_on_paper(
    browser: Browser, training: Training, report: Path, tmp_path: Path, paper: str
) -> None:
    found = printed(browser, report, tmp_path, paper)
    columns = [column["name"] for column in training.project.service["columns"]]
    holds(found, PAPERS[paper], columns)
    assert 4 <= len(found.pictures) <= 10
    headings = ["Whatstandsout", "Ataglance", "Pipeline", "Drift", "Whatwasread", "Softwareandfingerprints"]
    places = [found.together.index(heading) for heading in headings]
    assert places == sorted(places)
    assert "1dayisnotpublished:2024-01-06" in found.together
    # A heading does not stay behind alone, without what it is about.
    ends = [text.split()[-1] for text in found.texts]
    assert not {"Days", "Pipeline", "Columns", "Drift", "missing"} & set(ends)


def test_a_column_that_is_open_is_printed_with_its_figures(browser: Browser, report: Path, tmp_path: Path) -> None:
    found = printed(browser, report, tmp_path, place="#/column/amount")
    holds(found, PAPERS["A4"], ["amount"])
    for title in ("What makes it", "Over the days", "NULL share", "Values: median and mean", "Bins of the drift"):
        assert title.replace(" ", "") in found.together


@pytest.mark.long
def test_long_names_and_many_columns_and_days_are_not_cut_off(browser: Browser, tmp_path: Path) -> None:
    names = [f"feature_number_{number}_of_the_{'very_' * (number % 9)}long_list" for number in range(60)]

    def changed(project: TinyProject) -> None:
        types: dict[str, Any] = dict.fromkeys(names, "double")
        project.views["events"]["fields"] += fields(**types)
        project.service["columns"] += [{"name": name, "kind": "spine", "dtype": "double"} for name in names]
        project.service["description"] = "unbroken" * 60
        project.runtime["output_columns"] += names

    def fault(number: int, table: Any) -> Any:
        draw = np.random.default_rng(number)
        for place, name in enumerate(names):
            table = table.append_column(name, [draw.normal(place, 1 + (number > 90), len(table))])
        return table

    made = Training(tmp_path / "made", days=130, rows=60, changed=changed, fault=fault).publish()
    found = printed(browser, write_report(made.root), tmp_path)
    holds(found, PAPERS["A4"], names)
    assert len(found.pictures) <= 24
