"""In what the columns of two days differ, and which of them are compared with each other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from daeda.dataset.manifest import ColumnIdentities, Manifest
from daeda.diff.tally import Pairing
from daeda.diff.values import comparable_type
from daeda.dtypes import describe_arrow


@dataclass(frozen=True)
class SchemaChange:
    """A column that is on one side alone (`here` or `there` is None), has another name, type or kind.

    `here` and `there` are what the side says of it: its type, its name or its kind.
    """

    column: str
    what: str
    here: str | None
    there: str | None

    def __str__(self) -> str:
        match self.what:
            case "only here":
                return f"{self.column} ({self.here}) only here"
            case "only there":
                return f"{self.column} ({self.there}) only there"
            case "renamed":
                return f"{self.here} is called {self.there} there"
            case _:
                return f"{self.column}: {self.what} {self.here} here, {self.there} there"


@dataclass(frozen=True)
class Schemas:
    """The changes of the columns, what is compared, and in which `types`; `casts` are those of columns of two types.

    `incomparable` are the columns that are not compared, and why.
    """

    changes: tuple[SchemaChange, ...]
    pairing: Pairing
    casts: Mapping[str, pa.DataType]
    types: Mapping[str, pa.DataType]
    reordered: bool
    incomparable: Mapping[str, str]


def compare_schemas(
    here: tuple[Manifest, pa.Schema],
    there: tuple[Manifest, pa.Schema],
    grain: Sequence[str],
    exact: Callable[[str, str, pa.DataType], bool] = lambda here, there, common: True,
) -> Schemas:
    """Compare the columns of two days. `grain` are the columns by which rows are paired, as they are called here.

    `exact` says whether the values of two columns, as they are called here and there, are exact in a type.
    """
    (ours, our_schema), (theirs, their_schema) = here, there
    renamed = renamed_columns(ours.identities, theirs.identities)
    pairs = {name: renamed.get(name, name) for name in our_schema.names}
    pairs = {name: other for name, other in pairs.items() if other in their_schema.names}
    changes = [SchemaChange(name, "renamed", name, other) for name, other in pairs.items() if other != name]
    changes += [
        SchemaChange(name, "only here", str(our_schema.field(name).type), None)
        for name in our_schema.names
        if name not in pairs
    ]
    taken = set(pairs.values())
    changes += [
        SchemaChange(name, "only there", None, str(their_schema.field(name).type))
        for name in their_schema.names
        if name not in taken
    ]
    casts: dict[str, pa.DataType] = {}
    compared: dict[str, str] = {}
    types: dict[str, pa.DataType] = {}
    incomparable: dict[str, str] = {}
    for name, other in pairs.items():
        one, two = our_schema.field(name).type, their_schema.field(other).type
        common = comparable_type(one, two)
        if not one.equals(two):
            changes.append(SchemaChange(name, "type", str(one), str(two)))
            if common is None:
                incomparable[name] = "are of two types"
                continue
            if not exact(name, other, common):
                incomparable[name] = f"are of two types, not all of them exact in {describe_arrow(common)}"
                continue
            casts[name] = common
        compared[name] = other
        types[name] = one if common is None else common
    changes += _kinds(ours, theirs, pairs)
    key = tuple(name for name in grain if name in compared) or tuple(compared)
    reordered = list(pairs) != [
        name for other in their_schema.names for name, paired in pairs.items() if paired == other
    ]
    return Schemas(tuple(changes), Pairing(key, compared), casts, types, reordered, incomparable)


def _kinds(ours: Manifest, theirs: Manifest, pairs: Mapping[str, str]) -> list[SchemaChange]:
    """Columns whose role has changed; days from before kinds were told say nothing of it."""
    here = {column.name: column.kind for column in ours.columns}
    there = {column.name: column.kind for column in theirs.columns}
    found = [(name, here.get(name), there.get(other)) for name, other in pairs.items()]
    return [
        SchemaChange(name, "kind", one, two) for name, one, two in found if one is not None and two not in (None, one)
    ]


def renamed_columns(here: ColumnIdentities | None, there: ColumnIdentities | None) -> dict[str, str]:
    """Columns that one side alone has and that are made of the same as one that the other side alone has."""
    if here is None or there is None:
        return {}
    others: dict[str, str] = {}
    for name, identity in there.columns.items():
        if name not in here.columns:
            others.setdefault(identity, name)
    found: dict[str, str] = {}
    for name, identity in here.columns.items():
        if name not in there.columns and identity in others:
            found[name] = others.pop(identity)
    return found


def made_otherwise(here: Manifest, there: Manifest, columns: Mapping[str, str]) -> frozenset[str]:
    """The compared columns that are not made of the same on both sides, by what manifests tell."""
    ours, theirs = here.identities, there.identities
    if ours is None or theirs is None:
        return frozenset()
    return frozenset(name for name, other in columns.items() if ours.columns.get(name) != theirs.columns.get(other))


def grain_of(manifest: Manifest, declared: Collection[str]) -> tuple[str, ...]:
    """What names a row: the declared columns, otherwise keys and times by the manifest."""
    if declared:
        return tuple(column.name for column in manifest.columns if column.name in declared)
    return tuple(column.name for column in manifest.columns if column.kind in ("key", "timestamp"))
