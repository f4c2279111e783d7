"""Two sides compared, day by day. Days whose parts have the same digests are not read."""

from __future__ import annotations

import datetime as dt
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from daeda.dataset.layout import DATASETS, Dataset
from daeda.dataset.manifest import Manifest
from daeda.dataset.published import Published, fetch_day
from daeda.diff.aligned import File, compare_aligned, segments
from daeda.diff.exact import all_exact
from daeda.diff.explained import Makers, reasons
from daeda.diff.schema import SchemaChange, Schemas, compare_schemas, grain_of, made_otherwise
from daeda.diff.shuffled import Limits, compare_shuffled, has_twins
from daeda.diff.sides import Side
from daeda.diff.tally import ColumnTally, Comparison, Tally
from daeda.diff.values import EXACT, Tolerance
from daeda.errors import InputError, UsageError, cut, did_you_mean, first_line, shortened
from daeda.storage.location import Location, ObjectPath

# Half of what a comparison is promised to stay below: the rest is Arrow's, Python's and the operating system's.
_DUCKDB_MEMORY = "400MiB"
_RESERVED = "file_row_number"


@dataclass(frozen=True)
class Options:
    """How rows are paired and compared; `grain` are the columns that name a row, empty for what manifests say.

    Where it was `grain_asked` for, each of its names has to be a column that is compared.
    """

    grain: tuple[str, ...] = ()
    tolerance: Tolerance = EXACT
    memory: str = _DUCKDB_MEMORY
    grain_asked: bool = False


@dataclass
class ColumnDifference:
    """A column whose values differ, or that is made otherwise, over all days. `why` explains it."""

    tally: ColumnTally = field(default_factory=ColumnTally)
    days: list[dt.date] = field(default_factory=list)
    example_days: list[dt.date] = field(default_factory=list)
    why: tuple[str, ...] = ()


@dataclass
class RowsAlone:
    """Rows of one side alone, over all days, and a few keys with their days."""

    count: int = 0
    days: list[dt.date] = field(default_factory=list)
    examples: list[tuple[dt.date, dict[str, object]]] = field(default_factory=list)


