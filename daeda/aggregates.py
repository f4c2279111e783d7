"""The kinds of rolling aggregates: the one list of them, and all that is told of a kind but how it is computed.

Settings, compiler, SQL and documentation read the table; engines and audit compute each kind, and match the names
exhaustively. Rows of one time are tied, and so are values that are equal: which of them counts is said by `Order`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, get_args

from daeda.dtypes import DType
from daeda.errors import ConfigurationError

SingleKind = Literal[
    "any", "count", "count_distinct", "sum", "mean", "min", "max", "std", "first", "last", "since_last", "quantile",
    "decayed_count", "decayed_sum",
]  # fmt: skip
ListKind = Literal["list", "last_distinct", "flatten_distinct", "top_k"]
SequenceKind = Literal["sequence"]
AggregateKind = Literal[SingleKind, ListKind, SequenceKind]
LIST_KINDS: frozenset[str] = frozenset(get_args(Literal[ListKind, SequenceKind]))
DECAYED_KINDS: frozenset[str] = frozenset({"decayed_count", "decayed_sum"})
SequenceLayout = Literal["struct", "columns"]
LabelKind = Literal[AggregateKind, "until_first"]


class Order(Enum):
    """Whether the order of rows of one time shows in the result; the value says so to readers."""

    FREE = "any"
    """The same bits in any order: counts, and sums that are exact until they are rounded once."""
    NAN = "any, but for the bits of a NaN"
    """The same value in any order: of equal values one is taken, and only NaN has several patterns of bits."""
    DECIDES = "decides"
    """Another value in another order."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What is told of one kind.

    Attributes:
        meaning: what it gives, for the reference.
        takes: types of the columns that it is computed of.
        result: the type that it gives, by the type of its column.
        empty: what it gives over a window without a value.
        order: whether the order of rows of one time shows.
        counts_rows: whether it can do without a column.
    """

    meaning: str
    takes: Literal["any type", "booleans", "numbers", "lists"]
    result: Callable[[DType], DType]
    empty: Literal["0", "false", "NULL", "[]"]
    order: Order
    counts_rows: bool = False


def _int64(_: DType) -> DType:
    return DType("int64")


def _boolean(_: DType) -> DType:
    return DType("bool")


def _double(_: DType) -> DType:
    return DType("double")


def _same(source: DType) -> DType:
    return source


def _list(source: DType) -> DType:
    return DType.list_of(source)


def _sum(source: DType) -> DType:
    if source.is_decimal:
        return DType(f"decimal(38, {source.scale})", precision=38, scale=source.scale)
    return DType("int64" if source.is_integer else "double")


KINDS: Mapping[AggregateKind, Kind] = {
    "any": Kind(
        "whether there is a row, or a value of the column that is true", "booleans", _boolean, "false", Order.FREE,
        counts_rows=True,
    ),
    "count": Kind(
        "rows, or values of the column that are not NULL", "any type", _int64, "0", Order.FREE, counts_rows=True
    ),
    "count_distinct": Kind("different values", "any type", _int64, "0", Order.FREE),
    "sum": Kind(
        "sum of numbers: integers and decimals exactly, doubles within one unit in the last place",
        "numbers", _sum, "NULL", Order.FREE,
    ),
    "mean": Kind("mean of numbers, as double", "numbers", _double, "NULL", Order.FREE),
    "min": Kind("least value", "any type", _same, "NULL", Order.NAN),
    "max": Kind("greatest value", "any type", _same, "NULL", Order.NAN),
    "std": Kind(
        "standard deviation of a sample, as double; NULL below two values", "numbers", _double, "NULL", Order.FREE
    ),
    "first": Kind("oldest value", "any type", _same, "NULL", Order.DECIDES),
    "last": Kind("newest value", "any type", _same, "NULL", Order.DECIDES),
    "since_last": Kind(
        "time since the newest row, or the newest one whose value is not NULL, in the unit of the spine's time",
        "any type", _int64, "NULL", Order.FREE, counts_rows=True,
    ),
    "quantile": Kind(
        "the value at rank ceil(q * n) of the n values, in their order; needs `q`", "any type", _same, "NULL",
        Order.NAN,
    ),
    "decayed_count": Kind(
        "rows, or values of the column that are not NULL, each of which counts half after each `half_life`, which it "
        "needs; as double", "any type", _double, "0", Order.FREE, counts_rows=True,
    ),
    "decayed_sum": Kind(
        "sum of numbers, each of which is halved after each `half_life`, which it needs; as double", "numbers",
        _double, "NULL", Order.FREE,
    ),
    "list": Kind("newest values", "any type", _list, "[]", Order.DECIDES),
    "last_distinct": Kind("newest values, each once, at its newest place", "any type", _list, "[]", Order.DECIDES),
    "flatten_distinct": Kind("the same over the items of a list-valued column", "lists", _same, "[]", Order.DECIDES),
    "top_k": Kind(
        "most frequent values; of equally frequent ones, the newest", "any type", _list, "[]", Order.DECIDES
    ),
    "sequence": Kind(
        "newest rows, each a struct of `columns`, or a list for each; NULLs are kept", "any type", _list, "[]",
        Order.DECIDES,
    ),
}  # fmt: skip
_WITHOUT_COLUMN = f"without one there are only {', '.join(kind for kind, told in KINDS.items() if told.counts_rows)}"


# What looks back from the row has no mirror image: its age, and what fades with it.
_NO_LABELS: Mapping[LabelKind, str] = {
    "since_last": "looks back, and a label looks ahead: write until_first, which tells how long the first row takes",
    "decayed_count": "fades with the age of a row, and rows after a row have none: write count",
    "decayed_sum": "fades with the age of a row, and rows after a row have none: write sum",
}
UNTIL_FIRST = Kind(
    "time until the oldest row after the row, or the oldest one whose value is not NULL, in the unit of the spine's "
    "time; of labels alone", "any type", _int64, "NULL", Order.FREE, counts_rows=True,
)  # fmt: skip


def told_of(kind: LabelKind) -> Kind:
    """What is told of a kind, of labels too."""
    return UNTIL_FIRST if kind == "until_first" else KINDS[kind]


def check_label_kind(kind: LabelKind) -> None:
    """Raise ValueError for a kind that is none of labels."""
    if kind in _NO_LABELS:
        raise ValueError(f"kind '{kind}' {_NO_LABELS[kind]}")


def output_type(kind: LabelKind, source: DType | None, name: str) -> DType:
    """The type of the aggregate `name` of a column; ConfigurationError where the column has no such aggregate."""
    told = told_of(kind)
    if source is None:
        if not told.counts_rows:
            raise ConfigurationError(f"'{name}': {kind} needs a column of the history; {_WITHOUT_COLUMN}")
        return told.result(DType("int64"))  # Rows are counted as if each had a number.
    if told.takes == "numbers" and not (source.is_integer or source.is_float or source.is_decimal):
        raise ConfigurationError(f"'{name}': {kind} needs numbers, found {source}")
    if told.takes == "booleans" and source != DType("bool"):
        raise ConfigurationError(f"'{name}': {kind} needs a boolean column, found {source}")
    if told.takes == "lists" and source.item is None:
        raise ConfigurationError(f"'{name}': {kind} needs a list column, found {source}")
    return told.result(source)


def shows_order(kind: LabelKind, source: DType | None) -> bool:
    """Whether any bit of the aggregate of a column depends on the order of rows of one time."""
    order = told_of(kind).order
    return order is Order.DECIDES or (order is Order.NAN and source is not None and source.holds_float)


def check_parameters(
    kind: LabelKind, column: str | None, max_length: int | None, q: object = None, half_life: object = None
) -> None:
    """Raise ValueError where the parameters of an aggregate do not fit its kind; `check_sequence` has the others."""
    if kind == "quantile" and q is None:
        raise ValueError("kind 'quantile' needs a 'q' above 0 and at most 1, like 0.5, or a list of them")
    if kind != "quantile" and q is not None:
        raise ValueError(f"'q' belongs to 'quantile' and not to '{kind}': remove it")
    if kind in DECAYED_KINDS and half_life is None:
        raise ValueError(f"kind '{kind}' needs a 'half_life', like 3d: after so long a row counts half")
    if kind not in DECAYED_KINDS and half_life is not None:
        raise ValueError(f"'half_life' belongs to 'decayed_count' and 'decayed_sum' and not to '{kind}': remove it")
    if kind in LIST_KINDS and max_length is None:
        raise ValueError(f"kind '{kind}' needs a 'max_length': the newest that many items are kept")
    if kind not in LIST_KINDS and max_length is not None:
        raise ValueError(f"'max_length' belongs to list kinds and not to '{kind}': remove it")
    if column is None and kind != "sequence" and not told_of(kind).counts_rows:
        raise ValueError(f"kind '{kind}' needs a 'column' of the history; {_WITHOUT_COLUMN}")


def check_sequence(
    kind: LabelKind,
    column: str | None,
    columns: Sequence[str] | None,
    age: str | None,
    layout: SequenceLayout | None,
) -> None:
    """Raise ValueError where what only a sequence has does not fit; None is what is not written."""
    if kind != "sequence":
        written = {"columns": columns, "age": age, "layout": layout}
        if found := [name for name, value in written.items() if value is not None]:
            raise ValueError(f"'{found[0]}' belongs to 'sequence' and not to '{kind}': remove it")
        return
    if column is not None:
        raise ValueError(f"kind 'sequence' holds several columns: write columns: [{column}] in place of 'column'")
    if not columns:
        raise ValueError("kind 'sequence' needs 'columns': what it holds of each row, like columns: [item_id, action]")
    if twice := repeated_in_any_case(columns):
        raise ValueError(f"'columns' names {_said_twice(twice)}")
    if age is not None and age.lower() in map(str.lower, columns):
        raise ValueError(f"the age '{age}' has the name of a column of the sequence: give it another one")


def _said_twice(names: Sequence[str]) -> str:
    """What is said of names of which SQL takes some for one."""
    if len(set(names)) == len(names):
        return f"{' and '.join(names)}, which differ only in case, and SQL does not tell them apart: keep one"
    return f"{' and '.join(dict.fromkeys(names))} more than once: each column stands once"


def item_of_sequence(columns: Sequence[tuple[str, DType]], age: str | None, layout: SequenceLayout | None) -> DType:
    """The type of an item: a struct, or, where the columns stand apart, the type of the one that there is."""
    fields = [*columns, *([] if age is None else [(age, DType("int64"))])]
    return fields[0][1] if layout == "columns" else DType.struct_of(fields)


def repeated_in_any_case(names: Sequence[str]) -> list[str]:
    """The names that SQL does not tell from an other one, in their order.

    >>> repeated_in_any_case(["item", "age", "Item"])
    ['item', 'Item']
    """
    counts = Counter(map(str.lower, names))
    return [name for name in names if counts[name.lower()] > 1]
