"""Faults that are planted in one day of ten: a check names each, on the day that has it and on no day before it."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from daeda.checks.published import Judging
from daeda.dataset.fingerprint import skeleton_fingerprint
from daeda.dataset.layout import DATASETS, Dataset, Layout, day_name
from daeda.dataset.manifest import DayName, Verdict, read_manifest
from daeda.settings.checks import Check
from tests.daeda.statistics.oracle import publish

DAYS = [dt.date(2024, 1, 1) + dt.timedelta(days=number) for number in range(10)]
FAULTY = DAYS[6]
ROWS = 800
HALF = pa.list_(pa.float16())
KINDS = {"user_id": "key", "ts": "timestamp", "price": "point_in_time", "vector": "embedding"}
CHECKS: dict[str, dict[str, Any]] = {
    "usual": {"rows": "within 30% of last 7 days"},
    "unique": {"unique": ["user_id", "ts"], "severity": "fail"},
    "nulls": {"column": "price", "null_share": "< 5%", "severity": "fail"},
    "drift": {"drift": "psi", "below": 0.2},
    "range": {"column": "dwell", "between": [0, 600]},
    "countries": {"column": "country", "in": ["de", "fr", "it"]},
    "coverage": {"coverage": "vector", "at_least": "95%", "severity": "fail"},
}


def _day(day: dt.date, fault: str = "") -> pa.Table:
    generator = random.Random(day.toordinal())
    rows = [
        {
            "user_id": number,
            "ts": dt.datetime(day.year, day.month, day.day, number % 24),
            "price": generator.lognormvariate(2, 0.5) if generator.random() > 0.01 else None,
            "dwell": generator.uniform(1, 500),
            "country": generator.choice(["de", "de", "fr", "it"]),
            "vector": [1.0, generator.random()] if generator.random() > 0.01 else None,
        }
        for number in range(ROWS)
    ]
    if fault == "doubled":
        rows *= 2
    for number, row in enumerate(rows):
        if fault == "nulls":
            row["price"] = None
        elif fault == "milliseconds":
            row["dwell"] *= 1_000
        elif fault == "lost ids" and number % 10 == 0:
            row["vector"] = None
        elif fault == "vanished" and row["country"] == "it":
            row["country"] = "de"
    schema = pa.schema(
        [
            ("user_id", pa.int64()),
            ("ts", pa.timestamp("us")),
            ("price", pa.float64()),
            ("dwell", pa.float64()),
            ("country", pa.string()),
            ("vector", HALF),
        ]
    )
    return pa.Table.from_pylist(rows, schema)


def _publish(layout: Layout, day: dt.date, table: pa.Table) -> None:
    place = table.set_column(5, "vector", pa.nulls(len(table), pa.list_(pa.float32())))
    publish(layout, place, 2, day, KINDS, places=("vector",))
    publish(layout, table, 2, day, KINDS, "enriched")


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    layout = Layout(tmp_path_factory.mktemp("healthy") / "ranking")
    for day in DAYS[:7]:
        _publish(layout, day, _day(day))
    return layout


def _judged(layout: Layout, days: list[dt.date]) -> dict[dt.date, dict[str, Verdict]]:
    checks = {name: Check.model_validate(check) for name, check in CHECKS.items()}
    names = {check.text: name for name, check in checks.items()}
    datasets: tuple[Dataset, ...] = ("skeleton", "enriched")
    found = Judging(layout, tuple(checks.values()), ("user_id",)).judge(datasets, days)
    return {day: {names[one.check]: one for one in verdicts} for day, verdicts in found.items()}


def test_nothing_is_wrong_with_healthy_days(healthy: Layout) -> None:
    judged = _judged(healthy, DAYS[:7])
    assert {day: [name for name, one in found.items() if one.outcome == "failed"] for day, found in judged.items()} == {
        day: [] for day in DAYS[:7]
    }
    assert {len(found) for found in judged.values()} == {len(CHECKS)}
    first = judged[DAYS[0]]
    assert [first[name].outcome for name in ("usual", "drift")] == ["not judged", "not judged"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (
            "doubled",
            {"usual": "1,600 rows, 100% more; the median of 6 days is 800", "unique": "800 rows of 1,600 repeat"},
        ),
        ("nulls", {"nulls": "800 of 800 rows are NULL (100%), the first of them row 0 (user_id 0)", "drift": "price "}),
        ("milliseconds", {"range": "800 rows of 800, the first of them row 0 (user_id 0): ", "drift": "dwell "}),
        ("lost ids", {"coverage": "(user_id 0)", "drift": "vector "}),
        ("vanished", {"drift": "country "}),
    ],
)
def test_a_planted_fault_is_named(tmp_path: Path, healthy: Layout, fault: str, expected: dict[str, str]) -> None:
    layout = Layout(tmp_path / "ranking")
    for dataset in ("skeleton", "enriched"):
        for day in DAYS[:6]:
            target = tmp_path / "ranking" / dataset
            target.mkdir(parents=True, exist_ok=True)
            _link(healthy.version_dir / dataset / f"dt={day}", target / f"dt={day}")
    _publish(layout, FAULTY, _day(FAULTY, fault))
    judged = _judged(layout, [FAULTY])[FAULTY]
    failed = {name: one.found for name, one in judged.items() if one.outcome == "failed"}
    assert set(failed) == set(expected)
    for name, found in expected.items():
        assert found in failed[name]


def _link(source: Any, target: Path) -> None:
    target.mkdir()
    for path in source.iterdir():
        (target / path.name).hardlink_to(path)


def test_verdicts_are_kept_and_a_changed_check_is_judged_anew(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "ranking")
    publish(layout, pa.table({"price": [1.0, 900.0]}), day=FAULTY)
    name = DayName("ranking", "skeleton", FAULTY)

    def kept(*checks: dict[str, Any]) -> list[tuple[str, str, str]]:
        Judging(layout, [Check.model_validate(check) for check in checks], ()).judge(("skeleton",), [FAULTY])
        manifest = read_manifest(layout.day_dir("skeleton", FAULTY), name)
        assert manifest is not None
        return [(one.check, one.severity, one.outcome) for one in manifest.checks]

    narrow = {"column": "price", "between": [0, 500]}
    assert kept(narrow) == [("price: between 0 and 500", "warn", "failed")]
    assert kept({**narrow, "severity": "fail"}) == [("price: between 0 and 500", "fail", "failed")]
    assert kept({"column": "price", "between": [0, 900]}) == [("price: between 0 and 900", "warn", "passed")]
    # Without checks nothing is judged, and what was found stays until a check is written again.
    assert kept() == [("price: between 0 and 900", "warn", "passed")]
    assert kept({"rows": "> 5"}) == [("rows > 5", "warn", "failed")]


def test_a_label_that_is_not_mature_has_not_drifted(tmp_path: Path) -> None:
    """The skeleton says which labels are not mature; the enriched day, which is compared, does not."""
    layout = Layout(tmp_path / "ranking")
    kinds = {"bought": "label"}
    for number, day in enumerate(DAYS[:4]):
        bought = pa.nulls(ROWS, pa.int64()) if number > 1 else pa.array([row % 3 for row in range(ROWS)], pa.int64())
        for dataset in DATASETS:
            manifest = publish(layout, pa.table({"bought": bought}), 1, day, kinds, dataset)
            if dataset == "skeleton" and number == 3:
                unripe = skeleton_fingerprint({}, {}, 1, immature=["bought"])
                text = replace(manifest, fingerprint=unripe).to_json()
                (tmp_path / f"ranking/skeleton/{day_name(day)}/_manifest.json").write_text(text, encoding="utf-8")
    check = Check.model_validate({"drift": "psi", "below": 0.2, "reference": f"{DAYS[0]}..{DAYS[1]}"})
    last = Check.model_validate({"drift": "psi", "below": 0.2, "reference": "last 1 day"})
    judging = Judging(layout, (check,), ())
    outcomes = {day: found[0].outcome for day, found in judging.judge(("skeleton", "enriched"), DAYS[1:4]).items()}
    # NULLs that nothing explains are drift, and the last day is not compared at all.
    assert outcomes == {DAYS[1]: "passed", DAYS[2]: "failed", DAYS[3]: "not judged"}
    # Nor is it what the next day is compared with.
    publish(layout, pa.table({"bought": pa.array([1] * ROWS, pa.int64())}), 1, DAYS[4], kinds)
    publish(layout, pa.table({"bought": pa.array([1] * ROWS, pa.int64())}), 1, DAYS[4], kinds, "enriched")
    found = Judging(layout, (last,), ()).judge(("skeleton", "enriched"), [DAYS[4]])
    assert found[DAYS[4]][0].outcome == "not judged"
