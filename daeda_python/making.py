"""Features of a frame, or of a day, as `train` makes them, written to a file; the heavy imports are here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from beam_pipeline.in_memory.features import Features, open_features
from beam_pipeline.in_memory.own_spine import no_column, over_own_spine, spine_keys
from daeda.catalog.project import Project
from daeda.compiler.compile import compile_runnable
from daeda.errors import InputError, UsageError, closest, counted, did_you_mean, shortened
from daeda.flags.table import PREVIEW_ROWS
from daeda.operators.dag import Dag
from daeda.process.extras import require
from daeda.process.messages import say
from daeda.storage.objects import before_the_first_day
from daeda_python.request import Answer, Exchange, Request

_OF_THE_ROW = ("key", "timestamp", "spine")


def make(project: Project, request: Request, exchange: Exchange) -> Answer:
    """Compute what is asked for, and write it; returns what is to be said of it."""
    dag = compile_runnable(project)
    if "polars" in dag.rolling_engines:
        require("polars")
    for name in request.columns or ():
        if name not in dag.output.names:
            raise UsageError(f"columns: no column '{name}': {did_you_mean(name, dag.output.names)}")
    # Whatever is refused is a mistake of the input, or of the configuration: no day of a run fails here.
    with before_the_first_day(), open_features(project, dag) as features:
        if request.names is None:
            return _of_day(project, features, request, exchange)
        return _of_rows(project, dag, features, request, exchange)


def _of_day(project: Project, features: Features, request: Request, exchange: Exchange) -> Answer:
    day = request.day or project.runtime.days[0]
    rows = PREVIEW_ROWS if request.rows is None else request.rows
    made = features.of_day(day, first_rows=rows, columns=request.columns)
    names = request.columns or made.table.column_names
    _write([made.table], _vectors(project, made.dag), names, exchange)
    return Answer(service=project.service.name, left_out=dict(made.left_out), notes=made.notes)


def _of_rows(project: Project, dag: Dag, features: Features, request: Request, exchange: Exchange) -> Answer:
    assert request.names is not None
    given = _read(exchange)
    _check_keys(dag, request, given.column_names)
    wanted = _not_given(project, dag, request, given.column_names)
    with features.spilled_rows(given, columns=wanted, labels=request.labels, tell=_tell) as spilled:
        _write(spilled.tables(), _vectors(project, spilled.dag), wanted, exchange)
    return Answer(
        service=project.service.name,
        notes=(*_missing_columns(dag, request, given.column_names), *_without_key(dag, given), *spilled.notes),
    )


def _check_keys(dag: Dag, request: Request, given: Sequence[str]) -> None:
    """Raise InputError, in one sentence, where what is wanted needs columns of the spine that the rows do not have."""
    lacking = _lacking(dag, request, given)
    keys = [name for name in spine_keys(dag) if name in lacking] if request.columns is None else list(lacking)
    if not keys:
        return
    assert request.names is not None
    others = [name for name in request.names if name not in given]
    meant = [f"'{name}' for '{key}'" for key in keys if (name := closest(key, others)) is not None]
    hint = f" (is it {', '.join(meant)}?)" if meant else ""
    needing = list(dict.fromkeys(column for key in keys for column in lacking[key]))
    verb = "needs" if len(needing) == 1 else "need"
    raise InputError(
        f"the rows have no {_columns(keys)}{hint}, which {counted(len(needing), 'column')} {verb} "
        f"({shortened(needing, 5)}): add {'it' if len(keys) == 1 else 'them'}, or name with columns= what does without"
    )


def _lacking(dag: Dag, request: Request, given: Sequence[str]) -> dict[str, list[str]]:
    """Columns of the spine that the rows do not have, each with the wanted columns that cannot be made without it."""
    missing = {no_column(column.name): column.name for column in dag.spine.columns if column.name not in given}
    lacking: dict[str, list[str]] = {}
    left_out = over_own_spine(dag, given, None, labels=request.labels).left_out
    for name in request.columns or left_out:
        if (column := missing.get(left_out.get(name, ""))) is not None:
            lacking.setdefault(column, []).append(name)
    return lacking


def _not_given(project: Project, dag: Dag, request: Request, given: Sequence[str]) -> list[str]:
    """The columns to make: those that are wanted and can be made, and that the rows do not have themselves."""
    assert request.names is not None
    names = request.columns
    if names is None:
        left_out = over_own_spine(dag, given, None, labels=request.labels).left_out
        names = tuple(name for name in dag.output.names if name not in left_out)
    kinds = {column.name: column.kind for column in project.service.columns}
    there = [name for name in names if name in request.names]
    computed = [name for name in there if kinds[name] not in _OF_THE_ROW]
    if computed:
        raise InputError(
            f"the frame has {_columns(computed)}, and so has the service '{project.service.name}', which would compute "
            f"{'it' if len(computed) == 1 else 'them'} anew: drop or rename, or name other columns with columns="
        )
    wanted = [name for name in names if name not in there]
    if not wanted:
        raise InputError(
            f"the frame has every column that is asked for ({shortened(there, 5)}): nothing is left to be made"
        )
    return wanted


def _missing_columns(dag: Dag, request: Request, given: Sequence[str]) -> list[str]:
    lacking = _lacking(dag, request, given)
    if not lacking:
        return []
    without = list(dict.fromkeys(name for names in lacking.values() for name in names))
    return [f"the rows have no {_columns(list(lacking))}: left out is {shortened(without, 8)}"]


def _without_key(dag: Dag, given: pa.Table) -> list[str]:
    """A sentence for each key that is NULL in some of the rows."""
    return [
        f"{counted(number, 'row')} without '{name}': what is looked up by it finds nothing there, as for a key that no "
        "view has"
        for name in spine_keys(dag)
        if name in given.column_names and (number := _missing(given.column(name)))
    ]


def _missing(column: pa.ChunkedArray) -> int:
    """How many values are missing; NaN, which pandas makes of them, is none."""
    return int(pc.sum(pc.is_null(column, nan_is_null=True)).as_py() or 0)


def _columns(names: Sequence[str]) -> str:
    quoted = [f"'{name}'" for name in names]
    return f"column{'' if len(names) == 1 else 's'} {shortened(quoted, 8)}"


def _tell(done: int, days: int) -> None:
    say(f"features of {done} of {counted(days, 'day')}", done=done, days=days)


def _vectors(project: Project, dag: Dag) -> Callable[[pa.Table], pa.Table]:
    """What fills in the vectors."""
    if not dag.enrichments:
        return lambda table: table
    require("stores")
    from enrich.in_memory import RowVectors

    return RowVectors(project, dag).fill


def _read(exchange: Exchange) -> pa.Table:
    with pa.memory_map(str(exchange.rows)) as source:
        return pa.ipc.open_file(source).read_all()


def _write(
    tables: Iterable[pa.Table], fill: Callable[[pa.Table], pa.Table], names: Sequence[str], exchange: Exchange
) -> None:
    writer = None
    with pa.OSFile(str(exchange.features), "wb") as sink:
        for table in tables:
            filled = fill(table).select(list(names))
            if writer is None:
                writer = pa.ipc.new_file(sink, filled.schema)
            writer.write_table(filled)
        assert writer is not None
        writer.close()
