"""A published day, extended: its unchanged columns in row order, beside those that the chain has computed.

    published parts --digests checked--> kept columns --.
                                                         >--> Sink
    Scans --> ... --> computed columns -----------------'

Where the parts were written by the versions that write now, the Sink copies the chunks of kept columns as they are;
else they are read into a table of the day, and are written anew.

What turns out to be another than was planned is given up, and the run builds the day anew.
"""

from __future__ import annotations

import datetime as dt
import itertools
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from sqlglot import exp

from beam_pipeline.session.record import KeptColumns
from beam_pipeline.session.session import DaySession
from beam_pipeline.workers.context import DayHandle, ImmatureLabels, RunContext
from beam_pipeline.workers.extending import Extending, give_up
from beam_pipeline.workers.registry import software
from daeda.compiler.restrict import restricted
from daeda.dataset.chunks import is_understood
from daeda.dataset.fingerprint import operator_digests
from daeda.dataset.identity import in_same_rows
from daeda.dataset.layout import Layout
from daeda.dataset.manifest import DamagedManifest, DayName, Manifest, Part, read_manifest
from daeda.dataset.stamps import forget_stamps
from daeda.errors import ChangedMeanwhile, NotRegular, cut
from daeda.operators.dag import Dag
from daeda.operators.operator import OperatorModel
from daeda.operators.relational import Sink
from daeda.planning.extension import Extension
from daeda.planning.immature import ImmatureDay
from daeda.sql.files import as_pattern
from daeda.sql.handle import ColumnTable, Materialised, column, named, read_parquet, selected
from daeda.sql.lower import SourceOperator
from daeda.storage.location import Location, ObjectPath
from daeda.storage.objects import client
from daeda.storage.regular import file_digest

_TABLE = "published"
# What decides the bytes of a chunk.
_WRITERS = ("daeda", "duckdb", "pyarrow")


class Extend(OperatorModel):
    """The columns that a published day keeps, beside the computed ones of its input; alone where none is computed."""

    op_kind: Literal["extend"] = "extend"


DayOperator = SourceOperator | Extend


class _NotAsPlanned(Exception):
    """What is published cannot be extended to what was planned."""


@dataclass(frozen=True)
class Chain:
    """Days, and the operators that build each of them."""

    days: tuple[dt.date, ...]
    operators: tuple[DayOperator, ...]
    context: RunContext


def extending_chains(
    skeleton: Dag,
    context: RunContext,
    extensions: Mapping[dt.date, Extension],
    immature: Mapping[dt.date, ImmatureDay],
) -> list[Chain]:
    """The chains that extend days, one for each set of columns that days compute, and of labels that they lack.

    `skeleton` is the DAG of days that lack no label, `immature` has those that do.
    """
    alike: dict[tuple[tuple[str, ...], tuple[str, ...]], dict[dt.date, Extension]] = {}
    for day, extension in sorted(extensions.items()):
        lacking = immature[day].labels if day in immature else ()
        alike.setdefault((extension.computed, lacking), {})[day] = extension
    chains = []
    for (computed, _), days in alike.items():
        first = next(iter(days))
        whole = immature[first].dag(skeleton) if first in immature else skeleton
        dag = restricted(whole, computed) if computed else None
        extending = Extending(whole.output, operator_digests(whole.operators), context.functions, whole.scans, days)
        operators = _operators(whole, dag)
        its_own = replace(
            context,
            days=tuple(days),
            extending=extending,
            immature={day: _without_changes(context.immature[day], operators) for day in days if day in immature},
        )
        chains.append(Chain(tuple(days), operators, its_own))
    return chains


def _without_changes(labels: ImmatureLabels, operators: tuple[DayOperator, ...]) -> ImmatureLabels:
    """The same labels for a chain whose operators are those of a day that lacks them."""
    return replace(labels, operators={operator.name: (operator,) for operator in operators})  # type: ignore[misc]


def _operators(whole: Dag, computed: Dag | None) -> tuple[DayOperator, ...]:
    """The chain that extends a day: `computed` makes the columns that are not kept, None where all are."""
    inputs = () if computed is None else computed.sink.inputs
    before = () if computed is None else tuple(one for one in computed.operators if not isinstance(one, Sink))
    # In the place of what assembles all columns, and what assembles the computed ones: the Sink is that of every day.
    extend = Extend(name=_free_name(whole), inputs=inputs, output=whole.sink.inputs[0])
    return (*before, extend, whole.sink)  # type: ignore[arg-type]


def _free_name(dag: Dag) -> str:
    taken = {operator.name.lower() for operator in dag.operators}
    numbered = (f"extend_{count}" for count in itertools.count(2))
    return next(name for name in itertools.chain(("extend",), numbered) if name not in taken)


def extend_day(session: DaySession, operator: Extend, handle: DayHandle) -> DayHandle:
    """The handle with the whole relation of the day, or a day that is given up."""
    extending = session.context.extending
    assert extending is not None
    relations = [handle.relations[name] for name in operator.inputs]
    computed = relations[0] if relations else None
    assert computed is None or isinstance(computed, Materialised)
    try:
        extended = _extended(session, extending, computed)
    except _NotAsPlanned as reason:
        give_up(session.context.run_dir, session.day, str(reason))
        session.close()
        return handle.as_given_up()
    return handle.with_relation(operator.output, extended)


