"""One PTransform per source-side operator. Elements are day handles; rows stay in files and in DuckDB.

Each takes a PCollection of DayHandle and gives one, so that operators form one linear chain in topological order: Beam
fuses it, and a day goes through all its operators before the same worker begins the next. A pipeline of your own starts
with `Days` and takes its context from `open_run`; `docs/ptransforms.md` shows one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Generic, TypeVar

import apache_beam as beam
from apache_beam.io.restriction_trackers import OffsetRange, OffsetRestrictionTracker
from apache_beam.runners.sdf_utils import RestrictionTrackerView
from apache_beam.transforms.core import RestrictionProvider

from beam_pipeline.day import extend
from beam_pipeline.day.execution import finish_started, rows_made, rows_of, run_operator
from beam_pipeline.session.registry import begin, check_made_by, session_of
from beam_pipeline.session.timed import timed
from beam_pipeline.windows.engines import engine_of
from beam_pipeline.workers.context import DayHandle, RunContext
from beam_pipeline.workers.faults import is_tried_again
from beam_pipeline.workers.registry import stop_run
from daeda.errors import DayError
from daeda.operators import relational, temporal, udf

OperatorT_co = TypeVar("OperatorT_co", bound=extend.DayOperator, covariant=True)


class _RunOperator(beam.DoFn):  # type: ignore[misc]
    """Runs one operator for each day that passes."""

    def __init__(self, operator: extend.DayOperator, context: RunContext) -> None:
        self._operator = operator
        self._context = context

    def setup(self) -> None:
        """Import the engine once per worker, not in the middle of its first day."""
        if isinstance(self._operator, temporal.WindowOperator):
            # What is not installed is said by the operator, with its day.
            with suppress(DayError):
                engine_of(self._operator.compute)

    def process(self, element: DayHandle) -> Iterator[DayHandle]:
        try:
            advanced = self._advance(element)
        except BaseException as error:
            if not self._context.watched:
                stop_run(self._context, error)
                raise
            if is_tried_again(self._context, element.day, error):
                raise
        else:
            yield advanced

    def _advance(self, element: DayHandle) -> DayHandle:
        handle = element if element.attempt or element.given_up else begin(self._context, element)
        if handle.given_up:
            return handle
        operators = self._context.operators_of(handle.day, self._operator)
        if handle.parts:
            for operator in operators:
                check_made_by(self._context, handle, operator)
            return handle
        session = session_of(handle)
        after = handle
        for operator in operators:
            after = finish_started(session, operator, after)
            with timed(session, self._operator.name, rows_of(handle)):
                after = run_operator(session, operator, after)
        if session.meter is not None:
            made = rows_made(operators[-1], handle, after) if operators else None
            session.meter.add_rows(self._operator.name, made)
        if isinstance(self._operator, relational.Sink):
            session.write_profile()
            session.close()
        return after


class Days(beam.PTransform):  # type: ignore[misc]
    """The days to build, as handles: where a pipeline begins.

    Days are `datetime.date` or text like "2024-01-31"; a day that stands twice is built once. With `one_by_one` each
    comes to the workers in a bundle of its own, for a runner that takes days in one bundle one after another (Prism).
    """

    def __init__(self, days: Iterable[dt.date | str], label: str = "Days", *, one_by_one: bool = False) -> None:
        super().__init__(label)
        self.days = sorted({dt.date.fromisoformat(day) if isinstance(day, str) else day for day in days})
        self.one_by_one = one_by_one

    def expand(self, pcoll: beam.pvalue.PBegin) -> beam.PCollection[DayHandle]:
        """Spread the days over the workers."""
        if self.one_by_one:
            all_of_them = pcoll | beam.Create([tuple(self.days)], reshuffle=False)
            each = all_of_them | beam.ParDo(_EachDay()).with_output_types(DayHandle)
            return each | beam.Reshuffle().with_output_types(DayHandle)
        # Create reshuffles, which is the one place where days may change workers.
        return pcoll | beam.Create([DayHandle(day) for day in self.days]).with_output_types(DayHandle)


class _PositionsOfDays(RestrictionProvider):  # type: ignore[misc]
    """Which of the days are left to give."""

    def initial_restriction(self, element: tuple[dt.date, ...]) -> OffsetRange:
        return OffsetRange(0, len(element))

    def create_tracker(self, restriction: OffsetRange) -> OffsetRestrictionTracker:
        return OffsetRestrictionTracker(restriction)

    def restriction_size(self, element: tuple[dt.date, ...], restriction: OffsetRange) -> int:
        return int(restriction.size())


class _EachDay(beam.DoFn):  # type: ignore[misc]
    """Gives one day and leaves the others to the next bundle: what one bundle gives comes to the next stage together.

    Not on the FnApiRunner: with several workers it loses what a bundle has left, and days with it.
    """

    def process(
        self,
        element: tuple[dt.date, ...],
        tracker: RestrictionTrackerView = beam.DoFn.RestrictionParam(_PositionsOfDays()),  # noqa: B008 - Beam's way
    ) -> Iterator[DayHandle]:
        position = tracker.current_restriction().start
        if tracker.try_claim(position):
            yield DayHandle(element[position])
            tracker.defer_remainder()


class _OperatorTransform(beam.PTransform, Generic[OperatorT_co]):  # type: ignore[misc]
    """What the PTransforms below share: labelled with the operator's name."""

    def __init__(self, operator: OperatorT_co, context: RunContext) -> None:
        super().__init__(operator.name)
        self.operator = operator
        self.context = context

    def expand(self, pcoll: beam.PCollection[DayHandle]) -> beam.PCollection[DayHandle]:
        """Run the operator on every day."""
        run = beam.ParDo(_RunOperator(self.operator, self.context))
        return pcoll | run.with_input_types(DayHandle).with_output_types(DayHandle)


