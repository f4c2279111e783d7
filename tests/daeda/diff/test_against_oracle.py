"""Generated pairs of days, compared with the oracle: duplicates, NULLs, order, cut, names, types, one side alone."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from daeda.dataset.layout import Layout
from daeda.dataset.manifest import ColumnIdentities
from daeda.diff.explained import UNKNOWN
from daeda.diff.run import Difference, Options, compare_sides
from daeda.diff.sides import side_of_layout
from daeda.diff.values import Tolerance
from tests.budget import by_run
from tests.daeda.dataset.tables import publish_table
from tests.daeda.diff.oracle import Found, Row, difference

DAY = dt.date(2024, 1, 2)
NAN, INF = float("nan"), float("inf")
STRUCT = pa.struct([("y", pa.float64()), ("z", pa.int64())])
TYPES: dict[str, pa.DataType] = {
    "user_id": pa.int64(),
    "at": pa.timestamp("us"),
    "number": pa.int32(),
    "x": pa.float64(),
    "half": pa.float16(),
    "text": pa.string(),
    "flag": pa.bool_(),
    "money": pa.decimal128(12, 2),
    "day": pa.date32(),
    "ids": pa.list_(pa.int64()),
    "vector": pa.list_(pa.float16()),
    "steps": pa.list_(STRUCT),
    "pair": STRUCT,
    "nested": pa.list_(pa.list_(pa.float32())),
}
KEY = ("user_id", "at")
VALUES: dict[str, list[Any]] = {
    "user_id": [None, 1, 2, 3],
    "at": [None, dt.datetime(2024, 1, 2, 3), dt.datetime(2024, 1, 2, 4)],
    "number": [None, 0, 1, -7, 2**31 - 1],
    "x": [None, 0.0, -0.0, 1.5, 1.5000001, -2.0, NAN, INF, -INF, 1e300],
    "half": [None, 0.0, -0.0, 1.5, -2.0, NAN, 0.25],
    "text": [None, "", "a", "ä" * 3],
    "flag": [None, True, False],
    "money": [None, Decimal("0.00"), Decimal("1.50"), Decimal("-12.34")],
    "day": [None, DAY, DAY + dt.timedelta(days=1)],
    "ids": [None, [], [1], [1, None, 3], [3, 1]],
    "vector": [None, [0.5, -0.0], [0.5, 0.0], [0.5, NAN], [0.25, 2.0]],
    "steps": [None, [], [{"y": 1.5, "z": 1}], [{"y": NAN, "z": None}, None], [{"y": 2.5, "z": 1}]],
    "pair": [None, {"y": 1.5, "z": 1}, {"y": 2.5, "z": None}, {"y": None, "z": 1}],
    "nested": [None, [], [[1.5], None], [[1.5, -0.0]], [[1.25, NAN], []]],
}


def value(name: str, rng: random.Random) -> Any:
    return rng.choice(VALUES[name])


def row(names: Sequence[str], rng: random.Random) -> dict[str, Any]:
    return {name: value(name, rng) for name in names}


def changed(rows: Sequence[Row], names: Sequence[str], rng: random.Random) -> list[Row]:
    """Some rows less, more, twice, with other values, or elsewhere."""
    made: list[Row] = []
    for one in rows:
        kind = rng.choice(["same"] * 12 + ["less", "more", "twice", "other", "other key"])
        if kind == "less":
            continue
        other = dict(one)
        if kind == "other":
            for name in rng.sample(names[2:], min(2, len(names) - 2)):
                other[name] = value(name, rng)
        if kind == "other key":
            other["user_id"] = value("user_id", rng)
        made += [other, dict(other)] if kind == "twice" else [other]
        made += [row(names, rng)] if kind == "more" else []
    if rng.random() < 0.4:
        rng.shuffle(made)
    return made


def table(rows: Sequence[Row], types: Mapping[str, pa.DataType]) -> pa.Table:
    return pa.table({name: pa.array([one[name] for one in rows], dtype) for name, dtype in types.items()})


def compared(
    root: Path, here: pa.Table, there: pa.Table, cuts: tuple[int, int], tolerance: Tolerance, **options: Any
) -> Difference:
    layouts = [Layout(root / name / "ranking") for name in ("here", "there")]
    for layout, rows, cut in zip(layouts, (here, there), cuts, strict=True):
        publish_table(layout, DAY, rows, rows_per_part=cut, **options)
    sides = [side_of_layout(layout) for layout in layouts]
    return compare_sides(sides[0], sides[1], "skeleton", None, Options(KEY, tolerance), UNKNOWN)


def agree(found: Found, told: Difference) -> None:
    assert (told.paired, told.changed) == (found.paired, found.changed)
    assert (told.only_here.count, told.only_there.count) == (len(found.only_here), len(found.only_there))
    assert set(told.columns) == set(found.columns)
    for name, (count, null_here, null_there, apart) in found.columns.items():
        tally = told.columns[name].tally
        assert (tally.differ, tally.null_here, tally.null_there) == (count, null_here, null_there), name
        assert (tally.numbers, tally.greatest) == (len(apart), pytest.approx(max(apart, default=0.0))), name
        assert tally.mean == (pytest.approx(sum(apart) / len(apart)) if apart else None)
        assert 0 < len(tally.examples) <= 3
    alone = bool(found.only_here or found.only_there)
    assert told.is_empty == (not found.columns and not alone)


@pytest.mark.parametrize("seed", range(by_run(8, 60, 600)))
def test_a_pair_of_days_differs_as_the_oracle_says(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    names = [*KEY, *rng.sample(sorted(set(TYPES) - set(KEY)), rng.choice([1, 4, 12]))]
    types = {name: TYPES[name] for name in names}
    # Read back, for halves lose places.
    here = table([row(names, rng) for _ in range(rng.choice([0, 1, 9, 40]))], types)
    rows = here.to_pylist()
    there = table(changed(rows, names, rng) if rng.random() < 0.9 else rows, types)
    tolerance = rng.choice([Tolerance(), Tolerance(absolute=0.3), Tolerance(relative=1e-6)])
    cuts = (rng.choice([3, 7, 50]), rng.choice([3, 7, 50]))
    told = compared(tmp_path, here, there, cuts, tolerance)
    columns = {name: name for name in names}
    agree(difference(rows, there.to_pylist(), KEY, columns, tolerance.absolute, tolerance.relative), told)


WIDER = {
    "number": pa.int64(), "x": pa.float32(), "half": pa.float64(), "text": pa.large_string(),
    "money": pa.decimal128(14, 3), "ids": pa.list_(pa.int32()), "vector": pa.list_(pa.float32()), "flag": pa.int8(),
}  # fmt: skip


@pytest.mark.parametrize("seed", range(by_run(1, 12, 100)))
def test_other_names_and_types(seed: int, tmp_path: Path) -> None:
    """A renamed column is compared under both names, one of another number type by its numbers."""
    rng = random.Random(seed)
    names = [*KEY, *sorted(set(WIDER) - {"flag"}), "flag", "steps"]
    here = table([row(names, rng) for _ in range(30)], {name: TYPES[name] for name in names})
    there = table(changed(here.to_pylist(), names, rng), {name: TYPES[name] for name in names})
    for name, dtype in WIDER.items():
        position = there.column_names.index(name)
        values = (
            [None if one is None else int(one) for one in there.column(name).to_pylist()] if name == "flag" else None
        )
        column = pa.array(values, dtype) if values is not None else there.column(name).cast(dtype, safe=False)
        there = there.set_column(position, name, column)
    there = there.rename_columns(["others" if name == "steps" else name for name in names]).select(
        rng.sample(["others" if name == "steps" else name for name in names], len(names))
    )
    layouts = [Layout(tmp_path / name / "ranking") for name in ("here", "there")]
    for layout, rows in zip(layouts, (here, there), strict=True):
        made = {("steps" if name == "others" else name): name for name in rows.column_names}
        identities = {name: f"{sorted(made).index(which):064x}" for which, name in made.items()}
        publish_table(
            layout, DAY, rows, rows_per_part=7, identities=ColumnIdentities("a" * 64, ("b" * 64,), identities)
        )
    sides = [side_of_layout(layout) for layout in layouts]
    told = compare_sides(sides[0], sides[1], "skeleton", None, Options(KEY), UNKNOWN)
    columns = {name: "others" if name == "steps" else name for name in names if name != "flag"}
    found = difference(here.to_pylist(), there.to_pylist(), KEY, columns)
    assert (told.paired, told.changed) == (found.paired, found.changed)
    assert {name: one.tally.differ for name, one in told.columns.items()} == {
        name: count for name, (count, *_) in found.columns.items()
    }
    assert {(one.column, one.what) for one in told.schema} == {
        ("steps", "renamed"), *((name, "type") for name in WIDER),
    }  # fmt: skip
    assert "values of 'flag' are of two types, and not compared" in told.notes


LARGE = 2**53 + 1
FAR, NEAR = dt.datetime(3000, 1, 1), dt.datetime(2024, 1, 1)
# Two columns of three rows each, how many rows differ, and in what not all values are exact.
CASTS: dict[str, tuple[pa.Array, pa.Array, int, str]] = {
    "doubles that hold all of them": (pa.array([1, 2, None]), pa.array([1.0, 2.5, None]), 1, ""),
    "a double that holds no such number": (pa.array([LARGE, 2, 3]), pa.array([LARGE - 1.0, 2.0, 3.0]), 0, "double"),
    "in lists": (pa.array([[LARGE], [2], []]), pa.array([[LARGE - 1.0], [2.0], []]), 0, "list<double>"),
    "signed and not": (pa.array([2**62, 2, -1]), pa.array([2**62 + 1, 2, 1], pa.uint64()), 2, ""),
    "times before and behind those of nanoseconds": (
        pa.array([FAR, NEAR, None], pa.timestamp("us")), pa.array([NEAR, NEAR, None], pa.timestamp("ns")), 0,
        "timestamp[ns]",
    ),
    "times of two coarse units": (
        pa.array([FAR, NEAR, None], pa.timestamp("ms")), pa.array([FAR, FAR, None], pa.timestamp("us")), 1, "",
    ),
    "nothing but NULL": (pa.nulls(3, pa.int64()), pa.nulls(3, pa.float64()), 0, ""),
}  # fmt: skip


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("name", CASTS)
def test_values_are_compared_in_a_type_that_has_all_of_them_or_not_at_all(
    name: str, tmp_path: Path, *, in_order: bool
) -> None:
    ours, theirs, differ, inexact = CASTS[name]
    keys = {"user_id": pa.array([1, 2, 3]), "at": pa.array([NEAR] * 3, pa.timestamp("us"))}
    here, there = pa.table({**keys, "x": ours}), pa.table({**keys, "x": theirs})
    told = compared(tmp_path, here, there if in_order else there.take([2, 0, 1]), (2, 2), Tolerance())
    assert {name: one.tally.differ for name, one in told.columns.items()} == ({"x": differ} if differ else {})
    assert [(one.column, one.what) for one in told.schema] == [("x", "type")]
    note = f"values of 'x' are of two types, not all of them exact in {inexact}, and not compared"
    assert (note in told.notes) == bool(inexact)
    assert told.paired == 3
