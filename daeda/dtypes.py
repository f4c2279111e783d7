"""Column types: the names that YAML uses, and what they are in Arrow and in DuckDB.

The names are Arrow's: `int64`, `double`, `string`, `timestamp[us]`, `timestamp[us, UTC]`, `decimal(12, 2)`,
`list<int64>`. Parquet has no timestamp in seconds, so there is no `timestamp[s]`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
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
_DECIMAL = re.compile(r"decimal\((\d{1,3}),\s*(\d{1,3})\)", re.ASCII)
_MOST_NESTED = 8


@dataclass(frozen=True, slots=True)
class DType:
    """A checked column type.

    `name` is the canonical spelling; `item` is set for lists, `precision` and `scale` for decimals.
    """

    name: str
    item: DType | None = None
    precision: int = 0
    scale: int = 0

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def parse(text: str) -> DType:
        """Read a type name; raises ValueError with what exists.

        >>> DType.parse("list< decimal(12,2) >").name
        'list<decimal(12, 2)>'
        """
        word = text.strip()
        if word.count("<") > _MOST_NESTED:
            raise ValueError(f"a type has at most {_MOST_NESTED} lists in each other, found {word.count('<')}")
        if match := _LIST.fullmatch(word):
            item = DType.parse(match[1])
            return DType(f"list<{item.name}>", item=item)
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
    def is_embedding(self) -> bool:
        """Whether this is a vector column, which only the enrichment fills."""
        return self.item is not None and self.item.name == "halffloat"

    @property
    def holds_half(self) -> bool:
        """Whether a half float is in it, which DuckDB cannot hold."""
        return self.name == "halffloat" or (self.item is not None and self.item.holds_half)

    @property
    def holds_float(self) -> bool:
        """Whether a negative zero can be in it."""
        return self.is_float or (self.item is not None and self.item.holds_float)

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
        if self.is_decimal:
            return f"DECIMAL({self.precision}, {self.scale})"
        return "FLOAT" if self.name == "halffloat" else _SCALARS_IN_SQL[self.name]

    def arrow(self) -> pa.DataType:
        """The Arrow type."""
        import pyarrow as pa

        if self.item is not None:
            return pa.list_(self.item.arrow())
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


def is_known(name: str) -> bool:
    """Whether a name from `describe_arrow` is one of ours."""
    try:
        DType.parse(name)
    except ValueError:
        return False
    return True


def describe_arrow(arrow: pa.DataType) -> str:
    """The name in our spelling of an Arrow type that was read from a file; Arrow's own where we have none."""
    import pyarrow as pa

    if pa.types.is_dictionary(arrow):
        return describe_arrow(arrow.value_type)
    if pa.types.is_list(arrow) or pa.types.is_large_list(arrow) or pa.types.is_fixed_size_list(arrow):
        return f"list<{describe_arrow(arrow.value_type)}>"
    if pa.types.is_decimal(arrow):
        return f"decimal({arrow.precision}, {arrow.scale})"
    if pa.types.is_timestamp(arrow):
        # Any zone means instants in UTC; the zone's name is a matter of display.
        return f"timestamp[{arrow.unit}{', UTC' if arrow.tz else ''}]"
    simple = {"date32[day]": "date", "large_string": "string", "string_view": "string"}
    return simple.get(str(arrow), str(arrow))
