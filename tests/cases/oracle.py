"""What the oracle says about a golden case, read from its YAML alone: look-ups, windows and static columns.

The rows themselves (filters, order) are literal in rows.txt; what every other column of them holds is computed here
once more. Instants are whole nanoseconds, as the oracle takes them.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from tests.oracle.labels import label
from tests.oracle.maturity import is_mature, reach
from tests.oracle.point_in_time import point_in_time
from tests.oracle.rolling import rolling

Row = dict[str, Any]
PER_UNIT = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
SPANS = {"ns": 1, "us": 1_000, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3_600 * 10**9, "d": 86_400 * 10**9}
SPANS["w"] = 7 * SPANS["d"]
EVER = 2**62


def checked_columns(folder: Path, data: Path, table: pa.Table) -> dict[str, list[Any]]:
    """The values of each column of a day that the oracle can make, for the rows of `table`."""
    project = _Project(folder, data)
    rows = _rows(table)
    return {
        column["name"]: made
        for column in project.service["columns"]
        if (made := project.column(column, rows)) is not None
    }


def values(column: pa.ChunkedArray) -> list[Any]:
    """Python values; instants in nanoseconds, in lists too."""
    kind = column.type
    if pa.types.is_list(kind):
        return [None if not one.is_valid else values(pa.chunked_array([one.values])) for one in column]
    if pa.types.is_struct(kind):
        rows = zip(*map(values, column.flatten()), strict=True)
        return [dict(zip(kind.names, row, strict=True)) for row in rows]
    if pa.types.is_timestamp(kind):
        return [None if one is None else one * PER_UNIT[kind.unit] for one in column.cast(pa.int64()).to_pylist()]
    if pa.types.is_date(kind):
        return [None if one is None else one * SPANS["d"] for one in column.cast(pa.int32()).to_pylist()]
    return list(column.to_pylist())


def _rows(table: pa.Table) -> list[Row]:
    return [dict(zip(table.column_names, row, strict=True)) for row in zip(*map(values, table.columns), strict=True)]


class _Project:
    """A case's YAML, read without the product."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.data = data
        self.views = {view["name"]: view for path in (folder / "feature_views").glob("*.yaml") if (view := _yaml(path))}
        (service,) = (folder / "feature_services").glob("*.yaml")
        self.service = _yaml(service)
        self.refs = dict(
            reversed(ref.split(":")) for ref in _yaml(folder / "config/training/runtime.yaml").get("feature_refs", [])
        )
        aggregations = folder / "config/training/aggregations.yaml"
        declared = _yaml(aggregations) if aggregations.exists() else {}
        specs = [*declared.get("aggregation_specs", []), *declared.get("label_specs", [])]
        self.labels = declared.get("label_specs", [])
        self.specs = {
            f"{name}{_percentile(q) if 'q' in spec else ''}{f'_{field}' if field else ''}": (
                spec | {"(field)": field, "q": q},
                window,
            )
            for spec in specs
            for name, window in (
                [(f"{spec['name']}_{one}", one) for one in spec["windows"]]
                if "windows" in spec
                else [(spec["name"], spec["window"])]
            )
            for field in ([*spec["columns"], spec.get("age")] if spec.get("layout") == "columns" else [None])
            for q in (spec["q"] if isinstance(spec.get("q"), list) else [spec.get("q")])
        }
        first = _yaml(folder / "config/training/runtime.yaml")["feed_start"]
        self.day = (date.fromisoformat(str(first)) - date(1970, 1, 1)).days
        self.unit = self.unit_of_spine()
        self.time = self.views[self.service["spine"]["view"]]["source"]["timestamp_field"]

    def unit_of_spine(self) -> int:
        """The unit of the spine's time, in nanoseconds; a date counts as microseconds."""
        view = self.views[self.service["spine"]["view"]]
        source = view["source"]
        (dtype,) = (one["dtype"] for one in view["fields"] if one["name"] == source["timestamp_field"])
        if "timestamp_unit" in source:
            return PER_UNIT[source["timestamp_unit"]]
        return next((size for unit, size in PER_UNIT.items() if dtype.startswith(f"timestamp[{unit}")), 1_000)

    def column(self, column: Row, rows: list[Row]) -> list[Any] | None:
        """The finished values of a column, None where the oracle does not know how."""
        name = column["name"]
        if column["kind"] in ("point_in_time", "static") and ("from" in column or name in self.refs):
            view, field = column["from"].split(":") if "from" in column else (self.refs[name], name)
            found = self.looked_up(view, field, rows, latest=column.get("latest", False), column=column)
        elif column["kind"] in ("rolling", "label"):
            found = self.window(*self.specs[name], rows)
            if not self.is_mature(*self.specs[name]):
                return [None] * len(rows)
        else:
            return None
        return [column.get("default") if value is None else value for value in found]

    def is_mature(self, spec: Row, window: str) -> bool:
        """Whether the label of a case, which has one day and no data_until, is mature, or waits until it is."""
        if spec.get("immature", "wait") is not None:
            return True
        view = self.views[spec["history"]["view"]]
        source, rows = view["source"], self.rows_of(view["name"])
        paths = (self.data / source["path"]).glob("dt=*")
        days = [(date.fromisoformat(path.name[3:]) - date(1970, 1, 1)).days for path in paths]
        created = [row[source["created_field"]] for row in rows] if "created_field" in source else None
        reached = reach(None, days, source.get("partition_slack", 0), [row["(time)"] for row in rows], created)
        late = _span(spec.get("matures_after", "0s"))
        return is_mature(self.day, [reached], _span(window), _span(spec.get("gap", "0s")), late)

    def rows_of(self, name: str) -> list[Row]:
        """Every row of a view, under its own names."""
        view = self.views[name]
        path = self.data / view["source"]["path"]
        files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
        table = pa.concat_tables([pq.read_table(file, partitioning=None) for file in files])
        mapping = view.get("field_mapping", {})
        table = table.rename_columns([mapping.get(one, one) for one in table.column_names])
        rows = _rows(table)
        unit = view["source"].get("timestamp_unit")
        time = view["source"].get("timestamp_field")
        # A whole number is compared by its own unit, and given as it is.
        return [{**row, "(time)": row[time] * PER_UNIT[unit] if unit else row[time]} for row in rows] if time else rows

    def looked_up(
        self, view_name: str, name: str, rows: list[Row], *, latest: bool = False, column: Row | None = None
    ) -> list[Any]:
        view = self.views[view_name]
        said = {**view, "available": view["source"].get("available"), **(column or {})}
        keys = [f"{entity}_id" for entity in _listed(view["entity"])]
        source = view["source"]
        right = self.rows_of(view_name)
        left = [{key: row[key] for key in keys} | {"(now)": EVER if latest else row[self.time]} for row in rows]
        if "timestamp_field" not in source:
            table = {tuple(row[key] for key in keys): row[name] for row in right if None not in map(row.get, keys)}
            return [table.get(tuple(row[key] for key in keys)) for row in left]
        declared = [one["name"] for one in view["fields"] if one["name"] != source["timestamp_field"]]
        found = point_in_time(
            left, right, keys, "(now)", "(time)", created=source.get("created_field"),
            ttl=_span(said["ttl"]) if said.get("ttl") and not latest else None,
            allow_exact=said.get("allow_exact", False), columns=[name], declared=declared,
            available=None if latest else _available(said["available"]),
        )  # fmt: skip
        return [one[name] for one in found]

    def window(self, spec: Row, window: str, rows: list[Row]) -> list[Any]:
        view = self.views[spec["history"]["view"]]
        keys = [f"{entity}_id" for entity in _listed(spec["entity"])]
        source = view["source"]
        history = self.rows_of(view["name"])
        time, self.time = self.time, "(time)"
        for attribute in spec["history"].get("attributes", []):
            other, name = attribute.split(":")
            for row, value in zip(history, self.looked_up(other, name, history), strict=True):
                row[name] = value
        self.time = time
        history = _where(history, spec.get("where"))
        declared = [one["name"] for one in view["fields"] if one["name"] != source["timestamp_field"]]
        apart = spec["(field)"]
        said = {
            "column": spec.get("column"), "window": None if window == "unbounded" else _span(window),
            "max_length": spec.get("max_length"), "created": source.get("created_field"), "unit": self.unit,
            "declared": [*declared, *(one.split(":")[1] for one in spec["history"].get("attributes", []))],
        }  # fmt: skip
        if spec["name"] in {one["name"] for one in self.labels}:
            said |= {"order": spec.get("order", "oldest_first"), "gap": _span(spec.get("gap", "0s"))}
            said["matures_after"] = _span(spec.get("matures_after", "0s"))
            said |= {
                "apart": apart is not None, "columns": [one for one in spec.get("columns", []) if apart in (None, one)],
                "age": spec.get("age") if apart in (None, spec.get("age")) else None, "q": spec.get("q"),
            }  # fmt: skip
            return label(rows, history, keys, self.time, "(time)", spec["kind"], **said)
        said |= {
            "order": spec.get("order", "newest_first"), "apart": apart is not None,
            "columns": [one for one in spec.get("columns", []) if apart in (None, one)],
            "age": spec.get("age") if apart in (None, spec.get("age")) else None,
            "aligned_to": _span(spec["aligned_to"]) if "aligned_to" in spec else None,
            "offset": _span(spec["offset"]) if "offset" in spec else None,
            "available": _available(spec.get("available", source.get("available"))), "q": spec.get("q"),
            "half_life": _span(spec["half_life"]) if "half_life" in spec else None,
        }  # fmt: skip
        return rolling(rows, history, keys, self.time, "(time)", spec["kind"], **said)


def _percentile(q: Any) -> str:
    """_p99_9 of 0.999."""
    return f"_p{Decimal(str(q)) * 100:f}".rstrip("0").rstrip(".").replace(".", "_") if q != 1 else "_p100"


def _where(rows: list[Row], where: str | None) -> list[Row]:
    """The rows for which a condition on plain values is true, which is left to DuckDB."""
    if where is None or not rows:
        return rows
    numbers = pa.table({**{name: [row[name] for row in rows] for name in rows[0]}, "(row)": range(len(rows))})
    return [rows[number] for number in duckdb.from_arrow(numbers).filter(where).to_arrow_table()["(row)"].to_pylist()]


def _span(text: str) -> int:
    unit = text.lstrip("0123456789")
    return int(text.removesuffix(unit)) * SPANS[unit]


def _available(written: Row | None) -> tuple[Any, ...] | None:
    if written is None:
        return None
    if "after" in written:
        return ("after", _span(written["after"]))
    hours, minutes = map(int, written["daily_at"].split(":"))
    return ("daily_at", hours * SPANS["h"] + minutes * SPANS["m"], SPANS["d"])


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))
