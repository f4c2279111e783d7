"""What tells the values of a column from others, whatever it is called and whatever stands beside it.

The compiler says once, for each column, what it is made of: a digest, and the Scans that it would read if the service
had its keys and this column alone. The identity of a column on a day is a digest of that and of the contents that these
Scans read for the day. Rows are told apart in the same way, by what the spine is made of.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from daeda.dataset.manifest import ColumnIdentities
from daeda.operators.relational import Scan
from daeda.sources.files import SourceFiles
from daeda.sources.identity import combined_digest
from daeda.sources.partitions import files_needed
from daeda.storage.state import InputFile


@dataclass(frozen=True)
class Recipe:
    """What something is made of, but for the contents of the files: those of `scans`, in this order.

    Spine rows that agree in the columns `agree`, which are told as in the order of the rows, hold the same; None where
    no columns tell that.
    """

    digest: str
    scans: tuple[Scan, ...]
    agree: frozenset[str] | None = None

    @cached_property
    def reads(self) -> tuple[tuple[object, ...], ...]:
        """What tells each Scan from others by what it reads: of the cuts of one, those that reach as far are alike."""
        return tuple((scan.name, scan.reads, scan.lookback, scan.gap, scan.lookahead) for scan in self.scans)


@dataclass(frozen=True)
class Recipes:
    """The recipes of the rows of a service and of its columns, by name; `order` has a digest for what rows go by."""

    rows: Recipe
    order: tuple[str, ...]
    columns: Mapping[str, Recipe]

    @cached_property
    def by_what_they_read(self) -> tuple[tuple[str, ...], ...]:
        """The names of the columns, those together that read the same."""
        groups: dict[tuple[tuple[object, ...], ...], list[str]] = {}
        for name, recipe in self.columns.items():
            groups.setdefault(recipe.reads, []).append(name)
        return tuple(map(tuple, groups.values()))


@dataclass(frozen=True)
class ScanInputs:
    """What was found behind a Scan, and what tells the files from others that a day needs of it, by path."""

    files: SourceFiles
    identified: Mapping[str, InputFile]


def identities_of_day(recipes: Recipes, inputs: Mapping[str, ScanInputs], day: dt.date) -> ColumnIdentities:
    """The identities on a day. `inputs` are by the name of the Scan, whose cuts for single columns need no more."""
    contents = _Contents(inputs, day)
    columns: dict[str, str] = {}
    for names in recipes.by_what_they_read:
        read = contents.of(recipes.columns[names[0]])
        columns |= {name: _identity(recipes.columns[name], read) for name in names}
    return ColumnIdentities(
        rows=_identity(recipes.rows, contents.of(recipes.rows)),
        order=recipes.order,
        columns={name: columns[name] for name in recipes.columns},
    )


def _identity(recipe: Recipe, contents: str) -> str:
    # As `node` has it of texts without quotes; a plan comes here for each column of each stale day.
    return hashlib.sha256(f'["{recipe.digest}"{contents}]'.encode()).hexdigest()


def in_same_rows(before: ColumnIdentities, after: ColumnIdentities, recipes: Recipes) -> frozenset[str]:
    """The columns of `after` that have their values in the same rows of a day that was built as `before`.

    Where one order goes on behind the end of the other, rows that tie in the shorter one may have changed places. That
    shows in no column that is the same in all of them.
    """
    if before.rows != after.rows:
        return frozenset()
    if before.order == after.order:
        return frozenset(recipes.columns)
    shorter, longer = sorted((before.order, after.order), key=len)
    if longer[: len(shorter)] != shorter:
        return frozenset()
    agreeing = set(shorter)
    return frozenset(
        name for name, recipe in recipes.columns.items() if recipe.agree is not None and recipe.agree <= agreeing
    )


@dataclass
class _Contents:
    """Digests of what Scans read for a day, each computed once however many columns read the same."""

    inputs: Mapping[str, ScanInputs]
    day: dt.date
    known: dict[tuple[object, ...], str] = field(default_factory=dict)

    def of(self, recipe: Recipe) -> str:
        """The digests of what the Scans of a recipe read, one behind another."""
        return "".join(f', "{self._of(scan, key)}"' for scan, key in zip(recipe.scans, recipe.reads, strict=True))

    def _of(self, scan: Scan, key: tuple[object, ...]) -> str:
        known = self.known.get(key)
        if known is None:
            given = self.inputs[scan.name]
            paths = files_needed(scan, given.files, self.day)
            known = self.known[key] = combined_digest(given.identified[path] for path in paths)
        return known


def node(*parts: object) -> str:
    """One digest of things that JSON has words for, digests among them."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
