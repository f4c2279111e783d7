"""Files of Parquet: what the footer says is read as it says, or refused; damaged bytes end in a sentence."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from bench.fuzz.built import NOON, build, scratch, tiny_project, write_items
from bench.fuzz.findings import Findings, explore, run_command

USERS = [1, 2, 3]
TIMES = [NOON, NOON + dt.timedelta(microseconds=1), NOON + dt.timedelta(hours=1)]
AMOUNTS = [1.5, None, -2.0]
EXTRA = (
    "Amount", "AMOUNT", "amount", "rowid", "filename", "file_row_number", "__row", "__index_level_0__", "", " ",
    "a.b", "USER_ID", "user_id ", "é", "e\u0301", "select", "x" * 300, "a\nb", 'a"b', "element", "Event_Timestamp",
    "item_id",
)  # fmt: skip
TYPES: dict[str, tuple[pa.DataType, list[Any]]] = {
    "int32": (pa.int32(), USERS),
    "uint64": (pa.uint64(), [1, 2, 2**63]),
    "decimal": (pa.decimal128(10, 0), USERS),
    "text": (pa.string(), ["1", "2", "3"]),
    "large text": (pa.large_string(), ["1", "2", "3"]),
    "dictionary": (pa.dictionary(pa.int32(), pa.string()), ["1", "2", "1"]),
    "ms": (pa.timestamp("ms"), [NOON] * 3),
    "ns": (pa.timestamp("ns"), [NOON] * 3),
    "UTC": (pa.timestamp("us", "UTC"), [NOON] * 3),
    "Oslo": (pa.timestamp("us", "Europe/Oslo"), [NOON] * 3),
    "date": (pa.date32(), [NOON.date()] * 3),
    "time": (pa.time64("us"), [dt.time(12)] * 3),
    "float": (pa.float32(), [1.5, None, -2.0]),
    "half": (pa.float16(), [1.5, None, -2.0]),
    "null": (pa.null(), [None] * 3),
    "struct": (pa.struct([("a", pa.int64())]), [{"a": 1}] * 3),
    "list": (pa.list_(pa.int64()), [[1]] * 3),
    "binary": (pa.binary(), [b"1"] * 3),
    "boolean": (pa.bool_(), [True, False, True]),
}
MOMENTS = {
    "NULL": None,
    "midnight": dt.datetime(2024, 1, 2),
    "last": dt.datetime(2024, 1, 2, 23, 59, 59, 999_999),
    "next day": dt.datetime(2024, 1, 3),
    "day before": dt.datetime(2024, 1, 1, 23, 59, 59, 999_999),
    "year 1": dt.datetime(1, 1, 1),
    "year 9999": dt.datetime(9999, 12, 31),
}
Columns = list[tuple[str, pa.DataType, list[Any]]]
BASE: dict[str, tuple[pa.DataType, list[Any]]] = {
    "user_id": (pa.int64(), USERS),
    "item_id": (pa.int64(), [10, 11, 99]),
    "event_timestamp": (pa.timestamp("us"), TIMES),
    "amount": (pa.float64(), AMOUNTS),
}


@dataclass(frozen=True)
class Change:
    """One change of the file: what, of which column, and with which value."""

    action: str
    column: str
    value: int


ACTIONS = ("add", "add", "rename", "retype", "drop", "moment", "shuffle")
WRITERS: tuple[dict[str, Any], ...] = (
    {}, {"write_statistics": False}, {"use_deprecated_int96_timestamps": True}, {"version": "1.0"},
    {"row_group_size": 1}, {"compression": "zstd", "use_dictionary": False}, {"data_page_version": "2.0"},
    {"store_schema": False}, {"write_page_checksum": True},
    {"coerce_timestamps": "ms", "allow_truncated_timestamps": True},
)  # fmt: skip
change = st.builds(Change, st.sampled_from(ACTIONS), st.sampled_from(list(BASE)), st.integers(0, 10_000))
damage = st.none() | st.none() | st.tuples(st.sampled_from(("cut", "flip", "zero")), st.integers(0, 9_999))
files = st.tuples(st.lists(change, max_size=3), st.integers(0, len(WRITERS) - 1), damage)


def run(examples: int, number: int, findings: Findings) -> None:
    """So many examples; raises what the first finding raises, shrunk."""
    explore(files, examples, number, lambda file: check(*file, findings))


def check(changes: Sequence[Change], writer: int, hurt: tuple[str, int] | None, findings: Findings) -> None:
    """Build a day over the file; AssertionError where a value differs from what was written under that very name."""
    columns = [(name, dtype, list(values)) for name, (dtype, values) in BASE.items()]
    for change in changes:
        columns = _changed(columns, change)
    with scratch() as root:
        project = tiny_project(root)
        write_items(root)
        path = root / "data/events/dt=2024-01-02/a.parquet"
        path.parent.mkdir(parents=True)
        arrays = [pa.array(values, dtype) for _, dtype, values in columns]
        schema = pa.schema([pa.field(name, dtype) for name, dtype, _ in columns])
        try:
            pq.write_table(pa.Table.from_arrays(arrays, schema=schema), path, **WRITERS[writer])
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return  # no file can hold this
        if hurt is not None:
            _hurt(path, *hurt)
        ended = run_command(["pipeline", "plan", "ranking", "--runtime-config-path", str(project.runtime_path)])
        outcome = "refused by plan"
        if ended.code == 0:
            # A pipeline of one's own builds what no plan has looked at.
            rows = build(project)
            blocked = "blocked" in ended.out
            outcome = "blocked" if blocked else "refused by the day" if isinstance(rows, str) else "built"
            if isinstance(rows, str):
                known = blocked or hurt is not None or "must not be NULL" in rows
                assert known, f"plan takes what the day refuses: {rows}"
            elif hurt is None:
                assert not blocked, f"a day takes what plan refuses: {ended.out}"
                _compare(rows, columns, writer)
        findings.add(outcome, [change.action for change in changes] + ([hurt[0]] if hurt else []), ended.seconds)


def _compare(rows: list[dict[str, Any]], columns: Columns, writer: int) -> None:
    wanted_names = [name for name, _, _ in columns if name in BASE]
    assert len(set(wanted_names)) == len(wanted_names), "a column that stands twice was taken"
    written = {name: values for name, _, values in columns}
    times = written["event_timestamp"]
    if WRITERS[writer].get("coerce_timestamps") == "ms":
        times = [None if time is None else time.replace(microsecond=time.microsecond // 1000 * 1000) for time in times]
    wanted = sorted(zip(times, written["user_id"], written["item_id"], written["amount"], strict=True), key=repr)
    found = sorted(((row["event_timestamp"], row["user_id"], row["item_id"], row["amount"]) for row in rows), key=repr)
    assert found == wanted, f"read {found}, and {wanted} was written"


def _changed(columns: Columns, change: Change) -> Columns:
    at = next((index for index, (name, _, _) in enumerate(columns) if name == change.column), None)
    if at is None:
        return columns
    name, dtype, values = columns[at]
    changed = list(columns)
    match change.action:
        case "add":
            changed.insert(
                change.value % (len(columns) + 1), (EXTRA[change.value % len(EXTRA)], pa.float64(), [7.0, 8.0, 9.0])
            )
        case "rename":
            changed[at] = (EXTRA[change.value % len(EXTRA)], dtype, values)
        case "retype":
            changed[at] = (name, *list(TYPES.values())[change.value % len(TYPES)])
        case "drop":
            del changed[at]
        case "moment" if name == "event_timestamp" and dtype == pa.timestamp("us"):
            moments = list(MOMENTS.values())
            changed[at] = (name, dtype, [*values[:2], moments[change.value % len(moments)]])
        case _:
            changed = changed[at:] + changed[:at]
    return changed


def _hurt(path: Path, what: str, where: int) -> None:
    content = bytearray(path.read_bytes())
    at = where * len(content) // 10_000
    match what:
        case "cut":
            del content[at:]
        case "flip":
            content[at] ^= 1 << (where % 8)
        case _:
            content[at : at + 16] = bytes(len(content[at : at + 16]))
    path.write_bytes(content)
