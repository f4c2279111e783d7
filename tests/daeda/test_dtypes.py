from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest

from daeda.dtypes import DType, TimeUnit, describe_arrow

NAMES = [
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float", "double",
    "string", "date",
    "timestamp[ms]", "timestamp[us]", "timestamp[ns]", "timestamp[us, UTC]", "decimal(12, 2)", "list<int64>",
    "list<list<double>>", "list<decimal(4, 1)>", "list<struct<a: int64>>",
    "list<struct<Item_id: int64, d: decimal(4, 1), at: timestamp[us, UTC], tags: list<struct<x: double, y: date>>>>",
]  # fmt: skip


EVERY = (
    "bool, date, decimal(p, s), double, float, halffloat, int16, int32, int64, int8, list<...>, string, timestamp[ms], "
    "timestamp[ns], timestamp[us, UTC], timestamp[us], uint16, uint32, uint64, uint8"
)


@pytest.mark.parametrize("name", NAMES)
def test_a_type_is_itself_again_after_a_way_through_arrow(name: str) -> None:
    assert describe_arrow(DType.parse(name).arrow()) == name


@pytest.mark.parametrize("name", NAMES)
def test_duckdb_gives_the_declared_arrow_type(name: str) -> None:
    dtype = DType.parse(name)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        schema = connection.execute(f"SELECT CAST(NULL AS {dtype.sql}) AS value").to_arrow_table().schema
    assert describe_arrow(schema.field("value").type) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (" int64 ", "int64"),
        ("decimal(12,2)", "decimal(12, 2)"),
        ("list< list<string> >", "list<list<string>>"),
        ("timestamp[us,UTC]", "timestamp[us, UTC]"),
        ("list<halffloat>", "list<halffloat>"),
        ("list< struct<a:int64 , b : decimal(4,1)> >", "list<struct<a: int64, b: decimal(4, 1)>>"),
    ],
)
def test_spaces_do_not_matter(text: str, name: str) -> None:
    assert DType.parse(text).name == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("strng", "unknown type 'strng': did you mean 'string'? Known: " + EVERY),
        ("timestamp[s]", "unknown type 'timestamp[s]': did you mean 'timestamp[us]'? Known: " + EVERY),
        ("timestamp[ns, UTC]",
         "unknown type 'timestamp[ns, UTC]': the only timestamp with a zone is timestamp[us, UTC]"),
        ("list<" * 9 + "int64" + ">" * 9, "a type has at most 8 lists in each other, found 9"),
        ("decimal(39, 2)", "'decimal(39, 2)' is not a decimal: precision is 1 to 38 and scale at most the precision"),
        ("struct<a: int64>",
         "'struct<a: int64>' stands by itself, and a struct is the item of a list: list<struct<a: int64>>"),
        ("list<struct<a: struct<b: int64>>>",
         "'struct<b: int64>' stands by itself, and a struct is the item of a list: list<struct<b: int64>>"),
        ("list<struct<>>", "'struct<>' is not a struct: write struct<name: type, ...>"),
        ("list<struct<a: int64,>>", "'struct<a: int64,>' is not a struct: write struct<name: type, ...>"),
        ("list<struct<a b: int64>>", "'struct<a b: int64>' is not a struct: write struct<name: type, ...>"),
        ("list<struct<a: int64, A: date>>", "a struct has the fields a and A: SQL takes them for one"),
        ("list<struct<a: strng>>", "unknown type 'strng': did you mean 'string'? Known: " + EVERY),
        ("decimal(2, 3)", "'decimal(2, 3)' is not a decimal: precision is 1 to 38 and scale at most the precision"),
    ],
)  # fmt: skip
def test_an_unknown_type_is_refused_with_what_exists(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"^.+$") as raised:
        DType.parse(text)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("name", "unit"),
    [("date", TimeUnit.MICRO), ("timestamp[ms]", TimeUnit.MILLI), ("timestamp[ns]", TimeUnit.NANO), ("int64", None)],
)
def test_an_instant_has_a_unit_and_a_number_has_none(name: str, unit: TimeUnit | None) -> None:
    assert DType.parse(name).unit is unit


def test_a_list_of_half_floats_is_an_embedding_and_float_in_duckdb() -> None:
    dtype = DType.parse("list<halffloat>")
    assert (dtype.is_vector, dtype.sql, dtype.arrow()) == (True, "FLOAT[]", pa.list_(pa.float16()))
    assert [DType.parse(name).is_vector for name in ("list<float>", "list<double>", "float")] == [True, False, False]


@pytest.mark.parametrize(
    ("arrow", "name"),
    [
        (pa.large_string(), "string"),
        (pa.dictionary(pa.int32(), pa.string()), "string"),
        (pa.large_list(pa.int64()), "list<int64>"),
        (pa.list_(pa.float16(), 2), "list<halffloat>"),
        (pa.timestamp("us", "Europe/Berlin"), "timestamp[us, UTC]"),
        (pa.date32(), "date"),
        (pa.date64(), "date64[ms]"),
    ],
)
def test_types_that_hold_the_same_values_have_one_name(arrow: pa.DataType, name: str) -> None:
    assert describe_arrow(arrow) == name
