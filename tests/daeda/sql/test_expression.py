from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal

import duckdb
import pytest

from daeda.dtypes import DType
from daeda.errors import ConfigurationError
from daeda.operators.relation import Column, Relation
from daeda.sql import binding
from daeda.sql.binding import bound_together
from daeda.sql.expression import (
    FUNCTIONS,
    check_expression_type,
    check_having,
    check_predicate,
    columns_of,
    expression_type,
    parse_expression,
    parse_having,
)
from daeda.sql.locked import connect
from daeda_audit.expression.evaluate import read_expression

GIVEN = Relation(
    tuple(
        Column(name, DType.parse(dtype))
        for name, dtype in {
            "user_id": "int64",
            "amount": "double",
            "event": "string",
            "order": "int64",
            "at": "timestamp[us]",
            "tags": "list<string>",
            "small": "uint8",
        }.items()
    )
)


@pytest.mark.parametrize(
    ("text", "columns", "dtype"),
    [
        ("amount > 0 AND event = 'like'", ("amount", "event"), "BOOLEAN"),
        ("event IN ('a', 'b') OR event IS NULL", ("event",), "BOOLEAN"),
        ("amount BETWEEN 0 AND 1 AND NOT event LIKE 'x%'", ("amount", "event"), "BOOLEAN"),
        ("CASE WHEN amount > 1 THEN 'big' ELSE 'small' END", ("amount",), "VARCHAR"),
        ("CAST(round(ln(amount + 1), 2) AS FLOAT)", ("amount",), "FLOAT"),
        ("coalesce(amount, 0.0) * 2", ("amount",), "DOUBLE"),
        ("lower(trim(event)) || '!'", ("event",), "VARCHAR"),
        ("extract('hour' FROM at)", ("at",), "BIGINT"),
        ("date_trunc('day', at) = at - INTERVAL 1 DAY", ("at",), "BOOLEAN"),
        ("epoch_us(at) % 7", ("at",), "BIGINT"),
        ("len(tags) > 0 AND list_contains(tags, event)", ("tags", "event"), "BOOLEAN"),
        ("isfinite(amount) AND NOT isnan(amount)", ("amount",), "BOOLEAN"),
        ('"order" + user_id', ("order", "user_id"), "BIGINT"),
    ],
)
def test_scalar_sql_over_columns_is_allowed(text: str, columns: tuple[str, ...], dtype: str) -> None:
    assert columns_of(parse_expression(text)) == columns
    assert expression_type(text, GIVEN) == dtype


# Each function that is documented, in one expression over GIVEN.
CALLS = {
    "abs": "abs(amount)", "array_length": "array_length(tags)", "cast": "cast(amount AS INTEGER)",
    "ceil": "ceil(amount)", "coalesce": "coalesce(amount, 0)", "concat": "concat(event, 'x')",
    "contains": "contains(event, 'x')", "date_diff": "date_diff('day', at, at)", "date_trunc": "date_trunc('day', at)",
    "day_of_week": "day_of_week(at)", "ends_with": "ends_with(event, 'x')", "epoch": "epoch(at)",
    "epoch_ms": "epoch_ms(at)", "epoch_ns": "epoch_ns(at)", "epoch_us": "epoch_us(at)", "exp": "exp(amount)",
    "extract": "extract('hour' FROM at)", "floor": "floor(amount)",
    "greatest": "greatest(amount, 1)", "hour_of": "hour_of(at)", "if": "if(amount > 0, 1, 2)",
    "isfinite": "isfinite(amount)",
    "isinf": "isinf(amount)", "isnan": "isnan(amount)", "least": "least(amount, 1)", "length": "length(event)",
    "list_contains": "list_contains(tags, 'x')", "list_max": "list_max(tags)", "list_min": "list_min(tags)",
    "list_sum": "list_sum([user_id, 1])", "ln": "ln(amount)", "log": "log(amount)", "log10": "log10(amount)",
    "log2": "log2(amount)", "lower": "lower(event)", "nullif": "nullif(amount, 0)", "pow": "pow(amount, 2)",
    "prefix": "prefix(event, 'x')", "round": "round(amount, 2)", "sign": "sign(amount)", "sqrt": "sqrt(amount)",
    "starts_with": "starts_with(event, 'x')", "substring": "substring(event, 1, 2)", "suffix": "suffix(event, 'x')",
    "trim": "trim(event)", "try_cast": "try_cast(event AS INTEGER)", "upper": "upper(event)",
}  # fmt: skip


