"""Where the window of a row begins and ends, in nanoseconds, and how far back that is at most."""

from __future__ import annotations

from daeda.durations import Duration
from daeda.settings.aggregations import AggregationSpec


def begin_and_end(spec: AggregationSpec, window: Duration, now: int) -> tuple[int | None, int]:
    """The first instant of the window of a row at `now`, None for one without begin, and the first one behind it."""
    grid = 1 if spec.aligned_to is None else spec.aligned_to.nanoseconds or 1
    end = now // grid * grid - _moved(spec)
    return (None if window.nanoseconds is None else end - window.nanoseconds), end


def reach(spec: AggregationSpec, window: Duration) -> Duration:
    """At least as much as lies between the begin of a window and its row."""
    if window.nanoseconds is None:
        return window
    grid = 0 if spec.aligned_to is None else spec.aligned_to.nanoseconds or 0
    if not grid and not _moved(spec):
        return window
    return Duration(f"the reach of {spec.name}", window.nanoseconds + grid + _moved(spec))


def _moved(spec: AggregationSpec) -> int:
    return 0 if spec.offset is None else spec.offset.nanoseconds or 0
