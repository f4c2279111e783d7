"""The rows and weights of a sample, by DuckDB, are those of the oracle; which of them stay never changes."""

from __future__ import annotations

import datetime as dt
import hashlib
import random
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daeda.dtypes import DType
from daeda.errors import ConfigurationError
from daeda.operators.operator import Instant
from daeda.operators.relational import Filter, Scan, ScanColumn
from daeda.settings.sampling import Sample
from daeda.sql.scan import filter_rows, scan, without_key
from tests.budget import CASES
from tests.oracle.sampling import sample

CONNECTION = duckdb.connect()
DAY = dt.date(2024, 1, 2)
NOON = dt.datetime(2024, 1, 2, 12)
KEYS = {
    "small": "int8", "user_id": "int64", "big": "uint64", "name": "string", "born": "date", "is_new": "bool",
}  # fmt: skip
VALUES: dict[str, list[Any]] = {
    "small": [-128, -1, 0, 1, 127],
    "user_id": [*range(40), -(2**63), 2**63 - 1],
    "big": [0, 7, 2**64 - 1],
    "name": ["", "a", "ä", "日本", "a|b", "|", " ", "null", "\t", "😀", "0"],
    "born": [dt.date(1, 1, 1), dt.date(999, 12, 31), dt.date(2024, 2, 29), dt.date(9999, 12, 31)],
    "is_new": [True, False],
}
SHARES = ["0.1", "0.5", "0.50", "1", "1.0", "0.999999999999999999999", "0.333333333333333333", "1e-3", "0.07"]
WHERES = {
    None: None,
    "event = 'skip'": lambda row: None if row["event"] is None else row["event"] == "skip",
    "event IS NULL OR amount > 1": lambda row: row["event"] is None or (row["amount"] or 0) > 1,
}


def filtered(rows: list[dict[str, Any]], path: Path, given: Sample) -> tuple[list[dict[str, Any]], int]:
    """The rows that stay, in their order, and how many were dropped without a key."""
    types = {"row": "int64", "at": "timestamp[us]", **KEYS, "event": "string", "amount": "double"}
    columns = {name: pa.array([row[name] for row in rows], DType.parse(kind).arrow()) for name, kind in types.items()}
    pq.write_table(pa.table(columns), path)
    source = Scan(
        name="scan_spine", output="spine", view="events", path="events", reads="day", time=Instant(column="at"),
        columns=tuple(ScanColumn(name=name, source=name, dtype=DType.parse(kind)) for name, kind in types.items()),
        order_by=("at", "row"),
    )  # fmt: skip
    operator = Filter(name="filter_spine_1", inputs=("spine",), output="spine_1", sample=given)
    left = scan(source, source.derive(()), [str(path)], DAY)
    kept = filter_rows(operator, left, None)
    table = CONNECTION.execute(kept.query).to_arrow_table()
    (dropped,) = CONNECTION.execute(without_key(operator, left)).fetchone()
    assert tuple(table.column_names) == kept.relation.names
    return sorted(table.to_pylist(), key=lambda row: row["row"]), dropped


def test_rows_and_weights_are_those_of_the_oracle(tmp_path: Path) -> None:
    kept_in_all = dropped_in_all = 0
    for number in range(CASES):
        chance = random.Random(number)
        rows: list[dict[str, Any]] = [
            {
                "row": index,
                "at": NOON + dt.timedelta(seconds=index // 3),
                **{name: chance.choice([*VALUES[name], None][: chance.choice([99, 99, -1])]) for name in KEYS},
                "event": chance.choice(["skip", "like", None]),
                "amount": chance.choice([0.5, 2.0, None]),
            }
            for index in range(60)
        ]
        by = chance.sample(list(KEYS), chance.randint(1, 3))
        share, seed = chance.choice(SHARES), chance.choice([0, 7, -3, 2**70])
        where = chance.choice(list(WHERES))
        given = Sample(share=share, by=tuple(by), seed=seed, where=where, weight=chance.choice([None, "heft"]))
        condition = WHERES[where]
        wanted = sample(rows, share, by, seed, condition)
        kept, dropped = filtered(rows, tmp_path / f"{number}.parquet", given)
        assert [row["row"] for row in kept] == [row["row"] for row, _ in wanted], (number, given)
        if given.weight:
            assert [row["heft"] for row in kept] == [weight for _, weight in wanted], (number, given)
        sampled = [row for row in rows if condition is None or condition(row) is True]
        assert dropped == sum(any(row[key] is None for key in by) for row in sampled)
        kept_in_all, dropped_in_all = kept_in_all + len(kept), dropped_in_all + dropped
    assert kept_in_all > CASES // 2 < dropped_in_all


def test_the_hash_is_compared_exactly_at_its_limit(tmp_path: Path) -> None:
    digest = int(hashlib.md5(b"0|1").hexdigest()[:16], 16)
    rows = [{"row": 0, "at": NOON, **dict.fromkeys(KEYS), "user_id": 1, "event": None, "amount": None}]
    for limit, stays in ((digest, False), (digest + 1, True)):
        # A decimal whose share of 2^64 is the limit exactly: 2^-64 has 64 places.
        share = f"{limit * 5**64:064d}"
        given = Sample(share=f"0.{share}", by=("user_id",))
        assert given.limit == limit
        kept, _ = filtered(rows, tmp_path / f"{stays}.parquet", given)
        assert bool(kept) is stays


def test_which_rows_stay_is_for_ever(tmp_path: Path) -> None:
    empty = {"at": NOON, **dict.fromkeys(KEYS), "event": None, "amount": None}
    rows = [{"row": user, **empty, "user_id": user} for user in range(100)]
    kept, _ = filtered(rows, tmp_path / "users.parquet", Sample(share=0.1, by="user_id", seed=7))
    assert [row["user_id"] for row in kept] == [7, 24, 28, 30, 41, 63, 64, 65, 68, 80, 83, 92]


def test_the_weight_is_the_double_nearest_to_the_inverse() -> None:
    assert Sample(share=0.1, by="user_id").weight_of_sampled == 10.0
    assert Sample(share="0.3", by="user_id").weight_of_sampled == 3.3333333333333335
    assert Sample(share=1, by="user_id").weight_of_sampled == 1.0


def test_a_share_is_the_decimal_as_it_is_written() -> None:
    assert Sample(share=0.1, by="a").limit == 2**64 // 10
    assert Sample(share="0.10", by="a") == Sample(share=0.1, by="a")
    assert Sample(share=0.10, by="a").model_dump(mode="json")["share"] == "0.1"


@pytest.mark.parametrize("share", [0, 2, -0.1, "1.0000000001", True, "nan", None, "a", ".inf", [0.1]])
def test_what_is_no_share_is_refused(share: Any) -> None:
    with pytest.raises(ValueError, match=r"is not a share: write a number above 0 and at most 1, like 0\.1"):
        Sample(share=share, by="a")


def test_a_share_of_no_row_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'1e-20' is a share of no row: the least is 2\^-64"):
        Sample(share="1e-20", by="a")


def test_a_history_is_not_sampled() -> None:
    source = Scan(
        name="scan", output="rows", view="events", path="events", reads="day", time=Instant(column="at"),
        columns=(ScanColumn(name="at", source="at", dtype=DType.parse("timestamp[us]")),),
    )  # fmt: skip
    operator = Filter(name="f", inputs=("rows",), output="kept", sample=Sample(share=0.5, by="at"))
    with pytest.raises(ConfigurationError, match="a sample is of a spine, and not of a history"):
        operator.derive((source.derive(()),))
