"""`daeda.project()`: the services of a project, planned, built, checked, audited and computed from Python."""

from __future__ import annotations

import argparse
import datetime as dt
import html
import os
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from daeda.answers.catalog import CatalogAnswer, CatalogColumn, CatalogService, CatalogView
from daeda.catalog.find import find_root, find_runtime, runtime_files
from daeda.errors import UsageError, cut
from daeda.process.interrupts import kept
from daeda_data.arguments import names_of, path_of, text_of, truth_of
from daeda_python.driver import Ended, run
from daeda_python.listing import Listing
from daeda_python.results import Audit, Check, Plan, Preview, Run
from daeda_python.told import Progress, warn

if TYPE_CHECKING:
    from daeda_data.choosing import Days
    from daeda_data.opening import Half
    from daeda_data.training_data import TrainingData
    from daeda_python.frames import FrameT

Day = dt.date | str
ResultT = TypeVar("ResultT", Plan, Run, Check, Audit)


def project(path: str | PathLike[str] = ".") -> Project:
    """The project of a directory: it, or the nearest one above it, that has `config/training`.

    `path` may be a runtime file, too, whose service is then the only one. Raises UsageError where there is no project,
    and for a path that does not exist.

    >>> shop = project(path)
    >>> shop.services.names
    ('ranking',)
    """
    return Project(path)


