"""Check rows of every rolling kind, by both engines, against the oracle of the tests; one slice of rows after another.

Each slice draws its own users, key types, units of time, windows, ties, NULLs, duplicates, late rows and chunks from
the seed. The result is written after each slice, and a run with the same seed goes on behind the last one. Beside the
kinds, each rule of `exactness_rules` is checked on as many rows: labels, when a row counts, where a window lies,
samples and defaults.

Usage: python -m bench.exactness [--rows 100000] [--seed 1] [--seconds 600] [--fresh]
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import duckdb

from bench.exactness_rules import RULES, check_rule
from bench.machine import describe_machine
from daeda.aggregates import DECAYED_KINDS, LIST_KINDS, AggregateKind
from daeda.durations import Duration
from daeda.operators.temporal import Aggregate
from tests.beam_pipeline.day.one_day import NOON, Case, Row, Time, in_the_oracle, in_the_product
from tests.beam_pipeline.windows.numpy_engine.cases import same

RESULT = Path(__file__).parent / "results" / "exactness.json"
ENGINES = ("duckdb", "polars")
SLICE_ROWS = 10_000
# Rows of an impression list share user and time.
IMPRESSIONS = 20
SECOND = 1_000_000_000
KEYS = ({"k": "int64"}, {"k": "string"}, {"k": "int64", "j": "int64"}, {"k": "string", "j": "int32"})
TIMES = (Time(), Time("timestamp[ms]", "ms"), Time("timestamp[ns]", "ns"), Time("int64", "s"))
REST = {
    "n": "int64", "x": "double", "d": "decimal(9, 2)", "s": "string", "w": "list<int64>", "b": "bool", "u": "uint16",
}  # fmt: skip
COLUMNS: dict[AggregateKind, tuple[str, ...]] = {
    "any": ("", "b"), "count": ("", "x"), "count_distinct": ("n", "s", "x"), "sum": ("n", "x", "d"),
    "mean": ("x", "d", "u"), "std": ("x", "u"), "min": ("x", "s", "d"), "max": ("x", "w", "b"),
    "quantile": ("n", "x", "d", "s"), "decayed_count": ("", "s"), "decayed_sum": ("x", "d", "n"),
    "first": ("s", "x"), "last": ("d", "w"), "since_last": ("", "s"), "list": ("n", "x"),
    "last_distinct": ("n", "s"), "flatten_distinct": ("w",), "top_k": ("n", "s"),
    "sequence": ("n", "w"),
}  # fmt: skip
SUBJECTS = (*COLUMNS, *RULES)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.exactness", description=__doc__, allow_abbrev=False)
    parser.add_argument("--rows", type=int, default=100_000, help="rows of each kind and engine")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=math.inf, help="begin no slice after so long")
    parser.add_argument("--fresh", action="store_true", help="do not go on behind an earlier run")
    parser.add_argument("--result", type=Path, default=RESULT)
    arguments = parser.parse_args()
    done = [] if arguments.fresh else slices_of(arguments.result, arguments.seed)
    started = time.monotonic()
    for number, slice_done in enumerate(done):
        # What came later is checked on as many rows for the slices that lack it.
        lacking = [subject for subject in SUBJECTS if subject not in slice_done["kinds"]]
        if lacking and time.monotonic() - started <= arguments.seconds:
            added = check_slice(f"{arguments.seed}/{number}", slice_done["rows"], lacking)
            slice_done["kinds"] |= added["kinds"]
            slice_done["mismatches"] += added["mismatches"]
            write(arguments.result, arguments.seed, done)
            print(f"slice {number}: {', '.join(lacking)}, {added['mismatches']} mismatches", file=sys.stderr)
    if any(set(SUBJECTS) - set(slice_done["kinds"]) for slice_done in done):
        raise SystemExit("not all slices have everything yet: run it again, or give it more seconds")
    for number in range(len(done), math.ceil(arguments.rows / SLICE_ROWS)):
        if time.monotonic() - started > arguments.seconds:
            break
        rows = min(SLICE_ROWS, arguments.rows - number * SLICE_ROWS)
        done.append(check_slice(f"{arguments.seed}/{number}", rows))
        write(arguments.result, arguments.seed, done)
        print(f"slice {number}: {rows} rows, {done[-1]['mismatches']} mismatches", file=sys.stderr)
    checked, mismatches = (sum(of_slice[what] for of_slice in done) for what in ("rows", "mismatches"))
    print(f"{checked} rows of each of {len(COLUMNS)} kinds and {len(RULES)} rules, and of each of {len(ENGINES)} "
          f"engines: {mismatches} mismatches")  # fmt: skip
    return 1 if mismatches else 0


def slices_of(path: Path, seed: int) -> list[dict[str, Any]]:
    """What an earlier run with this seed has checked."""
    if not path.is_file():
        return []
    report = json.loads(path.read_text(encoding="utf-8"))
    return list(report["slices"]) if report["seed"] == seed else []


def write(path: Path, seed: int, slices: list[dict[str, Any]]) -> None:
    kinds: dict[str, dict[str, dict[str, int]]] = {}
    for kind in SUBJECTS:
        having = [of_slice for of_slice in slices if kind in of_slice["kinds"]]
        kinds[kind] = {
            engine: {
                "rows": sum(of_slice["rows"] for of_slice in having),
                "values": sum(of_slice["kinds"][kind][engine]["values"] for of_slice in having),
                "mismatches": sum(of_slice["kinds"][kind][engine]["mismatches"] for of_slice in having),
            }
            for engine in ENGINES
        }
    report = {
        "workload": "exactness", "seed": seed, "rows": sum(of_slice["rows"] for of_slice in slices),
        "mismatches": sum(of_slice["mismatches"] for of_slice in slices), "machine": describe_machine(), "kinds": kinds,
        "slices": slices,
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def check_slice(seed: str, rows: int, subjects: Collection[str] = SUBJECTS) -> dict[str, Any]:
    """Values and mismatches of each kind, rule and engine, over a drawn day for all kinds and one for each rule."""
    draw = random.Random(seed)
    case = drawn(draw, rows)
    kinds: dict[str, dict[str, dict[str, int]]] = {}
    case = replace(case, aggregates=tuple(one for one in case.aggregates if one.kind in subjects))
    if case.aggregates:
        kinds |= check_kinds(draw, case)
    for rule in RULES:
        if rule in subjects:
            kinds[rule] = check_rule(rule, random.Random(f"{seed}/{rule}"), rows, feed, COLUMNS, ENGINES)
    wrong = sum(counts["mismatches"] for engines in kinds.values() for counts in engines.values())
    return {
        "rows": rows, "history": len(case.right), "keys": list(case.keys.values()), "late": case.created is not None,
        "mismatches": wrong, "kinds": kinds,
    }  # fmt: skip


def check_kinds(draw: random.Random, case: Case) -> dict[str, dict[str, dict[str, int]]]:
    """Values and mismatches of each kind of the case, by engine."""
    expected = in_the_oracle(case)
    kinds: dict[str, dict[str, dict[str, int]]] = defaultdict(dict)
    with tempfile.TemporaryDirectory() as directory, duckdb.connect() as connection:
        connection.execute(f"SET TimeZone = 'UTC'; SET threads = {draw.choice([1, 2, 3])}")
        for engine in ENGINES:
            table = in_the_product(replace(case, engine=engine), Path(directory), connection)
            assert table.num_rows == len(case.left)
            for aggregate in case.aggregates:
                pairs = zip(table[aggregate.name].to_pylist(), expected[aggregate.name], strict=True)
                wrong = sum(not same(aggregate.kind, value, right) for value, right in pairs)
                counts = kinds[aggregate.kind].setdefault(engine, {"values": 0, "mismatches": 0})
                counts["values"] += len(case.left)
                counts["mismatches"] += wrong
    return dict(kinds)


def drawn(draw: random.Random, rows: int) -> Case:
    """A day of `rows` spine rows with each kind over each of its columns."""
    case = feed(draw, rows, -900, 400, None)
    chunk = draw.choice([2_000, 1_000_000])
    wanted = tuple(aggregates(draw))
    return replace(case, aggregates=wanted, chunk_rows=chunk, batch_rows=draw.choice([500, 122_880]))


def feed(draw: random.Random, rows: int, back: int, ahead: int, late: bool | None) -> Case:
    """`rows` spine rows over a history of about half as many, with everything that can go wrong in it.

    `late` says whether the history has a created_field; None draws it, and its unit.
    """
    keys = draw.choice(KEYS)
    left_time, right_time = draw.choice(TIMES), draw.choice(TIMES)
    created = draw.choice([None, *TIMES[:3]]) if late is None else draw.choice(TIMES[:3]) if late else None
    users = list(users_of(draw, keys, rows // 60))
    step = max(SECOND, left_time.step, right_time.step)
    right = [history_row(draw, draw.choice(users), step, created is not None, back, ahead) for _ in range(rows // 2)]
    right += [dict(row) for row in draw.sample(right, len(right) // 20)]
    left: list[Row] = []
    while len(left) < rows:
        probe = {**draw.choice(users), "now": NOON + step * draw.randint(-400, 400)}
        left += [dict(probe) for _ in range(min(draw.choice([1, 1, 1, IMPRESSIONS]), rows - len(left)))]
    return Case(dict(keys), REST, (), left, right, left_time, right_time, created)


def users_of(draw: random.Random, keys: dict[str, str], count: int) -> Iterator[Row]:
    """Users whose keys could be mixed up: (1, 11) and (11, 1), "1" and "11", and some without a key."""
    for _ in range(count):
        number = draw.choice([1, 11, 111, draw.randint(0, 10 * count)])
        other = draw.choice([1, 11, 111])
        user: Row = {"k": number if keys["k"] == "int64" else f"{number}{draw.choice(['', 'é', ' '])}"}
        if "j" in keys:
            user["j"] = other
        if draw.random() < 0.02:
            user[draw.choice(list(keys))] = None
        yield user


def history_row(draw: random.Random, user: Row, step: int, late: bool, back: int, ahead: int) -> Row:
    then = NOON + step * draw.choice([draw.randint(back, ahead), 20 * draw.randint(-40, 20)])
    numbers = [0.1 * draw.randint(-30, 30), draw.gauss(0, 1e6), 1e16, -1e16, 2.0**-1074, -0.0]
    double = draw.choice(numbers) if draw.random() < 0.97 else draw.choice([math.nan, math.inf, -math.inf])
    row: Row = {
        **user, "then": then, "n": draw.choice([draw.randint(0, 8), draw.randint(-(2**40), 2**40)]), "x": double,
        "d": Decimal(draw.randint(-99_999, 99_999)).scaleb(-2),
        "s": draw.choice(["", "a", "A", "é", "ab", "\U0001f600"]),
        "w": [draw.choice([None, 1, 2, 3, draw.randint(0, 99)]) for _ in range(draw.randint(0, 3))],
        "b": draw.random() < 0.5, "u": draw.randint(0, 2**16 - 1),
    }  # fmt: skip
    if late:
        delay = draw.choice([0, 0, 0, -5, 3, draw.randint(0, 500)])
        row["known"] = None if draw.random() < 0.03 else then + step * delay
    for name in REST:
        if draw.random() < 0.05:
            row[name] = None
    return row


def aggregates(draw: random.Random) -> Iterator[Aggregate]:
    """Each kind over each of its columns, and over a window of its own."""
    assert set(COLUMNS) == set(get_args(AggregateKind))
    for kind, columns in COLUMNS.items():
        for column in columns:
            listed = kind in LIST_KINDS
            read = {"columns": (column, "s"), "age": "ago"} if kind == "sequence" else {"column": column or None}
            yield Aggregate(
                name=f"{kind}_{column or 'rows'}", kind=kind, **read,
                window=Duration.parse(draw.choice(["unbounded", "20s", "100s", "5m", "400s"])),
                q=draw.choice(["0.01", "0.5", "0.9", "0.999", "1"]) if kind == "quantile" else None,
                half_life=draw.choice(["30ms", "7s", "60s", "1h"]) if kind in DECAYED_KINDS else None,
                max_length=draw.randint(1, 12) if listed else None,
                order=draw.choice(["newest_first", "oldest_first"]) if listed else "newest_first",
            )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
