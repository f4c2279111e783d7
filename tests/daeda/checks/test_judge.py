"""Verdicts over rows that are written, against slow plain Python."""

import datetime as dt
import math
import random
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from daeda.checks.judge import DayFacts, judge, refuse_failed, told
from daeda.checks.rows import Rows
from daeda.dataset.layout import Layout
from daeda.dataset.manifest import Verdict
from daeda.errors import DayError
from daeda.settings.checks import Check
from daeda.sql.locked import AllowedPaths, connect
from tests.budget import examples
from tests.daeda.statistics.oracle import DAY, publish

NAN = float("nan")
KINDS: dict[str, tuple[pa.DataType, list[Any], list[dict[str, Any]]]] = {
    "whole": (pa.int64(), [-(2**63), 0, 1, 2, 3, 2**53, 2**53 + 1], [{"between": [0, 2]}, {"in": [1, 2**53 + 1]}]),
    "double": (
        pa.float64(),
        [0.0, -0.0, 0.1, 1.0, math.inf, -math.inf, NAN],
        [{"between": [0, 1]}, {"between": [0.1, math.inf]}, {"in": [0.1, 1]}],
    ),
    "price": (pa.decimal128(9, 2), [Decimal("0.10"), Decimal("5.00")], [{"between": [0.1, 4.99]}, {"in": ["0.10"]}]),
    "text": (pa.string(), ["", "a", "'", "A", "ä", "\u202e"], [{"in": ["a", "'"]}, {"in": [""]}]),
    "flag": (pa.bool_(), [True, False], [{"in": [True]}]),
    "day": (pa.date32(), [dt.date(2024, 1, d) for d in (1, 2, 3)], [{"between": ["2024-01-02", dt.date(2024, 1, 2)]}]),
    "time": (
        pa.timestamp("us"),
        [dt.datetime(2024, 1, 2, 0, 0, 0, us) for us in (0, 1, 2)],
        [{"between": ["2024-01-02 00:00:00.000001", "2024-01-02 00:00:00.000002"]}],
    ),
}


def _facts(tmp_path: Path, table: pa.Table, parts: int, labels: tuple[str, ...] = ()) -> DayFacts:
    layout = Layout(tmp_path / "ranking")
    manifest = publish(layout, table, parts)
    directory = layout.day_dir("skeleton", DAY)
    paths = [(str(directory / part.name), part.rows) for part in manifest.parts]
    types = {column.name: column.dtype for column in manifest.columns}
    rows = Rows(paths, types, labels, lambda: connect(AllowedPaths.of(path for path, _ in paths)))
    return DayFacts(manifest.rows, {column.name: column for column in manifest.columns}, rows)


def _breaks(check: Check, value: Any, kind: pa.DataType) -> bool:
    """Whether a value breaks between or in, by the order of values: NaN is the greatest."""

    def typed(each: Any) -> Any:
        if pa.types.is_decimal(kind):
            return Decimal(str(each))
        if pa.types.is_date32(kind):
            return dt.date.fromisoformat(str(each))
        if pa.types.is_timestamp(kind):
            return dt.datetime.fromisoformat(str(each))
        return each

    if value is None:
        return False
    if isinstance(value, float) and math.isnan(value):
        return True
    if check.between is not None:
        return not typed(check.between[0]) <= value <= typed(check.between[1])
    return value not in [typed(each) for each in check.among or ()]


