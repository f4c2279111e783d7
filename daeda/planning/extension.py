"""Which columns a stale day can keep, and which it has to compute: what an extension is made of.

A day keeps a column whose identity is unchanged, under whatever name, where its rows are the same, in the same order
and cut into the same parts. In doubt it is built anew.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from daeda.compiler.identity import recipes_of
from daeda.compiler.restrict import restricted
from daeda.dataset.identity import Recipes, ScanInputs, identities_of_day
from daeda.dataset.manifest import ColumnIdentities, Fingerprint, Manifest
from daeda.errors import counted, shortened
from daeda.operators.dag import Dag
from daeda.planning.sources import Sources
from daeda.sources.partitions import files_needed
from daeda.storage.state import InputFile

# Settings of which every byte of a day depends.
_SAME_SETTINGS = ("rows_per_part", "format_version")


@dataclass(frozen=True)
class Extension:
    """How a published day becomes the day that is wanted.

    `kept` maps columns to those of the published day that hold their values, `computed` are the others, in their order.
    """

    kept: Mapping[str, str]
    computed: tuple[str, ...]
    dropped: tuple[str, ...] = ()
    changed: frozenset[str] = frozenset()

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
        return f"extend: {'; '.join([*told, f'{len(self.kept)} of {whole} kept'])}"


class Extensions:
    """The extensions of the days of one plan: what each column is made of is found out once, where it is asked for."""

    def __init__(self, dag: Dag, sources: Sources, codes: Mapping[str, str]) -> None:
        """`dag` is the skeleton's."""
        self._dag, self._sources, self._codes = dag, sources, codes
        self._restricted: dict[tuple[str, ...], Dag] = {}

    @cached_property
    def recipes(self) -> Recipes:
        """What the columns of the DAG are made of."""
        return recipes_of(self._dag, self._codes)

    def of(
        self, manifest: Manifest, planned: Fingerprint, inputs: Mapping[str, Iterable[InputFile]], day: dt.date
    ) -> Extension | None:
        """The extension of a published day to the planned one; None where it has to be built anew."""
        before = manifest.identities
        then, now = manifest.fingerprint.settings, planned.settings
        if before is None or any(then.get(setting) != now.get(setting) for setting in _SAME_SETTINGS):
            return None
        given = {
            name: ScanInputs(self._sources.files[name], {file.path: file for file in files})
            for name, files in inputs.items()
        }
        return _extension(before, identities_of_day(self.recipes, given, day), self._dag)

    def files(self, extension: Extension, day: dt.date) -> int:
        """How many files an extended day reads, beside its own parts."""
        if not extension.computed:
            return 0
        scans = self.restricted(extension.computed).scans
        return sum(len(files_needed(scan, self._sources.files[scan.name], day)) for scan in scans)

    def restricted(self, computed: tuple[str, ...]) -> Dag:
        """The DAG that computes these columns alone."""
        if computed not in self._restricted:
            self._restricted[computed] = restricted(self._dag, computed)
        return self._restricted[computed]


def _extension(before: ColumnIdentities, after: ColumnIdentities, dag: Dag) -> Extension | None:
    if (before.rows, before.order) != (after.rows, after.order):
        return None
    holding: dict[str, str] = {}
    for name, identity in before.columns.items():
        holding.setdefault(identity, name)
    kept, computed = {}, []
    for name in dag.output.names:
        identity = after.columns[name]
        if before.columns.get(name) == identity:
            kept[name] = name
        elif identity in holding:
            kept[name] = holding[identity]
        else:
            computed.append(name)
    if not kept:
        return None
    dropped = tuple(name for name in before.columns if name not in after.columns)
    return Extension(kept, tuple(computed), dropped, frozenset(before.columns) & frozenset(computed))
