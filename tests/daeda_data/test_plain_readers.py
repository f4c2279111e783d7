"""Readers that know nothing of daeda read a directory of days, as docs/reading.md says for each of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from daeda.dataset.layout import Layout
from tests.daeda_data.days import day_of, publish_rows

PAGE = Path(__file__).parents[2] / "docs/reading.md"


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plain") / "output"


@pytest.fixture(scope="module")
def rows(output: Path) -> list[dict[str, Any]]:
    """Two days of twelve parts, as they are to be read: part 10 before part 2."""
    table = publish_rows(Layout(output / "ranking"), 2, rows=1, half="enriched")
    as_text = sorted(range(12), key=lambda number: f"part-{number}-0.parquet")
    return table.take([day * 12 + number for day in (0, 1) for number in as_text]).to_pylist()


def written(library: str, output: Path) -> str:
    """What the page says to write for a library, at the place where the test has its days."""
    (line,) = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| {library} |")]
    return line.split("|")[2].split("`")[1].replace("output/", f"{output}/", 1)


def read(library: str, output: Path) -> Any:
    return eval(written(library, output), {"pl": pl, "ds": ds, "pa": pa, "pd": pd})


def test_polars(output: Path, rows: list[dict[str, Any]]) -> None:
    frame = read("Polars", output).collect()
    assert (frame.rows(named=True), frame.schema["dt"]) == (rows, pl.Date)
    with pytest.raises(pl.exceptions.InvalidOperationError, match="directory contained paths with different file ext"):
        pl.scan_parquet(output / "ranking/enriched").collect()


def test_duckdb(output: Path, rows: list[dict[str, Any]]) -> None:
    relation = duckdb.sql(written("DuckDB", output))
    assert [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()] == rows


def test_pyarrow(output: Path, rows: list[dict[str, Any]]) -> None:
    assert read("pyarrow", output).to_table().to_pylist() == rows


def test_pandas(output: Path, rows: list[dict[str, Any]]) -> None:
    frame = read("pandas", output)
    assert frame["row"].tolist() == [row["row"] for row in rows]
    assert frame["dt"].tolist() == [str(day_of(day)) for day in (0, 1) for _ in range(12)]
    assert [None if vector is None else list(vector) for vector in frame["vector"]] == [row["vector"] for row in rows]
