"""Statistics once more, in slow plain Python over lists of values, and what makes a published day of such lists."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from daeda.dataset.layout import Dataset, Layout, part_name
from daeda.dataset.manifest import ColumnStatistics, Fingerprint, Manifest, Part, read_manifest
from daeda.dtypes import describe_arrow
from daeda.statistics.bins import edges
from daeda.statistics.model import MOMENTS_ERROR, QUANTILES, ColumnOfDay, Numbers, Summary
from daeda.statistics.of_day import statistics_of_day

DAY = dt.date(2024, 1, 2)


def publish(
    layout: Layout,
    table: pa.Table,
    parts: int = 1,
    day: dt.date = DAY,
    kinds: dict[str, str] | None = None,
    dataset: Dataset = "skeleton",
    places: tuple[str, ...] = (),
) -> Manifest:
    """Write a day as it would be published, but for what neither statistics nor checks look at.

    `places` are the columns that it only holds a place for.
    """
    directory = layout.day_dir(dataset, day)
    assert isinstance(directory, Path)
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for number in range(parts):
        first, last = (len(table) * place // parts for place in (number, number + 1))
        path = directory / part_name(number)
        pq.write_table(table.slice(first, last - first), path, row_group_size=max(1, len(table) // 3))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        written.append(Part(path.name, last - first, path.stat().st_size, digest))
    columns = tuple(
        ColumnStatistics(
            field.name,
            describe_arrow(field.type),
            table[field.name].null_count,
            placeholder=field.name in places,
            kind=(kinds or {}).get(field.name),
        )
        for field in table.schema
    )
    manifest = Manifest(
        layout.service, dataset, day.isoformat(), len(table), tuple(written), columns, Fingerprint({}, {}, {})
    )
    (directory / "_manifest.json").write_text(manifest.to_json(), encoding="utf-8")
    return manifest


def assert_day(directory: Path) -> None:
    """The statistics of a published day are those of slow plain Python over its parts."""
    manifest = read_manifest(directory)
    assert manifest is not None
    table = pa.concat_tables(pq.read_table(directory / part.name, partitioning=None) for part in manifest.parts)
    statistics = statistics_of_day(directory)
    assert [column.name for column in statistics.columns] == table.column_names
    for column in statistics.columns:
        assert_column(column, table[column.name], vector=column.kind == "embedding")


def assert_column(found: ColumnOfDay, array: pa.ChunkedArray, *, vector: bool = False) -> None:
    assert_summary(found.summary, array.to_pylist(), array.type, vector=vector)


def assert_summary(found: Summary, values: list[Any], kind: pa.DataType, *, vector: bool = False) -> None:
    present = [value for value in values if value is not None]
    assert (found.values, found.nulls) == (len(present), len(values) - len(present))
    if pa.types.is_list(kind):
        assert found.lengths is not None
        assert_numbers(found.lengths, [len(value) for value in present])
        if vector:
            assert found.norms is not None
            norms = [
                math.nan if None in value else math.sqrt(math.fsum(float(item) ** 2 for item in value))
                for value in present
            ]
            assert_numbers(found.norms, norms, within=1e-12)
        else:
            assert found.items is not None
            assert_summary(found.items, [item for value in present for item in value], kind.value_type)
    elif pa.types.is_struct(kind):
        for field in kind:
            assert_summary(found.fields[field.name], [value[field.name] for value in present], field.type)
    else:
        _assert_scalars(found, present, kind)


def _assert_scalars(found: Summary, present: list[Any], kind: pa.DataType) -> None:
    if pa.types.is_timestamp(kind) or pa.types.is_date32(kind):
        integer = pa.int32() if pa.types.is_date32(kind) else pa.int64()
        numbers = pa.array(present, kind).cast(integer).to_pylist()
        by_value = Counter(numbers)
    else:
        numbers = [value for value in present if not isinstance(value, str)]
        by_value = Counter(_key(value) for value in present)
    assert found.distinct is not None
    assert found.top is not None
    if found.distinct.error == 0:
        assert found.distinct.count == len(by_value)
    else:
        assert abs(found.distinct.count - len(by_value)) <= 4 * found.distinct.error * len(by_value)
    counts = sorted(by_value.values(), reverse=True)[: len(found.top.values)]
    for (_, told), count in zip(found.top.values, counts, strict=True):
        assert count - found.top.error <= told <= count
    assert found.top.complete == (len(by_value) <= 100)
    if found.top.error == 0 and not (pa.types.is_timestamp(kind) or pa.types.is_date32(kind)):
        named = Counter({_text(value): count for value, count in by_value.items()})
        expected = sorted(named.items(), key=lambda each: (-each[1], each[0]))[:100]
        assert list(found.top.values) == expected
    if found.numbers is not None:
        assert_numbers(found.numbers, [float(value) if pa.types.is_decimal(kind) else value for value in numbers])


def _key(value: Any) -> Any:
    """NaN is one value, and -0.0 is 0.0."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else value + 0.0
    return (type(value), value)


def _text(key: Any) -> str:
    value = key[1] if isinstance(key, tuple) else key
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return text if len(text) <= 200 else f"{text[:197]}..."


def assert_numbers(found: Numbers, values: list[Any], *, within: float = 0.0) -> None:
    """`within` is how far doubles may be off that were computed in another order."""
    doubles = [float(value) for value in values]
    finite = sorted(value for value in doubles if math.isfinite(value))
    assert found.finite == len(finite)
    assert found.nan == sum(math.isnan(value) for value in doubles)
    assert (found.below, found.above) == (doubles.count(-math.inf), doubles.count(math.inf))
    assert found.zeros == finite.count(0.0)
    if not finite:
        assert (found.minimum, found.maximum, found.mean, found.quantiles) == (None, None, None, {})
        return
    assert found.minimum is not None
    assert found.maximum is not None
    assert found.mean is not None
    assert found.deviation is not None
    greatest = max(abs(finite[0]), abs(finite[-1]))
    tolerance = within * greatest
    assert abs(found.minimum - finite[0]) <= tolerance
    assert abs(found.maximum - finite[-1]) <= tolerance
    exact = [Fraction(value) for value in values if math.isfinite(value)]
    mean = sum(exact) / len(exact)
    variance = sum((value - mean) ** 2 for value in exact) / len(exact)
    assert abs(Fraction(found.mean) - mean) <= (MOMENTS_ERROR + within) * Fraction(greatest)
    if all(isinstance(value, int) for value in values):
        assert found.mean == float(mean)
    # Of the squares, not of their root, which would need more than a Fraction can.
    allowed = 2 * Fraction(MOMENTS_ERROR + within) * Fraction(greatest) ** 2
    assert abs(Fraction(found.deviation) ** 2 - variance) <= allowed
    for q in QUANTILES:
        rank = math.ceil(Fraction(q) * len(finite))
        right = finite[rank - 1]
        assert abs(found.quantiles[q] - right) <= found.quantile_error * abs(right) + tolerance
        assert math.copysign(1.0, found.quantiles[q]) == 1.0 or found.quantiles[q] < 0, "a page would tell it as -0"
    _assert_histogram(found, finite, tolerance)


def _assert_histogram(found: Numbers, finite: list[float], tolerance: float) -> None:
    histogram = found.histogram
    assert len(histogram.bins) <= 128
    assert list(histogram.bins) == sorted(set(histogram.bins))
    assert sum(histogram.counts) == len(finite)
    if tolerance:
        return
    place = 0
    for number, count in zip(histogram.bins, histogram.counts, strict=True):
        low, high = edges(number, histogram.shift)
        held = finite[place : place + count]
        assert low <= held[0] <= held[-1] <= high
        place += count