class Scan(_OperatorTransform[relational.Scan]):
    """Compose the reading of a view's files; the first operator of a day begins it."""


class Filter(_OperatorTransform[relational.Filter]):
    """Compose a predicate or a semi-join."""


class Project(_OperatorTransform[relational.Project]):
    """Compose the selection and computation of columns."""


class Join(_OperatorTransform[relational.Join]):
    """Look up columns of a static relation."""


class PointInTimeJoin(_OperatorTransform[temporal.PointInTimeJoin]):
    """Look up columns as of the row's time."""


class RollingAggregate(_OperatorTransform[temporal.RollingAggregate]):
    """Aggregate the history of the row's entity."""


class LabelAggregate(_OperatorTransform[temporal.LabelAggregate]):
    """Aggregate what comes after the row, of its entity."""


class ArrowUdfTransform(_OperatorTransform[udf.ArrowUdfTransform]):
    """Call a function of your own for every row."""


class Extend(_OperatorTransform[extend.Extend]):
    """Put the columns that a published day keeps beside those that were computed."""


class Sink(_OperatorTransform[relational.Sink]):
    """Write, check and publish the day, and end it."""


def transform_of(operator: extend.DayOperator, context: RunContext) -> _OperatorTransform[extend.DayOperator]:
    """The PTransform of an operator description."""
    match operator:
        case relational.Scan():
            return Scan(operator, context)
        case relational.Filter():
            return Filter(operator, context)
        case relational.Project():
            return Project(operator, context)
        case relational.Join():
            return Join(operator, context)
        case temporal.PointInTimeJoin():
            return PointInTimeJoin(operator, context)
        case temporal.RollingAggregate():
            return RollingAggregate(operator, context)
        case temporal.LabelAggregate():
            return LabelAggregate(operator, context)
        case relational.Sink():
            return Sink(operator, context)
        case udf.ArrowUdfTransform():
            return ArrowUdfTransform(operator, context)
        case extend.Extend():
            return Extend(operator, context)
