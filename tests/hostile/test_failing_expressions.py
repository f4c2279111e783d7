"""An expression that fails on a row is told with its column, its text, and the first row at which it fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from daeda.errors import ConfigurationError, DayError
from daeda_audit.command import main as audit
from tests.daeda_audit.feed import build, words
from tests.hostile.test_values import DAY, rows_of, with_rolling
from tests.projects import TinyProject, fields, moment

ADVICE = ": guard it with try_cast, nullif or a CASE, or repair the row"


def _derived(made: TinyProject) -> None:
    made.service["columns"].append(
        {"name": "number", "kind": "derived", "dtype": "int64", "expression": "CAST(code AS BIGINT)"}
    )
    made.runtime["output_columns"].append("number")


def _of_windows(made: TinyProject) -> None:
    made.service["columns"].append(
        {"name": "number", "kind": "derived", "dtype": "int8", "expression": "CAST(events_1d * item_id AS TINYINT)"}
    )
    made.runtime["output_columns"].append("number")


def _filter(made: TinyProject) -> None:
    made.service["spine"]["filters"] = [{"where": "amount > 0"}, {"where": "CAST(code AS BIGINT) > 0 OR item_id = 0"}]


def _history(made: TinyProject) -> None:
    with_rolling(made, "some", "int64", kind="count", where="CAST(code AS BIGINT) > 0")


def _attribute(made: TinyProject) -> None:
    where = "CAST(category AS BIGINT) > 0 OR amount / amount = 2"
    with_rolling(made, "some", "int64", kind="count", where=where)
    made.aggregations["aggregation_specs"][-1]["history"]["attributes"] = ["items:category"]


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_derived, "column 'number': its expression 'CAST(code AS BIGINT)' fails at row 2 (user_id 3): "
         "Conversion Error: Could not convert string 'x3' to INT64 when casting from source column code"),
        (_of_windows, "column 'number': its expression 'CAST(events_1d * item_id AS TINYINT)' fails at row 4 "
         "(user_id 4): Conversion Error: Type INT64 with value 400 can't be cast because the value is out of range for "
         "the destination type INT8"),
        (_filter, "filter 'filter_spine_2': its condition 'CAST(code AS BIGINT) > 0 OR item_id = 0' fails at the "
         "row with user_id 3, item_id 11, code x3: Conversion Error: Could not convert string 'x3' to INT64 when "
         "casting from source column code"),
        (_history, "filter 'filter_events_by_user_2': its condition 'CAST(code AS BIGINT) > 0' fails at the row with "
         "user_id 3, code x3: Conversion Error: Could not convert string 'x3' to INT64 when casting from source column "
         "code"),
        (_attribute, "filter 'filter_events_by_user_2': its condition 'CAST(category AS BIGINT) > 0 OR amount / amount "
         "= 2' fails at the row with user_id 1, items:category toys, amount 1.0: Conversion Error: Could not convert "
         "string 'toys' to INT64 when casting from source column category"),
    ],
)  # fmt: skip
def test_the_first_row_is_told(change: Callable[[TinyProject], None], told: str, engine: str, tmp_path: Path) -> None:
    made = TinyProject(tmp_path).without("item_vector", "recent_items")
    made.views["events"]["fields"] += fields(code="string")
    change(made)
    made.data["events"] = [
        (1, 10, moment("02 01:00"), 1.0, "1"), (2, 10, moment("02 02:00"), 1.0, None),
        (3, 11, moment("02 03:00"), 1.0, "x3"), (4, 400, moment("02 04:00"), 1.0, "4"),
        (4, 400, moment("02 05:00"), 1.0, "5"), (4, 400, moment("02 06:00"), 1.0, "x6"),
    ]  # fmt: skip
    made.runtime["compute"] = {"engine": engine}
    made.write().write_data()
    with pytest.raises(DayError) as caught:
        build(made, days=[DAY])
    assert str(caught.value).endswith(told + ADVICE)
    assert not list((tmp_path / "output").rglob("*.parquet"))


def test_a_row_behind_others_of_a_stream_is_told(tmp_path: Path) -> None:
    """Arrow has one class of its own for errors in later batches."""
    made = TinyProject(tmp_path).without("item_vector", "recent_items")
    made.views["events"]["fields"] += fields(code="string")
    _history(made)
    made.data["events"] = [
        (row % 10, 10, moment(f"02 {row // 20_000:02}:00"), 1.0, "x" if row == 249_999 else "1")
        for row in range(250_000)
    ]
    made.runtime["compute"] = {"duckdb_config": {"threads": 1, "memory_limit": "1GiB"}}
    made.write().write_data()
    with pytest.raises(DayError) as caught:
        build(made, days=[DAY])
    assert str(caught.value).endswith(
        "filter 'filter_events_by_user_2': its condition 'CAST(code AS BIGINT) > 0' fails at the row with user_id 9, "
        "code x: Conversion Error: Could not convert string 'x' to INT64 when casting from source column code" + ADVICE
    )


def test_an_integer_is_widened_to_the_declared_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = TinyProject(tmp_path).without("item_vector")
    for name, dtype, text in (
        ("wide", "int64", "CAST(item_id AS SMALLINT)"),
        ("wider", "int32", "CASE WHEN item_id > 50 THEN NULL ELSE CAST(item_id AS TINYINT) END"),
    ):
        made.service["columns"].append(
            {"name": name, "kind": "derived", "dtype": dtype, "expression": text, "default": 40_000}
        )
        made.runtime["output_columns"].append(name)
    made.write().write_data()
    build(made, days=[DAY])
    assert [(row["wide"], row["wider"]) for row in rows_of(made)] == [(11, 11), (99, 40_000)]
    assert audit(words(made, "--probe", "recompute")) == 0, capsys.readouterr()
    made.service["columns"][-1]["expression"] = "item_id"
    with pytest.raises(ConfigurationError, match="gives BIGINT, and the contract says int32"):
        made.write().compile()
