import datetime as dt
import random
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from daeda.dataset.layout import Layout
from daeda.errors import DayError, InputError
from daeda.statistics import counts, of_day
from daeda.statistics.bins import coarsened, edges
from daeda.statistics.kept import forget_outdated, forget_statistics, kept_statistics, statistics_of, statistics_path
from daeda.statistics.model import DayStatistics, parse_statistics
from daeda.statistics.of_day import statistics_of_day
from tests.budget import examples
from tests.daeda.statistics.oracle import DAY, assert_column, publish

INF, NAN = float("inf"), float("nan")
PAIRS = pa.list_(pa.struct([("item_id", pa.int64()), ("at", pa.timestamp("us"))]))
# A type with the values that are at its edges.
KINDS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "flags": (pa.bool_(), [True, False]),
    "tiny": (pa.int8(), [-128, 0, 127]),
    "small": (pa.uint16(), [0, 1, 65_535]),
    "whole": (pa.int32(), [-(2**31), -1, 0, 1, 2**31 - 1]),
    "huge": (pa.int64(), [-(2**63), -(2**53) - 1, -1, 0, 2**53 + 1, 2**63 - 1]),
    "unsigned": (pa.uint64(), [0, 1, 2**32, 2**64 - 1]),
    "single": (pa.float32(), [0.0, -0.0, 1.5, INF, -INF, NAN, -3.0e38]),
    "double": (pa.float64(), [0.0, -0.0, 0.1, -2.5, INF, -INF, NAN, 1.7e308, -1.7e308, 5e-324, 1e-300]),
    "price": (pa.decimal128(12, 2), [Decimal("0.00"), Decimal("-1.50"), Decimal("9999999999.99")]),
    "wide": (pa.decimal128(38, 0), [Decimal("9" * 38), Decimal("-1" + "0" * 37), Decimal(7)]),
    "text": (
        pa.string(),
        ["", "a", "ä", "日本", "a\0b", "'; DROP", "<script>", "x" * 300, "x" * 8, "\u202eab", "1234567"],
    ),
    "day": (pa.date32(), [dt.date(1, 1, 1), dt.date(1970, 1, 1), dt.date(9999, 12, 31)]),
    "milli": (pa.timestamp("ms"), [dt.datetime(1969, 12, 31, 23, 59), dt.datetime(2024, 1, 2)]),
    "micro": (pa.timestamp("us", "UTC"), [dt.datetime(1, 1, 1, tzinfo=dt.UTC), dt.datetime(2024, 1, 2, tzinfo=dt.UTC)]),
    "nano": (pa.timestamp("ns"), [0, 1, 2**62, -(2**62)]),
    "numbers": (pa.list_(pa.int64()), [[], [1], [1, None, 1, -7], [2**62] * 9]),
    "nested": (pa.list_(pa.list_(pa.string())), [[], [[], ["a"], None], [["b", None]]]),
    "pairs": (PAIRS, [[], [{"item_id": 1, "at": None}], [{"item_id": None, "at": dt.datetime(2024, 1, 1)}, None]]),
}


def _layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "ranking")


def _assert_as_oracle(
    tmp_path: Path, table: pa.Table, parts: int, kinds: dict[str, str] | None = None
) -> DayStatistics:
    layout = _layout(tmp_path)
    manifest = publish(layout, table, parts, kinds=kinds)
    statistics = statistics_of_day(layout.day_dir("skeleton", DAY))
    assert (statistics.rows, [column.name for column in statistics.columns]) == (len(table), table.column_names)
    for column in statistics.columns:
        vector = (kinds or {}).get(column.name) == "embedding" or column.summary.dtype == "list<halffloat>"
        assert_column(column, table[column.name], vector=vector)
    assert parse_statistics(statistics.to_json()) == statistics
    assert statistics_of(layout, manifest).columns == statistics.columns
    return statistics


def _table(generator: random.Random, rows: int) -> pa.Table:
    """Values from the edges of each type, and NULLs, which some columns are full of."""
    columns = {}
    for name, (kind, edge_values) in KINDS.items():
        nulls = generator.choice([0.0, 0.3, 1.0])
        chosen = generator.sample(edge_values, generator.randint(1, len(edge_values)))
        columns[name] = pa.array(
            [None if generator.random() < nulls else generator.choice(chosen) for _ in range(rows)], kind
        )
    return pa.table(columns)


