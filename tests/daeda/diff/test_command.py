"""`daeda diff`, as it is called: sides, exit codes, text, JSON and HTML."""

from __future__ import annotations

import datetime as dt
import shutil
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daeda.cli.main import main
from daeda.dataset.layout import Layout
from daeda.dataset.manifest import ColumnIdentities, Fingerprint
from daeda.diff.aligned import File, Segment, compare_aligned
from daeda.diff.tally import Comparison, Pairing
from daeda.diff.values import EXACT
from tests.daeda.cli.test_answers import checked
from tests.daeda.cli.test_widths import Terminal
from tests.daeda.dataset.tables import publish_table
from tests.projects import TinyProject

FIRST, SECOND = dt.date(2024, 1, 2), dt.date(2024, 1, 3)
KINDS = {"user_id": "key", "event_timestamp": "timestamp", "price": "point_in_time"}


def rows(price: float | None = 1.5, *, users: tuple[int, ...] = (1, 1, 2), name: str = "toys") -> pa.Table:
    return pa.table(
        {
            "user_id": list(users),
            "event_timestamp": pa.array([dt.datetime(2024, 1, 2, 3)] * len(users), pa.timestamp("us")),
            "price": pa.array([2.0] * (len(users) - 1) + [price], pa.float64()),
            "category": [name] * len(users),
        }
    )


def identities(**columns: str) -> ColumnIdentities:
    named = {"user_id": "1", "event_timestamp": "2", "price": "3", "category": "4", **columns}
    return ColumnIdentities("a" * 64, ("b" * 64,), {name: text * 64 for name, text in named.items()})


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """Two days of the tiny project, which are tagged."""
    TinyProject(tmp_path).write().write_data()
    made = Layout(tmp_path / "output/ranking")
    before = Fingerprint({"pit_prices": "1" * 64, "scan_items": "2" * 64}, {}, {"rows_per_part": "9"})
    for day in (FIRST, SECOND):
        publish_table(made, day, rows(), kinds=KINDS, fingerprint=before, identities=identities())
    monkeypatch.chdir(tmp_path)
    assert main(["tag", "ranking", "before"]) == 0
    return made


def changed(layout: Layout, table: pa.Table, **columns: str) -> None:
    """The first day with other rows, by another look-up of prices."""
    after = Fingerprint({"pit_prices": "9" * 64, "scan_items": "8" * 64}, {}, {"rows_per_part": "7"})
    publish_table(layout, FIRST, table, kinds=KINDS, fingerprint=after, identities=identities(**columns))


