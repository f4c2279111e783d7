from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daeda.dataset.thrift import I32, STRUCT, Items, decode, encode
from enrich.part import vector_parquet
from enrich.part.vector_parquet import EMBEDDING, VECTORS, VectorFile, rows_per_page
from tests.budget import examples


def lists(present: list[bool], dimension: int, start: int = 0, kind: pa.DataType = EMBEDDING) -> pa.ListArray:
    """Vectors that count up, NULL where nothing is present."""
    count = sum(present)
    values = np.arange(start, start + count * dimension).astype(np.uint16).view(np.float16)
    values = np.where(np.isnan(values), np.float16(1), values)
    offsets = np.concatenate(([0], np.cumsum(present))) * dimension
    mask = None if all(present) else pa.array([not one for one in present])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values).cast(kind.value_type), mask=mask)


def text_of(row: int) -> list[str]:
    return [f"n{row % 7}"] * (row % 3)


def write(groups: list[dict[str, list[pa.ListArray]]], dimensions: dict[str, int]) -> bytes:
    """A file with a column of row numbers and text between the columns of vectors."""
    names = list(dimensions)
    kinds = {name: groups[0][name][0].type for name in names}
    schema = pa.schema(
        [
            (names[0], kinds[names[0]]),
            ("row", pa.int64()),
            ("name", pa.list_(pa.string())),
            *((name, kinds[name]) for name in names[1:]),
        ]
    )
    target = io.BytesIO()
    at = 0
    with VectorFile(target, schema, dimensions) as file:
        for group in groups:
            rows = sum(map(len, group[names[0]]))
            columns: dict[str, Any] = {name: pa.nulls(rows, kinds[name]) for name in names}
            columns |= {"row": pa.array(range(at, at + rows), pa.int64())}
            columns |= {
                "name": pa.array([[f"n{i % 7}"] * (i % 3) for i in range(at, at + rows)], pa.list_(pa.string()))
            }
            file.write_rows(pa.table({field.name: columns[field.name] for field in schema}, schema))
            for name in names:
                for page in group[name]:
                    file.write_page(name, page)
            at += rows
    assert file.size == len(target.getvalue())
    return target.getvalue()


@settings(max_examples=examples(60))
@given(st.data())
def test_every_reader_reads_what_was_written(data: st.DataObject) -> None:
    dimensions = {"a": data.draw(st.sampled_from([1, 2, 7, 8, 16, 33, 130])), "b": data.draw(st.integers(1, 40))}
    kinds = {"a": EMBEDDING, "b": VECTORS[data.draw(st.sampled_from(["halffloat", "float"]))]}
    groups: list[dict[str, list[pa.ListArray]]] = []
    for _ in range(data.draw(st.integers(1, 3))):
        rows = data.draw(st.integers(1, 12))
        group = {}
        for name, dimension in dimensions.items():
            cut = data.draw(st.integers(1, rows))
            present = data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows))
            pages = [present[:cut], *([present[cut:]] if cut < rows else [])]
            group[name] = [lists(page, dimension, 7 * number, kinds[name]) for number, page in enumerate(pages)]
        groups.append(group)
    content = write(groups, dimensions)
    with pq.ParquetFile(pa.BufferReader(content)) as file:
        found = file.read()
        assert file.metadata.num_row_groups == len(groups)
    polars = pl.read_parquet(io.BytesIO(content), use_pyarrow=False)
    for name in dimensions:
        wanted = pa.chunked_array([page for group in groups for page in group[name]], kinds[name])
        assert found.column(name).equals(wanted)
        assert polars[name].to_list() == wanted.to_pylist()
    assert found.column("row").to_pylist() == list(range(found.num_rows))
    assert found.column("name").to_pylist() == [text_of(i) for i in range(found.num_rows)]


