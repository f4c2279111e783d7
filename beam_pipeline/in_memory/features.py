"""Features in memory: those of a day of a service, or of rows of one's own, as `train` makes them.

    with open_features(project, dag) as features:
        features.of_day(day, first_rows=5)      the first rows of a published day would be these
        features.of_rows(table)                 a row for each row of the table, in its order

Vectors are placeholders here, as they are in a skeleton day: the enrichment has the kernels that fill them.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa

from beam_pipeline.history.partition_cache import forget_mapped
from beam_pipeline.in_memory.day import run_day
from beam_pipeline.in_memory.given_order import GivenOrder
from beam_pipeline.in_memory.own_rows import no_rows, rows_by_day
from beam_pipeline.in_memory.own_spine import of_columns, over_own_spine
from beam_pipeline.workers.context import RunContext
from beam_pipeline.workers.immature import immature_labels
from beam_pipeline.workers.limits import limits_of_a_day
from daeda.catalog.project import Project
from daeda.compiler.compile import check_reach
from daeda.errors import InputError, counted
from daeda.operators.dag import Dag
from daeda.planning.configuration import function_codes
from daeda.planning.exports import exported
from daeda.planning.immature import find_immature
from daeda.planning.maturity import Maturity
from daeda.planning.preflight import check_sources
from daeda.planning.sources import Sources, find_sources
from daeda.sources.files import Export, SourceFiles

_DIRECTORIES = ("work", "status", "narrowed")


@dataclass(frozen=True)
class FeatureRows:
    """A table of features, in the order of the rows. `dag` made it, vectors apart, which its enrichments fill.

    `left_out` are columns that rows of one's own cannot have, each with the reason; `notes` say what else they lack.
    """

    table: pa.Table
    dag: Dag
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SpilledRows:
    """The same as FeatureRows, whose table lies in files: `tables` gives its rows in stretches, in their order."""

    tables: Callable[[], Iterator[pa.Table]]
    dag: Dag
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@contextmanager
def open_features(project: Project, dag: Dag) -> Iterator[Features]:
    """What computes features of a service, whose DAG is the whole one; views in databases are exported once."""
    with exported(project, dag.skeleton()) as exports:
        yield Features(project, dag, exports)


class Features:
    """Computes features in this process; each call reads the sources as they are then."""

    def __init__(self, project: Project, dag: Dag, exports: Mapping[str, Export]) -> None:
        self._project, self._dag, self.exports = project, dag, exports

    def of_day(
        self, day: dt.date, *, first_rows: int | None = None, columns: Sequence[str] | None = None
    ) -> FeatureRows:
        """The rows of a day, or the first of them, exactly as a run writes them.

        Of the views only those are read that the rows, and the `columns` that are named, are made of; what these
        columns read of the output is in the table, too. Raises InputError where the input of the day cannot be read as
        declared, or a label is not known yet, and DayError where the day fails.
        """
        dag = self._dag if columns is None else of_columns(self._dag, columns)
        skeleton = dag.skeleton()
        sources = self._find_sources(skeleton, [day])
        with self._context(skeleton, sources, [day]) as context:
            made = run_day(context, skeleton, day, _listed(sources), first_rows=first_rows)
            return FeatureRows(made.table, dag)

    def of_rows(
        self,
        given: pa.Table,
        *,
        columns: Sequence[str] | None = None,
        labels: bool = False,
        tell: Callable[[int, int], None] | None = None,
    ) -> FeatureRows:
        """Features of rows of one's own: as many rows, in the same order; no filter and no sample of the spine applies.

        `given` has the time of the spine, and those of its other columns that the wanted features need: the keys first
        of all. Its times decide what each row sees, whatever the range of the project. `tell` hears of days done, of so
        many.
        """
        with self.spilled_rows(given, columns=columns, labels=labels, tell=tell) as spilled:
            table = pa.concat_tables(spilled.tables()).combine_chunks()
        return FeatureRows(table, spilled.dag, spilled.left_out, spilled.notes)

    @contextmanager
    def spilled_rows(
        self,
        given: pa.Table,
        *,
        columns: Sequence[str] | None = None,
        labels: bool = False,
        tell: Callable[[int, int], None] | None = None,
    ) -> Iterator[SpilledRows]:
        """The same in files, which last as long as the block: no more than the rows of a day are ever in memory."""
        restricted = over_own_spine(self._dag, given.column_names, columns, labels=labels)
        skeleton = restricted.dag.skeleton()
        days = rows_by_day(skeleton.spine, given)
        check_reach(skeleton, sorted(days) or self._project.runtime.days)
        own = {day: rows.num_rows for day, rows in days.items()}
        sources = _without_spine(self._find_sources(skeleton, sorted(days), own), skeleton)
        notes = _before_the_data(sources, own)
        with self._context(skeleton, sources, sorted(days)) as context:
            rows = GivenOrder(Path(context.run_dir))
            for number, day in enumerate(sorted(days), 1):
                rows.add(run_day(context, skeleton, day, _listed(sources), own_rows=days[day]))
                if tell is not None:
                    tell(number, len(days))
            if not days:
                empty = no_rows(skeleton.spine)
                rows.add(run_day(context, skeleton, self._project.runtime.days[0], _listed(sources), own_rows=empty))
            yield SpilledRows(rows.tables, restricted.dag, restricted.left_out, notes)

    def _find_sources(self, dag: Dag, days: Sequence[dt.date], rows: Mapping[dt.date, int] | None = None) -> Sources:
        """The sources of these days, which may lie outside of the range; raises InputError where a day waits.

        `rows` is how many rows of one's own each day has.
        """
        found = find_sources(self._project, dag, self.exports)
        data_until = self._project.runtime.data_until
        maturity = Maturity(dag, found.files, data_until)
        waiting = {day: sentences[-1] for day in days if (sentences := maturity.waiting(day))}
        if waiting:
            day, sentence = next(iter(waiting.items()))
            more = f" and {counted(len(waiting) - 1, 'later day')} have" if len(waiting) > 1 else " has"
            those = "choose an earlier day"
            if rows is not None:
                count = sum(rows[day] for day in waiting)
                those = f"leave out {'its row' if count == 1 else f'their {count:,} rows'}, or the labels"
            raise InputError(
                f"{day}{more} labels that are not known yet: {sentence}: {those}, add later data, or say data_until in "
                "runtime.yaml where a view is quiet"
            )
        return replace(found, immature=find_immature(dag, found.files, data_until, days))

    @contextmanager
    def _context(self, dag: Dag, sources: Sources, days: Sequence[dt.date]) -> Iterator[RunContext]:
        """A run that publishes nothing, in a directory of its own; raises InputError for what would be refused."""
        project = self._project
        checked = check_sources(project, dag, sources, days)
        config = project.runtime.compute.duckdb_config
        spill = project.root / config.temp_directory if config.temp_directory else None
        with tempfile.TemporaryDirectory(prefix="daeda-features-") as made:
            directory = Path(made) / "staging" / "run"
            for name in _DIRECTORIES:
                (directory / name).mkdir(parents=True)
            checked.write(directory)
            context = RunContext(
                service=project.service.name,
                data_root=project.data_root,
                service_dir=str(Path(made)),
                run_dir=str(directory),
                limits=replace(
                    limits_of_a_day(1, config.memory_limit, config.threads, str(spill) if spill else ""),
                    rolling_chunk_rows=project.runtime.rolling_chunk_rows,
                    udf_chunk_rows=project.runtime.udf_chunk_rows,
                    function_seconds=float(project.runtime.timeouts.function_seconds),
                    day_minutes=float(project.runtime.timeouts.day_minutes),
                    storage_seconds=float(project.runtime.timeouts.storage_seconds),
                ),
                day_workers=1,
                rows_per_part=project.runtime.rows_per_part,
                label_columns=tuple(project.service.grain),
                sources=sources.places(),
                functions=function_codes(project, dag),
                project_root=str(project.root),
                exports=sources.exports,
                days=tuple(days),
                has_checked=True,
                immature=immature_labels(sources.immature, dag, None),
            )
            try:
                yield context
            finally:
                forget_mapped(context.run_dir)


def _without_spine(sources: Sources, dag: Dag) -> Sources:
    """The sources, that of the spine left out: its rows are given."""
    spine = dag.spine.name
    immature = {
        day: replace(one, operators={name: of_day for name, of_day in one.operators.items() if name != spine})
        for day, one in sources.immature.items()
    }
    return replace(sources, scans=tuple(scan for scan in sources.scans if scan.name != spine), immature=immature)


def _before_the_data(sources: Sources, rows: Mapping[dt.date, int]) -> tuple[str, ...]:
    """A sentence for each view that begins behind some of the rows, which are so many on each day."""
    first_days = {scan.view: sources.files[scan.name].first_day for scan in sources.scans}
    notes = []
    for view, first_day in first_days.items():
        early = sum(number for day, number in rows.items() if first_day is not None and day < first_day)
        if early:
            verbs = ("is", "sees") if early == 1 else ("are", "see")
            notes.append(
                f"{counted(early, 'row')} {verbs[0]} before {first_day}, the first day of view '{view}', and "
                f"{verbs[1]} nothing of it"
            )
    return tuple(notes)


def _listed(sources: Sources) -> list[SourceFiles]:
    """The files of all views but those of databases, which a session finds by their export."""
    exported_paths = {export.path for export in sources.exports.values()}
    return [files for files in sources.files.values() if files.directory not in exported_paths]
