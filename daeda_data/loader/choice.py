"""Which columns become arrays, and how: what was asked for, checked against the schema of the data at once."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

from daeda.errors import UsageError, counted, cut, did_you_mean, shortened
from daeda_data.arguments import names_of
from daeda_data.loader.settings import MOST_TOGETHER, of_python
from daeda_data.loader.values import is_text, is_value
from daeda_data.loader.vocabulary import Vocabulary, Words


@dataclass(frozen=True)
class Pad:
    """Lists as a matrix of `width` items for each row.

    A list that is longer is an error, unless `keep` says which of its items stay: the first ones or the last.
    """

    width: int
    keep: Literal["first", "last"] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "width", of_python(self.width))


# How a width is given: `32`, `(32, "last")`, or as a Pad.
Width = int | tuple[int, Literal["first", "last"]] | Pad


@dataclass(frozen=True)
class Value:
    """A column of numbers, booleans, times or texts. `words` are those of a text."""

    name: str
    kind: pa.DataType
    words: Words | None = None


@dataclass(frozen=True)
class Vector:
    """A column of vectors of one dimension."""

    name: str
    kind: pa.DataType


@dataclass(frozen=True)
class Items:
    """A column of lists: of values, whose one field bears the name of the column, or of structs."""

    name: str
    kind: pa.DataType
    fields: tuple[Value, ...]
    of_structs: bool
    pad: Pad | None


Column = Value | Vector | Items


@dataclass(frozen=True)
class Choice:
    """The columns of batches, in their order."""

    columns: tuple[Column, ...]
    vocabulary: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.columns)

    @property
    def texts(self) -> frozenset[str]:
        """Columns with texts in them."""
        return frozenset(
            column.name for column in self.columns if any(is_text(value.kind) for value in _values(column))
        )

    def described(self) -> list[Any]:
        """What decides the arrays, as JSON can hold it."""
        return [_described(column) for column in self.columns]


@dataclass(frozen=True)
class Wanted:
    """What was asked for. `columns` are all unless they are named; `vectors` are columns of vectors by declaration."""

    columns: Sequence[str] | None = None
    pad: Mapping[str, Width] = field(default_factory=dict)
    vocabulary: Vocabulary | None = None
    vectors: frozenset[str] = frozenset()


def choose(schema: pa.Schema, wanted: Wanted) -> Choice:
    """The columns as they become arrays; raises UsageError with a sentence for each mistake."""
    names = list(schema.names) if wanted.columns is None else names_of("columns", wanted.columns)
    wrong = list(_of_other_types(wanted))
    if wrong:
        raise UsageError(*wrong)
    mistakes = [f"columns: no column '{name}': {did_you_mean(name, schema.names)}" for name in names
                if name not in schema.names]  # fmt: skip
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        mistakes.append(f"columns: {shortened(twice)} twice: name each column once")
    if not names:
        mistakes.append(f"columns: none is named: leave it out for all {counted(len(schema.names), 'column')}")
    columns: list[Column] = []
    without_words: list[str] = []
    for name in names if not mistakes else []:
        match _column(schema.field(name), wanted):
            case str() as mistake:
                mistakes.append(mistake)
            case _WithoutWords() as found:
                without_words += found.keys
            case column:
                columns.append(column)
    if without_words:
        mistakes.append(_no_words(without_words, wanted.vocabulary))
    if not mistakes:
        mistakes = [*_wrong_pads(columns, wanted.pad), *_same_keys(columns)]
    if mistakes:
        raise UsageError(*mistakes)
    return Choice(tuple(columns), wanted.vocabulary.digest if wanted.vocabulary is not None else "")


def _of_other_types(wanted: Wanted) -> Iterable[str]:
    pad: object = wanted.pad
    vocabulary: object = wanted.vocabulary
    if not isinstance(pad, Mapping):
        yield f"pad is {cut(repr(pad))}, and not a width for each column of lists, as in pad={{'seen': 64}}"
    else:
        for name in pad:
            if not isinstance(name, str):
                yield f"pad has {cut(repr(name))} in it, which is no name of a column: pad={{'seen': 64}}"
    if vocabulary is not None and not isinstance(vocabulary, Vocabulary):
        yield (
            f"vocabulary is {cut(repr(vocabulary))}, and not a Vocabulary: `dataset.vocabulary(path, columns)` gives "
            "one"
        )


def text_keys(schema: pa.Schema) -> dict[str, str]:
    """What may stand in a vocabulary, and its column: columns of texts, of lists of them, and fields of sequences."""
    return {key: entry.name for entry in schema for key, kind in _keys(entry.name, entry.type) if is_text(kind)}


def _keys(name: str, kind: pa.DataType) -> list[tuple[str, pa.DataType]]:
    if not _is_list(kind):
        return [(name, kind)]
    if pa.types.is_struct(kind.value_type):
        return [(f"{name}.{entry.name}", entry.type) for entry in kind.value_type]
    return [(name, kind.value_type)]


@dataclass(frozen=True)
class _WithoutWords:
    """The texts of a column that no vocabulary has."""

    keys: tuple[str, ...]


def _no_words(keys: Sequence[str], vocabulary: Vocabulary | None) -> str:
    """What to do about texts that have no codes; a vocabulary is of all columns at once."""
    every = [*(vocabulary.columns if vocabulary is not None else ()), *keys]
    named, have, them = ("column", "has", "it") if len(keys) == 1 else ("columns", "have", "them")
    return (
        f"{named} {', '.join(map(repr, keys))} {have} texts, and no vocabulary says their codes: make one with "
        f"`dataset.vocabulary(path, {every!r})`, or leave {them} out of columns"
    )


def _column(entry: pa.Field, wanted: Wanted) -> Column | _WithoutWords | str:
    """The column, the texts of it that have no codes, or the sentence about why it cannot be one."""
    name, kind = entry.name, entry.type
    is_list = _is_list(kind)
    if is_list and (kind.value_type == pa.float16() or name in wanted.vectors) and name not in wanted.pad:
        return Vector(name, kind)
    fields, without_words = [], []
    for key, item in _keys(name, kind):
        if not is_value(item):
            return f"column '{name}' is {kind}, which is no array: leave it out of columns"
        words = None
        if is_text(item):
            if wanted.vocabulary is None or key not in wanted.vocabulary.columns:
                without_words.append(key)
                continue
            words = wanted.vocabulary[key]
        fields.append(Value(key, item, words))
    if without_words:
        return _WithoutWords(tuple(without_words))
    if not is_list:
        return fields[0]
    pad = _pad_of(wanted.pad[name]) if name in wanted.pad else None
    of_structs = bool(pa.types.is_struct(kind.value_type))
    return Items(name, kind, tuple(fields), of_structs, pad)


def _pad_of(given: Width) -> Pad:
    match given:
        case Pad():
            return given
        case (width, keep):
            return Pad(width, keep)
        case width:
            return Pad(width)


def _wrong_pads(columns: Sequence[Column], pads: Mapping[str, Width]) -> Iterable[str]:
    lists = {column.name for column in columns if isinstance(column, Items)}
    for name, given in pads.items():
        pad = _pad_of(given)
        if name not in lists:
            yield f"pad: '{name}' is no list among the columns: {did_you_mean(name, lists)}"
        elif isinstance(pad.width, bool) or not isinstance(pad.width, int) or pad.width < 1:
            yield f"pad: '{name}' is {given!r}, and a width is a whole number from 1"
        elif pad.width > MOST_TOGETHER:
            yield f"pad: '{name}' is {pad.width:,} items wide: at most {MOST_TOGETHER:,} are in memory together"
        elif pad.keep not in (None, "first", "last"):
            yield f"pad: '{name}' keeps {pad.keep!r}: 'first' or 'last', or nothing, so that a longer list is an error"


def _same_keys(columns: Sequence[Column]) -> Iterable[str]:
    keys = Counter(value.name for column in columns for value in _values(column))
    for key in (key for key, count in keys.items() if count > 1):
        yield f"columns: '{key}' is the name of two arrays, of a column and of a field of a sequence: leave one out"


def _values(column: Column) -> tuple[Value, ...]:
    match column:
        case Value():
            return (column,)
        case Vector():
            return (Value(column.name, column.kind.value_type),)
        case Items():
            return column.fields


def _described(column: Column) -> Any:
    if isinstance(column, Items) and column.pad is not None:
        return [column.name, column.pad.width, *filter(None, [column.pad.keep])]
    return column.name


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def leaves(paths: Iterable[str], names: Iterable[str]) -> list[str]:
    """The columns of a Parquet file, by their paths, that belong to columns of the schema.

    >>> leaves(["a", "b.list.element", "c"], ["b", "c"])
    ['b.list.element', 'c']
    """
    wanted = list(names)
    return [path for path, name in itertools.product(paths, wanted) if path == name or path.startswith(f"{name}.")]
