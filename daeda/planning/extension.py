"""Which columns a stale day can keep, and which it has to compute: what an extension is made of.

A day keeps a column whose identity is unchanged, under whatever name, where its rows are the same, in the same order
and cut into the same parts. In doubt it is built anew.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from daeda.compiler.identity import recipes_of, recipes_without_labels
from daeda.compiler.restrict import restricted
from daeda.dataset.identity import Recipes, ScanInputs, identities_of_day, in_same_rows
from daeda.dataset.manifest import ColumnIdentities, Fingerprint, Manifest
from daeda.errors import counted, shortened
from daeda.installed import version_of
from daeda.operators.dag import Dag
from daeda.planning.sources import Sources
from daeda.sources.partitions import files_needed
from daeda.storage.state import InputFile

# Settings of which every byte of a day depends.
_SAME_SETTINGS = ("rows_per_part", "format_version")
# What decides the bytes of a page of vectors.
_WRITERS_OF_PAGES = ("daeda", "pyarrow")


@dataclass(frozen=True)
class Extension:
    """How a published day becomes the day that is wanted.

    `kept` maps columns to those of the published day that hold their values, `computed` are the others, in their order.
    `version` is the lower version of the service that the published day is of, None where it is the planned one. Of an
    enriched day `vectors` are computed columns of vectors, for which stores are read.
    """

    kept: Mapping[str, str]
    computed: tuple[str, ...]
    dropped: tuple[str, ...] = ()
    changed: frozenset[str] = frozenset()
    version: int | None = None
    vectors: tuple[str, ...] = ()

    def __str__(self) -> str:
        """`extend: +purchases_14d; 21 of 22 columns kept`, and what else becomes of columns."""
        taken = set(self.kept.values())
        come_and_gone = [f"+{name}" for name in self.computed if name not in self.changed]
        come_and_gone += [f"-{name}" for name in self.dropped if name not in taken]
        lists = {
            "": come_and_gone,
            "computed anew: ": [name for name in self.computed if name in self.changed],
            "renamed: ": [f"{before} to {name}" for name, before in self.kept.items() if name != before],
        }
        told = [f"{what}{shortened(names, 6)}" for what, names in lists.items() if names]
        whole = counted(len(self.kept) + len(self.computed), "column")
        source = "" if self.version is None else f" of version {self.version}"
        return f"extend: {'; '.join([*told, f'{len(self.kept)} of {whole} kept{source}'])}"


class Extensions:
    """The extensions of the days of one plan: what each column is made of is found out once, where it is asked for."""

    def __init__(
        self, dag: Dag, sources: Sources, codes: Mapping[str, str], lower: Mapping[dt.date, tuple[int, Manifest | None]]
    ) -> None:
        """`dag` is the skeleton's; `lower` has the version and manifest of days that are in a lower version alone."""
        self.lower = lower
        self._dag, self._sources, self._codes = dag, sources, codes
        # By the labels that days lack, none for most.
        self._recipes: dict[tuple[str, ...], Recipes] = {}
        self._restricted: dict[tuple[tuple[str, ...], tuple[str, ...]], Dag] = {}

    @cached_property
    def recipes(self) -> Recipes:
        """What the columns of the DAG are made of."""
        return recipes_of(self._dag, self._codes)

    def recipes_of(self, day: dt.date) -> Recipes:
        """What the columns of a day are made of, some of whose labels may not be mature."""
        lacking = self._lacking(day)
        if not lacking:
            return self.recipes
        if lacking not in self._recipes:
            self._recipes[lacking] = recipes_without_labels(self.recipes, self._dag, lacking)
        return self._recipes[lacking]

    def _lacking(self, day: dt.date) -> tuple[str, ...]:
        immature = self._sources.immature
        return immature[day].labels if day in immature else ()

    def identities(self, inputs: Mapping[str, Iterable[InputFile]], day: dt.date) -> ColumnIdentities:
        """What tells the columns of a day as it is planned, by what each Scan reads."""
        given = {
            name: ScanInputs(self._sources.files[name], {file.path: file for file in files})
            for name, files in inputs.items()
        }
        return identities_of_day(self.recipes_of(day), given, day)

    def of(
        self,
        day: dt.date,
        manifest: Manifest,
        planned: Fingerprint,
        identities: ColumnIdentities,
        version: int | None = None,
    ) -> Extension | None:
        """The extension of a published day, of a lower `version`, to the planned one; None where it is to be built."""
        before = manifest.identities
        then, now = manifest.fingerprint.settings, planned.settings
        if before is None or any(then.get(setting) != now.get(setting) for setting in _SAME_SETTINGS):
            return None
        in_place = in_same_rows(before, identities, self.recipes_of(day))
        extension = _extension(before, identities, self._dag.output.names, in_place)
        return replace(extension, version=version) if extension is not None else None

    def files(self, extension: Extension, day: dt.date) -> int:
        """How many files an extended day reads, beside its own parts."""
        if not extension.computed:
            return 0
        scans = self.restricted(extension.computed, day).scans
        return sum(len(files_needed(scan, self._sources.files[scan.name], day)) for scan in scans)

    def restricted(self, computed: tuple[str, ...], day: dt.date) -> Dag:
        """The DAG that computes these columns of a day alone."""
        key = (computed, self._lacking(day))
        if key not in self._restricted:
            immature = self._sources.immature
            whole = immature[day].dag(self._dag) if day in immature else self._dag
            self._restricted[key] = restricted(whole, computed)
        return self._restricted[key]


