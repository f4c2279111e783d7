"""hour_of and day_of_week in time zones: by DuckDB, the audit and the oracle, about every change of the clocks."""

from __future__ import annotations

import datetime as dt
import random
import zoneinfo
from typing import Any

import pyarrow as pa
import pytest
from pydantic import TypeAdapter, ValidationError

from daeda.dtypes import DType
from daeda.errors import ConfigurationError
from daeda.operators.relation import Column, Relation
from daeda.settings.kinds import Zone
from daeda.sql.calendar import check_zone
from daeda.sql.expression import check_expression_type, check_predicate, expression_type, parse_expression
from daeda.sql.locked import connect
from daeda_audit.expression.evaluate import evaluate, read_expression
from daeda_audit.expression.functions import rules_of
from daeda_audit.values import from_arrow
from tests.oracle.local_time import changes, day_of_week, hour_of

ZONES = (
    "Europe/Berlin", "Europe/London", "Europe/Lisbon", "Europe/Moscow", "Europe/Istanbul", "America/New_York",
    "America/Sao_Paulo", "America/St_Johns", "America/Santiago", "America/Caracas", "Africa/Cairo", "Africa/Casablanca",
    "Asia/Kolkata", "Asia/Kathmandu", "Asia/Tehran", "Asia/Pyongyang", "Australia/Lord_Howe", "Australia/Adelaide",
    "Pacific/Apia", "Pacific/Chatham", "Pacific/Kiritimati", "Antarctica/Troll", "Etc/GMT+12", "UTC",
)  # fmt: skip
STEPS = {"timestamp[ms]": 10**6, "timestamp[us]": 10**3, "timestamp[ns]": 1, "timestamp[us, UTC]": 10**3}
# Clocks in Lisbon showed the time of Brussels then, and WET is Lisbon.
_NOON_OF_1994 = pa.array([dt.datetime(1994, 7, 1, 12)], pa.timestamp("us"))
GIVEN = Relation(tuple(Column(name, DType.parse(name)) for name in (*STEPS, "date", "int64", "string")))


