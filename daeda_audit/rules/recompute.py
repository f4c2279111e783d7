"""Recomputation of the sampled rows of a day, column by column, from what each row may see."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, assert_never

from daeda.aggregates import output_type
from daeda.catalog.project import Project
from daeda.dataset.stores import StoreIdentity
from daeda.dtypes import DType
from daeda.durations import Duration
from daeda.errors import ConfigurationError, DayError, InputError
from daeda_audit.declared import (
    Declared,
    Derived,
    FromFunction,
    FromFuture,
    FromHistory,
    FromSpine,
    FromStore,
    FromView,
    Literal,
    Maker,
    Sight,
    function_maker,
    label_maker,
    owner,
    rolling_maker,
    spine_view,
)
from daeda_audit.expression.arithmetic import Unfit
from daeda_audit.expression.evaluate import evaluate
from daeda_audit.expression.functions import TRANSCENDENTAL
from daeda_audit.expression.syntax import columns_of, functions_of
from daeda_audit.raw.rows import Rows
from daeda_audit.raw.view import Key, RawViews, Row
from daeda_audit.rules.compare import Tolerance, agrees
from daeda_audit.rules.function import call
from daeda_audit.rules.history import entity_keys, load_history
from daeda_audit.rules.kinds import tolerance
from daeda_audit.rules.labels import Labels
from daeda_audit.rules.look_up import look_up
from daeda_audit.rules.maturity import null_columns
from daeda_audit.rules.newest import Asking, look_up_all
from daeda_audit.rules.reach import reach
from daeda_audit.rules.vectors import average, finished, load_vectors, look_up_vector
from daeda_audit.rules.visible import Evidence
from daeda_audit.rules.windows import Windows
from daeda_audit.values import order_key, typed


@dataclass(frozen=True)
class Answer:
    """A recomputed value before its default; `explain` gives the raw rows behind it, for those who ask."""

    value: Any
    explain: Callable[[], Evidence] = Evidence


class Recomputation:
    """The columns of the sampled rows of one day.

    `published` holds what was published for these rows. It is never compared with itself: a derived column reads from
    it only a double that agreed within its tolerance, so that a last place that may differ does not grow. `stores` are
    those that the day read, and `immature` the labels that were NULL on it.
    """

    def __init__(
        self,
        project: Project,
        declared: Sequence[Declared],
        raws: RawViews,
        day: dt.date,
        rows: Sequence[Row],
        published: Mapping[str, Sequence[Any]],
        stores: Mapping[str, StoreIdentity],
        immature: Collection[str] = (),
    ) -> None:
        self._project = project
        self._declared = {column.name: column for column in declared}
        self._raws = raws
        self._day = day
        self._rows = rows
        self._published = published
        self._stores = stores
        self._immature = immature
        self._null = null_columns(project, declared, immature)
        self._spine = raws[spine_view(project).name]
        self._columns: dict[str, list[Answer]] = {}
        self._at_work: list[str] = []
        self._looked_up: dict[tuple[str, Sight, bool], tuple[Rows, list[int | None]]] = {}
        self._histories: dict[tuple[object, ...], Windows] = {}

    def column(self, name: str) -> list[Answer]:
        """The answers of a column, one per sampled row; defaults are not filled."""
        if name not in self._columns:
            try:
                self._columns[name] = self._make(name)
            except Unfit as error:
                sentence = f"day {self._day}: column '{name}' cannot be recomputed: {error}"
                # An expression that the audit does not know is no verdict.
                kind = InputError if isinstance(self._maker(name), Derived) else DayError
                raise kind(sentence) from error
        return self._columns[name]

    def expected(self, column: Declared) -> list[Any]:
        """The values that the column must have, defaults filled."""
        # A label that is not mature is NULL, its default notwithstanding.
        default = None if column.name in self._null else typed(column.default, column.contract.dtype)
        return [default if answer.value is None else answer.value for answer in self.column(column.name)]

    def tolerance(self, column: Declared) -> Tolerance:
        """How closely the column has to agree."""
        match column.maker:
            case FromHistory(spec=spec) | FromFuture(spec=spec):
                return tolerance(spec.kind, column.contract.dtype)
            case Derived(tree=tree) if column.contract.dtype.is_float and functions_of(tree) & TRANSCENDENTAL:
                return Tolerance.LIBRARY
            case FromFunction() if column.contract.dtype.is_float:
                return Tolerance.LIBRARY
            case FromStore(spec=enrichment):
                unit = enrichment.normalize == "l2"
                if column.contract.dtype.holds_half:
                    return Tolerance.UNIT_VECTOR if unit else Tolerance.VECTOR
                return Tolerance.UNIT_SINGLES if unit else Tolerance.SINGLES
            case _:
                return Tolerance.EXACT

    def _maker(self, name: str) -> Maker:
        """What makes a column, also one that the contract does not list and another column needs."""
        return self._declared[name].maker if name in self._declared else self._undeclared(name)

    def _undeclared(self, name: str) -> Maker:
        """What makes a column of this name, whatever the contract has under it."""
        if name in {field.name for field in self._spine.view.fields}:
            return FromSpine()
        if (rolling := rolling_maker(self._project, name)) is not None:
            return rolling
        if (label := label_maker(self._project, name)) is not None:
            return label
        if (function := function_maker(self._project, name)) is not None:
            return function
        view = owner(self._project, name)
        if view is None:
            raise ConfigurationError(f"nobody makes the column '{name}': add its view to feature_refs")
        return FromView(view, name, Sight.of_view(view))

    def _make(self, name: str) -> list[Answer]:
        if name in self._at_work:
            circle = " -> ".join((*self._at_work[self._at_work.index(name) :], name))
            raise ConfigurationError(f"the columns {circle} read each other, so none can be computed first")
        self._at_work.append(name)
        try:
            return self._make_by(self._maker(name), name)
        finally:
            self._at_work.pop()

    def _make_by(self, maker: Maker, name: str) -> list[Answer]:
        if (isinstance(maker, FromFuture) and name in self._immature) or (
            isinstance(maker, Derived) and name in self._null
        ):
            return [Answer(None) for _ in self._rows]
        match maker:
            case FromSpine():
                return [Answer(row[name]) for row in self._rows]
            case FromView():
                return self._look_up(maker)
            case FromHistory():
                return self._windows(maker)
            case FromFuture():
                return self._labels(maker)
            case Derived():
                return self._derived(maker, name)
            case FromFunction():
                return self._called(maker)
            case FromStore():
                return self._vectors(maker)
            case Literal():
                return [Answer(None) for _ in self._rows]
            case _:
                assert_never(maker)

    def _asked(self, keys: Sequence[str]) -> list[Asking]:
        """The key of each sampled row, whose parts may be features of other views, and its time."""
        values = [self.of_source(key) for key in keys]
        keys_of_rows: list[Key | None] = [
            None if None in row else tuple(map(order_key, row)) for row in zip(*values, strict=True)
        ]
        return list(zip(keys_of_rows, self.instants, strict=True))

    @cached_property
    def instants(self) -> list[int]:
        """The time of each sampled row, in nanoseconds."""
        return [self._spine.instant(row) or 0 for row in self._rows]

    @cached_property
    def _unit(self) -> int:
        """The unit of the spine's time, in nanoseconds."""
        view = self._spine.view
        assert view.source.timestamp_field is not None
        return 10**9 // view.unit_of(view.source.timestamp_field).value

    def _look_up(self, maker: FromView) -> list[Answer]:
        view, latest = maker.view, maker.latest
        question = (view.name, maker.sight, latest)
        if question not in self._looked_up:
            asked = self._asked(view.keys)
            self._looked_up[question] = look_up_all(self._raws[view.name], asked, maker.sight, latest=latest)
        rows, seen = self._looked_up[question]
        column = rows.column(maker.field)
        return [
            Answer(None if row is None else column[row], partial(self._explain_look_up, maker, number))
            for number, row in enumerate(seen)
        ]

    def _explain_look_up(self, maker: FromView, number: int) -> Evidence:
        """The raw rows behind one value, by the rules for one row."""
        asking = {key: self.of_source(key)[number] for key in maker.view.keys}
        asked = [(asking, self.instants[number])]
        _, evidence = look_up(self._raws[maker.view.name], asked, maker.sight, latest=maker.latest)[0]
        return Evidence(evidence.counted, evidence.hidden, (*evidence.columns, maker.field))

    def _windows(self, maker: FromHistory) -> list[Answer]:
        spec = maker.spec
        group = (spec.history.view, spec.entity, spec.history.attributes, spec.where)
        if group not in self._histories:
            asked = self._asked(entity_keys(spec))
            self._histories[group] = Windows(self._raws, maker, self._longest(group), asked, self._unit)
        values = self._histories[group].values(maker)
        return [Answer(value, partial(self._explain_window, maker, number)) for number, value in enumerate(values)]

    def _explain_window(self, maker: FromHistory, number: int) -> Evidence:
        """The raw rows behind one value, by the rules for one row."""
        asking = {key: self.of_source(key)[number] for key in entity_keys(maker.spec)}
        now = self.instants[number]
        return load_history(self._raws, maker, now, maker.window, asking).explain(maker, asking, now)

    def _labels(self, maker: FromFuture) -> list[Answer]:
        labels = self.labels_of(maker)
        return [Answer(value, partial(labels.explain, number)) for number, value in enumerate(labels.values())]

    def labels_of(self, maker: FromFuture) -> Labels:
        """The rows after the sampled ones, for one label."""
        return Labels(self._raws, maker, self._asked(entity_keys(maker.spec)), self._unit)

    def is_null(self, name: str) -> bool:
        """Whether a column is NULL on the day, since a label is not mature."""
        return name in self._immature or name in self._null

    def _longest(self, group: tuple[object, ...]) -> Duration:
        """How far back the windows over one history begin at most."""
        specs = self._project.aggregations.aggregation_specs
        windows = [
            reach(spec, output.window)
            for spec in specs
            if (spec.history.view, spec.entity, spec.history.attributes, spec.where) == group
            for output in spec.outputs
        ]
        endless = [window for window in windows if window.nanoseconds is None]
        return endless[0] if endless else max(windows, key=lambda window: window.nanoseconds or 0)

    def _derived(self, maker: Derived, own: str) -> list[Answer]:
        """Its own name is a column of the source; every other one of the contract is read as the output shows it."""
        names = columns_of(maker.tree)
        rows = self._rows_of({name: self.of_source(name) if name == own else self._settled(name) for name in names})
        return [Answer(evaluate(maker.tree, row), partial(Evidence.of, [row], (), names)) for row in rows]

    def _called(self, maker: FromFunction) -> list[Answer]:
        """What the declared function itself makes of the recomputed values."""
        names = maker.spec.columns
        read = {name: self._settled(name) for name in names}
        seconds = float(self._project.runtime.timeouts.function_seconds)
        values = call(maker.spec, self._project.root, [(read[name], self._dtype(name)) for name in names], seconds)
        rows = self._rows_of(read)
        return [Answer(value, partial(Evidence.of, [row], (), names)) for value, row in zip(values, rows, strict=True)]

    def _rows_of(self, columns: Mapping[str, Sequence[Any]]) -> list[Row]:
        return [{name: values[number] for name, values in columns.items()} for number in range(len(self._rows))]

    def _dtype(self, name: str) -> DType:
        """The type of a column, also of one that the contract does not list."""
        if name in self._declared:
            return self._declared[name].contract.dtype
        match self._maker(name):
            case FromSpine():
                return self._spine.view.dtype(name)
            case FromView(view=view, field=field):
                return view.dtype(field)
            case FromFunction(spec=spec):
                return spec.dtype
            case FromHistory() | FromFuture() as windowed:
                return self._aggregated(windowed)
            case maker:
                raise ConfigurationError(
                    f"the column '{name}' has no type that the audit knows ({type(maker).__name__})"
                )

    def _aggregated(self, maker: FromHistory | FromFuture) -> DType:
        """The type of an aggregate."""
        spec = maker.spec
        views = [spec.history.view, *(attribute.partition(":")[0] for attribute in spec.history.attributes)]
        types: dict[str, DType] = {}
        for field in (field for name in views for field in self._project.views[name].fields):
            types.setdefault(field.name, field.dtype)
        if spec.kind != "sequence":
            return output_type(spec.kind, None if spec.column is None else types[spec.column], spec.name)
        held = [(name, DType("int64") if name == maker.spec.age else types[name]) for name in maker.fields]
        return DType.list_of(DType.struct_of(held) if maker.field is None else held[0][1])

    def of_source(self, name: str) -> list[Any]:
        """The values as they are, no default filled; under the name of a derived column, those that its source has."""
        maker = self._maker(name)
        answers = self._make_by(self._undeclared(name), name) if isinstance(maker, Derived) else self.column(name)
        return [answer.value for answer in answers]

    def _settled(self, name: str) -> list[Any]:
        """The values of a column that a derived one, or a function, reads: those of the output, defaults filled."""
        column = self._declared.get(name)
        values = [answer.value for answer in self.column(name)] if column is None else self.expected(column)
        if column is None or name not in self._published or self.tolerance(column) is Tolerance.EXACT:
            return values
        tolerance = self.tolerance(column)
        both = zip(values, self._published[name], strict=True)
        return [actual if value is not None and agrees(value, actual, tolerance) else value for value, actual in both]

    def _vectors(self, maker: FromStore) -> list[Answer]:
        spec = maker.spec
        # The enrichment reads the finished column of the skeleton, its default filled.
        sources = self.expected(self._declared[spec.column])
        asked = sources if spec.kind == "lookup" else [asked_id for ids in sources for asked_id in ids or ()]
        read = self._stores.get(maker.store.name)
        path = self._project.data_path(maker.store.path)
        vectors = load_vectors(maker.store, path, asked, None if read is None else read.version)
        answers = []
        for source in sources:
            vector = look_up_vector(vectors, source) if spec.kind == "lookup" else average(vectors, source)
            ids = [source] if spec.kind == "lookup" else list(source or ())
            rows = [{"id": asked_id, "vector": vectors.get(asked_id)} for asked_id in ids]
            answers.append(Answer(finished(vector, spec.normalize), partial(Evidence.of, rows, (), ("id", "vector"))))
        return answers
