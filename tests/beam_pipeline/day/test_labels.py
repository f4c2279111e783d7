"""LabelAggregate of one day equals the oracle, by both engines: edges, gaps, ties, NULLs, units, `created`."""

from __future__ import annotations

import math
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from daeda.aggregates import LIST_KINDS
from daeda.durations import Duration
from daeda.operators.temporal import Label
from tests.beam_pipeline.day.one_day import NOON, Case, Row, Time, in_the_oracle, in_the_product
from tests.beam_pipeline.windows.numpy_engine.cases import same
from tests.budget import CASES
from tests.kinds import kinds_of, kinds_of_rows

TIMES = [Time("timestamp[ms]", "ms"), Time(), Time("timestamp[ns]", "ns"), Time("int64", "s"), Time("int64", "ms")]
SPANS = ["7ns", "2us", "1500ms", "3s", "1d", "40h", "60d"]
DELAYS = ["0s", "0s", "7ns", "2us", "1s", "3s", "1d"]
VALUES: dict[str, list[Any]] = {
    "int64": [None, -1, 0, 7],
    "bool": [None, False, True],
    "double": [None, -math.inf, -0.0, 0.0, 0.1, 1e16, math.inf, math.nan],
    "string": [None, "", "a", "Z", "é"],
    "decimal(5, 2)": [None, Decimal("-1.50"), Decimal("999.99"), Decimal("0.01")],
    "list<int64>": [None, [], [1, None, 2], [2, 1], [3, 3]],
}
ENGINES = ("duckdb", "polars")


def labels(chance: random.Random, rest: dict[str, str], late: bool) -> tuple[Label, ...]:
    """Some kinds of each column, and each kind that counts rows."""
    wanted: list[tuple[str, Any, str | None]] = [("until_first", "until_first", None)]
    wanted += [(kind, kind, None) for kind in kinds_of_rows()]
    for name, dtype in rest.items():
        kinds = [*kinds_of(dtype), "until_first"]
        wanted += [(f"{name}_{kind}", kind, name) for kind in chance.sample(kinds, min(4, len(kinds)))]
    made = []
    for name, kind, column in (
        one for one in wanted if one[1] not in ("since_last", "sequence", "decayed_count", "decayed_sum")
    ):
        listed = kind in LIST_KINDS
        made.append(
            Label(
                name=name,
                kind=kind,
                column=column,
                q=chance.choice(["0.5", "0.9", "1", "0.001"]) if kind == "quantile" else None,
                gap=Duration.parse_delay(chance.choice(DELAYS)),
                window=Duration.parse(chance.choice(SPANS)),
                matures_after=Duration.parse_delay(chance.choice(DELAYS) if late else "0s"),
                max_length=chance.randint(1, 3) if listed else None,
                order=chance.choice(["newest_first", "oldest_first"]) if listed else "oldest_first",
            )
        )
    for number in range(3):
        made.append(sequence(chance, f"sequence_{number}", list(rest), late))
    return tuple(made)


def sequence(chance: random.Random, name: str, columns: list[str], late: bool) -> Label:
    """Structs with an age or without, or what one field of them holds."""
    apart, aged = chance.random() < 0.4, chance.random() < 0.7
    held = chance.sample(columns, chance.randint(1, len(columns)))
    if apart:
        held = [] if aged else held[:1]
    return Label(
        name=name,
        kind="sequence",
        columns=tuple(held),
        age="age" if aged else None,
        layout="columns" if apart else None,
        gap=Duration.parse_delay(chance.choice(DELAYS)),
        window=Duration.parse(chance.choice(SPANS)),
        matures_after=Duration.parse_delay(chance.choice(DELAYS) if late else "0s"),
        max_length=chance.choice([1, 2, 3, 100]),
        order=chance.choice(["newest_first", "oldest_first"]),
    )


def case_of(seed: int, engine: str) -> Case:
    """Rows on both edges of the windows and next to them, tied ones, and rows that become known around maturity."""
    chance = random.Random(seed)
    rest = {f"c{place}": dtype for place, dtype in enumerate(chance.sample(list(VALUES), 2))}
    left_time, right_time = chance.choice(TIMES), chance.choice(TIMES)
    created = chance.choice(TIMES) if seed % 2 else None
    made = labels(chance, rest, created is not None)
    step = right_time.step
    moments = [NOON + shift for shift in (0, 0, 1_000_000, 3_000_000_000)]
    left: list[Row] = [
        {"key": chance.choice([None, 1, 2, 3]), "now": chance.choice(moments) // left_time.step * left_time.step}
        for _ in range(chance.choice([0, 3, 8]))
    ]
    right: list[Row] = []
    for _ in range(chance.choice([0, 6, 40])):
        one, row = chance.choice(made), chance.choice(left or [{"now": NOON}])
        gap, reach = one.gap.nanoseconds or 0, one.reach.nanoseconds or 0
        edge = row["now"] + chance.choice([0, gap, reach, (gap + reach) // 2])
        then = (edge // step + chance.choice([-1, 0, 0, 1])) * step
        late: dict[str, int | None] = {}
        if created is not None:
            known = row["now"] + (one.horizon.nanoseconds or 0) + chance.choice([-1, 0, 0, 1, -86_400_000_000_000])
            moment = chance.choice([then, known, known]) // created.step * created.step
            late["known"] = moment if chance.random() > 0.1 else None
            if created.dtype.startswith("timestamp") and chance.random() < 0.1:
                # The end of all time, at which a row never becomes known, and its begin.
                late["known"] = chance.choice([2**63 - 1, 1 - 2**63]) * created.step
        values = {name: chance.choice(VALUES[dtype]) for name, dtype in rest.items()}
        right += [{"key": chance.choice([None, 1, 1, 2]), "then": then, **late, **values}] * chance.choice([1, 1, 2])
    where = ("key <> 2", lambda row: None if row["key"] is None else row["key"] != 2) if seed % 5 == 0 else None
    chunk = chance.choice([1, 3, 1_000_000])
    return Case(
        {"key": "int64"}, rest, made, left, right, left_time, right_time, created, where, engine, chunk_rows=chunk
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_labels_equal_the_oracle(engine: str, tmp_path: Path) -> None:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'; SET threads = 1")
    for seed in range(CASES):
        case = case_of(seed, engine)
        actual, wanted = in_the_product(case, tmp_path, connection), in_the_oracle(case)
        kinds = {label.name: label.kind for label in case.aggregates}
        for name, expected in wanted.items():
            made = actual.column(name).to_pylist()
            assert len(made) == len(expected)
            for row, (got, want) in enumerate(zip(made, expected, strict=True)):
                assert same(kinds[name], got, want), (
                    seed,
                    name,
                    case.left[row],
                    case.aggregates,
                    case.right,
                    got,
                    want,
                )