def test_every_documented_function_can_be_called_and_audited() -> None:
    assert tuple(CALLS) == FUNCTIONS
    for name, text in CALLS.items():
        assert text.startswith(f"{name}(")
        assert expression_type(text, GIVEN)
        read_expression(text, name)


@pytest.mark.parametrize("text", ["to_timestamp(user_id)", "make_timestamp(user_id)"])
def test_what_shares_its_node_with_epoch_ms_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is limited to scalar SQL over columns"):
        parse_expression(text)


def test_a_comment_does_not_reach_the_database() -> None:
    assert parse_expression("amount /* a */ > 0 -- */ ; DROP TABLE x").sql("duckdb") == "amount > 0"


LIMITED = "is limited to scalar SQL over columns"
REFUSED = {
    "(SELECT 1)": f"where '(SELECT 1)' {LIMITED}",
    "user_id IN (SELECT 1)": f"where 'user_id IN (SELECT 1)' {LIMITED}, found '(SELECT 1)'",
    "EXISTS(SELECT 1)": f"where 'EXISTS(SELECT 1)' {LIMITED}",
    "SUM(amount) > 1": f"where 'SUM(amount) > 1' {LIMITED}, found 'SUM(amount)'",
    "COUNT(*) > 1": f"where 'COUNT(*) > 1' {LIMITED}, found 'COUNT(*)'",
    "ROW_NUMBER() OVER () = 1": f"where 'ROW_NUMBER() OVER () = 1' {LIMITED}, found 'ROW_NUMBER() OVER ()'",
    "LAG(amount) OVER (ORDER BY at) > 1":
        f"where 'LAG(amount) OVER (ORDER BY at) > 1' {LIMITED}, found 'LAG(amount) OVER (ORDER BY \"at\")'",
    "amount > ?": f"where 'amount > ?' {LIMITED}, found '?'",
    "RANDOM() > 0.5": f"where 'RANDOM() > 0.5' {LIMITED}, found 'RANDOM()'",
    "at < CURRENT_TIMESTAMP": f"where 'at < CURRENT_TIMESTAMP' {LIMITED}, found 'CURRENT_TIMESTAMP'",
    "SELECT 1": f"where 'SELECT 1' {LIMITED}",
    "DROP TABLE x": f"where 'DROP TABLE x' {LIMITED}",
    "*": f"where '*' {LIMITED}",
    "x -> x + 1": f"where 'x -> x + 1' {LIMITED}, found 'x -> (x + 1)'",
    "e.amount > 1": "where 'e.amount > 1' names 'e.amount': write the column's name alone",
    "amount >": "where 'amount >' is not SQL (line 1, column 8, near '>')",
    "amount > 0; DROP TABLE x": f"where 'amount > 0; DROP TABLE x' {LIMITED}",
    "(" * 2_000 + "1" + ")" * 2_000: f"where '{'(' * 197}...' is nested too deeply",
    "NOT " * 500 + "true": f"where '{('NOT ' * 50)[:197]}...' is nested too deeply",
    "amount" + " + 1 - 1" * 60: f"where '{('amount' + ' + 1 - 1' * 60)[:197]}...' is nested too deeply",
    "1" * 10_001: "where has 10001 characters: at most 10000 are read",
}  # fmt: skip


