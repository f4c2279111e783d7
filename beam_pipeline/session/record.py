"""What a day notes for its manifest while its operators run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from daeda.dataset.fingerprint import operator_digests
from daeda.dataset.manifest import ColumnStatistics, Manifest
from daeda.operators.relational import Filter, Join, Project, Scan
from daeda.operators.temporal import PointInTimeJoin
from daeda.sql.handle import Deferred
from daeda.sql.lower import Handle, SourceOperator, deferred
from daeda.storage.location import Location


@dataclass(frozen=True)
class KeptColumns:
    """Columns whose chunks are copied from the published day: by name, the name there; `parts` are its files."""

    columns: Mapping[str, str]
    manifest: Manifest
    parts: tuple[Path, ...]

    def statistics(self, name: str) -> ColumnStatistics:
        """What the published day says of the column that is kept under a name."""
        there = next(one for one in self.manifest.columns if one.name == self.columns[name])
        return replace(there, name=name)


@dataclass
class DayRecord:
    """The operators of a day that have run.

    `digests` say what each operator does and `function_codes` what each function of the user does, for the fingerprint.
    `libraries` are packages beside the usual ones that made the bytes of the day. `seconds` are by operator, and
    so are the rows that a sample dropped `without_key`. Columns that are `kept` are in no relation of the day.
    """

    digests: dict[str, str] = field(default_factory=dict)
    function_codes: dict[str, str] = field(default_factory=dict)
    libraries: set[str] = field(default_factory=set)
    seconds: dict[str, float] = field(default_factory=dict)
    without_key: dict[str, int] = field(default_factory=dict)
    published: tuple[Location, ...] = ()
    kept: KeptColumns | None = None

    def add_operator(self, operator: SourceOperator) -> None:
        """Note what an operator does."""
        self.digests |= operator_digests([operator])

    def add_seconds(self, operator: str, seconds: float) -> None:
        """Note how long an operator took; a second time adds to the first."""
        self.seconds[operator] = self.seconds.get(operator, 0.0) + seconds


@dataclass
class UserExpressions:
    """The operators of a day with expressions of the user, to look for the one that makes a statement fail."""

    filters: list[tuple[Filter, Deferred]] = field(default_factory=list)
    project: Project | None = None
    views: dict[str, str] = field(default_factory=dict)
    looked_up: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, operator: SourceOperator, inputs: tuple[Handle, ...]) -> None:
        """Note an operator, where its statement is only composed now and runs later, and where columns come from."""
        self._follow(operator)
        if isinstance(operator, Project):
            self.project = operator
        elif isinstance(operator, Filter):
            self.filters.append((operator, deferred(inputs[0], renumbers=True)))

    def views_of_attributes(self, operator: Filter) -> Mapping[str, str]:
        """The views of those columns of a filter's rows that were looked up, by column."""
        return self.looked_up.get(operator.inputs[0], {})

    def _follow(self, operator: SourceOperator) -> None:
        if isinstance(operator, Scan):
            self.views[operator.output] = operator.view
            return
        left = operator.inputs[0]
        self.looked_up[operator.output] = dict(self.looked_up.get(left, {}))
        if left in self.views:
            self.views[operator.output] = self.views[left]
        if isinstance(operator, Join | PointInTimeJoin) and operator.inputs[1] in self.views:
            right = self.views[operator.inputs[1]]
            self.looked_up[operator.output] |= dict.fromkeys(operator.columns, right)