def _extended(session: DaySession, extending: Extending, computed: Materialised | None) -> Materialised:
    directory = _source(session).day_dir("skeleton", session.day)
    manifest = _published(session, directory)
    # What a day reads that computes every column stands in the manifest, and decides what may be kept.
    session.record.digests = dict(extending.digests)
    session.record.function_codes = dict(extending.codes)
    session.record.without_key = dict(manifest.without_key)
    for scan in extending.scans:
        session.inputs.read(scan, extending.digests[scan.name])
    kept = extending.days[session.day].kept
    _check_identities(session, manifest, dict(kept))
    if computed is not None and computed.rows != manifest.rows:
        raise _NotAsPlanned(f"it has {manifest.rows} rows, and {computed.rows} are there now")
    parts = tuple(_fetched(session, directory, part) for part in manifest.parts)
    if _of_this_software(manifest) and all(map(is_understood, parts)):
        session.record.kept = KeptColumns(kept, manifest, parts)
        tables, expressions = (computed.tables, computed.expressions) if computed is not None else ((), {})
        return Materialised(extending.relation, manifest.rows, tables, expressions)
    return _read(session, extending, computed, parts, manifest)


def _source(session: DaySession) -> Layout:
    """Where the day lies that is extended: in the place of the new one, or in a lower version of the service."""
    extending, layout = session.context.extending, session.context.staging.layout
    assert extending is not None
    version = extending.days[session.day].version
    return layout if version is None else layout.of_version(version)


def _of_this_software(manifest: Manifest) -> bool:
    """Whether the parts were written by what writes now: no file holds pages of two writers."""
    return all(manifest.software.get(name) == version for name, version in software(_WRITERS).items())


def _read(
    session: DaySession,
    extending: Extending,
    computed: Materialised | None,
    parts: tuple[Path, ...],
    manifest: Manifest,
) -> Materialised:
    """The relation of the day with the kept columns as a table, which are written anew."""
    kept = extending.days[session.day].kept
    stored = {name: f"__kept_{number}" for number, name in enumerate(kept)}
    columns = (named(column(kept[name]), stored[name]) for name in kept)
    files = exp.Array(expressions=[exp.Literal.string(as_pattern(str(path))) for path in parts])
    query = selected(*columns).from_(read_parquet(files), copy=False)
    rows = session.resources.table(_TABLE, query.sql("duckdb"))
    if rows != manifest.rows:
        raise _NotAsPlanned(f"its parts have {rows} rows, and its manifest {manifest.rows}")
    expressions = {} if computed is None else dict(computed.expressions)
    tables = () if computed is None else computed.tables
    return Materialised(
        extending.relation,
        rows,
        (*tables, ColumnTable(_TABLE, tuple(stored.values()))),
        {**expressions, **{name: column(stored[name]).sql("duckdb") for name in kept}},
    )


def _published(session: DaySession, directory: Location) -> Manifest:
    layout = _source(session)
    try:
        manifest = read_manifest(directory, DayName(layout.service, "skeleton", session.day))
    except DamagedManifest as error:
        raise _NotAsPlanned(error.reason) from error
    if manifest is None:
        raise _NotAsPlanned("it is not there any more")
    return manifest


def _check_identities(session: DaySession, manifest: Manifest, kept: dict[str, str]) -> None:
    """The kept columns are those of the published day, of the files as they are now."""
    recipes = session.context.recipes_of(session.day)
    if recipes is None or manifest.identities is None:
        raise _NotAsPlanned("it does not say what its columns are made of")
    before, after = manifest.identities, session.inputs.identities(recipes)
    in_place = in_same_rows(before, after, recipes)
    if not in_place.issuperset(kept):
        raise _NotAsPlanned("it has other rows")
    for name, source in kept.items():
        if before.columns.get(source) != after.columns[name]:
            raise _NotAsPlanned(f"its column '{cut(source)}' is not what '{name}' is to be")


def _fetched(session: DaySession, directory: Location, part: Part) -> Path:
    """A published part in the directory of the day at work, whose digest is that of the manifest."""
    target = session.resources.work / f"published-{part.name}"
    source = directory / part.name
    try:
        if isinstance(source, ObjectPath):
            _, digest = client().fetch(source, target)
        else:
            _link(source, target)
            digest = file_digest(target)
    except (FileNotFoundError, NotRegular, ChangedMeanwhile) as error:
        raise _NotAsPlanned(f"{part.name} is missing") from error
    if digest != part.sha256:
        layout = _source(session)
        forget_stamps(layout, DayName(layout.service, "skeleton", session.day))
        raise _NotAsPlanned(f"{part.name} is not the file that was published")
    return target


def _link(source: Path, target: Path) -> None:
    """The file under a second name: nobody writes into a published part, and a move does not take it from here."""
    try:
        os.link(source, target, follow_symlinks=False)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target, follow_symlinks=False)
