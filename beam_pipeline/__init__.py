"""The skeleton: Apache Beam PTransforms that run DuckDB SQL, one day partition at a time.

What stands in `__all__` is for pipelines of your own. A name is imported when it is first used: Beam takes a second or
two to import, and nothing that only parses flags has to wait for it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from beam_pipeline.pipeline import Skeleton
    from beam_pipeline.public_run import open_run
    from beam_pipeline.transforms import (
        ArrowUdfTransform,
        Days,
        Filter,
        Join,
        LabelAggregate,
        PointInTimeJoin,
        Project,
        RollingAggregate,
        Scan,
        Sink,
    )
    from beam_pipeline.workers.context import DayHandle, RunContext
    from beam_pipeline.workers.limits import DayLimits

__all__ = [
    "ArrowUdfTransform",
    "DayHandle",
    "DayLimits",
    "Days",
    "Filter",
    "Join",
    "LabelAggregate",
    "PointInTimeJoin",
    "Project",
    "RollingAggregate",
    "RunContext",
    "Scan",
    "Sink",
    "Skeleton",
    "open_run",
]

_HOMES = {
    "ArrowUdfTransform": "transforms",
    "DayHandle": "workers.context",
    "DayLimits": "workers.limits",
    "Days": "transforms",
    "Filter": "transforms",
    "Join": "transforms",
    "LabelAggregate": "transforms",
    "PointInTimeJoin": "transforms",
    "Project": "transforms",
    "RollingAggregate": "transforms",
    "RunContext": "workers.context",
    "Scan": "transforms",
    "Sink": "transforms",
    "Skeleton": "pipeline",
    "open_run": "public_run",
}


def __getattr__(name: str) -> Any:
    """A public name, imported from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}': it has {', '.join(__all__)}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """The public names."""
    return [*globals(), *__all__]