@pytest.mark.parametrize("dtype", [*STEPS, "date"])
def test_local_time_is_that_of_the_oracle_and_of_the_audit(dtype: str) -> None:
    checked = 0
    step = STEPS.get(dtype, 86_400 * 10**9)
    with connect() as connection:
        for zone in ZONES:
            chance = random.Random(zone + dtype)
            moments = [second * 10**9 + around * step for second in changes(zone, 1972, 2037) for around in (-1, 0, 1)]
            moments += [chance.randrange(-(10**18), 2 * 10**18) for _ in range(20)] + [-1, 0, 1]
            # Rules of before 1970 are not the same everywhere.
            moments = sorted({at // step * step for at in moments if zone == "UTC" or at >= 63_072_000 * 10**9})
            stored = pa.array([at // step for at in moments], pa.int32() if dtype == "date" else pa.int64())
            column = pa.concat_arrays(
                [stored.cast(DType.parse(dtype).arrow()), pa.nulls(1, DType.parse(dtype).arrow())]
            )
            connection.register("given", pa.table({"at": column}))
            asked = {"hour_of(at)": hour_of, "day_of_week(at)": day_of_week}
            terms = ", ".join(parse_expression(text, timezone=zone).sql("duckdb") for text in asked)
            table = connection.execute(f"SELECT {terms} FROM given").to_arrow_table()
            values = from_arrow(column)
            for index, (text, function) in enumerate(asked.items()):
                wanted = [*(function(at, zone) for at in moments), None]
                assert table.column(index).to_pylist() == wanted, (zone, text)
                assert table.column(index).type == pa.int8()
                tree = read_expression(text, "x", zone)
                some = chance.sample(range(len(values)), min(len(values), 60))
                assert [evaluate(tree, {"at": values[row]}) for row in some] == [wanted[row] for row in some]
            connection.unregister("given")
            checked += len(moments)
    assert checked > 1_000 or dtype == "date"


def test_the_audit_has_the_zones_and_rules_of_duckdb() -> None:
    """Of tzdata, whose tested version is the one that agrees; WET and others had other rules in older ones."""
    moments = range(0, 2_145_916_800, 183 * 86_400 + 7_200)
    checked = 0
    with connect() as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM pg_timezone_names() ORDER BY 1").fetchall()]
        given = f"range({moments.start}, {moments.stop}, {moments.step})"
        known = zoneinfo.available_timezones()
        for name in (name for name in names if name in known):
            local = f"epoch(timezone('{name}', make_timestamptz(s * 1000000)))::BIGINT - s"
            found = connection.execute(f"SELECT {local} FROM {given} AS g(s) ORDER BY s").fetchall()
            rules = rules_of(name)
            wanted = [dt.datetime.fromtimestamp(second, dt.UTC).astimezone(rules).utcoffset() for second in moments]
            assert [dt.timedelta(seconds=offset) for (offset,) in found] == wanted, name
            checked += 1
    assert checked > 550


def test_zones_need_no_database_of_the_host() -> None:
    zoneinfo.reset_tzpath(to=())
    try:
        check_zone(TypeAdapter(Zone).validate_python("Europe/Berlin"))
        with pytest.raises(ValidationError, match=r"did you mean 'Europe/Berlin'\?"):
            TypeAdapter(Zone).validate_python("Europe/Berlim")
        rules_of.cache_clear()
        assert evaluate(read_expression("hour_of(at)", "x", "WET"), {"at": from_arrow(_NOON_OF_1994)[0]}) == 14
    finally:
        zoneinfo.reset_tzpath()


def test_without_a_zone_it_is_utc_in_conditions_too() -> None:
    text = "hour_of(at) >= 18 AND day_of_week(at) = 7"
    given = Relation((Column("at", DType.parse("timestamp[us]")),))
    check_predicate(text, given, "where")
    with connect() as connection:
        query = f"SELECT {parse_expression(text).sql('duckdb')} FROM (SELECT TIMESTAMP '2024-07-07 18:00:00' AS at)"
        assert connection.execute(query).fetchall() == [(True,)]


def test_a_small_integer_holds_it() -> None:
    for dtype in ("int8", "int16", "int64"):
        check_expression_type('hour_of("date")', Column("hour", DType.parse(dtype)), GIVEN, "Europe/Berlin")


@pytest.mark.parametrize(("text", "message"), [
    ("hour_of(int64)", "expression 'hour_of(int64)': hour_of takes a timestamp or a date, and int64 is BIGINT: of "
     "whole milliseconds, write hour_of(epoch_ms(int64))"),
    ("1 + day_of_week(string)", "expression '1 + day_of_week(string)': day_of_week takes a timestamp or a date, and "
     "string is VARCHAR: of whole milliseconds, write day_of_week(epoch_ms(string))"),
    ("hour_of()", "expression 'hour_of()': hour_of takes one argument, a timestamp or a date, found 0"),
    ("hour_of(date, date)",
     "expression 'hour_of(date, date)': hour_of takes one argument, a timestamp or a date, found 2"),
    ("dayofweek(date)", "expression 'dayofweek(date)' is limited to scalar SQL over columns, found 'DAYOFWEEK(date)'"),
])  # fmt: skip
def test_what_is_no_time_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        expression_type(text, GIVEN)
    assert str(raised.value) == message


def test_whole_milliseconds_can_be_asked() -> None:
    text = "hour_of(epoch_ms(int64))"
    assert expression_type(text, GIVEN, timezone="Europe/Berlin") == "TINYINT"
    tree: Any = read_expression(text, "x", "Europe/Berlin")
    with connect() as connection:
        term = parse_expression(text, timezone="Europe/Berlin").sql("duckdb")
        query = f"SELECT {term} FROM (SELECT 1720375200123 AS int64)"
        assert connection.execute(query).fetchall() == [(20,)]
    assert evaluate(tree, {"int64": 1_720_375_200_123}) == 20


def test_a_zone_that_duckdb_lacks_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^DuckDB has no time zone 'localtime': "):
        check_zone("localtime")
