"""Column types: the names that YAML uses, and what they are in Arrow and in DuckDB.

The names are Arrow's: `int64`, `double`, `string`, `timestamp[us]`, `timestamp[us, UTC]`, `decimal(12, 2)`,
`list<int64>`, `list<struct<a: int64, b: string>>`. Parquet has no timestamp in seconds, so there is no `timestamp[s]`.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

from daeda.errors import cut, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa


UnitSymbol = Literal["s", "ms", "us", "ns"]


class TimeUnit(Enum):
    """Resolution of an instant: the value is the number of units in a second."""

    SECOND = 1
    MILLI = 1_000
    MICRO = 1_000_000
    NANO = 1_000_000_000

    @property
    def per_day(self) -> int:
        """Units in a day of 86,400 s."""
        return 86_400 * self.value

    @property
    def symbol(self) -> UnitSymbol:
        """The name of the unit in YAML."""
        return next(symbol for symbol, unit in TIMESTAMP_UNITS.items() if unit is self)


TIMESTAMP_UNITS: Mapping[UnitSymbol, TimeUnit] = {
    "s": TimeUnit.SECOND, "ms": TimeUnit.MILLI, "us": TimeUnit.MICRO, "ns": TimeUnit.NANO
}  # fmt: skip

_DAYS_OF_400_YEARS = 146_097

_SCALARS_IN_SQL = {
    "bool": "BOOLEAN",
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "uint8": "UTINYINT",
    "uint16": "USMALLINT",
    "uint32": "UINTEGER",
    "uint64": "UBIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "string": "VARCHAR",
    "date": "DATE",
    "timestamp[ms]": "TIMESTAMP_MS",
    "timestamp[us]": "TIMESTAMP",
    "timestamp[ns]": "TIMESTAMP_NS",
    "timestamp[us, UTC]": "TIMESTAMPTZ",
}
KNOWN = (*_SCALARS_IN_SQL, "halffloat", "decimal(p, s)", "list<...>")
INTEGERS = frozenset(name for name in _SCALARS_IN_SQL if "int" in name)
FLOATS = frozenset({"float", "double"})

_LIST = re.compile(r"list<(.+)>")
_STRUCT = re.compile(r"struct<(.*)>")
_FIELD = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*:(.+)", re.ASCII)
_DECIMAL = re.compile(r"decimal\((\d{1,3}),\s*(\d{1,3})\)", re.ASCII)
_MOST_NESTED = 8


@dataclass(frozen=True, slots=True)
class DType:
    """A checked column type.

    `name` is the canonical spelling; `item` is set for lists, `precision` and `scale` for decimals. `fields` are those
    of a struct, which is what the items of a list may be, and nothing else.
    """

    name: str
    item: DType | None = None
    precision: int = 0
    scale: int = 0
    fields: tuple[tuple[str, DType], ...] = ()

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def parse(text: str) -> DType:
        """Read a type name; raises ValueError with what exists.

        >>> DType.parse("list< decimal(12,2) >").name
        'list<decimal(12, 2)>'
        """
        word = text.strip()
        if _depth(word) > _MOST_NESTED:
            raise ValueError(f"a type has at most {_MOST_NESTED} lists in each other, found {_depth(word)}")
        if match := _LIST.fullmatch(word):
            inside = match[1].strip()
            if struct := _STRUCT.fullmatch(inside):
                return DType.list_of(_parse_struct(inside, struct[1]))
            return DType.list_of(DType.parse(inside))
        if _STRUCT.fullmatch(word):
            raise ValueError(f"'{cut(word)}' stands by itself, and a struct is the item of a list: list<{cut(word)}>")
        if match := _DECIMAL.fullmatch(word):
            precision, scale = int(match[1]), int(match[2])
            if not 1 <= precision <= 38 or scale > precision:
                raise ValueError(
                    f"'{cut(word)}' is not a decimal: precision is 1 to 38 and scale at most the precision"
                )
            return DType(f"decimal({precision}, {scale})", precision=precision, scale=scale)
        spaced = re.sub(r",\s*", ", ", word)
        if spaced in _SCALARS_IN_SQL or spaced == "halffloat":
            return DType(spaced)
        if spaced.startswith("timestamp[") and spaced.endswith(", UTC]"):
            raise ValueError(f"unknown type '{cut(text)}': the only timestamp with a zone is timestamp[us, UTC]")
        raise ValueError(f"unknown type '{cut(text)}': {did_you_mean(word, KNOWN, len(KNOWN))}")

    @staticmethod
    def list_of(item: DType) -> DType:
        """The type of lists of an item."""
        return DType(f"list<{item.name}>", item=item)

    @staticmethod
    def struct_of(fields: Iterable[tuple[str, DType]]) -> DType:
        """The type of structs of named fields; raises ValueError where two names are the same to SQL.

        >>> DType.struct_of([("item_id", DType("int64")), ("age", DType("int64"))]).name
        'struct<item_id: int64, age: int64>'
        """
        named = tuple(fields)
        counts = Counter(name.lower() for name, _ in named)
        if twice := [name for name, _ in named if counts[name.lower()] > 1]:
            raise ValueError(f"a struct has the fields {' and '.join(twice)}: SQL takes them for one")
        return DType(f"struct<{', '.join(f'{name}: {kind}' for name, kind in named)}>", fields=named)

    @property
    def is_integer(self) -> bool:
        """Whether values are whole numbers of at most 64 bits."""
        return self.name in INTEGERS

    @property
    def is_float(self) -> bool:
        """Whether values are binary floating point that DuckDB can hold."""
        return self.name in FLOATS

    @property
    def is_decimal(self) -> bool:
        """Whether values are exact decimals."""
        return self.precision > 0

    @property
    def is_instant(self) -> bool:
        """Whether values are timestamps or dates."""
        return self.name == "date" or self.name.startswith("timestamp")

    @property
    def is_vector(self) -> bool:
        """Whether the enrichment can fill a column of this type."""
        return self.item is not None and self.item.name in ("halffloat", "float")

    @property
    def holds_half(self) -> bool:
        """Whether a half float is in it, which DuckDB cannot hold."""
        return self.name == "halffloat" or any(part.holds_half for part in self.parts)

    @property
    def holds_float(self) -> bool:
        """Whether a negative zero can be in it."""
        return self.is_float or any(part.holds_float for part in self.parts)

    @property
    def holds_struct(self) -> bool:
        """Whether a struct is in it."""
        return bool(self.fields) or any(part.holds_struct for part in self.parts)

    @property
    def parts(self) -> tuple[DType, ...]:
        """The types of what a value holds: of a list its item, of a struct its fields."""
        return (*(() if self.item is None else (self.item,)), *(kind for _, kind in self.fields))

    @property
    def unit(self) -> TimeUnit | None:
        """Resolution of an instant column, None for every other type. A date counts as microseconds."""
        match self.name:
            case "timestamp[ms]":
                return TimeUnit.MILLI
            case "timestamp[ns]":
                return TimeUnit.NANO
            case "date" | "timestamp[us]" | "timestamp[us, UTC]":
                return TimeUnit.MICRO
            case _:
                return None

    @property
    def sql(self) -> str:
        """The DuckDB type. DuckDB has no half type: an embedding column is FLOAT[] there."""
        if self.item is not None:
            return f"{self.item.sql}[]"
        if self.fields:
            named = (f'"{name}" {kind.sql}' for name, kind in self.fields)
            return f"STRUCT({', '.join(named)})"
        if self.is_decimal:
            return f"DECIMAL({self.precision}, {self.scale})"
        return "FLOAT" if self.name == "halffloat" else _SCALARS_IN_SQL[self.name]

    def arrow(self) -> pa.DataType:
        """The Arrow type."""
        import pyarrow as pa

        if self.item is not None:
            return pa.list_(self.item.arrow())
        if self.fields:
            return pa.struct([pa.field(name, kind.arrow()) for name, kind in self.fields])
        if self.is_decimal:
            return pa.decimal128(self.precision, self.scale)
        special: dict[str, Any] = {
            "bool": pa.bool_(),
            "halffloat": pa.float16(),
            "float": pa.float32(),
            "double": pa.float64(),
            "date": pa.date32(),
            "timestamp[ms]": pa.timestamp("ms"),
            "timestamp[us]": pa.timestamp("us"),
            "timestamp[ns]": pa.timestamp("ns"),
            "timestamp[us, UTC]": pa.timestamp("us", tz="UTC"),
        }
        return special.get(self.name) or pa.type_for_alias(self.name)


def _parse_struct(word: str, inside: str) -> DType:
    """The struct of the fields that are written inside of its brackets."""
    found = [_FIELD.fullmatch(part) for part in _split(inside)]
    if not inside.strip() or None in found:
        raise ValueError(f"'{cut(word)}' is not a struct: write struct<name: type, ...>")
    return DType.struct_of((match[1], DType.parse(match[2].strip())) for match in found if match is not None)


def _split(inside: str) -> list[str]:
    """What commas separate outside of all brackets.

    >>> _split("a: decimal(9, 2), b: list<struct<c: int64, d: date>>")
    ['a: decimal(9, 2)', ' b: list<struct<c: int64, d: date>>']
    """
    parts, depth = [""], 0
    for letter in inside:
        depth += (letter in "<([") - (letter in ">)]")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _depth(word: str) -> int:
    """How many brackets are open at once."""
    return max(itertools.accumulate((letter == "<") - (letter == ">") for letter in word), default=0)


def is_known(name: str) -> bool:
    """Whether a name from `describe_arrow` is one that a view can declare."""
    try:
        return not DType.parse(name).holds_struct
    except ValueError:
        return False


def describe_arrow(arrow: pa.DataType) -> str:
    """The name in our spelling of an Arrow type that was read from a file; Arrow's own where we have none."""
    import pyarrow as pa

    if pa.types.is_dictionary(arrow):
        return describe_arrow(arrow.value_type)
    if pa.types.is_list(arrow) or pa.types.is_large_list(arrow) or pa.types.is_fixed_size_list(arrow):
        return f"list<{describe_arrow(arrow.value_type)}>"
    if pa.types.is_struct(arrow):
        return f"struct<{', '.join(f'{field.name}: {describe_arrow(field.type)}' for field in arrow)}>"
    if pa.types.is_decimal(arrow):
        return f"decimal({arrow.precision}, {arrow.scale})"
    if pa.types.is_timestamp(arrow):
        # Any zone means instants in UTC; the zone's name is a matter of display.
        return f"timestamp[{arrow.unit}{', UTC' if arrow.tz else ''}]"
    simple = {"date32[day]": "date", "large_string": "string", "string_view": "string"}
    return simple.get(str(arrow), str(arrow))


