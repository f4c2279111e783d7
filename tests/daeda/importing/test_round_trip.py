"""What is written as text comes back as it was: the values that were written are the oracle, and no code is shared."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daeda.dtypes import DType
from daeda.importing.request import Dialect, ImportRequest, TextRules
from daeda.importing.run import import_files
from tests.budget import examples

DTYPES = {
    "at": "timestamp[us]", "id": "int64", "count": "uint8", "price": "double", "cost": "decimal(12, 2)", "on": "bool",
    "day": "date", "exact": "timestamp[ns]", "name": "string", "items": "list<int32>",
}  # fmt: skip
# Text of a cell: whatever CSV can hold, but what ends a file for Python's own reader and half of a surrogate pair.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
MOMENTS = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1))
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "at": MOMENTS,
            "id": st.integers(-(2**63), 2**63 - 1) | st.none(),
            "count": st.integers(0, 255) | st.none(),
            "price": st.floats(allow_nan=False) | st.none(),
            "cost": st.decimals(-(10**9), 10**9, places=2) | st.none(),
            "on": st.booleans() | st.none(),
            "day": st.dates(dt.date(1, 1, 1), dt.date(9999, 12, 31)) | st.none(),
            "exact": st.integers(-(2**62), 2**62) | st.none(),
            "name": TEXT | st.none(),
            "items": st.lists(st.integers(-(2**31), 2**31 - 1) | st.none(), max_size=3) | st.none(),
        }
    ),
    min_size=1,
    max_size=12,
)


def nanoseconds(count: int) -> str:
    seconds, rest = divmod(count, 10**9)
    return f"{dt.datetime(1970, 1, 1) + dt.timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}.{rest:09}"


def text_of(name: str, value: Any, comma: bool = False) -> str:
    if value is None:
        return ""
    match name:
        case "at":
            return str(value.isoformat(" "))
        case "exact":
            return nanoseconds(value)
        case "items":
            return json.dumps(value)
        case "on":
            return "true" if value else "false"
        case "price" | "cost":
            return str(value).replace(".", ",") if comma else str(value)
        case _:
            return str(value)


def imported(directory: Path) -> dict[str, list[dict[str, Any]]]:
    found = {}
    for path in sorted(directory.glob("dt=*/*.parquet")):
        table = pq.ParquetFile(path).read()
        table = table.set_column(table.schema.get_field_index("exact"), "exact", table.column("exact").cast(pa.int64()))
        found[path.parent.name.removeprefix("dt=")] = table.to_pylist()
    return found


def expected(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    days: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda one: one["at"]):
        days.setdefault(row["at"].date().isoformat(), []).append(row)
    return dict(sorted(days.items()))


def request(path: Path, **others: Any) -> ImportRequest:
    dtypes = {name: DType.parse(dtype) for name, dtype in DTYPES.items()}
    return ImportRequest((path,), path.parent / "out", "at", dtypes=dtypes, **others)


@settings(max_examples=examples(240))
@given(
    rows=ROWS,
    delimiter=st.sampled_from(",;\t|"),
    ends=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    comma=st.booleans(),
    packed=st.booleans(),
)
def test_csv(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], delimiter: str, ends: str, quoting: Any,
    encoding: str, comma: bool, packed: bool,
) -> None:  # fmt: skip
    path = tmp_path_factory.mktemp("csv") / ("rows.csv.gz" if packed else "rows.csv")
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=ends, quoting=quoting)
    writer.writerow(DTYPES)
    for row in rows:
        writer.writerow([text_of(name, row[name], comma) for name in DTYPES])
    data = text.getvalue().encode(encoding)
    path.write_bytes(gzip.compress(data) if packed else data)
    result = import_files(request(path, rules=TextRules(decimal_comma=comma), dialect=Dialect(delimiter)))
    assert (result.rejected, result.exit_code) == (0, 0)
    assert imported(path.parent / "out") == expected(rows)
    shutil.rmtree(path.parent)


@settings(max_examples=examples(120))
@given(rows=ROWS)
def test_json_lines(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> None:
    path = tmp_path_factory.mktemp("jsonl") / "rows.jsonl"
    plain = ("id", "count", "on", "items", "name")

    def value(name: str, cell: Any) -> Any:
        if cell is None or name in plain or (name == "price" and abs(cell) < float("inf")):
            return cell
        return text_of(name, cell)

    lines = [json.dumps({name: value(name, row[name]) for name in DTYPES}) for row in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    result = import_files(request(path))
    assert (result.rejected, result.exit_code) == (0, 0)
    assert imported(path.parent / "out") == expected(rows)
    shutil.rmtree(path.parent)


@settings(max_examples=examples(120))
@given(rows=ROWS)
def test_parquet(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> None:
    """Types of the file are others, and wider: what they hold is the same."""
    path = tmp_path_factory.mktemp("parquet") / "rows.parquet"
    wider = {
        "at": pa.timestamp("ns", "Europe/Berlin"), "count": pa.int64(), "cost": pa.decimal128(20, 5),
        "day": pa.timestamp("us"), "exact": pa.timestamp("ns"), "items": pa.list_(pa.int64()),
        "name": pa.dictionary(pa.int32(), pa.string()),
    }  # fmt: skip
    cells = {name: [row[name] for row in rows] for name in DTYPES}
    cells["cost"] = [None if cell is None else Decimal(cell) for cell in cells["cost"]]
    cells["day"] = [None if cell is None else dt.datetime.combine(cell, dt.time()) for cell in cells["day"]]
    types = {name: wider.get(name, DType.parse(dtype).arrow()) for name, dtype in DTYPES.items()}
    columns = [
        pa.array(cells[name], pa.timestamp("us")).cast(types[name])
        if name == "at"
        else pa.array(cells[name], types[name])
        for name in DTYPES
    ]
    pq.write_table(pa.table(columns, names=list(DTYPES)), path, row_group_size=3)
    result = import_files(request(path))
    assert (result.rejected, result.exit_code) == (0, 0)
    assert imported(path.parent / "out") == expected(rows)
    shutil.rmtree(path.parent)