@pytest.mark.parametrize("seed", range(examples(80)))
def test_values_and_rows_as_plain_python_finds_them(tmp_path: Path, seed: int) -> None:
    generator = random.Random(seed)
    count = generator.choice([0, 1, 5, 40])
    columns, checks = {}, []
    for name, (kind, values, asked) in KINDS.items():
        chosen = generator.sample(values, generator.randint(1, len(values)))
        columns[name] = pa.array(
            [None if generator.random() < 0.2 else generator.choice(chosen) for _ in range(count)], kind
        )
        checks += [Check.model_validate({"column": name, **one}) for one in asked]
        checks.append(Check.model_validate({"column": name, "null_share": "< 20%"}))
        checks.append(Check.model_validate({"coverage": name, "at_least": "80%"}))
        checks.append(Check.model_validate({"unique": [name]}))
    checks += [Check.model_validate({"unique": ["whole", "text", "flag"]}), Check.model_validate({"rows": "> 1"})]
    table = pa.table(columns)
    verdicts = judge(checks, _facts(tmp_path, table, generator.choice([1, 3])))
    for check, verdict in zip(checks, verdicts, strict=True):
        _assert_as_plain_python(check, verdict, table)


def _assert_as_plain_python(check: Check, verdict: Verdict, table: pa.Table) -> None:
    rows = len(table)
    if check.question == "rows":
        assert (verdict.outcome, verdict.found) == (
            ("passed", "") if rows > 1 else ("failed", f"{rows} row{'' if rows == 1 else 's'}")
        )
        return
    if check.unique is not None:
        keys = Counter(map(str, zip(*(table[name].to_pylist() for name in check.unique), strict=True)))
        broken = sum(keys.values()) - len({key.replace("-0.0", "0.0") for key in keys})
        assert (verdict.outcome, verdict.count or 0) == ("failed" if broken else "passed", broken)
        return
    name = check.of_column or ""
    values = table[name].to_pylist()
    if check.question in ("null_share", "coverage"):
        share = Fraction(values.count(None), rows) if rows else Fraction(0)
        passed = share < Fraction(1, 5) if check.question == "null_share" else share <= Fraction(1, 5)
        first = values.index(None) if None in values else None
        count = values.count(None)
    else:
        broken_rows = [place for place, value in enumerate(values) if _breaks(check, value, table[name].type)]
        passed, count = not broken_rows, len(broken_rows)
        first = broken_rows[0] if broken_rows else None
    assert verdict.outcome == ("passed" if passed else "failed")
    if not passed:
        assert (verdict.count, verdict.row) == (count, f"row {first}")


def test_the_first_row_is_told_with_what_tells_it_from_others(tmp_path: Path) -> None:
    table = pa.table({"user_id": [7, 8, 9], "price": [1.0, None, 900.0]})
    checks = [
        Check.model_validate({"column": "price", "between": [0, 500], "severity": "fail"}),
        Check.model_validate({"column": "price", "null_share": "< 1%", "severity": "fail"}),
        Check.model_validate({"rows": "<= 3", "severity": "fail"}),
    ]
    verdicts = judge(checks, _facts(tmp_path, table, 2, ("user_id",)))
    assert [told(verdict) for verdict in verdicts] == [
        "the check 'price: between 0 and 500' failed: 1 row of 3, the first of them row 2 (user_id 9): 900.0",
        "the check 'price: share of NULLs < 1%' failed: 1 of 3 rows is NULL (33.33%), the first of them row 1 "
        "(user_id 8)",
        "the check 'rows <= 3' passed",
    ]
    with pytest.raises(DayError) as raised:
        refuse_failed(verdicts)
    assert str(raised.value) == (
        f"not published: {told(verdicts[0])}; {told(verdicts[1])}: correct the data or the check, or have it only warn "
        "(severity: warn)"
    )
    refuse_failed([verdict for verdict in verdicts if verdict.outcome == "passed"])