def test_what_is_the_same_ends_with_0(layout: Layout, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    assert main(["diff", "ranking@before", "ranking"]) == 0
    assert capfd.readouterr() == (
        "here: ranking@before\nthere: ranking\nskeleton: 2 days of both, 2 of them the same bytes\n"
        "6 rows paired by user_id, event_timestamp, 0 of them with other values\nnothing differs\n", "",
    )  # fmt: skip
    # Another cut and another writer are no difference.
    publish_table(layout, FIRST, rows(), rows_per_part=2, kinds=KINDS, software={"duckdb": "9"})
    assert main(["diff", "ranking@before", "ranking"]) == 0
    assert "2 days of both, 1 of them the same bytes" in capfd.readouterr().out


def test_a_changed_column_is_told_with_its_reason(
    layout: Layout, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    changed(layout, rows(None), price="7")
    capfd.readouterr()
    assert main(["diff", "ranking@before", "ranking", "--html", "diff.html"]) == 1
    assert capfd.readouterr().out == (
        "here: ranking@before\nthere: ranking\nskeleton: 2 days of both, 1 of them the same bytes\n"
        "6 rows paired by user_id, event_timestamp, 1 of them with other values\n"
        "1 column with other values:\n"
        "  price: 1 row (16.67%); 1 NULL there, on 2024-01-02\n"
        "    why: operator pit_prices differs\n"
        "    2024-01-02  user_id=2 event_timestamp=2024-01-02 03:00:00.000000: 1.5 here, NULL there\n"
        "they differ\n"
    )
    text = (tmp_path / "diff.html").read_text("utf-8")
    assert "operator pit_prices differs" in text
    assert main(["diff", "ranking@before", "ranking", "--json"]) == 1
    document = checked(capfd.readouterr().out, "daeda.diff/1")
    assert (document["equal"], document["changed"], [one["column"] for one in document["columns"]]) == (
        False, 1, ["price"],
    )  # fmt: skip
    # A value that only looks made otherwise is told, and is no difference.
    changed(layout, rows(), category="7")
    assert main(["diff", "ranking@before", "ranking", "--json"]) == 0
    document = checked(capfd.readouterr().out, "daeda.diff/1")
    assert ([one["column"] for one in document["made_otherwise"]], document["columns"]) == (["category"], [])


def test_rows_columns_and_days_of_one_side(layout: Layout, capfd: pytest.CaptureFixture[str]) -> None:
    table = rows(users=(1, 2, 2, 3)).drop_columns(["category"]).append_column("more", pa.array([1] * 4, pa.int32()))
    publish_table(layout, FIRST, table, kinds=KINDS)
    shutil.rmtree(str(layout.day_dir("skeleton", SECOND)))
    capfd.readouterr()
    assert main(["diff", "ranking@before", "ranking"]) == 1
    out = capfd.readouterr().out
    assert "1 day only here: 2024-01-03\n" in out
    assert "  category: only here, string\n  more: only there, int32\n" in out
    assert "1 row only here, on 2024-01-02\n  2024-01-02  user_id=1 event_timestamp=2024-01-02 03:00:00.000000\n" in out
    assert "2 rows only there, on 2024-01-02\n" in out
    assert main(["diff", "ranking@before", "ranking", "--day", "2024-01-03"]) == 1
    assert main(["diff", "ranking@before", "ranking@before", "--days", "2024-01-01..2024-01-03"]) == 2
    assert capfd.readouterr().err == ("error: neither side has day 2024-01-01: correct --days, or leave it out\n")


def test_directories_are_sides(layout: Layout, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    changed(layout, rows(1.5000001))
    tag = "output/ranking/_tags/before"
    assert main(["diff", tag, "./output/ranking"]) == 1
    assert main(["diff", f"{tag}/skeleton", "output/ranking/skeleton", "--tolerance", "1e-6"]) == 0
    assert main(["diff", f"{tag}/skeleton", "output/ranking/skeleton", "--relative-tolerance", "1e-9"]) == 1
    # Two days are two days, whatever their dates are.
    assert main(["diff", f"{tag}/skeleton/dt=2024-01-02", "output/ranking/skeleton/dt=2024-01-03"]) == 0
    shutil.copytree(str(layout.service_dir), tmp_path / "elsewhere/other")
    assert main(["diff", "elsewhere/other", "ranking"]) == 0
    assert main(["diff", "elsewhere/other", tag, "--grain", "user_id,event_timestamp,price"]) == 1
    assert "1 row only here, on 2024-01-02" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("ranking", "daeda diff: the following arguments are required: THERE; see daeda diff --help"),
        ("ranking ranking@befor", "ranking has no tag 'befor': did you mean 'before'? Known: before"),
        ("ranking nothing/here", "nothing/here is no directory: name one that holds published days"),
        ("ranking ./data", "./data holds no published days (it holds events, prices): name the directory of a "
         "service, of skeleton or enriched in it, or of one day"),
        ("ranking ranking --dataset enriched", "ranking has no days of the enriched: leave out --dataset, or choose "
         "the other one"),
        ("ranking ranking --day 2024-01-02 --days 2024-01-03", "--day is one day of --days: give one or the other"),
        ("ranking ranking --tolerance -1", "daeda diff: argument --tolerance: '-1' is not a number of at least 0; see "
         "daeda diff --help"),
        ("ranking ranking --grain usr_id,price", "--grain: no column 'usr_id' that both sides have in comparable "
         "types: did you mean 'user_id'? Known: category, event_timestamp, price, user_id"),
        ("ranking ranking --grain ,", "--grain names no column: write NAME or NAME,NAME"),
        ("ranking ranking --html no/such/file.html", "--html no/such/file.html cannot be written: name a file in a "
         "directory that is there"),
        ("ranking ranking --tolerence 1", "daeda diff: unknown flag '--tolerence': did you mean '--tolerance'? Known: "
         "--aggregation-config-path, --dataset, --day, --days, --feature-services-dir, --feature-views-dir, --grain, "
         "--help, --html, --json, --log-json, --output-root and 3 more"),
    ],
)  # fmt: skip
def test_a_mistake_is_a_sentence(layout: Layout, words: str, sentence: str, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    assert main(["diff", *words.split()]) == 2
    assert capfd.readouterr() == ("", f"error: {sentence}\n")


def test_a_damaged_day_is_no_side(layout: Layout, capfd: pytest.CaptureFixture[str]) -> None:
    part = Path(str(layout.day_dir("skeleton", FIRST))) / "part-0-0.parquet"
    part.unlink()
    capfd.readouterr()
    assert main(["diff", "ranking@before", "ranking"]) == 2
    assert capfd.readouterr().err == (
        f"error: {part.parent} is not as it was published: part-0-0.parquet is missing: build it anew, or leave its "
        "day out\n"
    )


def test_a_day_that_is_replaced_while_it_is_read(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def late(*words: Any) -> bool:
        # What is read is no more the day that was looked at.
        changed(layout, rows())
        return compare_aligned(*words)

    changed(layout, rows(7.0))
    monkeypatch.setattr("daeda.diff.run.compare_aligned", late)
    capfd.readouterr()
    assert main(["diff", "ranking@before", "ranking"]) == 2
    assert capfd.readouterr() == (
        "", f"error: {layout.day_dir('skeleton', FIRST)} was published anew meanwhile: run again\n",
    )  # fmt: skip


def test_a_tag_that_has_lost_a_day_is_no_side(layout: Layout, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(str(layout.of_tag("before").day_dir("skeleton", SECOND)))
    capfd.readouterr()
    assert main(["diff", "ranking", "ranking@before"]) == 2
    assert capfd.readouterr().err == (
        "error: ranking@before is not as it was tagged: skeleton 2024-01-03: `daeda verify ranking@before` says why\n"
    )


def test_a_dataset_of_one_side_alone_is_told(layout: Layout, capfd: pytest.CaptureFixture[str]) -> None:
    publish_table(layout, FIRST, rows(), dataset="enriched", kinds=KINDS)
    capfd.readouterr()
    assert main(["diff", "ranking@before", "ranking"]) == 0
    told = "days of the enriched are only there, and were not compared"
    assert f"note: {told}\n" in capfd.readouterr().out
    assert main(["diff", "ranking", "ranking@before", "--json"]) == 0
    assert checked(capfd.readouterr().out, "daeda.diff/1")["notes"] == [told.replace("there", "here")]


@pytest.mark.parametrize("surplus", [0, 1])
def test_rows_that_one_side_has_left_are_not_passed_over(tmp_path: Path, surplus: int) -> None:
    files = []
    for side in (0, 1):
        path = tmp_path / f"{side}.parquet"
        pq.write_table(pa.table({"id": [1, 2, 3][: 3 - (side == surplus)]}), path)
        files.append(File(path, 3, str(side)))
    segment = Segment((files[0],), (files[1],), 0)
    assert not compare_aligned(segment, Comparison(Pairing(("id",), {"id": "id"}), EXACT), ["id"], ["id"])


def test_a_page_escapes_what_comes_from_data(layout: Layout, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    evil = "<script>alert(1)</script>\u202e'\"&"
    changed(layout, rows(name=evil))
    assert main(["diff", "ranking@before", "ranking", "--html", "diff.html"]) == 1
    text = (tmp_path / "diff.html").read_text("utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert not any(word in text for word in ("http://", "https://", "src=", "url("))
    assert "\u202e" not in capfd.readouterr().out


def test_a_terminal_of_80_columns_is_not_exceeded(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    changed(layout, rows(None, name="a name that is long " * 6), price="7", category="8")
    stdout = Terminal()
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["diff", "ranking@before", "ranking"]) == 1
    lines = stdout.getvalue().splitlines()
    assert len(lines) > 8
    assert max(map(len, lines)) <= 80


def test_a_column_that_differs_on_one_day_alone_has_not_the_same_values(
    layout: Layout, capfd: pytest.CaptureFixture[str]
) -> None:
    after = Fingerprint({"pit_prices": "9" * 64, "scan_items": "2" * 64}, {}, {"rows_per_part": "9"})
    for day, price in ((FIRST, None), (SECOND, 1.5)):
        publish_table(
            layout, day, rows(price), kinds=KINDS, fingerprint=after, identities=identities(price="7", category="7")
        )
    for sides in (["ranking@before", "ranking"], ["ranking", "ranking@before"]):
        capfd.readouterr()
        assert main(["diff", *sides, "--json"]) == 1
        document = checked(capfd.readouterr().out, "daeda.diff/1")
        assert [(one["column"], one["days"]) for one in document["columns"]] == [("price", [FIRST.isoformat()])]
        assert [one["column"] for one in document["made_otherwise"]] == ["category"]
    publish_table(layout, FIRST, rows(), kinds=KINDS, fingerprint=after, identities=identities(price="7"))
    publish_table(layout, SECOND, rows(None), kinds=KINDS, fingerprint=after, identities=identities(price="7"))
    capfd.readouterr()
    assert main(["diff", "ranking@before", "ranking", "--json"]) == 1
    document = checked(capfd.readouterr().out, "daeda.diff/1")
    assert [(one["column"], one["days"]) for one in document["columns"]] == [("price", [SECOND.isoformat()])]
    assert document["made_otherwise"] == []