def test_pages_of_a_megabyte_and_what_the_footer_says_of_them(tmp_path: Path) -> None:
    """Vectors that do not become smaller, and zeros that do; NULLs between them; several pages and row groups."""
    dimension = 1152
    count = rows_per_page(dimension)
    assert count == 455
    noise = np.random.default_rng(1).integers(0, 0x7C00, (count, dimension), np.uint16).view(np.float16)
    pages = [
        pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), dimension).cast(EMBEDDING)
        for matrix in (noise, np.zeros_like(noise))
    ] + [lists([i % 3 > 0 for i in range(count)], dimension), pa.nulls(count, EMBEDDING)]
    group = {"vec": pages, "small": [lists([True] * (4 * count), 8)]}
    path = tmp_path / "x.parquet"
    path.write_bytes(write([group, group], {"vec": dimension, "small": 8}))
    wanted = pa.chunked_array(pages * 2)
    with pq.ParquetFile(path) as file:
        assert file.read(["vec"]).column(0).equals(wanted)
        assert file.schema_arrow.field("vec").type == EMBEDDING
        described = [file.metadata.row_group(number) for number in range(2)]
    counted = duckdb.sql(
        f"select count(*), count(vec), sum(len(vec)), sum(small[1]), sum(row) from '{path}'"
    ).fetchall()
    assert counted == [
        (
            8 * count,
            wanted.drop_null().length(),
            len(wanted.drop_null()) * dimension,
            pytest.approx(2 * sum(found[0].as_py() for found in group["small"][0])),
            sum(range(8 * count)),
        )
    ]
    first = duckdb.sql(f"select vec from '{path}' where row in (3, {count + 3}, {2 * count + 4})").fetchall()
    assert [row[0] for row in first] == [page.to_pylist()[at] for page, at in zip(pages, (3, 3, 4), strict=False)]
    for found in described:
        column = found.column(0)
        assert (column.path_in_schema, column.compression) == ("vec.list.element", "LZ4")
        assert set(column.encodings) == {"PLAIN", "RLE"}
        nulls = sum(page.null_count for page in pages)
        assert column.num_values == (4 * count - nulls) * dimension + nulls
        # Noise is kept as it is, a page of zeros is next to nothing.
        assert noise.nbytes < column.total_compressed_size < column.total_uncompressed_size
        assert found.total_byte_size == sum(found.column(i).total_uncompressed_size for i in range(found.num_columns))
    assert sum(group.num_rows for group in described) == 8 * count


NAN, INFINITY = float("nan"), float("inf")
FLOATS: dict[str, tuple[Any, list[Any]]] = {
    "double": (pa.float64(), [1.5, -2.5, None, 3.0]),
    "double_nan": (pa.float64(), [1.5, NAN, None, 3.0]),
    "nan_alone": (pa.float64(), [NAN, None, NAN, NAN]),
    "infinite": (pa.float64(), [-INFINITY, INFINITY, 0.0, 1.0]),
    "zeros": (pa.float64(), [0.0, -0.0, 0.0, 0.0]),
    "float": (pa.float32(), [1.5, -2.5, None, 3.0]),
    "float_nan": (pa.float32(), [1.5, -NAN, None, 3.0]),
    "nothing": (pa.float64(), [None] * 4),
    "list": (pa.list_(pa.float64()), [[1.0, 2.0], None, [], [3.0, None]]),
    "list_nan": (pa.list_(pa.float64()), [[1.0, NAN], None, [], [3.0, None]]),
    "list_float_nan": (pa.list_(pa.float32()), [[1.0, 5.0], None, [NAN], [3.0, None]]),
    "struct": (
        pa.struct({"a": pa.float64(), "b": pa.float32()}),
        [{"a": 1.0, "b": NAN}, None, {"a": None, "b": 2.0}, {"a": 4.0, "b": None}],
    ),
    "structs": (pa.list_(pa.struct({"i": pa.int64(), "x": pa.float64()})), [[{"i": 1, "x": NAN}], [], None, [None]]),
    "number": (pa.int64(), [4, None, 2, 3]),
    "text": (pa.string(), ["b", "a" * 300, None, "z" * 5000]),
}
# Least, greatest and NULLs, by the path of the column.
BOUNDS: dict[str, tuple[Any, Any, int]] = {
    "double": (-2.5, 3.0, 1), "double_nan": (None, None, 1), "nan_alone": (None, None, 1),
    "infinite": (-INFINITY, INFINITY, 0), "zeros": (-0.0, 0.0, 0), "float": (-2.5, 3.0, 1),
    "float_nan": (None, None, 1), "nothing": (None, None, 4), "list.list.element": (1.0, 3.0, 1),
    "list_nan.list.element": (None, None, 1), "list_float_nan.list.element": (None, None, 1),
    "struct.a": (1.0, 4.0, 2), "struct.b": (None, None, 2), "structs.list.element.i": (1, 1, 1),
    "structs.list.element.x": (None, None, 1), "number": (2, 4, 1),
}  # fmt: skip


@pytest.fixture(scope="module")
def floats(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pa.Table]:
    """A file of two row groups, each with the rows of FLOATS between two columns of vectors, and its rows."""
    columns = {name: pa.array(values, kind) for name, (kind, values) in FLOATS.items()}
    table = pa.table({"v": pa.nulls(4, EMBEDDING), **columns, "w": pa.nulls(4, EMBEDDING)})
    path = tmp_path_factory.mktemp("floats") / "x.parquet"
    vectors = lists([True, True, False, True], 2)
    with path.open("wb") as target, VectorFile(target, table.schema, {"v": 2, "w": 2}) as file:
        for _group in range(2):
            file.write_rows(table)
            file.write_page("v", vectors)
            file.write_page("w", vectors)
    return path, pa.concat_tables([table.set_column(0, "v", vectors).drop_columns("w").append_column("w", vectors)] * 2)


