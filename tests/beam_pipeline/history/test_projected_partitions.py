"""Histories that several days read are projected once: the same bytes, the first writer wins, and nothing stays."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_pipeline.command import main
from beam_pipeline.history import partition_cache, projected_partitions, reader
from beam_pipeline.session.resources import DayResources
from beam_pipeline.session.session import DaySession
from daeda.dtypes import DType
from daeda.operators.operator import Instant
from daeda.operators.relational import Scan, ScanColumn
from daeda.sql.scan import narrowing
from daeda.sql.streamed import Stream
from tests.projects import TinyProject, moment, write_parquet

DAYS = 5


@pytest.fixture(autouse=True)
def _small_files_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projected_partitions, "_LEAST_BYTES", 0)
    # A rolling aggregate reads projected files where it has neither (test_sorted_partitions, test_ordered_blocks).
    monkeypatch.setattr(reader, "rows_of_partitions", lambda *_: None)
    monkeypatch.setattr(reader, "shares_of_day", lambda *_: None)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """Each file that a day tried to project, and whether it could."""
    tried: list[tuple[str, bool]] = []
    make = partition_cache.PartitionCache.make

    def seen(self: Any, entry: partition_cache.Entry, *words: Any) -> Any:
        rows = make(self, entry, *words)
        tried.append((entry.path.name, rows is not None))
        return rows

    monkeypatch.setattr(partition_cache.PartitionCache, "make", seen)
    return tried


def project(root: Path, day_workers: int = 1) -> TinyProject:
    """Windows of five days with `where`, ties and late corrections, and a look-up with a window of its own."""
    made = TinyProject(root).without("item_vector")
    made.runtime |= {"feed_start": "2024-01-06", "feed_end": f"2024-01-{5 + DAYS:02}", "day_workers": day_workers}
    made.runtime["compute"] = {"duckdb_config": {"threads": 2, "memory_limit": "400MiB"}}
    made.views["events"]["fields"] += [
        {"name": "kind", "dtype": "string"},
        {"name": "known_at", "dtype": "timestamp[us]"},
    ]
    made.views["events"]["source"]["created_field"] = "known_at"
    made.views["prices"] |= {"ttl": "4d"}
    made.views["prices"]["source"]["missing_partitions"] = "empty"
    count, newest = made.aggregations["aggregation_specs"]
    count |= {"kind": "sum", "column": "amount", "windows": ["5d"]}
    newest |= {"window": "5d", "where": "kind = 'like'"}
    made.service["columns"] = [
        {"name": "events_5d", "kind": "rolling", "dtype": "double"} if column["name"] == "events_1d" else column
        for column in made.service["columns"]
    ]
    made.runtime["output_columns"] = [
        "events_5d" if name == "events_1d" else name for name in made.runtime["output_columns"]
    ]
    made.data["events"] = [
        (user, 10 + (user + day * turn) % 5, moment(f"{day:02} 12:00"), -0.0 if user == 2 else user / 10 + day,
         ("like", None, "click")[(user + turn) % 3], moment(f"{day + turn:02} 13:00"))
        for day in range(1, 6 + DAYS) for user in (0, 1, 2, 3) for turn in (0, 1, 2)
    ]  # fmt: skip
    return made.write().write_data()


def build(project: TinyProject, output: Path) -> dict[str, bytes]:
    """The parts of all days; the run's own directory is gone."""
    assert main(["--runtime-config-path", str(project.runtime_path), "--output-root", str(output)]) == 0
    assert list((output / "ranking" / "_staging").glob("run-*")) == []
    days = output / "ranking" / "skeleton"
    parts = {str(path.relative_to(days)): path.read_bytes() for path in sorted(days.glob("dt=*/*.parquet"))}
    assert len(parts) == DAYS
    return parts


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The parts of the project where each day reads the sources themselves."""
    root = tmp_path_factory.mktemp("sources")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partition_cache, "_LEAST_READERS", 1_000)
        return build(project(root / "project"), root / "output")


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("day_workers", [1, 2])
def test_the_bytes_are_those_of_the_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: list[tuple[str, bool]], day_workers: int
) -> None:
    given = project(tmp_path / "project", day_workers)
    built = build(given, tmp_path / "projected")
    assert len({name for name, _ in made}) > DAYS
    assert all(done for _, done in made)
    if day_workers == 1:
        assert len({name for name, _ in made}) == len(made), "a file was projected twice"
    made.clear()
    monkeypatch.setattr(partition_cache, "_LEAST_READERS", 1_000)
    assert build(given, tmp_path / "sources") == built
    assert made == []


@pytest.mark.parametrize("share", [reader.HISTORY_SHARE, 0.0], ids=["in memory", "in blocks"])
@pytest.mark.parametrize("readers", [1, 1_000], ids=["projected", "sources"])
def test_files_that_are_read_at_once_give_the_same_bytes(
    readers: int, share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sources: dict[str, bytes]
) -> None:
    at_once: list[int] = []
    stream_of = reader.stream_of

    def seen(resources: DayResources, queries: Sequence[str], batch_rows: int) -> Stream:
        at_once.append(len(queries))
        return stream_of(resources, queries, batch_rows)

    monkeypatch.setattr(projected_partitions, "_LEAST_OF_A_PART", 1)
    monkeypatch.setattr(partition_cache, "_LEAST_READERS", readers)
    monkeypatch.setattr(reader, "HISTORY_SHARE", share)
    monkeypatch.setattr(reader, "stream_of", seen)
    assert build(project(tmp_path / "project"), tmp_path / "output") == sources
    assert max(at_once) == 2


def test_the_first_writer_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: list[tuple[str, bool]], sources: dict[str, bytes]
) -> None:
    """Before each link another day has put its file there: that one stays, and the day reads it."""
    given = project(tmp_path / "project")
    link = os.link
    kept: list[tuple[Path, int]] = []

    def late(own: Path, target: Path) -> None:
        target.write_bytes(own.read_bytes())
        kept.append((target, target.stat().st_ino))
        with pytest.raises(FileExistsError):
            link(own, target)
        assert [target.stat().st_ino for target, _ in kept] == [inode for _, inode in kept]
        raise FileExistsError

    monkeypatch.setattr(os, "link", late)
    built = build(given, tmp_path / "late")
    assert len(kept) == len(made) > DAYS
    assert all(done for _, done in made)
    assert built == sources


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("error", [duckdb.IOException("no space"), OSError("no links here")])
def test_a_file_that_cannot_be_projected_is_read_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: list[tuple[str, bool]], sources: dict[str, bytes],
    error: Exception,
) -> None:  # fmt: skip
    given = project(tmp_path / "project")

    def refuse(own: Path, target: Path) -> None:
        raise error

    monkeypatch.setattr(os, "link", refuse)
    built = build(given, tmp_path / "refused")
    assert made
    assert not any(done for _, done in made)
    assert built == sources


def test_files_are_projected_within_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: list[tuple[str, bool]]
) -> None:
    """What is one byte from full takes one more file, and nothing more."""
    monkeypatch.setattr(partition_cache, "_MOST_BYTES", 1)
    build(project(tmp_path / "project"), tmp_path / "bounded")
    assert len(made) == 1


def test_a_file_that_changes_while_it_is_projected_fails_the_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = project(tmp_path / "project")
    copy = DayResources.copy
    changed: list[Path] = []

    def change(self: DayResources, query: str, path: Path, options: str) -> int:
        rows = copy(self, query, path, options)
        if options == projected_partitions._OPTIONS and not changed:
            source = Path(query.partition("(['")[2].partition("'")[0])
            changed.append(source)
            os.utime(source, ns=(1, 1))
        return rows

    monkeypatch.setattr(DayResources, "copy", change)
    words = ["--runtime-config-path", str(given.runtime_path), "--output-root", str(tmp_path / "output")]
    assert main(words) != 0
    assert changed
    assert f"{changed[0]} changed while the day was built: run again when it is complete" in capsys.readouterr().err
    assert list((tmp_path / "output" / "ranking" / "_staging").glob("run-*")) == []


def replaced_between_days(
    given: TinyProject, output: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, bytes], str]:
    """What is built where a source is replaced behind the first day, and the name of the part of that day."""
    source = given.root / "data/events/dt=2024-01-05/part-0.parquet"
    doubled = pq.read_table(source, partitioning=None)
    place = doubled.column_names.index("amount")
    doubled = doubled.set_column(place, "amount", pa.array([1e6] * doubled.num_rows))
    close = DaySession.close
    ended: list[str] = []

    def replace(self: DaySession) -> None:
        close(self)
        if not ended:
            pq.write_table(doubled, source)
        ended.append(f"dt={self.day}/part-0-0.parquet")

    with monkeypatch.context() as patched:
        patched.setattr(DaySession, "close", replace)
        return build(given, output), ended[0]


def test_a_day_reads_the_version_that_it_has_identified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that is replaced between two days of a run is projected anew for the later one."""
    given = project(tmp_path / "project")
    built, later = replaced_between_days(given, tmp_path / "replaced", monkeypatch)
    wanted = build(given, tmp_path / "sources")
    assert {name for name in wanted if built[name] != wanted[name]} == {later}


