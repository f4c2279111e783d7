"""The audit's own evaluator gives what DuckDB gives for what the product accepts."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from daeda.dtypes import DType
from daeda.errors import ConfigurationError, InputError, NotBuiltYet
from daeda.sql.expression import parse_expression, parse_having, quoted_columns
from daeda_audit.expression.evaluate import evaluate, holds, read_expression
from daeda_audit.instants import Instant
from daeda_audit.raw.rows import Rows
from daeda_audit.raw.view import _check_once
from daeda_audit.values import from_arrow, order_key

TYPES = {
    "i": "int64", "j": "int32", "u": "uint8", "d": "double", "f": "float", "m": "decimal(12, 2)", "s": "string",
    "b": "bool", "t": "timestamp[us]", "n": "timestamp[ns]", "y": "date", "l": "list<int64>", "order": "int64",
}  # fmt: skip
NAN, INF = math.nan, math.inf
MOMENT = dt.datetime(2024, 2, 29, 23, 59, 58, 123456)
ROWS: list[tuple[Any, ...]] = [
    (1, 2, 3, 1.5, 0.1, Decimal("1.25"), "like", True, MOMENT, 1_709_251_198_123_456_789, MOMENT.date(), [1, 2, 2], 7),
    (-7, 3, 0, -2.5, -3.75, Decimal("-7.50"), "Ünï_%x", False, dt.datetime(1969, 12, 31, 12), -(10**9),
     dt.date(1969, 12, 31), [], 0),
    (0, -4, 255, NAN, INF, Decimal("0.00"), "", None, dt.datetime(2024, 1, 1), 0, dt.date(2024, 1, 1), [None, 3], 1),
    (2**62, 0, 9, -INF, 1e30, Decimal("9999999999.99"), " a b ", True, dt.datetime(2023, 12, 31), 10**18,
     dt.date(2023, 12, 31), [-7], 2),
    (None,) * 13,
]  # fmt: skip
EXPRESSIONS = """
i > 0 AND s = 'like'
i > 0 OR d > 0
NOT b
NOT b AND i > 0 OR s IS NULL
i IS NOT NULL AND b IS TRUE
b IS NOT FALSE
i = d
d = 'nan'
d > 1e300
d < f
f = 0.1
f > 0.1 AND f < 1.5
m >= 1.25
i IN (1, 2, NULL)
i NOT IN (0, 1)
i NOT IN (0, NULL)
s IN ('like', 'dislike')
(i, j) IN ((1, 2), (0, -4))
i BETWEEN -7 AND 1
NOT i BETWEEN 0 AND j
i IS DISTINCT FROM j
b IS NOT DISTINCT FROM NULL
s LIKE 'l%' OR s LIKE '%\\_\\%_' ESCAPE '\\'
s NOT LIKE '_i%'
s ILIKE 'LIKE'
i + j * 2 - 1
j / 2
j // 2
j % 3
u / 0
i // j
j % u
d + 1
d * f
f * 2
f / 3
f + 0.1
d // 2
d % 2
m * 2
m * 1.5
m + j
m / 2
m * d
-j
- d
+j
2 ** 3 + -2 ^ 2
u & 3 | 8
s || '!'
l || [4]
CASE WHEN i > 0 THEN 'big' WHEN i < 0 THEN 'small' END
CASE s WHEN 'like' THEN 1 WHEN '' THEN 2 ELSE 3 END
if(i > 0, 'yes', 'no')
coalesce(i, 0)
coalesce(d, m, 0.5)
ifnull(s, 'none')
nullif(i, 0)
greatest(i, j, 1)
least(i, NULL, j)
greatest(d, f)
CAST(d AS FLOAT)
TRY_CAST(s AS INTEGER)
TRY_CAST(d AS INTEGER)
CAST(m AS BIGINT)
CAST(i AS VARCHAR) || '/' || CAST(d AS VARCHAR) || '/' || CAST(b AS VARCHAR)
m::varchar
t::varchar
y::varchar
f::varchar
i::double / 2
CAST(t AS DATE)
y::timestamp + INTERVAL 1 HOUR
CAST(j AS DECIMAL(10, 2))
TRY_CAST(i AS SMALLINT)
abs(j)
ceil(d)
floor(f)
ceil(m)
floor(m)
round(d)
round(m)
round(f, 1)
round(d * 100) / 100
round(j, 1)
sign(d)
sign(m)
sqrt(abs(j))
ln(abs(j) + 1)
log(abs(j) + 1)
log2(j * j + 1)
exp(j)
pow(j, 2)
power(d, 2)
lower(s)
upper(s)
length(s)
len(l)
trim(s)
ltrim(s)
rtrim(s)
trim(s, 'le')
substring(s, 2, 3)
substr(s, 2)
substring(s, -3, 2)
substring(s, 0, 2)
substring(s FROM 2 FOR 2)
starts_with(s, 'li')
prefix(s, 'li')
suffix(s, 'e')
ends_with(s, 'ke')
contains(s, 'ik')
concat(s, '-', i, NULL)
extract('hour' FROM t)
extract(year FROM t) * 100 + extract(month FROM t)
extract(dow FROM t)
extract(week FROM y)
extract(minute FROM n)
extract(second FROM t)
extract(doy FROM y)
extract(epoch FROM t)
date_diff('day', t, y::timestamp)
date_diff('hour', y::timestamp, t)
date_diff('month', TIMESTAMP '2020-01-31 00:00:00', t)
date_diff('week', DATE '2024-01-01', y)
date_trunc('day', t) = t - INTERVAL 1 DAY
date_trunc('hour', t)
date_trunc('week', t)
date_trunc('month', t)
date_trunc('quarter', t)
date_trunc('year', y)
t - INTERVAL '7 days'
t + INTERVAL 2 MONTH
t - INTERVAL (1) HOUR
t > TIMESTAMP '2024-01-01 00:00:00'
t >= '2024-01-01'
y > DATE '2023-12-31'
y = t
y - DATE '2024-01-01'
y + 1
t - TIMESTAMP '2024-02-28 12:00:00' > INTERVAL 36 HOUR
epoch_us(t) % 7
epoch_ns(n)
array_length(l)
list_contains(l, 2)
array_contains(l, i)
i IN l
l = [1, 2, 2]
[i, j] = [1, 2]
list_sum(l)
isnan(d)
isinf(f)
isfinite(d) AND NOT isnan(f)
"order" + 1
"order" > 1 -- a comment
i IS NULL = b
s = 'it''s'
d IS NULL
d / f
d / (j + 4)
1 - d / 2 * 3
y = '2024-02-29'
'2024-01-01' <= y
array_length(l, 1)
round(m, -1)
round(m, -3)
round(d, -1)
round(f, -2)
round(d, j)
upper('straße ŉ ᾳ')
lower('İSTANBUL')
trim('\u00a0 x \t\u2003')
try_cast('2024-1-5' AS date)
try_cast('2024/01/05' AS timestamp)
try_cast('2024/01-05' AS date)
try_cast('2024-01-05 25:00' AS timestamp)
try_cast('2024-01-05 24:00:00' AS timestamp)
try_cast('2024-01-05 10:60:00' AS timestamp)
try_cast('2024-01-05 10:00:00+02' AS timestamp)
try_cast('2024-01-05T10:00:00.25-05:30' AS timestamp)
try_cast(concat('2024-01-05 10:00:00', '+0200') AS timestamp)
try_cast(concat('2024-01-05 10:00:00.123', '-02:30') AS timestamp_ms)
try_cast('2024-01-05 10:00:00.123456789+02' AS timestamp_ns)
try_cast('epoch' AS timestamp)
try_cast('on' AS boolean)
try_cast('2' AS boolean)
try_cast('n' AS boolean)
l::varchar
TRUE
NULL
""".strip().splitlines()


def table() -> pa.Table:
    columns = list(zip(*ROWS, strict=True))
    arrays = [
        pa.array(values, DType.parse(dtype).arrow()) for values, dtype in zip(columns, TYPES.values(), strict=True)
    ]
    return pa.table(arrays, names=list(TYPES))


def answers(given: pa.Table, sql: str, tail: str = "") -> pa.ChunkedArray:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("given", given)
        return connection.execute(f"SELECT {sql} AS answer FROM given{tail}").to_arrow_table().column(0)


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_an_expression_gives_what_duckdb_gives(text: str) -> None:
    given = table()
    found = answers(given, quoted_columns(parse_expression(text)).sql("duckdb"))
    if pa.types.is_integer(found.type) or pa.types.is_decimal(found.type):
        found = found.cast(pa.decimal128(38, found.type.scale if pa.types.is_decimal(found.type) else 0))
    tree = read_expression(text, "where")
    rows = [dict(zip(TYPES, row, strict=True)) for row in zip(*map(from_arrow, given.columns), strict=True)]
    recomputed = [evaluate(tree, row) for row in rows]
    for wanted, got in zip(from_arrow(found), recomputed, strict=True):
        if isinstance(wanted, float) and math.isfinite(wanted) and isinstance(got, float | int | Decimal):
            assert math.isclose(wanted, got, rel_tol=4e-16, abs_tol=0.0)
        else:
            assert order_key(wanted) == order_key(got)


@pytest.mark.parametrize(
    "text",
    ["count(*) > 1", "count(i) = 2", "count(DISTINCT j) >= 2 AND min(d) < 0", "sum(u) > 3", "avg(j) > 0.5",
     "max(t) - min(t) > INTERVAL 1 HOUR", "sum(CASE WHEN s = 'like' THEN 1 ELSE 0 END) > 0"
    ],
)  # fmt: skip
def test_a_condition_of_a_session_gives_what_duckdb_gives(text: str) -> None:
    given = table().slice(0, 3)
    found = answers(given, quoted_columns(parse_having(text)).sql("duckdb"))
    rows = [dict(zip(TYPES, row, strict=True)) for row in zip(*map(from_arrow, given.columns), strict=True)]
    assert evaluate(read_expression(text, "having"), rows[0], rows) == from_arrow(found)[0]


def test_what_cannot_be_read_is_told_with_its_place() -> None:
    with pytest.raises(ConfigurationError) as raised:
        read_expression("i > > 1", "where of 'likes'")
    assert str(raised.value) == (
        "where of 'likes': the audit cannot read 'i > > 1': a value is expected at character 5, found >"
    )


def test_what_cannot_be_recomputed_is_refused() -> None:
    with pytest.raises(NotBuiltYet) as raised:
        read_expression("soundex(s) = 'x'", "where")
    assert str(raised.value).startswith("where: the audit cannot recompute 'soundex' in \"soundex(s) = 'x'\" yet: ")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("try_cast('infinity' AS date)", "the audit cannot recompute the time 'infinity' yet"),
        ("try_cast('12024-01-01' AS date)", "the audit cannot recompute the time '12024-01-01' yet"),
        ("try_cast('0x1A' AS integer)", "the audit cannot recompute the number '0x1A' yet"),
        ("['a', NULL]::varchar", "the audit cannot recompute the text of a list of texts or lists yet"),
    ],
)
def test_what_the_audit_does_not_know_of_is_no_null(text: str, what: str) -> None:
    with pytest.raises(NotBuiltYet) as raised:
        evaluate(read_expression(text, "where"), {})
    assert str(raised.value) == what


@pytest.mark.parametrize("text", ["s < l", "l + 1", "array_length(l, 2) > 0", "date_diff('day', s, s) > 1"])
def test_a_condition_without_a_result_is_told_with_its_row(text: str) -> None:
    with pytest.raises(InputError, match=r"^a condition cannot be recomputed for a row with .*[sl] .*: "):
        holds(read_expression(text, "where"), {"s": "like", "l": [1]})


def test_no_exception_of_python_is_named() -> None:
    told = []
    for text in ("s < l", "l + 1", "t + INTERVAL 9999 YEAR > t"):
        with pytest.raises(InputError) as refused:
            holds(read_expression(text, "where"), {"s": "like", "l": [1], "t": Instant(0)})
        told.append(str(refused.value).partition(": ")[2])
    assert told == [
        "the audit does not know what it makes of values of these types", "[1] + 1", "year 11969 is out of range",
    ]  # fmt: skip


def test_a_clock_goes_on_where_the_calendar_of_python_ends() -> None:
    zones = ("America/St_Johns", "Europe/Berlin", "Pacific/Auckland", "UTC")
    first, last = -62_135_596_800, 253_402_300_799
    seconds = [first, first + 12 * 3600, first - 10**10, last, last - 12 * 3600, last + 10**10, 0, 1_720_000_000]
    with duckdb.connect() as connection:
        for zone in zones:
            for second in seconds:
                local = f"timezone('{zone}', make_timestamptz({second}000000::BIGINT))"
                expected = connection.execute(f"SELECT hour({local}), isodow({local})").fetchone()
                at = {"at": Instant(second * 10**9)}
                found = [evaluate(read_expression(f"{name}(at)", "x", zone), at) for name in ("hour_of", "day_of_week")]
                assert tuple(found) == expected, (zone, second)


def test_a_key_of_lists_is_compared() -> None:
    raw: Any = SimpleNamespace(view=SimpleNamespace(dtype=lambda name: DType.parse("list<int64>")))
    rows = Rows(raw, [])
    rows.attach("l", DType.parse("list<int64>"), [[1, None], None, [1, None], [2]])
    same, missing, again, other = rows.keys(["l"])
    assert missing is None
    assert same == again != other


def test_names_alike_but_for_the_case_of_ascii_letters_are_one() -> None:
    with pytest.raises(InputError) as raised:
        _check_once("a.parquet", "Äb", ["Äb", "ÄB"])
    assert str(raised.value) == (
        "a.parquet has the columns 'Äb' and 'ÄB', of which 'Äb' may be either: keep one of them"
    )
    _check_once("a.parquet", "Äb", ["Äb", "äb"])
    _check_once("a.parquet", "k", ["k", "\N{KELVIN SIGN}"])