class Project:
    """A project: `services`, `views` and `columns` as they are declared now, and what can be done with a service.

    Where a service may be left out it is the only one, or the one of `config/training/runtime.yaml`. Each method reads
    the files anew. It raises what the command line would print, in the same sentences: ConfigurationError for YAML,
    UsageError for arguments, InputError for data, DayError for a day that fails; what is printed as a warning is a
    DataWarning. `progress` tells in a terminal and in a notebook; True and False tell always, and never.
    """

    def __init__(self, path: str | PathLike[str] = ".") -> None:
        # "..": of the text, as a shell has it, and before a directory above is looked for.
        given = Path(os.path.abspath(path_of("path", path)))  # noqa: PTH100
        if not given.exists():
            raise UsageError(f"{given} does not exist: give the directory of a project, or its runtime file")
        self._runtime = given if given.is_file() else None
        self._root = _root_of(given) if self._runtime is not None else find_root(given)

    @property
    def root(self) -> Path:
        """The directory that has `config/`, `feature_views/` and `feature_services/`."""
        return self._root

    @property
    def services(self) -> Listing[CatalogService]:
        """The feature services that have a runtime file; raises ConfigurationError where a file is wrong.

        >>> project(path).services["ranking"].spine
        'events'
        """
        return Listing("services", self._catalog("services").services or ())

    @property
    def views(self) -> Listing[CatalogView]:
        """The feature views, with the files and days that are there.

        >>> project(path).views["prices"].fields["price"]
        'double'
        """
        return Listing("views", self._catalog("views").views or ())

    @property
    def columns(self) -> Listing[CatalogColumn]:
        """The columns of all services, with kind, type, and what makes them.

        >>> project(path).columns["events_1d"].made_by
        'aggregation_spec events'
        """
        return Listing("columns", self._catalog("columns").columns or ())

    def check(self, service: str | None = None, *, progress: bool | None = None) -> Check:
        """All mistakes at once, and hints at leaks; nothing is built. Mistakes are in the answer, and not raised.

        >>> project(path).check().passed
        True
        """
        ended = self._run("check", ["check"], service, {}, progress)
        return _result(Check, ended, warned=False)

    def plan(
        self,
        service: str | None = None,
        *,
        start: Day | None = None,
        end: Day | None = None,
        target_date: Day | None = None,
        output_root: str | PathLike[str] | None = None,
        on_stale: Literal["rebuild", "keep", "fail"] | None = None,
        verify: bool = False,
        progress: bool | None = None,
    ) -> Plan:
        """Which days `train` would build, skip or rebuild, and why; nothing is written.

        `start` and `end` are days, or texts like "-7d" and "yesterday"; `target_date` is one day of the range.

        >>> [day.datasets["skeleton"].action for day in project(path).plan().days]
        ['build', 'build']
        """
        flags = {"start": start, "end": end, "target-date": target_date, "output-root": output_root,
                 "on-stale": on_stale, "verify": verify}  # fmt: skip
        return _result(Plan, self._run("plan", ["pipeline", "plan"], service, flags, progress))

    def train(
        self,
        service: str | None = None,
        *,
        start: Day | None = None,
        end: Day | None = None,
        target_date: Day | None = None,
        output_root: str | PathLike[str] | None = None,
        day_workers: int | None = None,
        data_until: str | None = None,
        on_stale: Literal["rebuild", "keep", "fail"] | None = None,
        on_locked: Literal["wait", "fail"] | None = None,
        extend: bool = True,
        skeleton_only: bool = False,
        enrich_only: bool = False,
        flags: Sequence[str] = (),
        progress: bool | None = None,
    ) -> Run:
        """Build the days that are missing or stale, as `daeda train` does: stale days are replaced without a question.

        `flags` are further words of the command line; those of Apache Beam stand behind "--". Raises DayError with the
        sentence of the day or of the check that failed; days published before it stay. KeyboardInterrupt stops the run
        as Ctrl-C does: when it is raised, no process of it is left.

        >>> built = project(path).train(skeleton_only=True)
        >>> [(str(day.day), day.datasets["skeleton"].rows) for day in built.days]
        [('2024-01-02', 2), ('2024-01-03', 2)]
        """
        ours = {"start": start, "end": end, "target-date": target_date, "output-root": output_root,
                "day-workers": day_workers, "data-until": data_until, "on-stale": on_stale, "on-locked": on_locked,
                "no-extend": not truth_of("extend", extend), "skeleton-only": skeleton_only,
                "enrich-only": enrich_only}  # fmt: skip
        more = names_of("flags", flags)
        return _result(Run, self._run("train", ["pipeline", "train"], service, ours, progress, more))

    def audit(
        self,
        service: str | None = None,
        *,
        days: Day | Iterable[Day] | None = None,
        rows: int | None = None,
        seed: int = 0,
        quick: bool = False,
        probe: Literal["all", "recompute", "append"] = "all",
        output_root: str | PathLike[str] | None = None,
        progress: bool | None = None,
    ) -> Audit:
        """Rows of published days, recomputed by the slow path that shares no code; `passed` says whether all agree.

        `days` are days, or ranges "2025-03-01..2025-03-07"; `rows` so many of each day are drawn, by `seed`.
        """
        given = [days] if isinstance(days, str | dt.date) else days
        flags = {"days": None if given is None else list(given), "rows": rows, "seed": seed, "quick": quick,
                 "probe": probe, "output-root": output_root}  # fmt: skip
        return _result(Audit, self._run("audit", ["audit", "leakage"], service, flags, progress))

    def dataset(
        self,
        service: str | None = None,
        *,
        version: int | None = None,
        split: str | None = None,
        days: Days | None = None,
        verify: bool = False,
        columns: Sequence[str] | None = None,
        half: Half | None = None,
        day_column: str | None = "dt",
        tag: str | None = None,
    ) -> TrainingData:
        """The published days of a service, where runtime.yaml has them published: `daeda.dataset` says what is what.

            project.dataset("ranking", split="train").polars()

        Raises UsageError for days that are not published.
        """
        from daeda_data import dataset

        root = self._runtime or self.root
        with kept():
            name = service if service is not None else self._service_of(self._runtime_of(None))
        return dataset(
            root, name, version, split, days, verify, columns=columns, half=half, day_column=day_column, tag=tag
        )

    def preview(
        self,
        service: str | None = None,
        *,
        day: Day | None = None,
        rows: int | None = None,
        columns: Sequence[str] | None = None,
        progress: bool | None = None,
    ) -> Preview:
        """The first `rows` (5) of a day, in or outside of the range, as `train` would publish them; nothing is written.

        >>> project(path).preview(day="2024-01-02", columns=["item_id", "price"]).table.to_pydict()
        {'item_id': [11, 99], 'price': [2.5, None]}
        """
        from daeda_python.features import preview_of

        wanted = _day(day) if day is not None else None
        _check_rows(rows)
        with kept():
            return preview_of(self._runtime_of(service), service, wanted, rows, columns, progress)

    def features(
        self,
        frame: FrameT,
        service: str | None = None,
        *,
        columns: Sequence[str] | None = None,
        labels: bool = False,
        progress: bool | None = None,
    ) -> FrameT:
        """Features of rows of your own: the same rows in the same order, with a column for each feature appended.

        `frame` is a pandas.DataFrame, a polars.DataFrame or a pyarrow.Table, and so is the result. It has the time of
        the spine and its keys, by their names; whatever else it has is kept. A time with a zone is the same instant in
        UTC, one without is in UTC.

        Each row sees what a row of the spine with its keys and its time would: values are those of `train`, bit by bit,
        with the same types; no filter and no sample of the service applies. A key that is NULL, or that no view knows,
        finds nothing: its features are their defaults. `columns` are the features to make; without them all that can be
        made, of which those that need a missing column of the spine, no key, are left out with a DataWarning. Labels
        are made only where `labels` is True.

        Embeddings are lists of float16 or float32, as published. In pandas whole numbers are Int64 and so on, truth
        values boolean, a missing float is NaN, lists are arrays of numpy, lists of structs, and of whole numbers with
        NULL among them, of ArrowDtype. A key, the time or another column of the spine that the frame has is not
        appended again.

        Rows are computed day by day, in another process that keeps in memory what a day needs; rows before the first
        day of a view are told by a DataWarning. Raises InputError where a key or the time is missing, for a row without
        a time, for a time whose partitions are not there, for a column of another type than the view declares, and
        where the frame has a feature already; UsageError for another kind of frame.

        >>> import datetime, pyarrow
        >>> times = [datetime.datetime(2024, 1, 3, 9), datetime.datetime(2024, 1, 2, 9)]
        >>> frame = pyarrow.table({"item_id": [10, 11], "event_timestamp": times})
        >>> project(path).features(frame, columns=["price"]).to_pydict()["price"]
        [3.5, 2.5]
        """
        from daeda_python.features import features_of
        from daeda_python.frames import kind_of

        kind_of(frame)
        truth_of("labels", labels)
        with kept():
            runtime = self._runtime_of(service)
            loaded = _loaded(runtime, service)
            return features_of(frame, loaded, runtime, columns=columns, labels=labels, progress=progress)

    def __repr__(self) -> str:
        return f"daeda.project({str(self.root)!r}): {', '.join(self._names())}"

    def _repr_html_(self) -> str:
        names = "".join(f"<li>{html.escape(name)}</li>" for name in self._names())
        return f"<div><strong>project {html.escape(str(self.root))}</strong><ul>{names}</ul></div>"

    def _names(self) -> list[str]:
        """The services, by their files alone: what is printed is printed of a broken project, too."""
        return [self._service_of(path) for path in self._runtimes()]

    def _service_of(self, runtime: Path) -> str:
        from daeda.settings.document import Mistakes, load_document

        document = load_document(runtime, self.root, Mistakes())
        return str(document.data.get("service")) if document is not None else str(runtime)

    def _runtimes(self) -> list[Path]:
        return [self._runtime] if self._runtime is not None else runtime_files(self.root)

    def _runtime_of(self, service: str | None) -> Path:
        named = None if service is None else text_of("service", service, "the name of a service")
        return self._runtime if self._runtime is not None else find_runtime(named, self.root)

    def _catalog(self, section: str) -> CatalogAnswer:
        from daeda.cli.catalog import catalog_answer

        with kept():
            return catalog_answer(_no_flags(), self._runtimes(), (section,))

    def _run(
        self,
        what: str,
        command: Sequence[str],
        service: str | None,
        flags: dict[str, Any],
        progress: bool | None,
        more: Sequence[str] = (),
    ) -> Ended:
        runtime = self._runtime_of(service)
        named = [] if service is None else [service]
        words = [*command, *named, "--runtime-config-path", str(runtime), "--json", "--log-json", *_words(flags), *more]
        with kept():
            return run(words, Progress(f"{what} {service or ''}".rstrip(), progress))