def test_a_projected_file_has_the_columns_of_its_source(tmp_path: Path) -> None:
    """Stored types and values stay, -0.0 included; names are those of the source; the predicate sees declared ones."""
    columns = {"at": "timestamp[us]", "who": "int32", "much": "double", "other": "string", "many": "list<float>"}
    rows: list[tuple[Any, ...]] = [
        (moment("01 12:00"), 1, -0.0, "a", [-0.0, None]), (None, 2, None, "b", None),
        (moment("01 13:00"), 9, 1.5, "c", []),
    ]  # fmt: skip
    path = write_parquet(tmp_path / "it's.parquet", columns, rows)
    declared = {"time": ("at", "timestamp[us]"), "user": ("who", "int64"), "amount": ("much", "double"),
                "again": ("much", "double"), "many": ("many", "list<float>")}  # fmt: skip
    scan = Scan(
        name="s", output="s", view="v", path="p", reads="static", predicate='"user" < 5', time=Instant(column="time"),
        columns=tuple(ScanColumn(name=name, source=source, dtype=DType.parse(dtype))
                      for name, (source, dtype) in declared.items()),
    )  # fmt: skip
    with duckdb.connect() as connection:
        table = connection.execute(narrowing(scan, str(path))).to_arrow_table()
    assert table.schema.names == ["at", "who", "much", "many"]
    assert table.schema.field("who").type == pa.int32()
    assert str(table.to_pydict()) == str(
        {"at": [moment("01 12:00"), None], "who": [1, 2], "much": [-0.0, None], "many": [[-0.0, None], None]}
    )