@pytest.mark.parametrize("seed", range(examples(96)))
def test_as_the_oracle_says(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = random.Random(seed)
    if seed % 2:
        # Chunks of some rows, of which few are held: what comes in many pieces is put together.
        for name in ("_ROWS", "_ROWS_OF_LISTS", "_ROWS_OF_VECTORS"):
            monkeypatch.setattr(of_day, name, generator.choice([1, 7, 60]))
        monkeypatch.setattr(counts, "_MOST_HELD", generator.choice([1, 4, 1 << 20]))
    rows = generator.choice([0, 1, 2, 30, 200])
    _assert_as_oracle(tmp_path, _table(generator, rows), generator.choice([1, 1, 3]))


def test_many_values_within_the_errors_that_are_named(tmp_path: Path) -> None:
    generator = random.Random(5)
    rows = 20_000
    numbers = [generator.lognormvariate(3, 2) * generator.choice([-1, 1]) for _ in range(rows)]
    table = pa.table(
        {
            "number": numbers,
            "id": [generator.randrange(10**12) for _ in range(rows)],
            "name": [f"user {min(int(generator.expovariate(1e-4)), 30_000)}" for _ in range(rows)],
            "often": [generator.choice([7, generator.randrange(10**9)]) for _ in range(rows)],
        }
    )
    statistics = _assert_as_oracle(tmp_path, table, 2)
    number, ids, _, often = (column.summary for column in statistics.columns)
    assert number.numbers is not None
    assert 0 < number.numbers.quantile_error < 0.005
    assert ids.distinct is not None
    assert 0 < ids.distinct.error < 0.01
    assert often.top is not None
    assert often.top.values[0][0] == "7"
    assert often.top.error < rows / 1_000


def test_vectors_have_norms_and_coverage(tmp_path: Path) -> None:
    half = pa.list_(pa.float16())
    vectors = [[3.0, 4.0], None, [0.0, 0.0], [1.0, 0.0], [6e4, 6e4], [], [INF, 0.0]]
    table = pa.table(
        {
            "half": pa.array(vectors, half),
            "single": pa.array([*vectors[:5], [1.0, None], [NAN]], pa.list_(pa.float32())),
        }
    )
    statistics = _assert_as_oracle(tmp_path, table, 2, {"half": "embedding", "single": "embedding"})
    half_summary = statistics.columns[0].summary
    assert half_summary.norms is not None
    assert (half_summary.coverage, half_summary.norms.zeros, half_summary.norms.above) == (6 / 7, 2, 1)
    assert half_summary.items is None


def test_nothing_loads_pandas(tmp_path: Path) -> None:
    """Arrow does, where it is installed, for what looks the cheapest way between it and numpy: a tenth of a second."""
    layout = _layout(tmp_path)
    generator = random.Random(3)
    vectors = pa.array([[1.0, 2.0], None, []] * 10, pa.list_(pa.float16()))
    publish(layout, _table(generator, 30).append_column("vector", vectors))
    script = (
        "import sys\nfrom pathlib import Path\nfrom daeda.statistics.of_day import statistics_of_day\n"
        "statistics_of_day(Path(sys.argv[1]))\nsys.exit('pandas' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script, str(layout.day_dir("skeleton", DAY))], check=True)


def test_an_empty_day(tmp_path: Path) -> None:
    table = pa.table({name: pa.array([], kind) for name, (kind, _) in KINDS.items()})
    statistics = _assert_as_oracle(tmp_path, table, 1)
    assert all(column.summary.null_share == 0 and column.summary.coverage == 1 for column in statistics.columns)


def test_bins_compare_over_days(tmp_path: Path) -> None:
    """A wide day and a narrow one agree in how many values of each lie in every bin of the wider kind."""
    generator = random.Random(1)
    values = [[generator.gauss(0, scale) for _ in range(3_000)] for scale in (1e-3, 1e6)]
    found = []
    for number, numbers in enumerate(values):
        layout = Layout(tmp_path / str(number))
        publish(layout, pa.table({"x": numbers}))
        summary = statistics_of_day(layout.day_dir("skeleton", DAY)).columns[0].summary
        assert summary.numbers is not None
        found.append(summary.numbers.histogram)
    shift = max(histogram.shift for histogram in found)
    for histogram, numbers in zip(found, values, strict=True):
        wider = coarsened(histogram, shift)
        counted = [
            sum(low <= value <= high for value in numbers) for low, high in (edges(one, shift) for one in wider.bins)
        ]
        assert counted == list(wider.counts)


def test_kept_once_and_made_anew_for_other_parts(tmp_path: Path) -> None:
    layout = _layout(tmp_path)
    manifest = publish(layout, pa.table({"x": [1, 2, 3]}))
    assert kept_statistics(layout, manifest) is None
    first = statistics_of(layout, manifest)
    assert kept_statistics(layout, manifest) == first
    assert statistics_of(layout, manifest) == first  # with its seconds: it was not made again
    other = publish(layout, pa.table({"x": [1, 2, None]}))
    assert kept_statistics(layout, other) is None
    assert statistics_of(layout, other).columns[0].summary.nulls == 1
    path = statistics_path(layout, "skeleton", DAY)
    assert isinstance(path, Path)
    assert [each.name for each in path.parent.iterdir()] == ["dt=2024-01-02.json"]
    forget_statistics(layout, "skeleton", DAY)
    forget_statistics(layout, "enriched", DAY)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1}', None])
def test_what_is_damaged_is_made_anew(tmp_path: Path, text: str | None) -> None:
    layout = _layout(tmp_path)
    manifest = publish(layout, pa.table({"x": [1, 2, 3]}))
    whole = statistics_of(layout, manifest)
    path = statistics_path(layout, "skeleton", DAY)
    assert isinstance(path, Path)
    wrong = whole.to_json().replace('"version":2', '"version":1')
    path.write_text(wrong if text is None else text, encoding="utf-8")
    assert kept_statistics(layout, manifest) is None
    assert statistics_of(layout, manifest).columns == whole.columns


@pytest.mark.parametrize("garbage", [False, True])
def test_nothing_is_kept_of_a_day_that_is_not_as_published(tmp_path: Path, *, garbage: bool) -> None:
    layout = _layout(tmp_path)
    whole = publish(layout, pa.table({"x": [1, 2, 3]}))
    part = tmp_path / "ranking/skeleton/dt=2024-01-02/part-0-0.parquet"
    if garbage:
        part.write_bytes(b"garbage")
    else:
        publish(layout, pa.table({"x": [7, 8, 9]}))
    with pytest.raises(DayError, match=r"dt=2024-01-02 changed while its statistics were made: run again"):
        statistics_of(layout, whole)
    assert not (tmp_path / "ranking/_statistics").exists()


def test_who_may_not_write_is_warned_and_has_the_statistics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    layout = _layout(tmp_path)
    manifest = publish(layout, pa.table({"x": [1, 2, 3]}))

    def full(path: Path, data: bytes) -> int:
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert statistics_of(layout, manifest).rows == 3
    assert capfd.readouterr().err == (
        "warning: skeleton 2024-01-02: its statistics are not kept: [Errno 28] No space left on device\n"
    )
    assert list((tmp_path / "ranking/_statistics/skeleton").iterdir()) == []


def test_what_is_not_of_the_days_as_they_are_is_forgotten(tmp_path: Path) -> None:
    layout = _layout(tmp_path)
    days = [DAY + dt.timedelta(days=number) for number in range(3)]
    for day in days:
        statistics_of(layout, publish(layout, pa.table({"x": [1, 2]}), day=day))
    publish(layout, pa.table({"x": [1, 3]}), day=days[1])
    (tmp_path / "ranking/skeleton/dt=2024-01-04/part-0-0.parquet").write_bytes(b"garbage")
    kept = tmp_path / "ranking/_statistics/skeleton"
    others = {"dt=2024-01-02.json.bak", "notes.txt", ".dt=2024-01-02.json.1-2.swp"}
    for name in (*others, ".dt=2024-01-02.json.17-140", "dt=2020-01-01.json"):
        (kept / name).write_text("x", encoding="utf-8")
    (kept / "dt=2020-01-02.json").symlink_to(kept / "notes.txt")
    assert forget_outdated(layout) == 4
    assert {path.name for path in kept.iterdir()} == {*others, "dt=2024-01-02.json", "dt=2020-01-02.json"}
    assert forget_outdated(layout) == 0
    (tmp_path / "ranking/_statistics").rename(tmp_path / "elsewhere")
    (tmp_path / "ranking/_statistics").symlink_to(tmp_path / "elsewhere")
    publish(layout, pa.table({"x": [1, 3]}))
    assert forget_outdated(layout) == 0, "a link is not followed"


def test_no_day_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no published day: `daeda pipeline train` builds one"):
        statistics_of_day(tmp_path)


def test_a_directory_in_the_place_of_what_is_kept_hinders_nothing(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "ranking")
    manifest = publish(layout, pa.table({"x": [1, 2]}))
    path = statistics_path(layout, "skeleton", DAY)
    assert isinstance(path, Path)
    path.mkdir(parents=True)
    assert kept_statistics(layout, manifest) is None
    assert statistics_of(layout, manifest).rows == 2
    forget_statistics(layout, "skeleton", DAY)
    assert path.is_dir()