@pytest.mark.parametrize("text", REFUSED, ids=[text[:30] for text in REFUSED])
def test_everything_else_is_refused_with_the_part_that_is_not_allowed(text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_expression(text, "where")
    assert str(raised.value) == REFUSED[text]


@pytest.mark.parametrize(
    "function",
    ["read_text('x')", "read_parquet('x')", "getenv('HOME')", "nextval('s')", "setseed(0.5)", "query('SELECT 1')",
     "random()", "uuid()", "now()", "pg_sleep(1)", "list_transform(tags, lambda x: x)", "hash(event)"],
)  # fmt: skip
def test_no_function_reaches_files_chance_or_time(function: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^where '.*' (calls '.*', which is not among the functions|is limited to)"
    ):
        parse_expression(f"{function} IS NOT NULL", "where")


def test_a_long_chain_of_one_operator_is_not_deep() -> None:
    text = " OR ".join(f"user_id = {number}" for number in range(500))
    assert expression_type(text, GIVEN) == "BOOLEAN"


def test_an_unknown_function_is_told_with_the_nearest_known_one() -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_expression("epoc_ms(at) > 1", "where")
    assert str(raised.value).startswith(
        "where 'epoc_ms(at) > 1' calls 'epoc_ms', which is not among the functions of an expression: did you mean "
        "'epoch_ms'? Known: "
    )


def test_a_column_that_is_not_there_is_told_with_the_nearest_one() -> None:
    with pytest.raises(ConfigurationError) as raised:
        check_predicate("amout > 1", GIVEN, "where")
    assert str(raised.value) == (
        "where reads 'amout', which is not a column here: did you mean 'amount'? Known: amount, at, event, order, "
        "small, tags, user_id"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("event = escalated", "; text stands in single quotes, like 'escalated'"),
        ("event <> escalated", "; text stands in single quotes, like 'escalated'"),
        ("event in ('a', escalated)", "; text stands in single quotes, like 'escalated'"),
        # The name of a column, misspelt, and what is no text of a comparison.
        ("event = evnt", ""),
        ("escalated = event", ""),
        ("escalated > 1", ""),
    ],
)
def test_a_text_without_quotes_is_told_what_it_lacks(text: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        check_predicate(text, GIVEN, "where")
    assert str(raised.value).endswith(f"Known: amount, at, event, order, small, tags, user_id{told}")


def test_a_condition_is_true_or_false() -> None:
    with pytest.raises(ConfigurationError) as raised:
        check_predicate("amount + 1", GIVEN, "where")
    assert str(raised.value) == "where 'amount + 1' gives DOUBLE: a condition is true or false"


def test_duckdb_says_what_does_not_fit() -> None:
    with pytest.raises(
        ConfigurationError, match=r"^where 'upper\(amount\) = 1' does not fit the columns: Binder Error: "
    ):
        check_predicate("upper(amount) = 1", GIVEN, "where")


def test_the_type_of_the_contract_holds() -> None:
    check_expression_type("amount * 2", Column("twice", DType.parse("double")), GIVEN)
    with pytest.raises(ConfigurationError) as raised:
        check_expression_type("amount * 2", Column("twice", DType.parse("float")), GIVEN)
    assert str(raised.value) == (
        "the expression of 'twice' gives DOUBLE, and the contract says float (FLOAT): change the type, or write "
        "CAST(... AS FLOAT)"
    )


def test_the_condition_of_a_session_may_aggregate_and_no_more() -> None:
    assert columns_of(parse_having("count(*) > 1 AND sum(amount) > 0")) == ("amount",)
    with pytest.raises(ConfigurationError) as raised:
        parse_having("list(amount) = [1]")
    assert str(raised.value).startswith(f"having 'list(amount) = [1]' {LIMITED}")


@pytest.mark.parametrize(
    ("text", "value", "kind", "instead"),
    [
        ("-small", "small", "UTINYINT", "-CAST(small AS SMALLINT)"),
        ("amount > -(small + 1)", "(small + 1)", "UTINYINT", "-CAST((small + 1) AS SMALLINT)"),
    ],
)
def test_a_sign_before_an_unsigned_integer_is_refused(text: str, value: str, kind: str, instead: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        expression_type(text, GIVEN)
    assert str(raised.value) == (
        f"expression '{text}' negates '{value}', which is {kind} and has no negative values: write {instead}"
    )
    assert expression_type("-CAST(small AS SMALLINT) + -1 + -user_id", GIVEN) == "BIGINT"


def test_a_sign_before_an_unsigned_aggregate_is_refused() -> None:
    for text, value in {"-max(small) < 0": "MAX(small)", "min(-small) < 0": "small"}.items():
        with pytest.raises(ConfigurationError) as raised:
            check_having(text, ("user_id",), GIVEN)
        assert str(raised.value).startswith(f"having '{text}' negates '{value}', which is UTINYINT and has no negative")
    check_having("-count(*) < 0 AND -sum(small) < 0 AND max(-amount) < 0", ("user_id",), GIVEN)


ROUNDED = {
    "round(CAST('nan' AS DOUBLE), -2)": math.nan,
    "round(CAST('inf' AS DOUBLE), -2)": math.inf,
    "round(CAST('-inf' AS FLOAT), -2)": -math.inf,
    "round(CAST('inf' AS DOUBLE), CAST(-2 AS INTEGER))": math.inf,
    "round(149.5, -2)": Decimal(100),
    "round(CAST('-150' AS DOUBLE), -2)": -200.0,
    "round(CAST(NULL AS DOUBLE), -2)": None,
    "round(CAST('nan' AS DOUBLE), CAST(NULL AS INTEGER))": None,
    "round(round(CAST('nan' AS DOUBLE), -2), -1)": math.nan,
    "CAST('2024-01-05 10:00:00+02' AS TIMESTAMP)": dt.datetime(2024, 1, 5, 8),
    "TIMESTAMP '2024-01-05 10:00:00-05:30'": dt.datetime(2024, 1, 5, 15, 30),
    "CAST(concat('2024-01-05 10:00:00', '+02') AS TIMESTAMP)": dt.datetime(2024, 1, 5, 8),
    "TRY_CAST(concat('2024-01-05 10:00:00.5', '+0200') AS TIMESTAMP_MS)": dt.datetime(2024, 1, 5, 8, 0, 0, 500000),
    "TRY_CAST(concat('2024-01-05 10:00:00', '+2') AS TIMESTAMP)": None,
    "TRY_CAST(concat('2024-01-05', ' 10:00:00') AS TIMESTAMP)": dt.datetime(2024, 1, 5, 10),
    "CAST(DATE '2024-01-05' AS TIMESTAMP)": dt.datetime(2024, 1, 5),
}


@pytest.mark.parametrize("text", ROUNDED)
def test_rounding_and_zones_give_what_is_written(text: str) -> None:
    with connect() as connection:
        value = connection.execute(f"SELECT {parse_expression(text).sql('duckdb')}").fetchall()[0][0]
    wanted = ROUNDED[text]
    assert value == wanted or (isinstance(wanted, float) and math.isnan(wanted) and math.isnan(value))
    assert type(value) is type(wanted)


def test_rounding_keeps_the_type() -> None:
    given = Relation((Column("m", DType.parse("decimal(12, 2)")), Column("f", DType.parse("float"))))
    kinds = {text: expression_type(text, given) for text in ("round(m, -1)", "round(m, 2 - 1)", "round(f, -1)")}
    assert kinds == {"round(m, -1)": "DECIMAL(12,0)", "round(m, 2 - 1)": "DECIMAL(12,1)", "round(f, -1)": "FLOAT"}


def test_nested_rounding_is_bounded() -> None:
    text = "round(" * 20 + "amount" + ", -1)" * 20
    with pytest.raises(ConfigurationError, match=r"is nested too deeply$"):
        parse_expression(text)


def test_the_character_nul_is_refused() -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_expression("event = 'a\0b'", "where")
    assert str(raised.value) == "where has the character NUL at 11, which SQL cannot hold: remove it"


def test_expressions_of_one_project_are_bound_by_one_database(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def counted() -> duckdb.DuckDBPyConnection:
        made.append(connect())
        return made[-1]

    monkeypatch.setattr(binding, "connect", counted)
    with bound_together():
        assert made == []
        with bound_together():
            assert expression_type("amount + 17.25", GIVEN) == "DOUBLE"
        with pytest.raises(ConfigurationError):
            expression_type("amount + event + 17.25", GIVEN)
        assert expression_type("user_id + 1725", GIVEN) == "BIGINT"
    assert len(made) == 1
    with pytest.raises(duckdb.ConnectionException):
        made[0].execute("SELECT 1")
    assert expression_type("user_id + 1726", GIVEN) == "BIGINT"
    assert len(made) == 2