def iso_date(days: int) -> str:
    """Days since 1970-01-01 as a date, in the years too that Python has no date for.

    >>> iso_date(0), iso_date(10**7), iso_date(-10**6)
    ('1970-01-01', '29349-01-26', '-0768-02-04')
    """
    # The calendar is the same after 400 years.
    periods, rest = divmod(days, _DAYS_OF_400_YEARS)
    date = dt.date(1970, 1, 1) + dt.timedelta(days=rest)
    year = date.year + 400 * periods
    return f"{'-' if year < 0 else ''}{abs(year):04}-{date.month:02}-{date.day:02}"


def spelled(arrow: pa.DataType) -> pa.DataType:
    """The type with texts in place of times, of which Python has neither nanoseconds nor all years."""
    import pyarrow as pa

    if pa.types.is_temporal(arrow):
        return pa.string()
    if pa.types.is_struct(arrow):
        return pa.struct([(field.name, spelled(field.type)) for field in arrow])
    if pa.types.is_list(arrow) or pa.types.is_large_list(arrow) or pa.types.is_fixed_size_list(arrow):
        return pa.list_(spelled(arrow.value_type))
    return arrow


def python_values(values: pa.Array | pa.ChunkedArray) -> list[Any]:
    """Values as Python has them; as texts where there are times among them that it has none for.

    A unit that was mistaken makes such times: seconds read as milliseconds lie in the year 56000.

    >>> import pyarrow as pa
    >>> python_values(pa.array([0, None], pa.date32())), python_values(pa.array([10**7], pa.date32()))
    ([datetime.date(1970, 1, 1), None], ['29349-01-26'])
    """
    try:
        return list(values.to_pylist())
    except (OverflowError, ValueError):
        return list(values.cast(spelled(values.type)).to_pylist())
