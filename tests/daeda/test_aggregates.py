"""The registry of aggregate kinds, and that whatever else lists kinds lists all of them and says the same."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from bench.exactness import COLUMNS
from daeda.aggregates import KINDS, LIST_KINDS, AggregateKind, Order, check_parameters, output_type, shows_order
from daeda.dtypes import DType
from daeda.errors import ConfigurationError
from daeda.operators.relation import Column, Relation
from daeda.operators.temporal import Aggregate
from tests.beam_pipeline.day.test_every_kind import SPECS
from tests.daeda_audit.rules.test_kinds import KINDS as KINDS_OF_THE_AUDIT
from tests.oracle.rolling import LIST_KINDS as LISTS_OF_THE_ORACLE
from tests.oracle.rolling import aggregate as oracle

Parameters = tuple[AggregateKind, str | None, int | None]
ALL = get_args(AggregateKind)
SEMANTICS = Path(__file__).parents[2] / "docs" / "semantics.md"
EMPTY = {"0": 0, "false": False, "NULL": None, "[]": []}
TYPES = {
    "any": {"bool": "bool", "int64": None, "string": None, "list<bool>": None},
    "count": {"int32": "int64", "string": "int64", "list<int64>": "int64"},
    "count_distinct": {"double": "int64", "list<int64>": "int64"},
    "sum": {"uint8": "int64", "int64": "int64", "decimal(9, 2)": "decimal(38, 2)", "float": "double", "string": None,
            "date": None, "list<int64>": None},
    "mean": {"int8": "double", "decimal(9, 2)": "double", "float": "double", "timestamp[us]": None, "bool": None},
    "std": {"int8": "double", "decimal(9, 2)": "double", "double": "double", "string": None},
    "min": {"float": "float", "decimal(9, 2)": "decimal(9, 2)", "bool": "bool", "list<int64>": "list<int64>"},
    "max": {"timestamp[ms]": "timestamp[ms]", "string": "string"},
    "first": {"timestamp[us, UTC]": "timestamp[us, UTC]"},
    "last": {"list<string>": "list<string>"},
    "since_last": {"string": "int64", "bool": "int64", "list<int64>": "int64"},
    "decayed_count": {"string": "double", "list<int64>": "double"},
    "decayed_sum": {"int32": "double", "decimal(9, 2)": "double", "string": None},
    "quantile": {"string": "string", "float": "float", "decimal(9, 2)": "decimal(9, 2)", "list<int64>": "list<int64>"},
    "list": {"date": "list<date>", "list<int64>": "list<list<int64>>"},
    "last_distinct": {"string": "list<string>"},
    "flatten_distinct": {"list<string>": "list<string>", "string": None},
    "top_k": {"int16": "list<int16>"},
    "sequence": {"int16": "list<int16>", "list<string>": "list<list<string>>"},
}  # fmt: skip


def test_whatever_lists_kinds_lists_all_of_them() -> None:
    listed = {
        "the registry": KINDS,
        "the types above": TYPES,
        "bench.exactness": COLUMNS,
        "docs/semantics.md": table_of_kinds(),
        "a service with every kind": {kind for kind, *_ in SPECS.values()},
        "the audit's tests": {kind for kinds in KINDS_OF_THE_AUDIT.values() for kind in kinds},
    }
    assert {where: set(ALL) ^ set(kinds) for where, kinds in listed.items() if set(ALL) ^ set(kinds)} == {}
    assert tuple(KINDS) == ALL
    assert set(LISTS_OF_THE_ORACLE) == LIST_KINDS


@pytest.mark.parametrize("kind", ALL)
def test_an_empty_window_gives_what_is_told(kind: AggregateKind) -> None:
    """The oracle shares nothing with the registry, and the page is written by hand."""
    length = 3 if kind in LIST_KINDS else None
    rows = [{"v": {"lists": [1], "booleans": True}.get(KINDS[kind].takes, 1)}] * 2
    assert oracle(kind, rows, "v", length, "newest_first", [1, 2], Decimal("0.5"), [1, 2]) is not None
    assert oracle(kind, [], "v", length, "newest_first") == EMPTY[KINDS[kind].empty]
    assert table_of_kinds()[kind] == KINDS[kind].empty
    assert (KINDS[kind].empty == "[]") == (kind in LIST_KINDS)


@pytest.mark.parametrize("kind", ALL)
def test_the_type_follows_from_the_type_of_the_column(kind: AggregateKind) -> None:
    for source, wanted in TYPES[kind].items():
        if wanted is None:
            what = {"lists": "a list column", "booleans": "a boolean column"}.get(KINDS[kind].takes, "numbers")
            with pytest.raises(ConfigurationError, match=f"^'x': {kind} needs {what}, found {re.escape(source)}$"):
                output_type(kind, DType.parse(source), "x")
        else:
            dtype = output_type(kind, DType.parse(source), "x")
            assert (dtype, dtype.item) == (DType.parse(wanted), DType.parse(wanted).item)


def test_a_few_kinds_do_without_a_column() -> None:
    assert [kind for kind in ALL if KINDS[kind].counts_rows] == ["any", "count", "since_last", "decayed_count"]
    assert output_type("any", None, "x") == DType("bool")
    assert output_type("count", None, "x") == DType("int64")
    sentence = (
        r"^'x': last needs a column of the history; without one there are only any, count, since_last, decayed_count$"
    )
    with pytest.raises(ConfigurationError, match=sentence):
        output_type("last", None, "x")


@pytest.mark.parametrize(
    ("message", "parameters"),
    [
        ("kind 'list' needs a 'max_length': the newest that many items are kept", ("list", "v", None)),
        (
            "kind 'quantile' needs a 'q' above 0 and at most 1, like 0.5, or a list of them",
            ("quantile", "v", None),
        ),
        (
            "kind 'decayed_sum' needs a 'half_life', like 3d: after so long a row counts half",
            ("decayed_sum", "v", None),
        ),
        ("'max_length' belongs to list kinds and not to 'sum': remove it", ("sum", "v", 3)),
        (
            "kind 'sum' needs a 'column' of the history; "
            "without one there are only any, count, since_last, decayed_count",
            ("sum", None, None),
        ),
    ],
)
def test_parameters_have_to_fit_the_kind(
    message: str, parameters: tuple[AggregateKind, str | None, int | None]
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_parameters(*parameters)


def test_a_q_belongs_to_a_quantile() -> None:
    with pytest.raises(ValueError, match=r"^'q' belongs to 'quantile' and not to 'max': remove it$"):
        check_parameters("max", "v", None, (Decimal(1),))


def test_a_half_life_belongs_to_what_decays() -> None:
    message = r"^'half_life' belongs to 'decayed_count' and 'decayed_sum' and not to 'sum': remove it$"
    with pytest.raises(ValueError, match=message):
        check_parameters("sum", "v", None, half_life="3d")


def test_a_sequence_whose_columns_stand_apart_has_one_of_them() -> None:
    parts = {"name": "x", "kind": "sequence", "window": "1d", "max_length": 3, "layout": "columns"}
    history = Relation((Column("a", DType("date")), Column("b", DType("string"))))
    assert Aggregate.model_validate({**parts, "columns": ["b"]}).output(history).dtype.name == "list<string>"
    assert Aggregate.model_validate({**parts, "age": "ago"}).output(history).dtype.name == "list<int64>"
    for more in ({}, {"columns": ["a", "b"]}, {"columns": ["a"], "age": "ago"}):
        with pytest.raises(ValidationError, match="with layout 'columns' a sequence has one column or an age"):
            Aggregate.model_validate({**parts, **more})
    whole = Aggregate.model_validate({**parts, "layout": None, "columns": ["b", "a"], "age": "ago"})
    made = whole.output(history)
    assert (made.dtype.name, made.nullable) == ("list<struct<b: string, a: date, ago: int64>>", False)
    plain = Aggregate.model_validate({"name": "x", "kind": "list", "column": "a", "window": "1d", "max_length": 3})
    assert not {"columns", "age", "layout"} & set(plain.model_dump())  # so that no day becomes stale


def test_the_order_of_tied_rows_shows_where_it_decides_and_in_the_bits_of_a_nan() -> None:
    double, text = DType("double"), DType("string")
    assert shows_order("last", text)
    assert not shows_order("count", None)
    assert [kind for kind in ALL if shows_order(kind, double) and not shows_order(kind, text)] == [
        "min",
        "max",
        "quantile",
    ]
    assert shows_order("max", DType.parse("list<float>"))
    assert {kind for kind in ALL if KINDS[kind].order is Order.DECIDES} == {"first", "last", *LIST_KINDS}


def table_of_kinds() -> dict[str, str]:
    """By kind the last cell of the page's table, what an empty window gives."""
    rows = re.findall(
        r"^\| (`[^|]*`) \|[^|]*\| (0|false|NULL|\[\]) \|$", SEMANTICS.read_text(encoding="utf-8"), re.MULTILINE
    )
    return {kind: empty for kinds, empty in rows for kind in re.findall(r"`(\w+)`", kinds)}