def vectors_kept(
    manifest: Manifest,
    planned: ColumnIdentities | None,
    fingerprint: Fingerprint,
    dag: Dag,
    recipes: Callable[[], Recipes],
    version: int | None = None,
) -> Extension | None:
    """The extension of an enriched day, of a lower `version`, some of whose vectors are unchanged; None where none is.

    Pages are copied, and those are of the versions that write now; a column that must not be NULL and is, is told by
    the enrichment. `recipes` are the `enriched_recipes`, which few days ask for.
    """
    before, same = manifest.identities, fingerprint.settings.get("format_version")
    if before is None or planned is None or manifest.fingerprint.settings.get("format_version") != same:
        return None
    if any(manifest.software.get(name) != version_of(name) for name in _WRITERS_OF_PAGES):
        return None
    vectors = {operator.column for operator in dag.enrichments}
    nulls = {column.name: column.nulls for column in manifest.columns}
    in_place = enriched_in_place(dag, before, planned, recipes)
    extension = _extension(before, planned, dag.output.names, in_place)
    if extension is None:
        return None
    kept_vectors = {name: there for name, there in extension.kept.items() if name in vectors}
    forbidden = {name for name, there in kept_vectors.items() if nulls[there] and name in dag.sink.not_null}
    if forbidden:
        extension = _extension(before, planned, dag.output.names, in_place - forbidden)
    if extension is None or not vectors & set(extension.kept):
        return None
    missing = tuple(name for name in extension.computed if name in vectors)
    return replace(extension, vectors=missing, version=version)


def enriched_recipes(dag: Dag) -> Recipes:
    """What the columns of an enriched day are made of, by which they are told to be in the same rows; `dag` is whole.

    A vector is where its id is. What rows agree in depends on no code.
    """
    recipes = recipes_of(dag.skeleton(), {})
    of_vectors = {operator.column: recipes.columns[operator.source] for operator in dag.enrichments}
    return replace(recipes, columns={**recipes.columns, **of_vectors})


def enriched_in_place(
    dag: Dag, before: ColumnIdentities, after: ColumnIdentities, recipes: Callable[[], Recipes]
) -> frozenset[str]:
    """The columns that an enriched day has in the same rows as one that is published."""
    if before.rows != after.rows or before.order == after.order:
        return frozenset(dag.output.names) if before.rows == after.rows else frozenset()
    return in_same_rows(before, after, recipes())


def _extension(
    before: ColumnIdentities, after: ColumnIdentities, names: Iterable[str], in_place: Collection[str]
) -> Extension | None:
    """The extension that keeps what is unchanged of the columns `in_place`; None where that is nothing."""
    holding: dict[str, str] = {}
    for name, identity in before.columns.items():
        holding.setdefault(identity, name)
    kept, computed = {}, []
    for name in names:
        identity = after.columns[name]
        if name not in in_place:
            computed.append(name)
        elif before.columns.get(name) == identity:
            kept[name] = name
        elif identity in holding:
            kept[name] = holding[identity]
        else:
            computed.append(name)
    if not kept:
        return None
    dropped = tuple(name for name in before.columns if name not in after.columns)
    return Extension(kept, tuple(computed), dropped, frozenset(before.columns) & frozenset(computed))
