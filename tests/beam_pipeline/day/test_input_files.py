"""The same rows in other files give the same bytes: shuffled, in one file or many, by day or not."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_pipeline.command import main
from tests.projects import TinyProject, moment

# Ties at one moment, exact duplicates, NULL keys, and prices that change twice in an instant.
EVENTS = [
    (user, item, moment(f"{day:02} {hour:02}:00"), amount)
    for day in (1, 2, 3)
    for hour in (1, 9)
    for user, item, amount in ((1, 10, 0.1), (1, 11, 0.2), (1, 11, 0.2), (2, 12, 1e16), (2, 12, -1.0), (None, 10, 3.0))
]
PRICES = [
    (item, moment(f"{day:02} {hour:02}:00"), price)
    for day in (1, 2, 3)
    for hour in (0, 5)
    for item, price in ((10, 1.5), (10, 2.5), (11, 0.5), (12, None))
]

Layout = Callable[[Path, random.Random], None]


def as_it_is(data: Path, chance: random.Random) -> None:
    """One file for each day, as written."""


def shuffled(data: Path, chance: random.Random) -> None:
    """The same files, their rows in any order."""
    for path in sorted(data.rglob("*.parquet")):
        table = pq.read_table(path, partitioning=None)
        pq.write_table(table.take(pa.array(chance.sample(range(len(table)), len(table)))), path)


def in_many_files(data: Path, chance: random.Random) -> None:
    """Each file cut into files of three rows, with names in any order."""
    shuffled(data, chance)
    for path in sorted(data.rglob("*.parquet")):
        table = pq.read_table(path, partitioning=None)
        if path.parent == data:
            continue
        path.unlink()
        names = chance.sample(range(100), -(-len(table) // 3))
        for number, start in zip(names, range(0, len(table), 3), strict=True):
            pq.write_table(table.slice(start, 3), path.parent / f"{number:02}.parquet", row_group_size=2)


def in_one_file(data: Path, chance: random.Random) -> None:
    """All days of a view in one file, in any order."""
    for view in ("events", "prices"):
        files = sorted((data / view).rglob("*.parquet"))
        table = pa.concat_tables([pq.read_table(path, partitioning=None) for path in files])
        for path in files:
            path.unlink()
            path.parent.rmdir()
        pq.write_table(table, data / view / "all.parquet")
    shuffled(data, chance)


def parts(root: Path, lay_out: Layout, engine: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The bytes of every part of a project whose files are laid out anew."""
    project = TinyProject(root).without("item_vector")
    project.views["events"]["fields"][0]["dtype"] = project.column("user_id")["dtype"] = "int32"
    project.column("user_id")["nullable"] = True
    project.data |= {"events": EVENTS, "prices": PRICES, "items": [(10, "toys"), (11, "books"), (12, "food")]}
    project.runtime |= {"rows_per_part": 5, "compute": {"engine": engine}}
    project.aggregations["aggregation_specs"][0] |= {"kind": "sum", "column": "amount"}
    project.column("events_1d").update(dtype="double", nullable=True)
    project.write().write_data()
    lay_out(root / "data", random.Random(7))
    monkeypatch.chdir(root)
    assert main([]) == 0
    base = root / "output" / "ranking" / "skeleton"
    return {str(path.relative_to(base)): path.read_bytes() for path in sorted(base.rglob("*.parquet"))}


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_the_same_rows_in_other_files_give_the_same_bytes(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = {
        lay_out.__name__: parts(tmp_path / lay_out.__name__, lay_out, engine, monkeypatch)
        for lay_out in (as_it_is, shuffled, in_many_files, in_one_file)
    }
    expected = built.pop("as_it_is")
    assert len(expected) == 6
    assert {name: parts_built == expected for name, parts_built in built.items()} == dict.fromkeys(built, True)