def test_no_bounds_stand_beside_a_nan(floats: tuple[Path, pa.Table]) -> None:
    """In the footer, and in the heads of pages, where pyarrow repeats them."""
    path, wanted = floats
    with pq.ParquetFile(path) as file:
        metadata = file.metadata
        for group in range(2):
            chunks = [metadata.row_group(group).column(index) for index in range(metadata.num_columns)]
            found = {}
            for chunk in chunks:
                known = chunk.statistics
                if chunk.path_in_schema in BOUNDS:
                    bounds = (known.min, known.max) if known.has_min_max else (None, None)
                    found[chunk.path_in_schema] = (*bounds, known.null_count)
            assert found == BOUNDS
            assert [str(found["zeros"][index]) for index in range(2)] == ["-0.0", "0.0"]
            for chunk in chunks:
                head = decode(path.read_bytes()[chunk.data_page_offset :])
                if chunk.physical_type in ("DOUBLE", "FLOAT"):
                    _, statistics = head[5][1].get(5, (STRUCT, {}))
                    assert not {1, 2, 5, 6} & set(statistics), chunk.path_in_schema
        shown = file.read()
    assert shown.to_pylist().__repr__() == wanted.to_pylist().__repr__()


@pytest.mark.parametrize(
    ("condition", "count"),
    [
        ("double_nan = 'nan'", 2),
        ("double_nan > 'inf'", 2),
        ("double_nan >= 4", 2),
        ("float_nan = 'nan'", 2),
        ("float_nan > 100", 2),
        ("nan_alone > 0", 6),
        ('"struct".b > 100', 2),
        ("list_contains(list_nan, 'nan'::DOUBLE)", 2),
        ("infinite > 1e308", 2),
        ("zeros = 0", 8),
        ("zeros >= 0.0", 8),
        ("double > 2", 2),
        ("text > 'zz'", 2),
    ],
)
def test_a_reader_that_prunes_loses_no_row(floats: tuple[Path, pa.Table], condition: str, count: int) -> None:
    path, _ = floats
    assert duckdb.sql(f"select count(*) from '{path}' where {condition}").fetchone() == (count,)
    if "list" not in condition and "struct" not in condition:
        sql = condition.replace("'nan'", "'nan'::DOUBLE").replace("'inf'", "'inf'::DOUBLE")
        lazy = pl.SQLContext(t=pl.scan_parquet(path))
        assert lazy.execute(f"select count(*) as n from t where {sql}", eager=True)["n"].to_list() == [count]


def test_runs_of_levels() -> None:
    """Vectors of 1152 are two runs; of 8, bits; a NULL is one level in both."""
    two = np.array([True, True, False])
    row = b"\x02\x00" + b"\xfe\x11\x01"
    assert vector_parquet._levels(two, 1152) == (row * 2 + b"\x02\x00", b"\x80\x24\x03" + b"\x02\x00")
    assert vector_parquet._levels(two, 8) == (b"\x05\xfe\xfe" + b"\x02\x00", b"\x20\x03" + b"\x02\x00")
    assert vector_parquet._levels(two, 1) == (b"\x02\x00" * 3, b"\x04\x03" + b"\x02\x00")


def test_a_file_that_failed_is_left_without_a_footer() -> None:
    target = io.BytesIO()
    with pytest.raises(ZeroDivisionError), VectorFile(target, pa.schema([("a", EMBEDDING)]), {"a": 2}):
        raise ZeroDivisionError
    assert target.getvalue() == b"PAR1"


def test_a_footer_is_the_same_after_decoding_and_encoding() -> None:
    target = pa.BufferOutputStream()
    table = pa.table({f"c{i}": pa.array([1.5, None, 3.25]) for i in range(40)} | {"text": ["a" * 200, "b", None]})
    pq.write_table(table.replace_schema_metadata({"k": "v" * 300}), target, write_page_index=True)
    content = target.getvalue().to_pybytes()
    footer = content[-8 - int.from_bytes(content[-8:-4], "little") : -8]
    assert encode(decode(footer)) == footer


def test_structures() -> None:
    far = {1: (I32, -1), 40: (I32, 300), 41: (1, True), 42: (2, False), 43: (STRUCT, {1: (7, b"12345678")})}
    assert decode(encode(far)) == far
    assert encode({1: (I32, 1)}) == b"\x15\x02\x00"
    assert encode({1: (9, Items(I32, [1, 2]))}) == b"\x19\x25\x02\x04\x00"
    with pytest.raises(ValueError, match="type 11 of Thrift does not occur in Parquet"):
        decode(b"\x1b\x00\x00")
    with pytest.raises(ValueError, match="type 10 of Thrift does not occur in Parquet"):
        encode({1: (10, None)})