def test_nan_is_seen_where_the_bounds_of_a_file_leave_it_out(tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = [{"between": [0, 1]}, {"in": [0.1]}, {"in": [0.1, NAN]}]
    checks = [Check.model_validate({"column": "x", **one}) for one in asked]
    verdicts = judge(checks, _facts(tmp_path, pa.table({"x": [0.1, NAN, None, 0.1]}), 1))
    assert [(one.outcome, one.count, one.row) for one in verdicts] == [
        ("failed", 1, "row 1"),
        ("failed", 1, "row 1"),
        ("passed", None, None),
    ]


def test_a_column_that_hides_the_numbers_of_rows(tmp_path: Path) -> None:
    check = Check.model_validate({"column": "file_row_number", "between": [0, 1]})
    (verdict,) = judge([check], _facts(tmp_path, pa.table({"file_row_number": [5, 1]}), 1))
    assert (verdict.outcome, verdict.count, verdict.row) == ("failed", 1, None)


def test_a_label_that_is_not_mature_is_not_judged(tmp_path: Path) -> None:
    empty = pa.array([None, None], pa.int64())
    facts = _facts(tmp_path, pa.table({"bought": empty, "clicked": empty}), 1)
    labelled = {name: replace(column, kind="label") for name, column in facts.columns.items()}
    checks = [Check.model_validate({"column": name, "null_share": "= 0"}) for name in ("bought", "clicked")]
    bought, clicked = judge(checks, replace(facts, columns=labelled, immature=frozenset({"bought"})))
    assert (bought.outcome, bought.found) == ("not judged", "the label is not mature")
    # The other one is mature, and what it lacks is a fault.
    assert clicked.outcome == "failed"
    assert [verdict.outcome for verdict in judge(checks, facts)] == ["failed", "failed"]


def test_a_time_that_python_has_none_for_is_told(tmp_path: Path) -> None:
    """A unit that was mistaken, which is what a check is there for, makes years that Python's dates do not have."""
    far = 1_714_521_600 * 10**9
    table = pa.table(
        {
            "ends": pa.array([None, far], pa.timestamp("us")),
            "day": pa.array([0, 10**7], pa.date32()),
            "exact": pa.array([1, 1_001], pa.timestamp("ns")),
            "again": pa.array([far, far], pa.timestamp("us")),
            "on": [True, True],
        }
    )
    checks = [
        Check.model_validate({"column": "ends", "between": ["2024-01-01", "2025-01-01"]}),
        Check.model_validate({"column": "day", "between": ["1970-01-01", "2025-01-01"]}),
        Check.model_validate({"column": "exact", "in": ["1970-01-01 00:00:00.000000001"]}),
        Check.model_validate({"column": "on", "in": [False]}),
        Check.model_validate({"unique": ["again"]}),
    ]
    told_of = [one.found for one in judge(checks, _facts(tmp_path, table, 1, ("again",)))]
    whose = "(again 56301-01-11 00:00:00)"
    assert told_of == [
        f"1 row of 2, the first of them row 1 {whose}: 56301-01-11 00:00:00",
        f"1 row of 2, the first of them row 1 {whose}: 29349-01-26",
        f"1 row of 2, the first of them row 1 {whose}: 1970-01-01 00:00:00.000001001",
        f"2 rows of 2, the first of them row 0 {whose}: true",
        "1 row of 2 repeats another one, the first again 56301-01-11 00:00:00",
    ]


def test_the_words_of_checks_that_ask_something_else_differ() -> None:
    asked = [["a", "b"], ["a, b"], ["a", ""], ["a", " "], ["a"], ['"a"'], [" a"], ["a,b"], ['"a", "b"']]
    words = [Check.model_validate({"column": "x", "in": values}).text for values in asked]
    assert len(set(words)) == len(asked)
    assert words[:3] == ["x: in a, b", 'x: in "a, b"', 'x: in a, ""']


def test_an_empty_text_is_seen(tmp_path: Path) -> None:
    checks = [Check.model_validate(one) for one in ({"column": "name", "in": ["a"]}, {"unique": ["name"]})]
    facts = _facts(tmp_path, pa.table({"name": ["", ""]}), 1)
    assert [one.found for one in judge(checks, facts)] == [
        '2 rows of 2, the first of them row 0: ""',
        '1 row of 2 repeats another one, the first name ""',
    ]
