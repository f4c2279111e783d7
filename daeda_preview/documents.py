"""The rows for programs: a JSON document, and files."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq

from daeda.dtypes import describe_arrow, python_values
from daeda.errors import InputError, counted, first_line


def as_json(service: str, table: pa.Table, left_out: Mapping[str, str]) -> str:
    """One JSON document, a PreviewAnswer."""
    # The models of all answers take a tenth of a second, and a table for people needs none of them.
    from daeda.answers.rows import PreviewAnswer

    columns = {field.name: describe_arrow(field.type) for field in table.schema}
    return PreviewAnswer(service=service, columns=columns, rows=tuple(_rows(table)), left_out=dict(left_out)).text()


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    columns = {field.name: _values(table.column(field.name)) for field in table.schema}
    return [{name: values[row] for name, values in columns.items()} for row in range(table.num_rows)]


def _values(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        # Python's datetime ends at microseconds.
        texts = column.cast(pa.timestamp(column.type.unit)).cast(pa.string()).to_pylist()
        zone = "Z" if column.type.tz else ""
        return [None if text is None else text.replace(" ", "T") + zone for text in texts]
    return [plain(value) for value in python_values(column)]


def plain(value: Any) -> Any:
    """A value as JSON has it: what JSON has no number for is text."""
    match value:
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case dt.datetime() | dt.date():
            return value.isoformat()
        case Decimal():
            return str(value)
        case list():
            return [plain(item) for item in value]
        case dict():
            return {name: plain(item) for name, item in value.items()}
        case _:
            return float(value) if type(value).__name__ == "float16" else value


def write_output(path: Path, table: pa.Table, document: Callable[[], str]) -> None:
    """Write the rows, and where it is asked for the `document`; raises InputError where the file refuses them."""
    _refuse_lists(path, table)
    try:
        match path.suffix:
            case ".parquet":
                pq.write_table(table, path)
            case ".arrow":
                pyarrow.feather.write_feather(table, str(path), compression="uncompressed")
            case ".csv":
                pyarrow.csv.write_csv(table, path)
            case ".json":
                path.write_text(f"{document()}\n", encoding="utf-8")
            case _:
                lines = (json.dumps(row, allow_nan=False, ensure_ascii=False) for row in _rows(table))
                path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"--output {path} cannot be written ({first_line(error)})") from error


def _refuse_lists(path: Path, table: pa.Table) -> None:
    """A cell of a CSV is one value."""
    nested = [one.name for one in table.schema if pa.types.is_nested(one.type)]
    if path.suffix != ".csv" or not nested:
        return
    kind = describe_arrow(table.schema.field(nested[0]).type)
    others = "" if len(nested) == 1 else f", and {counted(len(nested) - 1, 'more column')} like it"
    raise InputError(
        f"--output {path}: a cell of a CSV is one value, and '{nested[0]}' is {kind}{others}: write .parquet, .arrow "
        "or .jsonl, or name other columns with --columns"
    )