def _root_of(runtime: Path) -> Path:
    from daeda.catalog.project import ProjectPaths

    return ProjectPaths(runtime).root


def _no_flags() -> argparse.Namespace:
    return argparse.Namespace(
        runtime_config_path=None, aggregation_config_path=None, feature_views_dir=None, feature_services_dir=None
    )


def _loaded(runtime: Path, service: str | None) -> Any:
    from daeda.catalog.project import open_project

    arguments = _no_flags()
    arguments.runtime_config_path = runtime
    return open_project(arguments, service)


def _words(flags: dict[str, Any]) -> list[str]:
    """The flags as words of the command line; those that are None or False are left out."""
    words: list[str] = []
    for name, value in flags.items():
        match value:
            case None | False:
                pass
            case True:
                words.append(f"--{name}")
            case list():
                words += [f"--{name}", *map(str, value)]
            case _:
                words.append(f"--{name}={value}")
    return words


def _day(day: object) -> dt.date:
    if isinstance(day, dt.date) and not isinstance(day, dt.datetime):
        return day
    try:
        return dt.date.fromisoformat(str(day))
    except ValueError as error:
        raise UsageError(f"day '{cut(str(day))}' is not a day: write YYYY-MM-DD") from error


def _check_rows(rows: object) -> None:
    if rows is not None and (isinstance(rows, bool) or not isinstance(rows, int) or rows < 1):
        raise UsageError(f"rows is {cut(repr(rows))}, and not a whole number from 1: so many rows of a day are shown")


def _result(kind: type[ResultT], ended: Ended, *, warned: bool = True) -> ResultT:
    """The answer of a command; raises its error where it gave none, and where a run failed behind its answer."""
    if not ended.answer.strip():
        ended.raise_error()
    if warned:
        warn(ended.warnings, stack_level=4)
    if kind is Run and ended.code:
        # Days are published and told, and a check of theirs fails.
        ended.raise_error()
    return kind.model_validate_json(ended.answer)
