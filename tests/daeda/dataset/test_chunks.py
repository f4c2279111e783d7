"""Columns that are put side by side are, byte for byte, the file that DuckDB writes of them."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daeda.dataset.chunks import NotOfOneWriter, TakenColumn, write_one_behind_the_other, write_side_by_side
from daeda.storage.regular import file_digest

COLUMNS = {
    "whole": "i", "word": "CAST(i % 7 AS VARCHAR)", "text": "'x' || CAST(i * 77 % 1001 AS VARCHAR)",
    "nothing": "CAST(NULL AS DOUBLE)", "real": "CASE WHEN i % 5 = 0 THEN NULL ELSE sqrt(i) END", "yes": "i % 3 = 0",
    "list": "CASE WHEN i % 4 = 0 THEN NULL ELSE [i, NULL] END", "empty": "CAST([] AS INTEGER[])",
    "nested": "[[i], [], NULL]", "rows": "[{'a': i, 'b': CAST(i % 5 AS VARCHAR)}]", "vector": "CAST(NULL AS FLOAT[])",
    "day": "DATE '2024-01-01' + CAST(i % 9 AS INTEGER)", "time": "TIMESTAMP '2024-01-01' + INTERVAL 1 SECOND * i",
    "nano": "CAST(TIMESTAMP '2024-01-01' + INTERVAL 1 SECOND * i AS TIMESTAMP_NS)",
    "cents": "CAST(i AS DECIMAL(12, 2))",
    "wide": "CAST(i AS DECIMAL(38, 2))", "zone": "CAST(TIMESTAMP '2024-01-01' AS TIMESTAMPTZ)",
    "small": "CAST(1 AS UTINYINT)",
}  # fmt: skip


def write(path: Path, rows: int, columns: dict[str, str]) -> Path:
    values = ", ".join(f'{value} AS "{name}"' for name, value in columns.items())
    options = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880"
    duckdb.execute(f"COPY (SELECT {values} FROM range({rows}) AS t(i)) TO '{path}' ({options})")
    return path


@pytest.mark.parametrize("rows", [0, 1, 3_000, 130_000])
def test_the_bytes_are_those_of_one_writer(tmp_path: Path, rows: int) -> None:
    rng = random.Random(rows)
    for number in range(2 if rows > 10_000 else 6):
        place = tmp_path / str(number)
        place.mkdir()
        names = rng.sample(list(COLUMNS), rng.randrange(1, len(COLUMNS) + 1))
        source = {name: rng.choice(["left", "right"]) for name in names}
        shown = {name: name if rng.random() < 0.7 else f"new {name}" for name in names}
        files = {}
        for side in ("left", "right"):
            there = [name for name in COLUMNS if source.get(name, "left") == side]
            if there:
                files[side] = write(place / side, rows, {name: COLUMNS[name] for name in there})
        taken = [TakenColumn(shown[name], files[source[name]], name) for name in names]
        write_side_by_side(place / "made", taken)
        whole = write(place / "whole", rows, {shown[name]: COLUMNS[name] for name in names})
        assert (place / "made").read_bytes() == whole.read_bytes()


def test_what_cannot_stand_side_by_side_is_refused(tmp_path: Path) -> None:
    first = write(tmp_path / "first", 10, {"a": "i"})
    second = write(tmp_path / "second", 11, {"b": "i"})
    pq.write_table(pa.table({"c": range(10)}), tmp_path / "third")
    (tmp_path / "fourth").write_bytes(b"PAR1" + bytes(20) + b"PAR1")
    for path, name in ((second, "b"), (first, "b"), (tmp_path / "third", "c"), (tmp_path / "fourth", "d")):
        with pytest.raises(NotOfOneWriter):
            write_side_by_side(tmp_path / "made", [TakenColumn("a", first, "a"), TakenColumn("b", path, name)])


@pytest.mark.parametrize("cuts", [[245_760], [122_880], [0], [122_880, 245_760]])
def test_groups_one_behind_the_other_are_the_bytes_of_one_writer(tmp_path: Path, cuts: list[int]) -> None:
    rows = 300_000
    whole = write(tmp_path / "whole", rows, COLUMNS)
    files = []
    for number, (first, last) in enumerate(itertools.pairwise([0, *cuts, rows])):
        files.append(tmp_path / str(number))
        values = ", ".join(f'{value} AS "{name}"' for name, value in COLUMNS.items())
        options = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880"
        duckdb.execute(f"COPY (SELECT {values} FROM range({first}, {last}) AS t(i)) TO '{files[-1]}' ({options})")
    digest = write_one_behind_the_other(tmp_path / "made", files)
    assert (tmp_path / "made").read_bytes() == whole.read_bytes()
    assert digest == file_digest(whole)


def test_groups_of_other_columns_are_refused(tmp_path: Path) -> None:
    first = write(tmp_path / "first", 10, {"a": "i"})
    for number, columns in enumerate(({"b": "i"}, {"a": "CAST(i AS DOUBLE)"}, {"a": "i", "b": "i"})):
        with pytest.raises(NotOfOneWriter, match="they have other columns"):
            write_one_behind_the_other(tmp_path / "made", [first, write(tmp_path / str(number), 10, columns)])
