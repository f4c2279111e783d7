"""The file itself: what is in it, and that nothing of others is in it as HTML."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daeda.answers.days import PlanAnswer, PlannedDataset, PlannedDay
from daeda.dataset.profile import DayProfile, Usage, write_profile
from daeda.statistics.counts import counted
from daeda.statistics.model import QUANTILES, Histogram, Numbers, Summary
from daeda.statistics.numbers import NumberSummary
from daeda_report.catalog import main as catalog_main
from daeda_report.command import main
from daeda_report.series import Series
from tests.daeda_report.conftest import HOSTILE, write_report
from tests.daeda_report.published import FIRST, Training

ASSETS = files("daeda_report").joinpath("assets")


def unpacked(file: Path, name: str) -> Any:
    found = re.search(rf'<script type="text/plain" id="data-{name}">([^<]*)</script>', file.read_text(encoding="utf-8"))
    assert found is not None, name
    return json.loads(zlib.decompress(base64.b64decode(found[1])))


def test_libraries_are_the_vendored_ones_and_keep_their_licences() -> None:
    for line in ASSETS.joinpath("vendored.sha256").read_text(encoding="ascii").splitlines():
        digest, name = line.split()
        assert hashlib.sha256(ASSETS.joinpath(name).read_bytes()).hexdigest() == digest
        licence = ASSETS.joinpath(name.replace(".min.js", ".LICENSE")).read_text(encoding="utf-8")
        assert re.search("Permission (is hereby granted|to use, copy, modify)", licence)


def test_only_our_script_may_run_and_nothing_may_be_loaded(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    script = re.search(r"<script>(.*)</script>\n</body>", text, re.DOTALL)
    assert policy is not None
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert policy[1] == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:"
    assert not re.search(r"<(script|link|img|iframe)[^>]* (src|href)=(?!\"data:)", text)


def test_texts_of_others_stand_in_no_html(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    assert "alert('x')" not in text
    assert "<b>x</b>" not in text
    assert unpacked(report, "head")["service"]["description"] == HOSTILE


def test_the_same_days_give_the_same_file(training: Training, report: Path) -> None:
    before = report.read_bytes()
    assert write_report(training.root).read_bytes() == before


def test_what_the_page_is_given(report: Path) -> None:
    head = unpacked(report, "head")
    states = head["datasets"]["enriched"]["states"]
    assert (states[5], states.count("built"), len(states)) == ("missing", 19, 20)
    assert head["reference"]["told"] == "4 days, 2024-01-01 to 2024-01-04"
    price = next(one for one in head["columns"] if one["name"] == "price")
    assert price["nulls"][5] is None
    assert price["drift"][5] is None
    detail = unpacked(report, f"column-{head['columns'].index(price)}")
    assert detail["sources"][0] == ["prices", "price", True, False]
    values = detail["statistics"]["numbers"][0]
    rows = head["datasets"]["enriched"]["rows"]
    for index, counts in enumerate(values["counts"]):
        nulls = price["nulls"][index]
        assert counts is None or sum(counts) == pytest.approx(rows[index] * (1 - nulls), abs=0.51)
    drift = detail["statistics"]["drift"]
    assert sum(drift["counts"][7]) == rows[7]
    vector = detail_of(report, head, "item_vector")["statistics"]["numbers"][0]
    assert vector["title"] == "Lengths of the vectors"
    lists = detail_of(report, head, "recent_items")["statistics"]
    assert [one["title"] for one in lists["numbers"]] == ["List lengths"]
    assert lists["items"] is not None
    keys = next(one for one in head["columns"] if one["name"] == "user_id")
    assert keys["drift"] is None


def detail_of(report: Path, head: Any, name: str) -> Any:
    return unpacked(report, f"column-{[one['name'] for one in head['columns']].index(name)}")


def test_bars_of_seconds_since_1970_have_edges_of_their_own() -> None:
    numbers = Numbers(
        finite=2, quantiles={name: 1_704_067_200.0 + place * 30 for place, name in enumerate(QUANTILES)},
        histogram=Histogram(0, (), ()),
    )  # fmt: skip
    summary = Summary("double", 2, 0, numbers=numbers)
    edges = Series.of("at", "point_in_time", [summary], (0,)).shown()["numbers"][0]["edges"]
    assert len(edges) == len(set(edges)) > 2
    assert edges == sorted(edges)


@pytest.mark.parametrize(
    ("dtype", "unit"), [("timestamp[us]", "us"), ("timestamp[us, UTC]", "us"), ("date", "d"), ("double", None)]
)
def test_times_are_told_with_their_unit_and_all_of_their_places(dtype: str, unit: str | None) -> None:
    numbers = Numbers(finite=1, mean=1_704_067_201_234_567.0, maximum=1_704_067_201_234_567.0)
    shown = Series.of("at", "spine", [None, Summary(dtype, 1, 0, numbers=numbers)], ()).shown()["numbers"][0]
    assert (shown["unit"], shown["mean"][0]) == (unit, None)
    assert (shown["mean"][1] == 1_704_067_201_234_567.0) == (unit is not None)


@pytest.mark.parametrize("values", [[0, 5, 32, 32, 32], [0.25, 0.5, 31.5, 31.5], [1, 2, 1_000_000, 1_000_000]])
def test_the_greatest_of_the_usual_values_are_shown(values: list[float]) -> None:
    """Lists that are cut have one length at most, and that of most of them: it is no rest above the bars."""
    summary = NumberSummary()
    summary.add(*counted(np.array(values)))
    numbers = summary.result
    series = Series.of("x", "rolling", [Summary("list<int64>", len(values), 0, lengths=numbers)], (0,))
    shown = series.shown()["numbers"][0]
    assert (shown["counts"][0][0], shown["counts"][0][-1], sum(shown["counts"][0])) == (0, 0, len(values))
    assert len(shown["edges"]) <= 26
    assert shown["edges"] == sorted(set(shown["edges"]))


_MOST = 1.7976931348623157e308


@pytest.mark.parametrize(
    "values",
    [
        [2.0**60] * 9, [2.0**60 + 128 * step for step in range(99)], [1.0, 1.7e308, _MOST], [1.0] * 50 + [_MOST],
        [5e-324] * 50 + [_MOST], [-1.7e308, 1.7e308],
    ],
)  # fmt: skip
def test_great_numbers_have_bars(values: list[float]) -> None:
    summary = NumberSummary()
    summary.add(*counted(np.array(values)))
    series = Series.of("x", "spine", [Summary("double", len(values), 0, numbers=summary.result)], (0,))
    shown = series.shown()["numbers"][0]
    edges = [edge for edge in shown["edges"] if edge is not None]
    assert len(edges) > 1
    assert edges == sorted(set(edges))
    assert sum(shown["counts"][0]) == len(values)


def test_nothing_is_told_of_the_rows_of_damaged_days(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Training(tmp_path, days=4, rows=40).publish()
    parts = [tmp_path / f"output/ranking/enriched/dt=2024-01-0{day}/part-0-0.parquet" for day in (2, 3, 4)]
    parts[0].write_bytes((tmp_path / "output/ranking/enriched/dt=2024-01-01/part-0-0.parquet").read_bytes())
    parts[1].write_bytes(b"garbage")
    parts[2].unlink()
    head = unpacked(write_report(made.root), "head")
    kept = tmp_path / "output/ranking/_statistics/enriched"
    assert [path.name for path in kept.iterdir()] == ["dt=2024-01-01.json"]
    assert head["datasets"]["enriched"]["states"] == ["built", "stale", "stale", "stale"]
    assert all(one["nulls"][1:] == [None, None, None] for one in head["columns"])
    assert "Traceback" not in capsys.readouterr().err
    # What was kept of the whole day does not stand for the damaged one.
    parts[1].parent.parent.joinpath("dt=2024-01-01/part-0-0.parquet").write_bytes(b"garbage")
    head = unpacked(write_report(made.root), "head")
    assert all(one["nulls"] == [None] * 4 for one in head["columns"])


def test_the_plan_says_what_a_day_is_like(training: Training, tmp_path: Path) -> None:
    def planned(number: int, action: Any, *reasons: str) -> PlannedDay:
        day = FIRST.replace(day=number)
        both = {name: PlannedDataset(action=action, reasons=reasons) for name in ("skeleton", "enriched")}
        return PlannedDay(day=day, files_read=1, datasets=both, cut_windows=())

    days = (
        planned(1, "skip"), planned(2, "rebuild", "operator sink changed"), planned(3, "wait", "waiting: x"),
        planned(6, "blocked", "events has no partition"), planned(7, "keep"),
    )  # fmt: skip
    plan = PlanAnswer(service="ranking", days=days, sources={}, notes=("a note",))
    file = tmp_path / "planned.json"
    file.write_text(json.dumps({"plan": plan.model_dump(mode="json")}), encoding="utf-8")
    words = ["--days", "2024-01-01..2024-01-03", "2024-01-06..2024-01-07", "--planned", str(file)]
    head = unpacked(write_report(training.root, *words), "head")
    assert head["datasets"]["enriched"]["states"] == ["built", "stale", "waiting", "blocked", "stale"]
    reasons = head["datasets"]["skeleton"]["reasons"]
    assert [head["sentences"][one] for one in reasons[1]] == ["operator sink changed"]
    assert [one["told"] for one in head["findings"] if one["kind"] == "days"] == [
        "1 day cannot be built, since partitions are missing: 2024-01-06",
        "2 days are stale: train would build them anew: 2 days from 2024-01-02 to 2024-01-07",
        "1 day is waiting for labels: 2024-01-03",
    ]
    assert head["notes"] == ["a note"]


def test_profiles_of_days_are_shown_and_damaged_ones_told(
    training: Training, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = training.layout
    usage = Usage("sink", 0.5, 10, 100, 200, 1 << 20, 0)
    for number in (1, 2):
        write_profile(
            layout, "skeleton", DayProfile(FIRST.replace(day=number), 2, (usage,), 1e9, 1e9 + number, "host 7")
        )
    path = layout.scratch_dir / "_profile/skeleton/dt=2024-01-02.json"
    path.write_text("{", encoding="utf-8")
    head = unpacked(write_report(training.root), "head")
    (profile,) = head["profiles"]
    assert profile["operators"] == ["sink"]
    assert profile["days"][0]["took"]["seconds"] == [0.5]
    assert (profile["days"][0]["ended"], profile["days"][1]) == (1e9 + 1, None)
    assert "is no profile, and is left out" in capsys.readouterr().err
    for left in path.parent.iterdir():
        left.unlink()


BAD: dict[str, tuple[tuple[str, ...], str]] = {
    "another suffix": (("--output", "report.txt"), "one HTML file is written: give it a name like report.html"),
    "a directory": (("--output", "here.html"), "--output here.html is a directory: give the name of a file"),
    "no directory": (("--output", "no/report.html"), "--output no/report.html: there is no directory "),
    "no split": (("--reference", "trainn"), "--reference 'trainn' is neither days nor a split: did you mean 'train'?"),
    "no days": (("--reference", "2024-13-01"), "--reference '2024-13-01': '2024-13-01' is not a range of days"),
    "no reference": (
        ("--reference", "2025-01-01"),
        "--reference 2025-01-01..2025-01-01: none of these days is published and in the report",
    ),
    "days": (("--days", "yesterday"), "--days 'yesterday': 'yesterday' is not a range of days"),
    "too many": (("--days", "1990-01-01..2024-01-01"), "a report shows at most 3,660 days, found 12,419"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_written_is_refused(
    training: Training, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    words, sentence = BAD[name]
    monkeypatch.chdir(training.root)
    (training.root / "here.html").mkdir(exist_ok=True)
    assert main(["ranking", *words]) == 2
    assert sentence in capsys.readouterr().err


def test_a_catalog_is_one_file(tmp_path: Path, content: Callable[[], dict[str, Any]]) -> None:
    (tmp_path / "content.json").write_text(json.dumps(content()), encoding="utf-8")
    file = tmp_path / "catalog.html"
    assert catalog_main(["--html", str(file), "--content", str(tmp_path / "content.json")]) == 0
    assert unpacked(file, "head")["columns"][0]["description"] == HOSTILE
    assert "alert('x')" not in file.read_text(encoding="utf-8")