@dataclass
class Difference:
    """All that was found. Days are those of the side here; `notes` are what differs and is no difference of data."""

    here: str
    there: str
    dataset: Dataset
    days_only_here: list[dt.date] = field(default_factory=list)
    days_only_there: list[dt.date] = field(default_factory=list)
    days: list[dt.date] = field(default_factory=list)
    same_bytes: list[dt.date] = field(default_factory=list)
    rows_here: int = 0
    rows_there: int = 0
    paired: int = 0
    changed: int = 0
    key: tuple[str, ...] = ()
    schema: dict[SchemaChange, list[dt.date]] = field(default_factory=dict)
    columns: dict[str, ColumnDifference] = field(default_factory=dict)
    remade: dict[str, ColumnDifference] = field(default_factory=dict)
    only_here: RowsAlone = field(default_factory=RowsAlone)
    only_there: RowsAlone = field(default_factory=RowsAlone)
    rows_why: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether both sides hold the same."""
        alone = self.days_only_here or self.days_only_there or self.only_here.count or self.only_there.count
        return not (alone or self.schema or self.columns)

    def note(self, sentence: str) -> None:
        """Keep what is to be said once."""
        if sentence not in self.notes:
            self.notes.append(sentence)


def compare_sides(
    here: Side,
    there: Side,
    dataset: Dataset,
    days: Sequence[dt.date] | None,
    options: Options,
    makers: Makers,
    tell: Callable[[dt.date, int, int], None] = lambda day, done, all_days: None,
) -> Difference:
    """Compare the days of both sides, or those of `days`; raises InputError for one that is not as it was published."""
    result = Difference(here.title, there.title, dataset)
    pairs = _paired_days(here, there, dataset, days, result)
    for other in DATASETS:
        held = bool(here.days(other)), bool(there.days(other))
        if other != dataset and held[0] != held[1]:
            result.note(f"days of the {other} are only {'here' if held[0] else 'there'}, and were not compared")
    with tempfile.TemporaryDirectory(prefix="daeda-diff-") as scratch:
        for done, (ours, theirs) in enumerate(pairs, 1):
            looked = _Day(here, dataset, ours), _Day(there, dataset, theirs)
            _compare_day(*looked, Path(scratch), options, makers, result)
            for day in looked:
                day.require_unchanged()
            tell(ours, done, len(pairs))
    return result


def _paired_days(
    here: Side, there: Side, dataset: Dataset, days: Sequence[dt.date] | None, result: Difference
) -> list[tuple[dt.date, dt.date]]:
    ours, theirs = here.days(dataset), there.days(dataset)
    if here.day is not None and there.day is not None and days is None:
        result.days = [here.day]
        return [(here.day, there.day)]
    if days is not None:
        missing = [day for day in days if day not in ours and day not in theirs]
        if missing:
            raise InputError(f"neither side has day {shortened(missing, 6)}: correct --days, or leave it out")
        ours, theirs = ([day for day in side if day in days] for side in (ours, theirs))
    result.days_only_here = [day for day in ours if day not in theirs]
    result.days_only_there = [day for day in theirs if day not in ours]
    result.days = [day for day in ours if day in theirs]
    return [(day, day) for day in result.days]


class _Day:
    """A day of one side: its manifest, and its files where they can be read."""

    def __init__(self, side: Side, dataset: Dataset, day: dt.date) -> None:
        self.side, self.dataset, self.day = side, dataset, day
        self.directory: Location = side.directory(dataset, day)
        published = side.look(dataset, day)
        self.manifest = _whole(self.directory, published)

    def schema(self, directory: Path) -> pa.Schema:
        """The columns and their types, by the first part."""
        return pq.read_schema(directory / self.manifest.parts[0].name)

    def files(self, directory: Path) -> list[File]:
        """The parts, in the order of their rows."""
        return [File(directory / part.name, part.rows, part.sha256) for part in self.manifest.parts]

    @contextmanager
    def at_hand(self, scratch: Path) -> Iterator[Path]:
        """A local directory of the parts, which are fetched from object storage."""
        if not isinstance(self.directory, ObjectPath):
            yield self.directory
            return
        with tempfile.TemporaryDirectory(dir=scratch) as copy:
            fetch_day(self.directory, self.manifest, Path(copy))
            yield Path(copy)

    def require_unchanged(self) -> None:
        """Raise InputError where another day has come into the place of a local one while its files were read.

        What is fetched from object storage is compared with the manifest as it comes.
        """
        if isinstance(self.directory, ObjectPath):
            return
        now = self.side.look(self.dataset, self.day)
        same = now is not None and now.manifest is not None and now.manifest.parts == self.manifest.parts
        if now is None or not same or now.damage or now.obstacles:
            raise InputError(f"{self.directory} was published anew meanwhile: run again")

    def skeleton(self) -> Manifest | None:
        """The manifest of the skeleton that an enriched day is made of; None where it is not there."""
        if self.dataset == "skeleton" or "skeleton" not in self.side.datasets:
            return None
        published = self.side.look("skeleton", self.day)
        return None if published is None else published.manifest


def _whole(directory: Location, published: Published | None) -> Manifest:
    if published is not None and published.manifest is not None and not published.damage and not published.obstacles:
        return published.manifest
    if published is None:
        raise InputError(f"{directory} is gone: run again")
    clauses = (*published.damage, *published.obstacles) or ("it has no manifest",)
    raise InputError(
        f"{directory} is not as it was published: {shortened(clauses, 3)}: build it anew, or leave its day out"
    )


def _compare_day(here: _Day, there: _Day, scratch: Path, options: Options, makers: Makers, result: Difference) -> None:
    result.rows_here += here.manifest.rows
    result.rows_there += there.manifest.rows
    digests = [[part.sha256 for part in day.manifest.parts] for day in (here, there)]
    try:
        if digests[0] == digests[1]:
            # Equal files hold equal columns: manifests alone may tell them apart.
            result.same_bytes.append(here.day)
            result.paired += here.manifest.rows
            with here.at_hand(scratch) if not isinstance(here.directory, ObjectPath) else _nowhere() as ours:
                schema = here.schema(ours) if ours is not None else _schema_of(here.manifest)
            schemas = compare_schemas((here.manifest, schema), (there.manifest, schema), _grain(here, options))
            _require_grain(schemas, options)
            _add(result, here, there, schemas, Tally(), makers)
            return
        with here.at_hand(scratch) as ours, there.at_hand(scratch) as theirs:
            schemas = _schemas(here, ours, there, theirs, options)
            _require_grain(schemas, options)
            if _RESERVED in schemas.pairing.columns:
                raise InputError(f"the column '{_RESERVED}' has a name that DuckDB gives itself: rename it")
            tally = _compared(here.files(ours), there.files(theirs), schemas, options, scratch)
            result.paired += tally.paired
            _add(result, here, there, schemas, tally, makers)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{here.directory}, or {there.directory}, cannot be read: {first_line(error)}") from error


def _schemas(here: _Day, ours: Path, there: _Day, theirs: Path, options: Options) -> Schemas:
    """The columns of two days whose parts are at hand."""
    schemas = here.schema(ours), there.schema(theirs)
    files = [file.path for file in here.files(ours)], [file.path for file in there.files(theirs)]

    def exact(name: str, other: str, common: pa.DataType) -> bool:
        of = zip(files, (name, other), schemas, strict=True)
        return all(all_exact(paths, column, schema.field(column).type, common) for paths, column, schema in of)

    return compare_schemas((here.manifest, schemas[0]), (there.manifest, schemas[1]), _grain(here, options), exact)


@contextmanager
def _nowhere() -> Iterator[None]:
    yield None


def _schema_of(manifest: Manifest) -> pa.Schema:
    """Names alone, where both sides have the same types."""
    return pa.schema([(column.name, pa.null()) for column in manifest.columns])


def _grain(day: _Day, options: Options) -> tuple[str, ...]:
    return grain_of(day.manifest, options.grain)


def _require_grain(schemas: Schemas, options: Options) -> None:
    unknown = [name for name in options.grain if name not in schemas.pairing.columns] if options.grain_asked else []
    if unknown:
        raise UsageError(
            f"--grain: no column '{cut(unknown[0])}' that both sides have in comparable types: "
            f"{did_you_mean(unknown[0], schemas.pairing.columns)}"
        )


def _compared(here: Sequence[File], there: Sequence[File], schemas: Schemas, options: Options, scratch: Path) -> Tally:
    if not schemas.pairing.columns:
        return Tally()
    limits = Limits(options.memory, max(1, min(4, os.cpu_count() or 1)), scratch)
    tally = _in_order(here, there, schemas, options, limits)
    if tally is None:
        tally = compare_shuffled(here, there, schemas, options.tolerance, limits)
    return tally


def _in_order(
    here: Sequence[File], there: Sequence[File], schemas: Schemas, options: Options, limits: Limits
) -> Tally | None:
    """The differences where both sides have the same keys in the same order; None where they have not."""
    pieces = segments(here, there)
    if pieces is None:
        return None
    comparison = Comparison(schemas.pairing, options.tolerance)
    columns = schemas.pairing.columns
    for piece in pieces:
        if not compare_aligned(piece, comparison, [*columns], [*columns.values()]):
            return None
    tally = comparison.tally(sum(file.rows for file in here))
    # Of rows with one key those that are alike are paired first, in whatever order they stand.
    twins = tally.columns and has_twins([file for piece in pieces for file in piece.here], schemas.pairing.key, limits)
    return None if twins else tally


def _add(result: Difference, here: _Day, there: _Day, schemas: Schemas, tally: Tally, makers: Makers) -> None:
    day = here.day
    for change in schemas.changes:
        result.schema.setdefault(change, []).append(day)
    result.key = result.key or schemas.pairing.key
    result.changed += tally.changed
    if schemas.reordered:
        result.note("columns stand in another order")
    if tally.reordered:
        result.note("rows stand in another order")
    for name, clause in schemas.incomparable.items():
        result.note(f"values of '{name}' {clause}, and not compared")
    manifests = [(here.manifest, there.manifest)]
    skeletons = here.skeleton(), there.skeleton()
    if skeletons[0] is not None and skeletons[1] is not None:
        manifests.append((skeletons[0], skeletons[1]))
    _add_columns(result, day, schemas, tally, makers, manifests)
    for alone, counted_rows in ((result.only_here, tally.only_here), (result.only_there, tally.only_there)):
        if counted_rows.count:
            alone.count += counted_rows.count
            alone.days.append(day)
            alone.examples = [*alone.examples, *((day, dict(key)) for key in counted_rows.examples)][:3]
    if tally.only_here.count or tally.only_there.count:
        why = (
            clause
            for name in schemas.pairing.key
            for clause in reasons(manifests, name, makers, _rows_alike(manifests))
        )
        result.rows_why = tuple(dict.fromkeys((*result.rows_why, *why)))


def _add_columns(
    result: Difference,
    day: dt.date,
    schemas: Schemas,
    tally: Tally,
    makers: Makers,
    manifests: Sequence[tuple[Manifest, Manifest]],
) -> None:
    here, there = manifests[0]
    remade = made_otherwise(here, there, schemas.pairing.columns)
    identities = here.identities is not None and there.identities is not None
    for name in schemas.pairing.columns:
        counted = tally.columns.get(name)
        if counted is None and (name not in remade or name in result.columns):
            continue
        if counted is not None:
            # What has the same values on one day and others on another is told once, with the others.
            result.remade.pop(name, None)
        where = result.columns if counted is not None else result.remade
        column = where.setdefault(name, ColumnDifference())
        column.days.append(day)
        if counted is not None:
            before = len(column.tally.examples)
            column.tally.add(counted)
            column.example_days += [day] * (len(column.tally.examples) - before)
        alike = name not in remade if identities else None
        column.why = tuple(dict.fromkeys((*column.why, *reasons(manifests, name, makers, alike))))


def _rows_alike(manifests: Sequence[tuple[Manifest, Manifest]]) -> bool | None:
    here, there = (manifest.identities for manifest in manifests[0])
    return None if here is None or there is None else here.rows == there.rows
